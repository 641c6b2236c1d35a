"""Row B: message and tap → filed, routed → receipt, member's card and group card accepted."""

import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.bench import servers
from tests.bench.common import DRAIN, Bench, residents
from tests.bench.databases import Kind
from tests.bench.people import Residents, poisson
from tests.bench.report import Figure, quantile
from tests.bench.servers import TWO_WORKERS, Running, Setup

AT_ONCE = 200  # residents of the closed loop
RATE = 100.0  # requests a second of the open loop
LEAST, LEAST_RATIO, MOST_CPU = 300, 0.25, 4.0
MOST_P50, MOST_P99 = 20, 150  # milliseconds

Found = defaultdict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that do the same work in turn; a floor has no roles."""

    name: str
    kind: Kind
    roles: tuple[str, ...] = ()

    @property
    def is_floor(self) -> bool:
        return not self.roles


SIDES = (
    Side("floor, SQLite", Kind.SQLITE),
    Side("ours, SQLite", Kind.SQLITE, ("all",)),
    Side("floor, PostgreSQL", Kind.POSTGRES),
    Side("ours, PostgreSQL", Kind.POSTGRES, ("all",)),
    Side("ours, PostgreSQL, intake and two workers", Kind.POSTGRES, TWO_WORKERS),
)


async def path(bench: Bench) -> list[Figure]:
    """Message and tap → filed, routed → receipt, member's card and group card accepted by the platform."""
    found: Found = defaultdict(list)
    for run in range(bench.sizes.repetitions):
        for side in SIDES:
            bench.step(f"path: {side.name}, run {run + 1}")
            async with _running(bench, side) as server, residents(bench, server) as people:
                await _measured(bench, side, server, people, found)
        bench.step(f"path: {RATE:.0f} requests a second, run {run + 1}")
        async with bench.product(Kind.POSTGRES) as server, residents(bench, server, think=2.0) as people:
            await _open(bench, people, found)
    return [figure for side in SIDES for figure in _figures(side, found)] + _of_all(found)


@asynccontextmanager
async def _running(bench: Bench, side: Side) -> AsyncIterator[Running]:
    if side.is_floor:
        async with bench.part("floor-path", side.kind) as running:
            yield running
        return
    setup = Setup(bench.database(side.kind), side.roles)
    async with servers.product(bench.place(), bench.stub, setup) as running:
        yield running


async def _measured(bench: Bench, side: Side, server: Running, people: Residents, found: Found) -> None:
    await people.closed_loop(bench.sizes.warm_up, AT_ONCE, 30)
    before = server.cpu(), bench.postgres.cpu(), time.process_time()
    rate, count = await saturated(people, bench.sizes.path_requests, bench.sizes.path_seconds)
    after = server.cpu(), bench.postgres.cpu(), time.process_time()
    costs = [(late - early) / count * 1000 for early, late in zip(before, after, strict=True)]
    for what, value in zip(("cpu", "postgres", "own"), costs, strict=True):
        found[f"{side.name}: {what}"].append(value)
    found[side.name].append(rate)
    found[f"{side.name}: rss"].append(server.megabytes())
    found["errors"].append(people.errors)
    if not side.is_floor:
        found["asked"].append(people.asked / len(people.done) * 100)


async def saturated(people: Residents, count: int, most_seconds: float) -> tuple[float, int]:
    """Requests a second with so many residents at once, and how many they were.

    Raises TimeoutError where none was done, and RuntimeError where somebody was answered what no resident of
    the bench knows: they would wait for ever, and so would the rate.
    """
    before, begun = len(people.done), time.perf_counter()
    await people.closed_loop(count, AT_ONCE, most_seconds)
    done = len(people.done) - before
    if not done:
        raise TimeoutError("not one request was done")
    if people.errors:
        raise RuntimeError(f"{people.errors} answers that the bench's residents do not know")
    return done / (time.perf_counter() - begun), done


async def _open(bench: Bench, people: Residents, found: Found) -> None:
    await people.open_loop(
        poisson(random.Random(11), RATE, bench.sizes.open_seconds),  # noqa: S311 (test load)
        bench.sizes.open_seconds + DRAIN,
    )
    if not people.done:
        raise TimeoutError("not one request was done")
    for name, latencies in {
        "text → resident's card": [one.card - one.planned for one in people.done],
        "tap → member's card": [one.member - one.tap_planned for one in people.done],
    }.items():
        found[f"{name} p50"].append(quantile(latencies, 0.5) * 1000)
        found[f"{name} p99"].append(quantile(latencies, 0.99) * 1000)
    found["unfinished"].append(people.unfinished)


def _figures(side: Side, found: Found) -> list[Figure]:
    """What a side did in a second, beside the floor of its database, and what that cost."""
    meant = side.kind is Kind.POSTGRES and not side.is_floor
    figures = [
        Figure("B path", f"{side.name}: requests", found[side.name], "/s", at_least=LEAST if meant else None)
    ]
    if not side.is_floor:
        floors = found[f"floor, {side.kind}"]
        ratios = [ours / floor for ours, floor in zip(found[side.name], floors, strict=True)]
        least = LEAST_RATIO if meant else None
        figures.append(Figure("B path", f"{side.name}: ours / floor", ratios, at_least=least))
    cpu = f"{side.name}: CPU for a request"
    figures.append(
        Figure("B path", cpu, found[f"{side.name}: cpu"], "ms", at_most=MOST_CPU if meant else None)
    )
    if side.kind is Kind.POSTGRES:
        spent = found[f"{side.name}: postgres"]
        figures.append(Figure("B path", f"{side.name}: CPU of PostgreSQL for a request", spent, "ms"))
    figures.append(Figure("B path", f"{side.name}: memory afterwards", found[f"{side.name}: rss"], "MB"))
    return figures


def _of_all(found: Found) -> list[Figure]:
    own = [value for side in SIDES for value in found[f"{side.name}: own"]]
    targets = {"tap → member's card p50": MOST_P50, "tap → member's card p99": MOST_P99}
    paced = f"PostgreSQL, {RATE:.0f} requests a second"
    latencies = [name for name in found if name.endswith((" p50", " p99"))]
    return [
        Figure("B path", "generator and stub: CPU for a request", own, "ms"),
        Figure("B path", "asked whether it is the neighbours' matter", found["asked"], "%"),
        Figure("B path", "wrong or refused answers", [sum(found["errors"])], at_most=0),
        *(
            Figure("B path", f"{paced}: {name}", found[name], "ms", at_most=targets.get(name))
            for name in latencies
        ),
        Figure("B path", f"{paced}: unfinished", found["unfinished"], at_most=0),
    ]
