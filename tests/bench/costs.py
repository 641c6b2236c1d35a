"""Row I: what each role costs, in memory and in CPU, and what a worker is spared without Telegram."""

from collections import defaultdict

from tests.bench import servers
from tests.bench.common import Bench, residents
from tests.bench.databases import Kind
from tests.bench.path import AT_ONCE, saturated
from tests.bench.report import Figure
from tests.bench.servers import Setup

ROLES = ("intake", "worker")
WITH_TELEGRAM, WITHOUT = 280, 130  # megabytes at most


async def costs(bench: Bench) -> list[Figure]:
    """An intake and a worker apart, under load; then a worker that only serves WeChat, at rest."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for run in range(bench.sizes.repetitions):
        bench.step(f"costs: each role, run {run + 1}")
        setup = Setup(bench.database(Kind.POSTGRES), ROLES)
        async with (
            servers.product(bench.place(), bench.stub, setup) as server,
            residents(bench, server) as people,
        ):
            await people.closed_loop(bench.sizes.warm_up, AT_ONCE, 30)
            before = {role: server.cpu_of(role) for role in ROLES}
            _, count = await saturated(people, bench.sizes.path_requests, bench.sizes.path_seconds)
            for role in ROLES:
                found[f"{role} cpu"].append((server.cpu_of(role) - before[role]) / count * 1000)
                found[f"{role} rss"].append(server.megabytes_of(role))
        bench.step(f"costs: a worker without Telegram, run {run + 1}")
        setup = Setup(bench.database(Kind.POSTGRES), ("worker",), telegram=False, wechat=True)
        async with servers.product(bench.place(), bench.stub, setup) as server:
            found["bare rss"].append(server.megabytes())
    return [
        *(Figure("I costs", f"{role}: CPU for 1,000 requests", found[f"{role} cpu"], "s") for role in ROLES),
        Figure("I costs", "intake: memory under load", found["intake rss"], "MB"),
        Figure("I costs", "worker: memory under load", found["worker rss"], "MB", at_most=WITH_TELEGRAM),
        Figure("I costs", "worker without Telegram: memory", found["bare rss"], "MB", at_most=WITHOUT),
    ]
