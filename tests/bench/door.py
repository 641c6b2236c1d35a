"""Row A: a 400-byte update → durable → 200; and the wire that all rows stand on."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Iterator

from tests.bench.common import DRAIN, LINES, Bench
from tests.bench.people import poisson, sized_updates
from tests.bench.report import Figure, quantile
from tests.bench.servers import Running
from tests.bench.wire import Caller


async def wire(bench: Bench) -> list[Figure]:
    """The load generator against the stub, in one process: no row can be faster than this."""
    bench.step("wire: the load generator against its own stub")
    caller = Caller(bench.stub.port, "/bot1:bench/sendMessage")
    await caller.open(LINES)
    begun = time.process_time()
    rate = await _saturate(caller, bench.sizes.door_seconds / 2, sized_updates(1_000))
    cost = (time.process_time() - begun) / (rate * bench.sizes.door_seconds / 2) * 1e6
    caller.close()
    return [
        Figure("wire", "generator against stub, one core", (rate,), "/s"),
        Figure("wire", "CPU of generator and stub for one call", (cost,), "µs"),
    ]


async def door(bench: Bench) -> list[Figure]:
    """A 400-byte update → durable → 200: the product's door, the barest door, and the product at work."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for run in range(bench.sizes.repetitions):
        for name in ("floor-door", "door"):
            bench.step(f"door: {name}, {LINES} connections, run {run + 1}")
            async with bench.part(name) as server, server.caller(LINES) as caller:
                rate, cost = await _door_rate(bench, server, caller)
                found[name].append(rate)
                found[f"{name} cpu"].append(cost)
                if name == "door":
                    latencies = await _door_latency(bench, caller, rate / 2)
                    found["p50"].append(quantile(latencies, 0.5) * 1000)
                    found["p99"].append(quantile(latencies, 0.99) * 1000)
        bench.step(f"door: all loops running, run {run + 1}")
        async with bench.product() as server, server.caller(LINES) as caller:
            found["busy"].append(
                await _saturate(caller, bench.sizes.door_seconds, sized_updates(1_000_000_000))
            )
    ratios = [ours / floor for ours, floor in zip(found["door"], found["floor-door"], strict=True)]
    return [
        Figure("A door", "floor: durable updates", tuple(found["floor-door"]), "/s"),
        Figure("A door", "ours: durable updates", tuple(found["door"]), "/s"),
        Figure("A door", "ours / floor", tuple(ratios), at_least=0.4),
        *await _other_lines(bench),
        Figure("A door", "floor: CPU for one update", tuple(found["floor-door cpu"]), "µs"),
        Figure("A door", "ours: CPU for one update", tuple(found["door cpu"]), "µs"),
        Figure("A door", "ours at half of its rate: p50", tuple(found["p50"]), "ms"),
        Figure("A door", "ours at half of its rate: p99", tuple(found["p99"]), "ms", at_most=100),
        Figure("A door", "the product with all loops running", tuple(found["busy"]), "/s"),
    ]


async def _other_lines(bench: Bench) -> list[Figure]:
    figures = []
    for lines in bench.sizes.door_lines:
        rates = []
        for name in ("floor-door", "door"):
            bench.step(f"door: {name}, {lines} connections")
            async with bench.part(name) as server, server.caller(lines) as caller:
                rates.append(await _saturate(caller, bench.sizes.door_seconds, sized_updates(1_000)))
        figures.append(Figure("A door", f"ours with {lines} connections", (rates[1],), "/s"))
        figures.append(Figure("A door", f"ours / floor with {lines} connections", (rates[1] / rates[0],)))
    return figures


async def _door_rate(bench: Bench, server: Running, caller: Caller) -> tuple[float, float]:
    """Updates a second, and the server's CPU for one of them in microseconds."""
    updates = sized_updates(1_000)
    await _saturate(caller, 0.5, updates)
    before = server.cpu()
    rate = await _saturate(caller, bench.sizes.door_seconds, updates)
    return rate, (server.cpu() - before) / (rate * bench.sizes.door_seconds) * 1e6


async def _saturate(caller: Caller, seconds: float, updates: Iterator[bytes]) -> float:
    """Every connection busy for so long; returns answers with 200 a second. Raises OSError for any other."""
    good, bad, open_ = 0, 0, caller.lines
    begun = time.perf_counter()
    ended = asyncio.Event()

    def answered(status: int) -> None:
        nonlocal good, bad, open_
        in_time = time.perf_counter() - begun < seconds
        good += status == 200 and in_time
        bad += status != 200
        if in_time and status:
            caller.post(next(updates), answered)
        else:
            open_ -= 1
            if not open_:
                ended.set()

    for _ in range(caller.lines):
        caller.post(next(updates), answered)
    async with asyncio.timeout(seconds + DRAIN):
        await ended.wait()
    if bad:
        raise OSError(f"{bad} updates were not answered with 200")
    return good / seconds


async def _door_latency(bench: Bench, caller: Caller, rate: float) -> list[float]:
    """Open loop: the seconds from each update's planned time to its answer."""
    updates, latencies = sized_updates(1_000, start=500_000_000), list[float]()
    times = poisson(random.Random(7), rate, bench.sizes.door_seconds)  # noqa: S311 (test load)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    base = time.perf_counter() + 0.05
    shift = loop.time() - time.perf_counter()

    def send(planned: float) -> None:
        caller.post(next(updates), lambda status: answered(planned, status))

    def answered(planned: float, status: int) -> None:
        latencies.append(time.perf_counter() - planned if status == 200 else float("inf"))
        if len(latencies) == len(times):
            ended.set()

    for at in times:
        loop.call_at(base + at + shift, send, base + at)
    async with asyncio.timeout(bench.sizes.door_seconds + DRAIN):
        await ended.wait()
    return latencies
