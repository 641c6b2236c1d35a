"""Runs the bot in this process until it is told to stop."""

import asyncio
import contextlib

from bot.app import serve
from bot.clock import Clock
from bot.settings import ClockKind, Settings


def run_forever(settings: Settings) -> None:
    """Raises ConfigError, StoreError or FileError where it cannot start."""
    import uvloop

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    clock = Clock()
    if settings.clock is ClockKind.SYSTEM:
        await serve(settings, clock)
        return
    from bot.following import follow

    following = asyncio.create_task(follow(clock, settings.clock_url))
    try:
        await serve(settings, clock)
    finally:
        following.cancel()
