"""Rows C and D: the shipped pacing as the platform sees it, and the start."""

import sqlite3
import time
from collections import defaultdict

from tests.bench import servers
from tests.bench.common import Bench, gaps, residents
from tests.bench.databases import Database, Kind
from tests.bench.people import SENDS
from tests.bench.report import Figure
from tests.bench.servers import Setup
from tests.bench.wire import Call

_EDGE = 26  # 25 a second, and one at the edge of a window that the wire has shifted
_BURST_WITHIN = 0.5  # seconds
_FEW_BUILDINGS = 9  # of three grids: three members, three groups
_EACH = 4  # summary card, receipt, member's card, group card


async def pacing(bench: Bench) -> list[Figure]:
    """A burst against the shipped pacing: what the platform saw, second by second, and whether all came."""
    sizes = bench.sizes
    database = bench.database(Kind.SQLITE)
    bench.step(f"pacing: {sizes.burst} requests at once, then up to {sizes.burst_seconds:.0f} s of sending")
    seen: list[tuple[float, int]] = []
    async with (
        servers.product(bench.place(), bench.stub, Setup(database, pacing={})) as server,
        residents(bench, server, buildings=_FEW_BUILDINGS) as people,
    ):
        watched = bench.stub.seen

        def note(at: float, method: str, call: Call) -> None:
            if method in SENDS:
                seen.append((at, int(call.chat_id)))
            watched(at, method, call)

        bench.stub.seen = note
        every = _BURST_WITHIN / sizes.burst
        await people.open_loop([every * number for number in range(sizes.burst)], sizes.burst_seconds)
    return _limits(seen, sizes.burst * _EACH, *stored(database))


def _limits(seen: list[tuple[float, int]], expected: int, said: int, queued: int) -> list[Figure]:
    times = [at for at, _ in seen]
    later = [at for at in times if at > times[0] + 1]
    chats: defaultdict[int, list[float]] = defaultdict(list)
    for at, chat in seen:
        chats[chat].append(at)
    private = [gap for chat, at in chats.items() if chat > 0 for gap in gaps(at)]
    groups = [at for chat, at in chats.items() if chat < 0]
    return [
        Figure("C limits", "most sends in any second, first burst included", (most(times, 1),), at_most=30),
        Figure("C limits", "most sends in any later second", (most(later, 1),), at_most=_EDGE),
        Figure("C limits", "shortest pause in a private chat", (min(private, default=0),), "s", at_least=1),
        Figure("C limits", "most sends in a minute to one group", (_most_of(groups),), at_most=18),
        Figure("C limits", "sent while watched", (float(len(seen)),)),
        Figure("C limits", "cards said in lists instead of one by one", (float(max(said - len(seen), 0)),)),
        Figure("C limits", "still queued when it was stopped", (float(queued),)),
        Figure("C limits", "lost or not yet said", (float(max(expected - said - queued, 0)),), at_most=0),
    ]


def _most_of(groups: list[list[float]]) -> float:
    return max((most(times, 60) for times in groups), default=0)


def most(times: list[float], window: float) -> float:
    """The most events in any window of that length."""
    most = start = 0
    for end, at in enumerate(times):
        while times[start] <= at - window:
            start += 1
        most = max(most, end - start + 1)
    return most


def stored(database: Database) -> tuple[int, int]:
    """Of the messages of a stopped product: how many were said, and how many still wait."""
    connection = sqlite3.connect(database.plain)
    try:
        query = "SELECT sum(state = 2), sum(state < 2) FROM notification"
        said, queued = connection.execute(query).fetchone()
    finally:
        connection.close()
    return int(said or 0), int(queued or 0)


async def start(bench: Bench) -> list[Figure]:
    """From the command to the answer of /readyz, and to the first message that could be read."""
    ready, whole, memory = [], [], []
    for run in range(bench.sizes.repetitions):
        bench.step(f"start: run {run + 1}")
        setup = Setup(bench.database(Kind.SQLITE))
        async with servers.cold_product(bench.place(), bench.stub, setup) as server:
            ready.append(time.perf_counter() - server.started)
            await servers.registered(bench.stub)
            whole.append(time.perf_counter() - server.started)
            memory.append(server.megabytes())
    return [
        Figure("D start", "until /readyz says yes", tuple(ready), "s"),
        Figure("D start", "until the parser is loaded and the webhook registered", tuple(whole), "s"),
        Figure("D start", "memory then", tuple(memory), "MB", at_most=300),
    ]
