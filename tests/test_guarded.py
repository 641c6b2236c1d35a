"""Connections that are opened to keep us busy, on real sockets."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import bot.bodies
import bot.guarded
from bot.app import listen
from bot.serving import serving

SOON = 5.0
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"

Wire = tuple[StreamReader, StreamWriter]


async def _echo(request: Request) -> Response:
    try:
        return PlainTextResponse(await bot.bodies.read_body(request, 100))
    except ClientDisconnect:
        return PlainTextResponse("incomplete", 400)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listening = listen("127.0.0.1", 0)
    number = int(listening.getsockname()[1])
    async with serving(Starlette(routes=[Route("/", _echo, methods=["POST"])]), listening):
        yield number


async def connect(port: int, sent: bytes) -> Wire:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    return reader, writer


async def heard(wire: Wire) -> bytes:
    """What comes until they hang up."""
    try:
        async with asyncio.timeout(SOON):
            return await wire[0].read()
    except ConnectionError:
        return b""
    finally:
        wire[1].close()


async def test_whoever_asks_is_answered_again_and_again(port: int) -> None:
    reader, writer = await connect(port, b"")
    for _ in range(3):
        writer.write(HEAD + b"\r\nword")
        assert b"200 OK" in await reader.readuntil(b"word")
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"P", HEAD, HEAD + b"\r\nwordPOST / HT"])
async def test_a_head_that_does_not_come_is_not_waited_for(
    port: int, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.guarded, "HEAD_WITHIN", 0.05)
    assert (b"200 OK" in await heard(await connect(port, sent))) == (b"word" in sent)


async def test_an_endless_head_is_cut_off(port: int) -> None:
    endless = b"X-Long: " + b"x" * (bot.guarded.LARGEST_HEAD + 1)
    assert (await heard(await connect(port, HEAD + endless))).startswith(b"HTTP/1.1 400")


async def test_a_body_that_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.bodies, "READ_WITHIN", 0.05)
    reader, writer = await connect(port, HEAD + b"\r\nwo")
    async with asyncio.timeout(SOON):
        assert b"400 Bad Request" in await reader.readuntil(b"incomplete")
    writer.close()


async def test_more_connections_than_we_can_serve_are_closed(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.guarded, "MOST_CONNECTIONS", 2)
    open_ones = [await connect(port, HEAD) for _ in range(2)]
    assert await heard(await connect(port, HEAD)) == b""
    for reader, writer in open_ones:
        writer.write(b"\r\nword")
        assert b"200 OK" in await reader.readuntil(b"word")
        writer.close()
