"""Row G: whether the whole path keeps its rate in years, in a large office, and beside a held snapshot."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from tests.bench import servers
from tests.bench.common import Bench, Sizes, gaps, residents
from tests.bench.databases import Database, Kind
from tests.bench.filling import fill
from tests.bench.pasts import Past
from tests.bench.path import AT_ONCE, saturated
from tests.bench.people import Residents
from tests.bench.report import Figure
from tests.bench.servers import Setup
from tests.bench.town import TOWN, Town

LASTS = 0.9  # of the rate with a thousand requests stored
WITH_SNAPSHOT = 0.5
RESIDENTS = 4  # requests that a resident has, on average
VILLAGES = (Town(10, 100), Town(2_400, 1))
_EMBEDDED = 100_000  # requests that a file is filled with at most: it is meant for a village


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with its past, and the town that it belongs to."""

    name: str
    database: Database
    town: Town
    past: Past
    bytes: int


async def growth(bench: Bench) -> list[Figure]:
    """The rate of the whole path where more and more is stored, and where more and more people live."""
    sizes = bench.sizes
    figures: list[Figure] = []
    for kind in Kind:
        stored = [count for count in sizes.stored if kind is Kind.POSTGRES or count <= _EMBEDDED]
        pasts = [(f"{kind}, {count:,} requests stored", TOWN, _past(count)) for count in stored]
        figures += await _compared(bench, kind, pasts)
    accounts = [(f"{count:,} accounts", TOWN, Past(sizes.stored[0], count)) for count in sizes.accounts]
    figures += await _compared(bench, Kind.POSTGRES, accounts)
    villages = [(f"{town.communities:,} villages", town, _past(sizes.stored[0])) for town in VILLAGES]
    figures += await _compared(bench, Kind.POSTGRES, villages)
    return figures + await _beside_snapshot(bench)


def growth_steps(sizes: Sizes) -> int:
    pasts = len(sizes.stored) + sum(count <= _EMBEDDED for count in sizes.stored) + 4
    return pasts * (1 + sizes.growth_repetitions) + 1


def _past(requests: int) -> Past:
    return Past(requests, max(requests // RESIDENTS, 1))


async def _compared(bench: Bench, kind: Kind, pasts: Sequence[tuple[str, Town, Past]]) -> list[Figure]:
    """All of these in turn, each held against the first."""
    filled = [await _filled(bench, kind, name, town, past) for name, town, past in pasts]
    rates: defaultdict[str, list[float]] = defaultdict(list)
    figures = []
    for run in range(bench.sizes.growth_repetitions):
        for one in filled:
            bench.step(f"growth: {one.name}, run {run + 1}")
            rates[one.name].append(await _rate(bench, one))
    for at, one in enumerate(filled):
        figures.append(Figure("G growth", f"{one.name}: requests", rates[one.name], "/s"))
        if at:
            ratios = [now / first for now, first in zip(rates[one.name], rates[filled[0].name], strict=True)]
            figures.append(Figure("G growth", f"{one.name} / {filled[0].name}", ratios, at_least=LASTS))
    if len(filled) > 1 and len({one.past.requests for one in filled}) > 1:
        figures.append(_disk(filled[-1]))
    for one in filled:
        bench.drop(one.database)
    return figures


def _disk(one: Filled) -> Figure:
    """What years take on the disk, with all indexes."""
    size = one.bytes / one.past.requests * 1e6 / 1e9
    return Figure(
        "G growth", f"{one.database.kind}: disk for a million requests of three years", [size], "GB"
    )


async def _filled(bench: Bench, kind: Kind, name: str, town: Town, past: Past) -> Filled:
    bench.step(f"growth: filling, {name}")
    database = bench.database(kind)
    await servers.load_roster(bench.place(), database, town)
    empty = await database.size()
    await fill(database, town, past, lambda share: bench.step(f"growth: filling, {name}: {share:.0%}", 0))
    return Filled(name, database, town, past, await database.size() - empty)


@asynccontextmanager
async def _people(bench: Bench, one: Filled) -> AsyncIterator[Residents]:
    """Residents of a town whose product runs on what is there."""
    setup = Setup(one.database)
    async with (
        servers.product(bench.place(), bench.stub, setup, None) as server,
        residents(bench, server, buildings=one.town.buildings) as people,
    ):
        yield people


async def _rate(bench: Bench, one: Filled) -> float:
    async with _people(bench, one) as people:
        await people.closed_loop(bench.sizes.warm_up, AT_ONCE, 30)
        rate, _ = await saturated(people, bench.sizes.path_requests, bench.sizes.path_seconds)
    return rate


# --- beside a snapshot ---------------------------------------------------------------------------

_EDGE = 0.1  # of the time with the snapshot: as long before it, and at its end


async def _beside_snapshot(bench: Bench) -> list[Figure]:
    """A report or a backup that reads for minutes keeps PostgreSQL from cleaning up behind the queues."""
    seconds = bench.sizes.snapshot_seconds
    edge = seconds * _EDGE
    one = await _filled(bench, Kind.POSTGRES, "for the snapshot", TOWN, _past(bench.sizes.stored[0]))
    bench.step(f"growth: a snapshot held for {seconds:.0f} s")
    async with _people(bench, one) as people:
        await people.closed_loop(bench.sizes.warm_up, AT_ONCE, 30)
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(people.closed_loop(_ENDLESS, AT_ONCE, edge + seconds))
            await asyncio.sleep(edge)
            await _held(one.database, seconds)
        times = [report.done - begun for report in people.done if report.done > begun]
    bench.drop(one.database)
    before = sum(at <= edge for at in times) / edge
    if not before:
        raise TimeoutError("not one request was done before the snapshot")
    last = sum(at > seconds for at in times) / edge
    beside = f"after {seconds:.0f} s beside a held snapshot"
    return [
        Figure("G growth", "without a snapshot: requests", [before], "/s"),
        Figure("G growth", f"{beside}: requests", [last], "/s"),
        Figure("G growth", f"{beside} / without", [last / before], at_least=WITH_SNAPSHOT),
        Figure("G growth", "longest time without a finished request meanwhile", [max(gaps(times))], "s"),
    ]


_ENDLESS = 10_000_000


async def _held(database: Database, seconds: float) -> None:
    connection = await asyncpg.connect(database.plain)
    async with connection.transaction(isolation="repeatable_read"):
        await connection.fetchval("SELECT count(*) FROM area")
        await asyncio.sleep(seconds)
    await connection.close()
