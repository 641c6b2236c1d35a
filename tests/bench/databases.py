"""The two databases under test: files of SQLite, and databases on one PostgreSQL of the bench's own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import asyncpg
import psutil

from tests.services import Postgres, postgres


class Kind(StrEnum):
    SQLITE = "SQLite"
    POSTGRES = "PostgreSQL"


@dataclass(frozen=True, slots=True)
class Database:
    """One empty or filled database, as the product and as a plain driver name it."""

    kind: Kind
    url: str
    plain: str

    @classmethod
    def at(cls, url: str) -> "Database":
        if url.startswith("sqlite:///"):
            return cls(Kind.SQLITE, url, url.removeprefix("sqlite:///"))
        return cls(Kind.POSTGRES, url, _plain(url))

    async def size(self) -> int:
        """Bytes on the disk, indexes included, the write-ahead log not."""
        if self.kind is Kind.SQLITE:
            return Path(self.plain).stat().st_size  # noqa: ASYNC240 (between the measurements)
        connection = await asyncpg.connect(self.plain)
        size: int = await connection.fetchval("SELECT pg_database_size(current_database())")
        await connection.close()
        return size


@dataclass
class Server:
    """A running PostgreSQL with the durability it ships with; makes a database for whoever asks."""

    of: Postgres
    version: str
    _names: Iterator[int] = field(default_factory=lambda: iter(range(1_000)))

    def create(self) -> Database:
        name = f"bench{next(self._names)}"
        self.of.sql(f"CREATE DATABASE {name}")
        return Database.at(self.of.url(name))

    def drop(self, database: Database) -> None:
        self.of.sql(f"DROP DATABASE {database.plain.rpartition('/')[2]} WITH (FORCE)")

    def cpu(self) -> float:
        """Seconds of all processes of the server, those that have ended included."""
        postmaster = psutil.Process(self.of.pid)
        ended = postmaster.cpu_times()
        living = map(_cpu, [postmaster, *postmaster.children(recursive=True)])
        return float(ended.children_user + ended.children_system) + sum(living)


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # its time is the postmaster's by now
        return 0.0
    return float(times.user + times.system)


def _plain(url: str) -> str:
    """An address as asyncpg itself reads it."""
    return url.replace("+asyncpg", "", 1)


_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    """A fresh server with everything on that makes a commit last; it ends with the block."""
    with postgres() as started:
        connection = await asyncpg.connect(_plain(started.url()))
        settings = {name: await connection.fetchval(f"SHOW {name}") for name in (*_DURABLE, "server_version")}
        await connection.close()
        if any(settings[name] != "on" for name in _DURABLE):
            raise RuntimeError("this PostgreSQL does not flush its commits: its figures would mean nothing")
        yield Server(started, settings["server_version"].split()[0])
