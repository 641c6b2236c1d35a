"""Does what the plan says to the processes, the wires and the platform."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.world import World
from tests.chaos.cluster import Cluster, Running
from tests.chaos.database import Database, Served
from tests.chaos.people import Crowd
from tests.chaos.plan import Harm, Step
from tests.chaos.wires import Wire


@dataclass(frozen=True, slots=True)
class Kill:
    """Of what; `moment` and `since` by the machine's clock. Cards are waited for `since` then: where nobody
    else could send any, since it was started again.
    """

    what: str
    moment: float
    since: float


@dataclass
class Trouble:
    """Harms one cluster; `kills` are those carried out, `unanswered` the sends perhaps without an answer."""

    cluster: Cluster
    database: Database
    world: World
    wires: list[Wire]
    dice: random.Random
    crowd: Crowd = field(default_factory=lambda: Crowd([], []))
    kills: list[Kill] = field(default_factory=list)
    unanswered: int = 0

    @property
    def services(self) -> frozenset[Harm]:
        """The kills that there is something to kill for."""
        return frozenset({Harm.KILL_DATABASE, Harm.KILL_REDIS} if isinstance(self.database, Served) else ())

    async def do(self, step: Step) -> None:
        await asyncio.sleep(step.after)
        if step.harm in _PLATFORM:
            self.unanswered += step.times if step.harm in _SILENT else 0
            self.world.faults.add(_fault(step))
        else:
            await _ACTS[step.harm](self, step)

    # --- processes ----------------------------------------------------------------------------

    def _victim(self, step: Step) -> Running:
        return self.cluster.members[step.which % len(self.cluster.members)]

    async def kill(self, step: Step) -> None:
        one = self._victim(step)
        moment = await self.cluster.kill(one)
        others = any(other.alive and other.works for other in self.cluster.members)
        back = await self.cluster.start(one)
        alone = one.works and not others
        self.kills.append(
            Kill("the only worker" if alone else "one of many", moment, back if alone else moment)
        )
        if not step.soon:
            await self.cluster.ready(one)

    async def terminate(self, step: Step) -> None:
        """Raises AssertionError where the process does not end as it should."""
        one = self._victim(step)
        was_ready, code = one.alive, await self.cluster.terminate(one)
        assert not was_ready or code in (0, -15), f"{one.name} ended with {code} on SIGTERM"
        await self.cluster.start(one)
        await self.cluster.ready(one)

    async def freeze(self, step: Step) -> None:
        await self.cluster.freeze(self._victim(step), step.seconds)

    async def kill_database(self, step: Step) -> None:
        assert isinstance(self.database, Served)
        moment = time.monotonic()
        await self.database.kill(step.seconds)
        self.kills.append(Kill("PostgreSQL", moment, time.monotonic()))

    async def kill_redis(self, step: Step) -> None:
        assert isinstance(self.database, Served)
        moment = time.monotonic()
        await self.database.kill_redis(step.seconds)
        self.kills.append(Kill("Redis", moment, moment))

    async def cut(self, step: Step) -> None:
        self.unanswered += self.wires[step.which % len(self.wires)].cut()

    # --- traffic and time ---------------------------------------------------------------------

    async def redeliver(self, step: Step) -> None:
        self.world.bot().queue.redeliver(step.times * 5)

    async def burst(self, step: Step) -> None:
        self.crowd.bursts(self.dice, step.times)

    async def forward(self, step: Step) -> None:
        self.world.clock.advance(timedelta(seconds=step.seconds))

    def heal(self) -> None:
        """No trouble is planned any more; what was held is let go."""
        self.world.faults.clear()
        self.world.release_held(self.world.bot())


_PLATFORM = {
    Harm.TOO_MANY: FaultKind.TOO_MANY,
    Harm.BAD_GATEWAY: FaultKind.BAD_GATEWAY_HTML,
    Harm.HANG: FaultKind.HANG,
    Harm.DROP: FaultKind.DROP,
    Harm.ACCEPT_THEN_DROP: FaultKind.ACCEPT_THEN_DROP,
    Harm.DUPLICATE: FaultKind.DUPLICATE_UPDATE,
    Harm.REORDER: FaultKind.REORDER_UPDATES,
}
_SILENT = (Harm.HANG, Harm.DROP, Harm.ACCEPT_THEN_DROP)
_ACTS: dict[Harm, Callable[[Trouble, Step], Awaitable[None]]] = {
    Harm.KILL: Trouble.kill,
    Harm.KILL_DATABASE: Trouble.kill_database,
    Harm.KILL_REDIS: Trouble.kill_redis,
    Harm.TERMINATE: Trouble.terminate,
    Harm.FREEZE: Trouble.freeze,
    Harm.CUT: Trouble.cut,
    Harm.REDELIVER: Trouble.redeliver,
    Harm.BURST: Trouble.burst,
    Harm.CLOCK: Trouble.forward,
}


def _fault(step: Step) -> Fault:
    return Fault(_PLATFORM[step.harm], times=step.times, retry_after=1, seconds=1 + step.seconds)
