"""Time as everything here sees it: the system's, or one that can be moved by hand."""

import asyncio
from datetime import UTC, datetime, timedelta


class Clock:
    """An injected clock: `now()` is aware, in UTC, and never runs backwards by our own doing.

    Given a `start`, time stands still until `advance` moves it (tests, replay);
    otherwise it flows with the system's time plus whatever it was advanced by (the demonstration).
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start
        self._shift = timedelta(0)
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return (self._start or datetime.now(UTC)) + self._shift

    @property
    def shift(self) -> timedelta:
        return self._shift

    def advance(self, delta: timedelta) -> None:
        """Move time forward and wake everybody who waits for it. Raises ValueError for a negative delta."""
        if delta < timedelta(0):
            raise ValueError("a clock is never turned back")
        self._shift += delta
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait(self, event: asyncio.Event, until: datetime | None = None) -> None:
        """Return once `event` is set or the clock has reached `until`, whichever comes first."""
        while not event.is_set() and (until is None or self.now() < until):
            tasks = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._moved.wait())]
            try:
                await asyncio.wait(
                    tasks, timeout=self._real_seconds(until), return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for task in tasks:
                    task.cancel()

    async def sleep(self, seconds: float) -> None:
        await self.wait(asyncio.Event(), self.now() + timedelta(seconds=seconds))

    def _real_seconds(self, until: datetime | None) -> float | None:
        if until is None or self._start is not None:
            return None
        return max(0.0, (until - self.now()).total_seconds())
