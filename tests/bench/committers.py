"""How the floors write: whatever waits while one commit runs is the next commit, table by table in bulk."""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Any

import asyncpg


class To(StrEnum):
    """What a floor can write."""

    MESSAGE = "message"
    REQUEST = "request"
    HISTORY = "history"
    DEADLINE = "deadline"
    NOTIFICATION = "notification"
    FACT = "fact"  # a resident, an account, a talk, a note, an assignment: one row of some words each
    SENT = "sent"


Row = tuple[Any, ...]
Rows = dict[To, list[Row]]


class Committer(ABC):
    """Collects rows while a commit runs, and writes them with the next one."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Rows, asyncio.Future[None]]] = []
        self._running = False

    async def write(self, rows: Rows) -> None:
        """Return once the rows are on the disk."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        if not self._running:
            self._running = True
            self._task = asyncio.create_task(self._commit_all())
        await done

    async def _commit_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            merged: Rows = {}
            for rows, _ in batch:
                for to, values in rows.items():
                    merged.setdefault(to, []).extend(values)
            await self._commit(merged)
            for _, done in batch:
                done.set_result(None)
        self._running = False

    @abstractmethod
    async def _commit(self, merged: Rows) -> None:
        """Write all of it in one transaction."""


# --- SQLite: one thread, raw sqlite3, executemany ------------------------------------------------

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536", "temp_store=MEMORY")
_FILE = (
    "CREATE TABLE message (id INTEGER PRIMARY KEY, key BLOB UNIQUE, body BLOB)",
    "CREATE TABLE request (id INTEGER PRIMARY KEY, number TEXT UNIQUE, user INTEGER, text TEXT, detail TEXT)",
    "CREATE TABLE history (id INTEGER PRIMARY KEY, request INTEGER, event TEXT, detail TEXT)",
    "CREATE TABLE deadline (id INTEGER PRIMARY KEY, request INTEGER, kind TEXT, due_at INTEGER)",
    "CREATE TABLE notification (id INTEGER PRIMARY KEY, request INTEGER, chat TEXT, text TEXT, state INT)",
    "CREATE TABLE fact (id INTEGER PRIMARY KEY, kind TEXT, about INTEGER, text TEXT)",
    "CREATE INDEX fact_about ON fact (kind, about)",
    "CREATE INDEX history_request ON history (request)",
    "CREATE INDEX deadline_due ON deadline (due_at)",
    "CREATE INDEX notification_waiting ON notification (chat, id) WHERE state = 0",
)
_TO_FILE = {
    To.MESSAGE: "INSERT OR IGNORE INTO message (key, body) VALUES (?, ?)",
    To.REQUEST: "INSERT INTO request VALUES (?, ?, ?, ?, ?)",
    To.HISTORY: "INSERT INTO history (request, event, detail) VALUES (?, ?, ?)",
    To.DEADLINE: "INSERT INTO deadline (request, kind, due_at) VALUES (?, ?, ?)",
    To.NOTIFICATION: "INSERT INTO notification VALUES (?, ?, ?, ?, 0)",
    To.FACT: "INSERT INTO fact (kind, about, text) VALUES (?, ?, ?)",
    To.SENT: "UPDATE notification SET state = 2 WHERE id = ?",
}


class SqliteCommitter(Committer):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for statement in (*(f"PRAGMA {pragma}" for pragma in _PRAGMAS), *_FILE):
            self._database.execute(statement)
        self._thread = ThreadPoolExecutor(1)

    async def _commit(self, merged: Rows) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._written, merged)

    def _written(self, merged: Rows) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        for to, rows in merged.items():
            self._database.executemany(_TO_FILE[to], rows)
        self._database.execute("COMMIT")


# --- PostgreSQL: one pool, a column as an array --------------------------------------------------

_ROWID = "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
_TABLES = (
    f"CREATE TABLE message ({_ROWID}, key bytea UNIQUE, body bytea)",
    "CREATE TABLE request (id bigint PRIMARY KEY, number text UNIQUE, usr bigint, text text, detail text)",
    f"CREATE TABLE history ({_ROWID}, request bigint, event text, detail text)",
    f"CREATE TABLE deadline ({_ROWID}, request bigint, kind text, due_at bigint)",
    "CREATE TABLE notification (id bigint PRIMARY KEY, request bigint, chat text, text text, state int)",
    f"CREATE TABLE fact ({_ROWID}, kind text, about bigint, text text)",
    "CREATE INDEX fact_about ON fact (kind, about)",
    "CREATE INDEX history_request ON history (request)",
    "CREATE INDEX deadline_due ON deadline (due_at)",
    "CREATE INDEX notification_waiting ON notification (chat, id) WHERE state = 0",
)
_TO_SERVER = {
    To.MESSAGE: "INSERT INTO message (key, body) SELECT * FROM unnest($1::bytea[], $2::bytea[])"
    " ON CONFLICT DO NOTHING",
    To.REQUEST: "INSERT INTO request SELECT * FROM"
    " unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[])",
    To.HISTORY: "INSERT INTO history (request, event, detail)"
    " SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])",
    To.DEADLINE: "INSERT INTO deadline (request, kind, due_at)"
    " SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])",
    To.NOTIFICATION: "INSERT INTO notification SELECT *, 0 FROM"
    " unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[])",
    To.FACT: "INSERT INTO fact (kind, about, text)"
    " SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])",
    To.SENT: "UPDATE notification SET state = 2 WHERE id = ANY($1::bigint[])",
}
_POOL = 4


class PostgresCommitter(Committer):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._pool: asyncpg.Pool | None = None

    async def _commit(self, merged: Rows) -> None:
        if self._pool is None:
            self._pool = await self._opened()
        async with self._pool.acquire() as connection, connection.transaction():
            for to, rows in merged.items():
                await connection.execute(_TO_SERVER[to], *map(list, zip(*rows, strict=True)))

    async def _opened(self) -> asyncpg.Pool:
        pool = await asyncpg.create_pool(self._url, min_size=_POOL, max_size=_POOL)
        async with pool.acquire() as connection:
            for statement in _TABLES:
                await connection.execute(statement)
        return pool


def committer(database: str) -> Committer:
    """Over a file, or over the database behind an address of PostgreSQL."""
    return PostgresCommitter(database) if "://" in database else SqliteCommitter(database)
