"""What all rows share: how much they do, where they work, and the residents who load the product."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.bench import servers
from tests.bench.people import ALL_BUILDINGS, Residents
from tests.bench.servers import UNPACED, Running
from tests.bench.wire import Stub

LINES = 64  # connections to a server unless said otherwise
DRAIN = 20.0  # seconds that an open loop's last answers may take


@dataclass(frozen=True, slots=True)
class Sizes:
    repetitions: int
    door_seconds: float
    door_lines: tuple[int, ...]  # other numbers of connections, tried once
    path_requests: int
    path_seconds: float
    long_requests: int
    long_seconds: float
    open_seconds: float
    burst: int
    burst_seconds: float
    due: int


FULL = Sizes(3, 4, (32, 128, 256), 3_000, 30, 20_000, 180, 20, 60, 60, 10_000)
QUICK = Sizes(1, 1, (), 150, 6, 0, 0, 2, 12, 6, 1_000)


@dataclass
class Bench:
    """What all rows share: where they work, how much they do, whom they tell."""

    folder: Path
    stub: Stub
    sizes: Sizes
    step: Callable[[str], None]
    _places: Iterator[int] = field(default_factory=lambda: iter(range(1_000)))

    def place(self) -> Path:
        """A new folder for one server."""
        place = self.folder / str(next(self._places))
        place.mkdir()
        return place

    def product(
        self, pacing: dict[str, str] | None = None, *, on_wechat: bool = False
    ) -> AbstractAsyncContextManager[Running]:
        paced = UNPACED if pacing is None else pacing
        return servers.product(self.place(), self.stub, paced, on_wechat=on_wechat)

    def part(self, name: str) -> AbstractAsyncContextManager[Running]:
        return servers.part(name, self.place(), self.stub)


@asynccontextmanager
async def residents(
    bench: Bench, server: Running, think: float | None = None, buildings: int = ALL_BUILDINGS
) -> AsyncIterator[Residents]:
    async with server.caller(LINES) as caller:
        yield Residents(bench.stub, caller, think=think, buildings=buildings)


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]
