"""Requests that are hardly HTTP, and requests without end, against the real server."""

import asyncio
import contextlib
from collections.abc import Iterable
from itertools import repeat
from urllib.parse import urlsplit

import pytest

from tests.town import Town

_HEAD = b"Host: a\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
ODD = {
    "GET /q/%00": 404,
    "GET /a/%00": 404,
    "GET /q/%ff%fe": 404,
    "GET /a/%0d%0aSet-Cookie:a": 404,
    f"GET /q/{'a' * 60_000}": 404,
    f"GET /c/{'a' * 32}?from=%EF%BC%99": 404,
    f"GET /c/{'a' * 32}/photo/{'9' * 5000}": 404,
    f"GET /c/{'a' * 32}/photo/%D9%A3": 404,
    "GET http://[::1/healthz": 400,
    "GET http://a/healthz": 200,
    "OPTIONS *": 404,
    "CONNECT a:1": 400,
    "FOO /healthz": 400,
    "TRACE /healthz": 405,
    "PUT /wechat": 405,
    "DELETE /telegram/webhook": 405,
    "GET /telegram/webhook": 405,
}
HEADERS = {
    b"Content-Length: \xb2": 400,
    b"Content-Length: -1": 400,
    b"Content-Length: " + b"9" * 18: 413,
    b"Content-Length: " + b"9" * 5000: 400,
    b"Content-Length: 3\r\nTransfer-Encoding: chunked": 400,
    b"Content-Length: 1\r\nContent-Length: 2": 400,
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity": 400,
    b"a b: c": 400,
    b"a: \0": 400,
    b"Cookie: huiyin=\xff; ;;=;=\x80": 200,
    b"X-Forwarded-For: " + b"," * 10_000: 200,
}


async def status(here: Town, request: bytes, more: Iterable[bytes] = ()) -> int:
    """Of the answer; 0 where the connection is cut instead."""
    url = urlsplit(here.app.settings.channels.telegram.webhook_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        async with asyncio.timeout(20):
            writer.write(request)
            for part in more:
                writer.write(part)
                await writer.drain()
            return int((await reader.readline()).split()[1])
    except ConnectionError:
        return 0
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_odd_requests_are_answered_plainly(everywhere: Town) -> None:
    for line, expected in ODD.items():
        assert await status(everywhere, f"{line} HTTP/1.1\r\n".encode() + _HEAD + b"\r\n") == expected, line
    secret = everywhere.app.settings.channels.telegram.webhook_secret.get_secret_value().encode()
    post = b"POST /telegram/webhook HTTP/1.1\r\nX-Telegram-Bot-Api-Secret-Token: " + secret + b"\r\n"
    for header, expected in HEADERS.items():
        assert await status(everywhere, post + header + b"\r\n\r\n") == expected, header
    for garbage in (b"\x16\x03\x01\x02\x00\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 100):
        assert await status(everywhere, garbage) == 400


ENDLESS = {
    "a header": (b"GET /healthz HTTP/1.1\r\na: ", b"a" * 50_000),
    "headers": (b"GET /healthz HTTP/1.1\r\n", b"a: " + b"a" * 50_000 + b"\r\n"),
    "an address": (b"GET /", b"a" * 50_000),
    "trailers": (b"POST /wechat HTTP/1.1\r\n" + _CHUNKED + b"\r\n0\r\n", b"a: " + b"a" * 50_000 + b"\r\n"),
    "a trailer": (b"POST /wechat HTTP/1.1\r\n" + _CHUNKED + b"\r\n0\r\na: ", b"a" * 50_000),
    "tiny chunks": (b"POST /wechat HTTP/1.1\r\n" + _CHUNKED + b"\r\n", b"1\r\na\r\n" * 8000),
    "a body": (b"POST /wechat HTTP/1.1\r\n" + _CHUNKED + b"\r\n", b"c350\r\n" + b"a" * 50_000 + b"\r\n"),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_does_not_end_is_given_up_soon(everywhere: Town, name: str) -> None:
    """Here after forty million bytes at the latest, or this would time out."""
    start, more = ENDLESS[name]
    given_up = await status(everywhere, start, repeat(more, 800))
    assert given_up in (0, 400, 413)
    assert await status(everywhere, b"GET /healthz HTTP/1.1\r\n\r\n") == 200
