"""One seed: a town under harm, healed at the end, and what the checker says of it."""

import asyncio
import random
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.clock import Clock
from bot.roster import Roster, read_roster
from bot.sandbox.people import Sandbox
from bot.sandbox.server import BotSpec, Running, build, serve
from bot.settings import DEFAULTS
from tests.chaos.checker import NUMBER, violations
from tests.chaos.cluster import Cluster
from tests.chaos.database import Database, prepare
from tests.chaos.evidence import Evidence, tables
from tests.chaos.harm import Kill, Trouble
from tests.chaos.people import FIRST_RESIDENT, gather
from tests.chaos.plan import plan
from tests.chaos.record import Record, keep
from tests.chaos.wires import wire
from tests.process import TOKEN, environment

SETTLE_WITHIN, WARM_WITHIN = 90.0, 60.0
_WARM = 10  # cards before the first harm
_LOOK = 0.3
_FORWARD = timedelta(seconds=20)  # whatever waits for a while is not waited for
_QUICK = {"PER_BOT": "200", "PER_CHAT": "20", "PER_GROUP_MINUTE": "1200"}
_WAITING = (
    "SELECT (SELECT count(*) FROM work) + (SELECT count(*) FROM notification WHERE state < 2)"
    " + (SELECT count(*) FROM attachment WHERE state = 'waiting') AS waiting"
)
_CARD = re.compile(rf"{NUMBER.pattern} ")


@dataclass(frozen=True)
class Outcome:
    """What one seed led to; `until_card` are seconds from a kill to the next card, by what was killed."""

    seed: int
    kills: int
    broken: list[str]
    until_card: dict[str, list[float]]
    evidence: Evidence


def roles(workers: int) -> tuple[str, ...]:
    """The processes of a town: one that does everything, or two doors and so many workers."""
    return ("all",) if workers == 1 else ("intake", "intake", *("worker",) * workers)


async def run(
    seed: int,
    kills: int,
    database: Database,
    folder: Path,
    roles: Sequence[str] = ("all",),
    residents: int = 12,
    until: float = float("inf"),
) -> Outcome:
    """Harm the product as this seed says, at the longest `until` a moment, heal it, and compare.

    Raises TimeoutError where a process does not come back.
    """
    roster = read_roster(DEFAULTS / "roster.yaml")
    tokens = list((await prepare(database.url, roster)).values())
    async with _town(database, folder, roles, seed) as (trouble, record, sandbox):
        trouble.crowd = await gather(sandbox, trouble.world, roster, tokens, seed, residents)
        await _harmed(trouble, record, seed, kills, until)
        await _healed(trouble, database)
        evidence = await _found(trouble, record, database, roster)
    times = _until_card(record, trouble.kills)
    return Outcome(seed, len(trouble.kills), violations(evidence), times, evidence)


@asynccontextmanager
async def _town(
    database: Database, folder: Path, roles: Sequence[str], seed: int
) -> AsyncIterator[tuple[Trouble, Record, Sandbox]]:
    """Sandbox, relays and the product's processes, ready to be written to."""
    app = build(Clock(), [BotSpec(TOKEN, "huiyin_bot", "回音")])
    record = keep(app.state.world)
    async with serve(app) as running, Sandbox(running.base_url) as sandbox:
        cluster = Cluster(folder, {})
        async with wire(lambda: [_port(running)]) as out, wire(cluster.doors) as inward:
            cluster.env = _environment(database, folder, running, out.port, inward.port)
            cluster.add(*roles)
            world, wires = app.state.world, [out, inward, *database.wires]
            dice = random.Random(f"bursts {seed}")  # noqa: S311 (repeatable, guards nothing)
            try:
                await cluster.start_all()
                yield Trouble(cluster, database, world, wires, dice), record, sandbox
            finally:
                await cluster.close()


def _port(running: Running) -> int:
    return int(running.base_url.rpartition(":")[2])


def _environment(database: Database, folder: Path, running: Running, out: int, inward: int) -> dict[str, str]:
    """Messages go and come over the relays; the clock is the sandbox's."""
    env = environment(folder, f"http://127.0.0.1:{out}", inward)
    pacing = {f"HUIYIN_CHANNELS__TELEGRAM__PACING__{name}": value for name, value in _QUICK.items()}
    clock = {"HUIYIN_CLOCK": "sandbox", "HUIYIN_CLOCK_URL": f"{running.base_url}/control/clock"}
    return {**env, **pacing, **clock, **database.env}


async def _harmed(trouble: Trouble, record: Record, seed: int, kills: int, until: float) -> None:
    """The plan is carried out while everybody talks, as soon as cards are going out."""
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(trouble.crowd.live(over))
        try:
            async with asyncio.timeout(WARM_WITHIN):
                while len(_cards(record)) < _WARM:  # noqa: ASYNC110 (the record tells nobody)
                    await asyncio.sleep(_LOOK)
            for step in plan(seed, kills, trouble.services):
                await trouble.do(step)
                if time.monotonic() > until:
                    break
            await asyncio.sleep(1)  # what follows the last kill is to be seen too
        finally:
            over.set()


async def _healed(trouble: Trouble, database: Database) -> None:
    """All is running again, and whatever waits has had its time; the checker says what still waits."""
    trouble.heal()
    for one in trouble.cluster.members:
        await trouble.cluster.start(one)
        await trouble.cluster.ready(one)
    quiet = 0
    for _ in range(int(SETTLE_WITHIN / _LOOK)):
        (found,) = await database.rows(_WAITING)
        quiet = 0 if trouble.world.undelivered() or found["waiting"] else quiet + 1
        if quiet == 3:
            return
        trouble.world.clock.advance(timedelta(0) if quiet else _FORWARD)
        await asyncio.sleep(_LOOK)


async def _found(trouble: Trouble, record: Record, database: Database, roster: Roster) -> Evidence:
    return Evidence(
        record,
        await tables(database.rows),
        roster,
        len(trouble.cluster.members) == 1,
        tuple(kill.moment for kill in trouble.kills),
        trouble.unanswered,
        int(trouble.world.clock.now().timestamp() * 1_000_000),
    )


def _until_card(record: Record, kills: Sequence[Kill]) -> dict[str, list[float]]:
    """Seconds from each kill to the next card of staff, by what was killed.

    A kill that the next one overtook is left out.
    """
    cards, seconds = _cards(record), defaultdict[str, list[float]](list)
    for kill, end in zip(kills, [*(one.moment for one in kills[1:]), float("inf")], strict=True):
        first = next((at for at in cards if kill.since < at < end), None)
        if first is not None:
            seconds[kill.what].append(first - kill.since)
    return seconds


def _cards(record: Record) -> list[float]:
    """When staff got cards."""
    said = (one for one in record.by_bot() if one.chat < FIRST_RESIDENT and one.offers)
    return [one.moment for one in said if _CARD.match(one.text)]
