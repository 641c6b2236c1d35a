"""Reads the body of a call, and no more of it than a platform would send."""

from starlette.requests import Request


class TooLargeError(Exception):
    """The body is longer than any message of the platform."""


async def read_body(request: Request, largest: int) -> bytes:
    """The whole body. Raises TooLargeError as soon as it is known to be too long."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:18]) > largest:
        raise TooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise TooLargeError
    return bytes(body)
