"""SQLite: one writer thread that owns the only writing connection, one reader thread beside it."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from storage.database import ENGINE, Way

T = TypeVar("T")

_BUSY_MS = 5000  # how long we wait while another process (a command) writes


def open_engine(path: Path, *, writes: bool) -> Engine:
    """WAL mode, every commit flushed to the disk; a writer takes its lock when it begins."""
    engine = create_engine(
        f"sqlite:///{path}", pool_size=1, max_overflow=0, connect_args={"check_same_thread": False}, **ENGINE
    )
    event.listen(engine, "connect", _configure)
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)  # noqa: S101 (the only driver used here)
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        f"busy_timeout={_BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",  # what is erased is gone from the file too
        "cache_size=-16384",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


# Primary codes: the file is locked, unreadable, full or gone, whatever the statement says.
_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)


def is_away(error: BaseException | None) -> bool:
    """Whether an error of the driver says that the file cannot be used just now."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _AWAY


@dataclass(frozen=True, slots=True)
class _OnThread:
    thread: ThreadPoolExecutor

    async def __call__(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)


class Embedded:
    """One process at a time; its units of work wait for each other."""

    def __init__(self, path: Path) -> None:
        self._engines = [open_engine(path, writes=True), open_engine(path, writes=False)]
        self._threads = [ThreadPoolExecutor(1, "store-writer"), ThreadPoolExecutor(1, "store-reader")]
        self._writing, self.reading = (
            Way(sessionmaker(engine, expire_on_commit=False), _OnThread(thread))
            for engine, thread in zip(self._engines, self._threads, strict=True)
        )
        self._turn = _PriorityLock()

    @asynccontextmanager
    async def writing(self, first: bool) -> AsyncIterator[Way]:
        async with self._turn.held(first):
            yield self._writing

    async def scrub(self) -> None:
        """Empty the write-ahead log, which still has what was erased since the last time."""
        async with self._turn.held(False):
            await self._writing.run(self._empty_log)

    def _empty_log(self) -> None:
        connection = self._engines[0].raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    async def close(self) -> None:
        for engine, thread in zip(self._engines, self._threads, strict=True):
            thread.shutdown(wait=True)
            engine.dispose()


class _PriorityLock:
    """A fair lock with two queues: those who come `first` pass those who do not."""

    def __init__(self) -> None:
        self._held = False
        self._first: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def held(self, first: bool) -> AsyncIterator[None]:
        await self._acquire(first)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, first: bool) -> None:
        if not self._held:
            self._held = True
            return
        turn = asyncio.get_running_loop().create_future()
        (self._first if first else self._others).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        for queue in (self._first, self._others):
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._held = False
