"""Whether this process can do its job: what fails, what is stuck, and what only slows it."""

import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from storage.store import is_away

STUCK_AFTER = 60.0  # seconds; a loop goes round every few seconds even when there is nothing to do


class Health:
    """What the parts say of themselves. Reasons are words of ours or names of classes, never an error's text:
    that may hold an address or a token."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._failing: dict[str, str] = {}
        self._rounds: dict[str, float] = {}
        self._notes: dict[str, str] = {}

    def fails(self, part: str, reason: str) -> None:
        self._failing[part] = reason
        self._go_round(part)

    def well(self, part: str) -> None:
        self._failing.pop(part, None)
        self._go_round(part)

    def watch(self, part: str) -> None:
        """From now on this part is stuck where nothing is heard of it for a while."""
        self._rounds[part] = self._seconds()

    def _go_round(self, part: str) -> None:
        if part in self._rounds:
            self._rounds[part] = self._seconds()

    def note(self, part: str, words: str) -> None:
        """Something to know that only slows us, like a Redis that is away; no words: all is well again."""
        if words:
            self._notes[part] = words
        else:
            self._notes.pop(part, None)

    @property
    def failing(self) -> dict[str, str]:
        """The parts that do not work, each with the reason."""
        now = self._seconds()
        silent = {part: now - last for part, last in self._rounds.items() if now - last > STUCK_AFTER}
        return {part: f"stuck for {seconds:.0f} seconds" for part, seconds in silent.items()} | self._failing

    def told(self) -> dict[str, Any]:
        """As /readyz says it."""
        failing = self.failing
        return {"ready": not failing, "failing": failing, "notes": dict(self._notes)}

    @property
    def routes(self) -> list[Route]:
        return [Route("/healthz", self._alive), Route("/readyz", self._ready)]

    async def _alive(self, _: Request) -> Response:
        return PlainTextResponse("alive")

    async def _ready(self, _: Request) -> Response:
        told = self.told()
        return JSONResponse(told, 200 if told["ready"] else 503)


def reason_of(error: Exception) -> str:
    return "the database is away" if is_away(error) else type(error).__name__
