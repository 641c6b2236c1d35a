"""The rows of the bench, in order."""

from collections.abc import Awaitable, Callable

from tests.bench.clocks import clocks
from tests.bench.common import Bench, Sizes
from tests.bench.door import door, wire
from tests.bench.limits import pacing, start
from tests.bench.path import path
from tests.bench.report import Figure
from tests.bench.route import route
from tests.bench.wechat import wechat

Row = Callable[[Bench], Awaitable[list[Figure]]]
ROWS: dict[str, Row] = {
    "wire": wire,
    "door": door,
    "path": path,
    "pacing": pacing,
    "start": start,
    "clocks": clocks,
    "route": route,
    "wechat": wechat,
}


def steps(name: str, sizes: Sizes) -> int:
    """How often a row says where it is: the length of the progress bar."""
    runs = {"wire": 0, "door": 3, "path": 3, "pacing": 0, "start": 1, "clocks": 1, "route": 0, "wechat": 2}
    each = runs[name] * sizes.repetitions
    extra = {
        "wire": 1,
        "door": 2 * len(sizes.door_lines),
        "path": sizes.long_requests > 0,
        "pacing": 1,
        "start": 0,
        "clocks": 0,
        "route": 1,
        "wechat": 1,
    }
    return each + int(extra[name])
