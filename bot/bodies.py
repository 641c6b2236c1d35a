"""Reads the body of a call: no more of it, and no longer, than a platform would take."""

import asyncio

from starlette.requests import ClientDisconnect, Request

READ_WITHIN = 10.0  # seconds


class TooLargeError(Exception):
    """The body is longer than any message of the platform."""


async def read_body(request: Request, largest: int) -> bytes:
    """The whole body. Raises TooLargeError once it is known to be too long, ClientDisconnect if slow."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:18]) > largest:
        raise TooLargeError
    try:
        async with asyncio.timeout(READ_WITHIN):
            return await _read(request, largest)
    except TimeoutError:
        raise ClientDisconnect from None


async def _read(request: Request, largest: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise TooLargeError
    return bytes(body)
