"""What the channels' HTTP clients share: why there is no answer, and how a long one is read."""

from dataclasses import dataclass

import aiohttp

LARGEST_FILE = 20 * 1024 * 1024  # what Telegram's getFile hands out at most, and more than WeChat's media


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request never reached the platform, or the platform was not there to read it."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request left, but no answer came back."""

    reason: str


async def whole(response: aiohttp.ClientResponse) -> bytes | None:
    """All of the body; None if that is more than the largest file."""
    body = bytearray()
    async for chunk in response.content.iter_any():  # read(n) would return what has arrived so far
        body += chunk
        if len(body) > LARGEST_FILE:
            return None
    return bytes(body)
