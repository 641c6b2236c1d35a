"""Which database is meant, and what both kinds of it have in common."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

T = TypeVar("T")

Where = str | Path


class StoreError(Exception):
    """The database cannot be used as configured; the text is one line for the operator."""


class AwayError(SQLAlchemyError):
    """No connection to the server came about."""


@dataclass(frozen=True, slots=True)
class Database:
    """An SQLite file, or a database of a PostgreSQL server. Printed without its password."""

    url: URL

    @classmethod
    def at(cls, where: Where) -> "Database":
        """Of an address, or of the path of an SQLite file. Raises StoreError for anything else."""
        if isinstance(where, Path):
            return cls(URL.create("sqlite", database=str(where)))
        try:
            url = make_url(where)
        except (ArgumentError, ValueError):  # whose text may hold a password
            raise StoreError("database_url is not an address; write " + _FORMS) from None
        if url.get_backend_name() == "sqlite" and url.database:
            return cls(url)
        if url.get_backend_name() == "postgresql" and url.database:
            return cls(url.set(drivername="postgresql+asyncpg"))
        raise StoreError("database_url must name a database: " + _FORMS)

    @property
    def file(self) -> Path | None:
        """The file of an embedded database; None for a server's."""
        return Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None

    def __str__(self) -> str:
        return str(self.file or self.url.set(drivername="postgresql").render_as_string(hide_password=True))


_FORMS = "sqlite:///data/huiyin.db or postgresql://user:password@host/database"


class Run(Protocol):
    """Runs synchronous work on a database without holding up the event loop."""

    async def __call__(self, work: Callable[[], T]) -> T: ...


class Way(NamedTuple):
    """What makes sessions, and what runs their statements."""

    session: Callable[[], Session]
    run: Run


class Backend(Protocol):
    """What one kind of database is to the store."""

    @property
    def reading(self) -> Way: ...

    def writing(self, first: bool) -> AbstractAsyncContextManager[Way]:
        """Held while a unit of work writes; those who come `first` need not wait for the others."""

    async def scrub(self) -> None:
        """What was erased is gone from the files too, as far as that is in our hands."""

    async def close(self) -> None: ...


ENGINE: dict[str, Any] = {
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
    "json_deserializer": msgspec.json.decode,
    "hide_parameters": True,  # an error must not carry what people wrote into the log
}
