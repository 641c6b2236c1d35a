"""The database behind one door: units of work for writing, a reader beside them, both off the event loop."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from storage.tables import Base

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=Base)

_BUSY_MS = 5000  # how long we wait while another process (a command) writes


class StoreError(Exception):
    """The database cannot be used as configured; the text is one line for the operator."""


def sqlite_path(url: str) -> Path:
    """The file behind an SQLite address. Raises StoreError for any other address."""
    try:
        parsed: URL = make_url(url)
    except ArgumentError as error:
        raise StoreError(f"database_url is not an address: {error}") from None
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise StoreError("database_url must name an SQLite file, like sqlite:///data/huiyin.db")
    return Path(parsed.database)


def open_engine(path: Path, *, writes: bool) -> Engine:
    """SQLite in WAL mode, every commit flushed to the disk; a writer takes its lock when it begins."""
    engine = create_engine(
        f"sqlite:///{path}",
        pool_size=1,
        max_overflow=0,
        connect_args={"check_same_thread": False},
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
        hide_parameters=True,  # an error must not carry what people wrote into the log
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


class Unit:
    """One transaction. Objects are loaded once, changed in memory, and written together at the end.

    Between `run`s nobody else touches the session, so handlers may change loaded objects freely.
    """

    def __init__(self, session: Session, executor: ThreadPoolExecutor) -> None:
        self.session = session
        self._executor = executor

    async def run(self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query function over this unit's session. It sees what this unit has changed so far."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: query(self.session, *args, **kwargs))

    async def get(self, kind: type[R], key: Any) -> R | None:
        """The object with that key: at once where it is loaded already."""
        known: R | None = self.session.identity_map.get(self.session.identity_key(kind, key))
        return known or await self.run(_get, kind, key)

    def add(self, *objects: Base) -> None:
        self.session.add_all(objects)


# Primary codes of SQLite: the file is locked, unreadable, full or gone, whatever the statement says.
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


def is_away(error: Exception) -> bool:
    """Whether the database was busy or away, so that the same may well succeed later."""
    code = getattr(error.orig, "sqlite_errorcode", 0) if isinstance(error, OperationalError) else 0
    return code & 0xFF in _AWAY


def _commit(session: Session) -> None:
    session.commit()
    session.close()


def _get(session: Session, kind: type[R], key: Any) -> R | None:
    session.flush()
    return session.get(kind, key)


class Store:
    """The embedded store: one writer thread that owns the only writing connection, one reader thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = open_engine(path, writes=True)
        self._reader = open_engine(path, writes=False)
        self._write_thread = ThreadPoolExecutor(1, "store-writer")
        self._read_thread = ThreadPoolExecutor(1, "store-reader")
        self._turn = _PriorityLock()

    @asynccontextmanager
    async def unit(self, *, first: bool = False) -> AsyncIterator[Unit]:
        """A writing transaction: committed at the end, rolled back on any exception.

        `first` lets the way in pass everybody else who waits: a platform is waiting for its answer.
        """
        async with self._turn.held(first):
            session = Session(self._writer, expire_on_commit=False)
            unit = Unit(session, self._write_thread)
            try:
                yield unit
                await unit.run(_commit)
            except BaseException:
                await asyncio.shield(unit.run(Session.close))  # which rolls back what was not committed
                raise

    async def write(
        self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """One function as one writing transaction."""
        async with self.unit() as unit:
            return await unit.run(query, *args, **kwargs)

    async def read(self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query function beside the writer, on the last committed state."""

        def reading() -> T:
            with Session(self._reader, expire_on_commit=False) as session:
                return query(session, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._read_thread, reading)

    async def scrub(self) -> None:
        """Empty the write-ahead log, which still has what was erased since the last time."""
        async with self._turn.held(False):
            await asyncio.get_running_loop().run_in_executor(self._write_thread, self._empty_log)

    def _empty_log(self) -> None:
        connection = self._writer.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    def close(self) -> None:
        for thread, engine in ((self._write_thread, self._writer), (self._read_thread, self._reader)):
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


def check_reachable(path: Path) -> None:
    """Raises StoreError where the file cannot be opened and written."""
    if not path.parent.is_dir():
        raise StoreError(f"the folder of the database does not exist: {path.parent}")
    engine = open_engine(path, writes=True)
    try:
        with engine.begin():
            pass
    except OperationalError as error:
        raise StoreError(f"the database {path} cannot be opened: {error.orig}") from None
    finally:
        engine.dispose()
