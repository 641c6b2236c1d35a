"""The database behind one door: units of work for writing, a reader beside them, both off the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from storage import embedded, served
from storage.database import Backend, Database, Run, StoreError, Where
from storage.embedded import Embedded
from storage.served import Served
from storage.tables import Base

__all__ = ["Database", "Store", "StoreError", "Unit", "is_away", "is_conflict"]

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=Base)


class Unit:
    """One transaction. Objects are loaded once, changed in memory, and written together at the end.

    Between `run`s nobody else touches the session, so handlers may change loaded objects freely.
    """

    def __init__(self, session: Session, run: Run) -> None:
        self.session = session
        self._run = run

    async def run(self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query function over this unit's session. It sees what this unit has changed so far."""
        return await self._run(lambda: query(self.session, *args, **kwargs))

    async def get(self, kind: type[R], key: Any) -> R | None:
        """The object with that key: at once where it is loaded already."""
        known: R | None = self.session.identity_map.get(self.session.identity_key(kind, key))
        return known or await self.run(_get, kind, key)

    def holds(self, objects: Iterable[Base]) -> None:
        """Say that this transaction locked these before it read them: nobody can have changed them."""
        served.hold(self.session, objects)

    def add(self, *objects: Base) -> None:
        self.session.add_all(objects)


def is_away(error: BaseException) -> bool:
    """Whether the database was busy or away, so that the same may well succeed later."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return embedded.is_away(cause) or served.is_away(error)


def is_conflict(error: BaseException) -> bool:
    """Whether others changed the same at the same time, so that the same may succeed at once."""
    return served.is_conflict(error)


def _commit(session: Session) -> None:
    session.commit()
    session.close()


def _get(session: Session, kind: type[R], key: Any) -> R | None:
    session.flush()
    return session.get(kind, key)


class Store:
    """Units of work on an embedded database or on a server's, and a reader beside them."""

    def __init__(self, where: Where) -> None:
        """`where` is an address, or the path of an SQLite file. Raises StoreError for anything else."""
        self.database = Database.at(where)
        file = self.database.file
        self._backend: Backend = Embedded(file) if file else Served(self.database.url)

    @asynccontextmanager
    async def unit(self, *, first: bool = False) -> AsyncIterator[Unit]:
        """A writing transaction: committed at the end, rolled back on any exception.

        `first` lets the way in pass everybody else who waits: a platform is waiting for its answer.
        """
        async with self._backend.writing(first) as way:
            unit = Unit(way.session(), way.run)
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
        """Run a query function beside the writers, on the last committed state."""
        session, run = self._backend.reading

        def reading() -> T:
            with session() as one:
                return query(one, *args, **kwargs)

        return await run(reading)

    async def scrub(self) -> None:
        """What was erased is gone from the files too, as far as that is in our hands."""
        await self._backend.scrub()

    async def close(self) -> None:
        await self._backend.close()
