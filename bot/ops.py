"""The internal listener: metrics, health, and the same numbers as JSON, for those who run the bot."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot import metrics
from bot.clock import Clock
from bot.health import Health
from storage.gauges import Queues

_FRESH = timedelta(seconds=5)
_PATIENCE = 2.0  # seconds; whoever scrapes is answered even where the database is not


class Gauges:
    """The queues as they were a few seconds ago at most, asked for only when somebody looks."""

    def __init__(self, measure: Callable[[], Awaitable[Queues]], health: Health, clock: Clock) -> None:
        self._measure = measure
        self._health = health
        self._clock = clock
        self._queues: Queues = {}
        self._read_at: datetime | None = None

    async def refresh(self) -> None:
        """Bring them up to date. Where the database is away its last numbers stay, and their ages grow."""
        now = self._clock.now()
        if self._read_at is None or now - self._read_at >= _FRESH:
            await self._read(now)
        for name, queue in self._queues.items():
            age = (now - queue.oldest).total_seconds() if queue.oldest else 0
            metrics.waiting.labels(name).set(queue.count)
            metrics.oldest_seconds.labels(name).set(max(age, 0))
        metrics.ready.set(not self._health.failing)

    async def _read(self, now: datetime) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                self._queues = await self._measure()
        except Exception:  # whatever it is, that the database did not answer is what there is to know
            metrics.database_up.set(0)
            return
        self._read_at = now
        metrics.database_up.set(1)


def build(health: Health, gauges: Gauges) -> Starlette:
    """Never to be reached from outside: what it says is for nobody but those who run the bot."""

    async def exposition(_: Request) -> Response:
        await gauges.refresh()
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    async def numbers(_: Request) -> Response:
        await gauges.refresh()
        return JSONResponse({**health.told(), "metrics": _numbers()})

    routes = [*health.routes, Route("/metrics", exposition), Route("/ops.json", numbers)]
    return Starlette(routes=routes)


def _numbers() -> dict[str, list[dict[str, Any]]]:
    """Our own metrics by name: every combination of labels with its value."""
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for family in REGISTRY.collect():
        for sample in family.samples if family.name.startswith("huiyin_") else ():
            if not sample.name.endswith("_created"):
                found[sample.name].append({**sample.labels, "value": sample.value})
    return found
