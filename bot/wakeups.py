"""Wakes other processes over Redis: a bell, never the truth. Who hears nothing looks from time to time."""

import asyncio
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from bot.health import Health

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

_BELL = "huiyin:stored"
_QUIET = 1.0  # seconds without a bell after which the connection is looked at
_AFTER_ERROR = 1.0


class Wakeups:
    """Both ends of the bell. While Redis is away it says so in the health's notes, and once in the log."""

    def __init__(self, shared: "Redis", health: Health) -> None:
        self._shared = shared
        self._health = health
        self.heard = False  # whether the bell can be relied on just now

    async def ring(self, stored: asyncio.Event) -> None:
        """Ring whenever something is stored, for ever."""
        while True:
            await stored.wait()
            stored.clear()
            try:
                await self._shared.publish(_BELL, b"")
                self._is_well()
            except (RedisError, OSError) as error:
                self._is_away(error)

    async def hear(self, stored: asyncio.Event) -> None:
        """Set `stored` whenever it rings, for ever."""
        while True:
            try:
                await self._listen(stored)
            except (RedisError, OSError) as error:
                self._is_away(error)
                stored.set()  # what was rung for meanwhile
                await asyncio.sleep(_AFTER_ERROR)

    async def _listen(self, stored: asyncio.Event) -> None:
        async with self._shared.pubsub() as bells:
            await bells.subscribe(_BELL)
            while True:
                rung = await bells.get_message(timeout=_QUIET)
                if rung is None:
                    await bells.ping()
                    continue
                self._is_well()
                if rung["type"] == "message":
                    stored.set()

    def _is_well(self) -> None:
        if not self.heard:
            self.heard = True
            self._health.note("redis", "")

    def _is_away(self, error: Exception) -> None:
        if self.heard:
            log.warning("redis is away, other processes are woken later", error=type(error).__name__)
        self.heard = False
        self._health.note("redis", "away: slower, nothing is lost")
