"""PostgreSQL: many processes write at once, and none overwrites what another has changed since it read it."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from itertools import chain
from typing import Any, TypeVar

from asyncpg import PostgresError
from sqlalchemy import Select, Table, event, inspect, select, tuple_
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import AdaptedConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import InstanceState, LoaderCallableStatus, Session, UOWTransaction, sessionmaker
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from storage import arrays
from storage.database import ENGINE, AwayError, Way
from storage.functions import one_of
from storage.tables import Base

T = TypeVar("T")

_WRITERS = 6  # units of work at once in one process
_PATIENCE = 5.0  # seconds for a connection; whoever waits longer is told that the database is away
SERVER_SETTINGS = {
    "application_name": "huiyin",
    "timezone": "UTC",
    "jit": "off",
    # A process that hangs in the middle of a unit of work must not hold its locks for ever.
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "10s",
    # The network to this process is gone: its locks are free after some nine seconds.
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    # A plan made while a queue was empty would read all of it when it is full.
    "plan_cache_mode": "force_custom_plan",
}


class ConflictError(Exception):
    """Somebody else changed a row after it was read here; the same work may succeed on the new state."""


def open_engine(url: URL, *, connections: int = _WRITERS, reads: bool = False) -> AsyncEngine:
    """Read committed, every commit flushed; one that `reads` sees each statement's newest state."""
    engine = create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_PATIENCE,
        connect_args={
            "timeout": _PATIENCE,
            "command_timeout": 60,
            "prepared_statement_cache_size": 500,
            "server_settings": SERVER_SETTINGS,
        },
        **({"isolation_level": "AUTOCOMMIT"} if reads else {}),
        **ENGINE,
    )
    event.listen(engine.sync_engine, "checkout", _renew)
    event.listen(engine.sync_engine, "do_executemany", arrays.write)
    return engine


def _renew(connection: AdaptedConnection, _entry: ConnectionPoolEntry, _fairy: PoolProxiedConnection) -> None:
    """What has died while it rested in the pool is replaced; asking the driver costs nothing."""
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


class Served:
    """The way in has connections of its own, so that it never waits for a batch."""

    def __init__(self, url: URL) -> None:
        self._units, self._door = open_engine(url), open_engine(url, connections=2)
        self._reader = open_engine(url, reads=True)
        self._writing, self._first = (_way(one, Checked) for one in (self._units, self._door))
        self.reading = _way(self._reader, Session)

    @asynccontextmanager
    async def writing(self, first: bool) -> AsyncIterator[Way]:
        yield self._first if first else self._writing

    async def scrub(self) -> None:
        """Nothing to do: the server's own vacuum removes what was erased."""

    async def close(self) -> None:
        for one in (self._units, self._door, self._reader):
            await one.dispose()


def _way(engine: AsyncEngine, kind: type[Session]) -> Way:
    return Way(sessionmaker(engine.sync_engine, class_=kind, expire_on_commit=False), _beside)


async def _beside(work: Callable[[], T]) -> T:
    """On the event loop's own thread, which does other things while the server works."""
    try:
        return await greenlet_spawn(work)
    except DBAPIError as error:
        said = error.orig.__cause__ if error.orig else None
        if isinstance(said, PostgresError):
            said.detail = None  # the row that failed, with what somebody wrote in it
        raise
    except (OSError, PostgresError) as error:  # no connection came about; all else SQLAlchemy has wrapped
        raise AwayError(type(error).__name__) from error


# --- nobody's change is overwritten -----------------------------------------------------------


class Checked(Session):
    """Writes an object only if its row still is as it was read, and locks the row until the commit."""


def hold(session: Session, objects: Iterable[Base]) -> None:
    """Note that this transaction has locked these rows."""
    _held(session).update(map(inspect, objects))


def _held(session: Session) -> set[InstanceState[Base]]:
    held: set[InstanceState[Base]] = session.info.setdefault("held", set())
    return held


@event.listens_for(Checked, "before_flush")
def _check(session: Session, _context: UOWTransaction, _instances: object) -> None:
    """Lock what is about to be written, tables and rows in one order for everybody. Raises ConflictError."""
    held = _held(session)
    changed: defaultdict[Table, dict[Any, InstanceState[Base]]] = defaultdict(dict)
    for one in chain(session.dirty, session.deleted):
        state = inspect(one)
        if one in session.deleted or session.is_modified(one):
            changed[state.mapper.local_table][state.identity] = state
    for table in sorted(changed, key=lambda table: table.name):
        foreign = {key: state for key, state in changed[table].items() if state not in held}
        if foreign:
            _compare(session, table, foreign)
            held.update(foreign.values())
        _write_alike(changed[table].values())
    held.update(map(inspect, session.new))


def _write_alike(changed: Collection[InstanceState[Base]]) -> None:
    """The same columns of all, so that one statement writes them."""
    columns = set().union(*(state.committed_state for state in changed))
    for state in changed:
        for column in (columns & state.dict.keys()) - state.committed_state.keys():
            flag_modified(state.obj(), column)


def _compare(session: Session, table: Table, objects: Mapping[Any, InstanceState[Base]]) -> None:
    found = session.connection().execute(*_locking(table, list(objects))).mappings().all()
    if len(found) != len(objects):
        raise ConflictError(f"a row of {table.name} is gone")
    for row in found:
        read = _read(objects[tuple(row[column] for column in table.primary_key)])
        if any(read.get(name, value) != value for name, value in row.items()):
            raise ConflictError(f"a row of {table.name} was changed elsewhere")


def _locking(table: Table, keys: Sequence[tuple[Any, ...]]) -> tuple[Select[Any], dict[str, Any]]:
    if len(table.primary_key) == 1:
        return _locking_by_one(table), {"keys": [key for (key,) in keys]}
    query = select(table).where(tuple_(*table.primary_key).in_(keys))
    return query.order_by(*table.primary_key).with_for_update(key_share=True), {}


@cache
def _locking_by_one(table: Table) -> Select[Any]:
    (key,) = table.primary_key
    return select(table).where(one_of(key, "keys")).order_by(key).with_for_update(key_share=True)


def _read(state: InstanceState[Base]) -> dict[str, Any]:
    """The columns that this session knows, as it read them."""
    known = state.dict | state.committed_state
    return {name: value for name, value in known.items() if value is not LoaderCallableStatus.NO_VALUE}


# --- what went wrong --------------------------------------------------------------------------

# Serialisation, deadlock, a lock not had in time, and unique values that somebody else was first with.
_CONFLICTS = frozenset({"40001", "40P01", "55P03", "23505"})
# The server shuts down, starts, is a reader, lets nobody in, has no connection, memory or disk left.
_AWAY = ("08", "53", "55000", "57", "25006")


def is_conflict(error: BaseException) -> bool:
    """Whether two units of work were in each other's way, so that the same may succeed at once."""
    return isinstance(error, ConflictError | StaleDataError) or _code(error) in _CONFLICTS


def is_away(error: BaseException) -> bool:
    """Whether the server cannot be reached or cannot work just now."""
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or isinstance(error, AwayError | PoolTimeoutError) or _code(error).startswith(_AWAY)


def _code(error: BaseException) -> str:
    """The server's five characters for what went wrong, wherever in the chain they are."""
    code = getattr(getattr(error, "orig", error), "sqlstate", None)
    return code if isinstance(code, str) else ""
