"""Row K, a flood: one account sends more than anybody can read; what the others feel of it."""

import asyncio
import random
from collections.abc import Iterator

from tests.bench.common import DRAIN, LINES, Bench
from tests.bench.databases import Kind
from tests.bench.people import Residents, poisson, sized_updates
from tests.bench.report import Figure, quantile
from tests.bench.servers import Running
from tests.bench.town import FIRST_RESIDENT
from tests.bench.wire import Caller

RATE = 20.0  # requests a second of everybody else
_POSTED_WITHIN = 120.0
_MOST_SLOWER = 2.0


async def flood(bench: Bench) -> list[Figure]:
    """The others' latency before, and while all of it waits, with one process for everything."""
    bench.step(f"flood: {bench.sizes.flood:,} messages of one account")
    async with bench.product(Kind.POSTGRES) as server:
        before, late = await _others(bench, server, FIRST_RESIDENT)
        async with server.caller(64) as caller:
            await _posted(caller, sized_updates(1), bench.sizes.flood)
        during, later = await _others(bench, server, FIRST_RESIDENT + 1_000_000)
    return [
        Figure("K flood", "messages of one account, all waiting at once", (bench.sizes.flood,)),
        Figure("K flood", "others before: text → resident's card p50", (quantile(before, 0.5) * 1000,), "ms"),
        Figure(
            "K flood", "others before: text → resident's card p99", (quantile(before, 0.99) * 1000,), "ms"
        ),
        Figure("K flood", "others meanwhile: p50", (quantile(during, 0.5) * 1000,), "ms"),
        Figure("K flood", "others meanwhile: p99", (quantile(during, 0.99) * 1000,), "ms"),
        Figure(
            "K flood",
            "others meanwhile / before: p99",
            (quantile(during, 0.99) / quantile(before, 0.99),),
            at_most=_MOST_SLOWER,
        ),
        Figure("K flood", "others unfinished", (late + later,), at_most=0),
    ]


async def _others(bench: Bench, server: Running, first: int) -> tuple[list[float], int]:
    async with server.caller(LINES) as caller:
        people = Residents(bench.stub, caller, think=2.0, first=first)
        await people.open_loop(
            poisson(random.Random(13), RATE, bench.sizes.open_seconds),  # noqa: S311 (test load)
            bench.sizes.open_seconds + DRAIN,
        )
        return [one.card - one.planned for one in people.done], people.unfinished


async def _posted(caller: Caller, updates: Iterator[bytes], count: int) -> None:
    """All of them, as quickly as the door takes them. Raises OSError where it refuses one."""
    left, open_, bad, ended = count, caller.lines, 0, asyncio.Event()

    def answered(status: int) -> None:
        nonlocal left, open_, bad
        bad += status != 200
        if left > 0 and status:
            left -= 1
            caller.post(next(updates), answered)
            return
        open_ -= 1
        if not open_:
            ended.set()

    left -= open_
    for _ in range(open_):
        caller.post(next(updates), answered)
    async with asyncio.timeout(_POSTED_WITHIN):
        await ended.wait()
    if bad:
        raise OSError(f"{bad} updates were not answered with 200")
