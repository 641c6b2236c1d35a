"""Row B: message and tap → filed, routed → receipt, member's card and group card accepted."""

import random
import time
from collections import defaultdict

from tests.bench.common import DRAIN, Bench, gaps, residents
from tests.bench.people import Residents, poisson
from tests.bench.report import Figure, quantile

AT_ONCE = 200  # residents of the closed loop
RATE = 50.0  # requests a second of the open loop
_WARM_UP = 500
_EDGE = 1_000  # requests whose rate is compared, first with last


async def path(bench: Bench) -> list[Figure]:
    """Message and tap → filed, routed → receipt, member's card and group card accepted by the platform."""
    sizes = bench.sizes
    found: defaultdict[str, list[float]] = defaultdict(list)
    for run in range(sizes.repetitions):
        for name in ("floor", "ours"):
            bench.step(f"path: {name}, run {run + 1}")
            starting = bench.product() if name == "ours" else bench.part("floor-path")
            async with starting as server, residents(bench, server) as people:
                await people.closed_loop(_WARM_UP if sizes.long_requests else 50, AT_ONCE, 30)
                before, own = server.cpu(), time.process_time()
                rate, count = await _closed(people, sizes.path_requests, sizes.path_seconds)
                found[name].append(rate)
                found[f"{name} cpu"].append((server.cpu() - before) / count * 1000)
                found["own cpu"].append((time.process_time() - own) / count * 1000)
                found[f"{name} rss"].append(server.megabytes())
                found["errors"].append(people.errors)
        bench.step(f"path: {RATE:.0f} requests a second, run {run + 1}")
        async with bench.product() as server, residents(bench, server, think=2.0) as people:
            await _open(bench, people, found)
    ratios = [ours / floor for ours, floor in zip(found["ours"], found["floor"], strict=True)]
    figures = [
        Figure("B path", "floor: requests", tuple(found["floor"]), "/s"),
        Figure("B path", "ours: requests", tuple(found["ours"]), "/s", at_least=200),
        Figure("B path", "ours / floor", tuple(ratios)),
        Figure("B path", "floor: CPU for 1,000 requests", tuple(found["floor cpu"]), "s"),
        Figure("B path", "ours: CPU for 1,000 requests", tuple(found["ours cpu"]), "s"),
        Figure("B path", "generator and stub: CPU for 1,000 requests", tuple(found["own cpu"]), "s"),
        Figure("B path", "ours: memory afterwards", tuple(found["ours rss"]), "MB"),
        Figure("B path", "wrong or refused answers", (sum(found["errors"]),), at_most=0),
        *(
            Figure("B path", f"{RATE:.0f} requests a second: {name}", tuple(found[name]), "ms")
            for name in ("text → card p50", "text → card p99", "tap → member p50", "tap → member p99")
        ),
        Figure("B path", f"{RATE:.0f} requests a second: unfinished", tuple(found["unfinished"])),
    ]
    return figures + (await _long_path(bench) if sizes.long_requests else [])


async def _closed(people: Residents, count: int, most_seconds: float) -> tuple[float, int]:
    """Requests a second, and how many they were."""
    before, begun = len(people.done), time.perf_counter()
    await people.closed_loop(count, AT_ONCE, most_seconds)
    done = len(people.done) - before
    if not done:
        raise TimeoutError("not one request was done")
    return done / (time.perf_counter() - begun), done


async def _open(bench: Bench, people: Residents, found: defaultdict[str, list[float]]) -> None:
    await people.open_loop(
        poisson(random.Random(11), RATE, bench.sizes.open_seconds),  # noqa: S311 (test load)
        bench.sizes.open_seconds + DRAIN,
    )
    if not people.done:
        raise TimeoutError("not one request was done")
    for name, latencies in {
        "text → card": [one.card - one.planned for one in people.done],
        "tap → member": [one.member - one.tap_planned for one in people.done],
    }.items():
        found[f"{name} p50"].append(quantile(latencies, 0.5) * 1000)
        found[f"{name} p99"].append(quantile(latencies, 0.99) * 1000)
    found["unfinished"].append(people.unfinished)


async def _long_path(bench: Bench) -> list[Figure]:
    """Whether the rate lasts: the last thousand requests against the first thousand after a warm-up."""
    bench.step(f"path: up to {bench.sizes.long_requests:,} requests in one go")
    async with bench.product() as server, residents(bench, server) as people:
        await people.closed_loop(_WARM_UP, AT_ONCE, 30)
        _, count = await _closed(people, bench.sizes.long_requests, bench.sizes.long_seconds)
        times = [one.done for one in people.done[_WARM_UP:]]
        edge = min(_EDGE, len(times) // 2)
        first, last = edge / (times[edge - 1] - times[0]), edge / (times[-1] - times[-edge])
        pause, memory = max(gaps(times)), server.megabytes()
    return [
        Figure("B path", "long run: requests done (bounded by time)", (float(count),)),
        Figure("B path", f"long run: first {edge:,} requests", (first,), "/s"),
        Figure("B path", f"long run: last {edge:,} requests", (last,), "/s"),
        Figure("B path", "long run: last / first", (last / first,), at_least=0.9),
        Figure("B path", "long run: longest time without a finished request", (pause,), "s"),
        Figure("B path", "long run: memory afterwards", (memory,), "MB"),
    ]
