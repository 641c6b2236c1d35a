"""Row P: anybody's bot beside ours, in what every bot can do: a message comes, an answer goes."""

import random
from collections import defaultdict

from tests.bench import servers
from tests.bench.common import DRAIN, LINES, Bench
from tests.bench.path import saturated
from tests.bench.people import Residents, poisson
from tests.bench.report import Figure, quantile
from tests.bench.servers import Running

RATE = 50.0  # messages a second of the open loop
_PACED = f"{RATE:.0f} messages a second:"


async def peers(bench: Bench) -> list[Figure]:
    """The same texts to the other and to ours; of each answer only that it came, and when."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for run in range(bench.sizes.repetitions):
        bench.step(f"peer: the other, run {run + 1}")
        async with servers.peer(bench.peer, bench.place(), bench.stub) as server:
            await _asked(bench, server, "peer", found)
        bench.step(f"peer: ours, run {run + 1}")
        async with bench.product() as server:
            await _asked(bench, server, "ours", found)
    return [
        figure
        for name in ("peer", "ours")
        for figure in (
            Figure("P peer", f"{name}: messages answered", found[name], "/s"),
            Figure("P peer", f"{name}: CPU for a message", found[f"{name} cpu"], "ms"),
            Figure("P peer", f"{name}, {_PACED} p50", found[f"{name} p50"], "ms"),
            Figure("P peer", f"{name}, {_PACED} p99", found[f"{name} p99"], "ms"),
            Figure("P peer", f"{name}, {_PACED} never answered", found[f"{name} lost"]),
        )
    ]


async def _asked(bench: Bench, server: Running, name: str, found: defaultdict[str, list[float]]) -> None:
    """First as fast as it goes, then at a rate that every bot should stand."""
    sizes = bench.sizes
    async with server.caller(LINES) as caller:
        people = Residents(bench.stub, caller, answers=True)
        await people.closed_loop(sizes.warm_up, sizes.warm_up, DRAIN)
        before = server.cpu()
        rate, count = await saturated(people, sizes.path_requests, sizes.path_seconds)
        found[name].append(rate)
        found[f"{name} cpu"].append((server.cpu() - before) / count * 1000)
    async with server.caller(LINES) as caller:
        people = Residents(bench.stub, caller, answers=True, first=_LATER)
        times = poisson(random.Random(13), RATE, sizes.open_seconds)  # noqa: S311 (test load)
        await people.open_loop(times, sizes.open_seconds + DRAIN)
        waited = [(one.card - one.planned) * 1000 for one in people.done]
        found[f"{name} p50"].append(quantile(waited, 0.5))
        found[f"{name} p99"].append(quantile(waited, 0.99))
        found[f"{name} lost"].append(people.unfinished)


_LATER = 20_000_000  # people who have not written before
