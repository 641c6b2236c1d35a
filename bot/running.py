"""Runs the bot in this process until it is told to stop."""

import asyncio
import contextlib
import gc

from bot.app import serve
from bot.clock import Clock
from bot.parts import Part
from bot.settings import ClockKind, Settings


def run_forever(settings: Settings, part: Part = Part.ALL) -> None:
    """Raises ConfigError, StoreError or FileError where it cannot start."""
    import uvloop

    _spare_the_collector()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_run(settings, part))


def _spare_the_collector() -> None:
    """Thousands of short-lived rows a second keep the cycle collector busy and leave it nothing to find."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _run(settings: Settings, part: Part) -> None:
    clock = Clock()
    if settings.clock is ClockKind.SYSTEM:
        await serve(settings, clock, part)
        return
    from bot.following import follow

    following = asyncio.create_task(follow(clock, settings.clock_url))
    try:
        await serve(settings, clock, part)
    finally:
        following.cancel()
