"""What is done to the product and when, drawn from a seed alone."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Harm(StrEnum):
    KILL = "kill"
    KILL_DATABASE = "kill database"
    KILL_REDIS = "kill redis"
    TERMINATE = "terminate"
    FREEZE = "freeze"
    CUT = "cut"
    TOO_MANY = "429"
    BAD_GATEWAY = "502_html"
    HANG = "hang"
    DROP = "drop"
    ACCEPT_THEN_DROP = "accept_then_drop"
    DUPLICATE = "duplicate_update"
    REORDER = "reorder_updates"
    REDELIVER = "redeliver"
    BURST = "burst"
    CLOCK = "clock"


KILLS = frozenset({Harm.KILL, Harm.KILL_DATABASE, Harm.KILL_REDIS})

_WEIGHTS = {
    Harm.KILL: 12,
    Harm.TERMINATE: 1,
    Harm.FREEZE: 1,
    Harm.CUT: 2,
    Harm.TOO_MANY: 1,
    Harm.BAD_GATEWAY: 1,
    Harm.HANG: 1,
    Harm.DROP: 1,
    Harm.ACCEPT_THEN_DROP: 1,
    Harm.DUPLICATE: 2,
    Harm.REORDER: 1,
    Harm.REDELIVER: 2,
    Harm.BURST: 2,
    Harm.CLOCK: 2,
}
_SERVICES = {Harm.KILL_DATABASE: 3, Harm.KILL_REDIS: 2}
_FORWARD = (30, 600, 3 * 3600)  # seconds: past retries, past a quiet draft, past a clock's stage


@dataclass(frozen=True, slots=True)
class Step:
    """`after` seconds harm is done: to the `which`th process, for `seconds`, `times` over.

    `soon`: the next step does not wait until what was killed is ready again.
    """

    harm: Harm
    after: float
    which: int
    seconds: float
    times: int
    soon: bool


def plan(seed: int, kills: int, services: frozenset[Harm]) -> Iterator[Step]:
    """The same steps for the same arguments, ending with the last of so many kills.

    `services` are the kills that there is something to kill for, beside our own processes.
    """
    dice = random.Random(f"harm {seed}")  # noqa: S311 (repeatable, guards nothing)
    weights = _WEIGHTS | {harm: weight for harm, weight in _SERVICES.items() if harm in services}
    while kills > 0:
        step = _step(dice, weights)
        kills -= step.harm in KILLS
        yield step


def _step(dice: random.Random, weights: dict[Harm, int]) -> Step:
    (harm,) = dice.choices(list(weights), list(weights.values()))
    return Step(
        harm,
        after=dice.uniform(0.05, 1.5),
        which=dice.randrange(64),
        seconds=dice.choice(_FORWARD) if harm is Harm.CLOCK else dice.uniform(0.0, 2.0),
        times=dice.randint(1, 8),
        soon=dice.random() < 0.15,
    )
