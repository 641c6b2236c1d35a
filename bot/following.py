"""Keeps a clock in step with a sandbox's, for the demonstration."""

import asyncio
from datetime import timedelta

import aiohttp

from bot.clock import Clock

_LONG = aiohttp.ClientTimeout(total=120)
_SOON = 0.5


async def follow(clock: Clock, url: str) -> None:
    """For ever: wait until the sandbox's clock was moved, and move ours as far."""
    async with aiohttp.ClientSession(timeout=_LONG) as http:
        while True:
            try:
                async with http.get(url, params={"after": clock.shift.total_seconds()}) as answer:
                    shift = timedelta(seconds=(await answer.json())["shift_seconds"])
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(_SOON)
                continue
            if shift > clock.shift:
                clock.advance(shift - clock.shift)
