"""The rows of the bench, in order."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.bench.bursts import bursts
from tests.bench.clocks import clocks
from tests.bench.common import Bench, Sizes
from tests.bench.costs import costs
from tests.bench.door import door, wire
from tests.bench.flood import flood
from tests.bench.growth import growth, growth_steps
from tests.bench.limits import pacing, start
from tests.bench.path import SIDES, path
from tests.bench.peers import peers
from tests.bench.report import Figure
from tests.bench.route import route
from tests.bench.wechat import wechat


@dataclass(frozen=True, slots=True)
class Row:
    """What measures it, and how often it says where it is: the length of the progress bar."""

    measure: Callable[[Bench], Awaitable[list[Figure]]]
    steps: Callable[[Sizes], int]


ROWS = {
    "wire": Row(wire, lambda _: 1),
    "door": Row(door, lambda sizes: 3 * sizes.repetitions + 2 * len(sizes.door_lines)),
    "path": Row(path, lambda sizes: (len(SIDES) + 1) * sizes.repetitions),
    "pacing": Row(pacing, lambda _: 1),
    "bursts": Row(bursts, lambda sizes: len(sizes.bursts)),
    "flood": Row(flood, lambda _: 1),
    "start": Row(start, lambda sizes: sizes.repetitions),
    "clocks": Row(clocks, lambda sizes: sizes.repetitions),
    "route": Row(route, lambda _: 1),
    "growth": Row(growth, growth_steps),
    "wechat": Row(wechat, lambda sizes: 2 * sizes.repetitions + 1),
    "costs": Row(costs, lambda sizes: 2 * sizes.repetitions),
    "peer": Row(peers, lambda sizes: 2 * sizes.repetitions),
}
