"""What all rows share: how much they do, where they work, and the residents who load the product."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from tests.bench import servers
from tests.bench.databases import Database, Kind, Server
from tests.bench.people import Residents
from tests.bench.servers import Running, Setup
from tests.bench.town import TOWN, Town
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
    warm_up: int
    open_seconds: float
    burst: int
    burst_seconds: float
    bursts: tuple[tuple[int, float], ...]  # requests at once, and how long they are watched
    due: int
    flood: int
    stored: tuple[
        int, ...
    ]  # requests in the databases of the growth row; the first is what others are held to
    accounts: tuple[int, int]
    growth_repetitions: int
    snapshot_seconds: float


FULL = Sizes(
    repetitions=3,
    door_seconds=4,
    door_lines=(32, 128, 256),
    path_requests=1_500,
    path_seconds=12,
    warm_up=400,
    open_seconds=12,
    burst=60,
    burst_seconds=60,
    bursts=((200, 60), (2_000, 400)),
    due=10_000,
    flood=50_000,
    stored=(1_000, 100_000, 1_000_000),
    accounts=(100, 100_000),
    growth_repetitions=1,
    snapshot_seconds=600,
)
QUICK = Sizes(
    repetitions=1,
    door_seconds=1,
    door_lines=(),
    path_requests=150,
    path_seconds=30,
    warm_up=50,
    open_seconds=2,
    burst=12,
    burst_seconds=6,
    bursts=((40, 20),),
    due=1_000,
    flood=2_000,
    stored=(100, 1_000),
    accounts=(100, 1_000),
    growth_repetitions=1,
    snapshot_seconds=20,
)


class Step(Protocol):
    """Told what is being done now; `done` is how many of the row's steps that ends."""

    def __call__(self, description: str, done: float = 1) -> None: ...


@dataclass
class Bench:
    """What all rows share: where they work, how much they do, whom they tell."""

    folder: Path
    stub: Stub
    postgres: Server
    sizes: Sizes
    step: Step
    peer: str = ""
    _places: Iterator[int] = field(default_factory=lambda: iter(range(1_000)))

    def place(self) -> Path:
        """A new folder for one server."""
        place = self.folder / str(next(self._places))
        place.mkdir()
        return place

    def database(self, kind: Kind) -> Database:
        """A new empty database."""
        if kind is Kind.SQLITE:
            return Database.at(f"sqlite:///{self.place()}/huiyin.db")
        return self.postgres.create()

    def drop(self, database: Database) -> None:
        """Give its room back: some are large."""
        if database.kind is Kind.SQLITE:
            Path(database.plain).unlink()
        else:
            self.postgres.drop(database)

    @asynccontextmanager
    async def product(
        self, kind: Kind = Kind.SQLITE, town: Town = TOWN, *, wechat: bool = False
    ) -> AsyncIterator[Running]:
        """The product in one process, on a new database, with the limits raised."""
        setup = Setup(self.database(kind), wechat=wechat)
        async with servers.product(self.place(), self.stub, setup, town) as running:
            yield running

    @asynccontextmanager
    async def part(self, name: str, kind: Kind = Kind.SQLITE) -> AsyncIterator[Running]:
        database = self.database(kind)
        async with servers.part(name, self.place(), self.stub, database.plain) as running:
            yield running


@asynccontextmanager
async def residents(
    bench: Bench, server: Running, think: float | None = None, buildings: int = TOWN.buildings
) -> AsyncIterator[Residents]:
    async with server.caller(LINES) as caller:
        yield Residents(bench.stub, caller, think=think, buildings=buildings)


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]
