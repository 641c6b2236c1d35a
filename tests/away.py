"""A database that is really away, for tests: held by somebody else, stopped, or silent."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from sqlalchemy.orm import Session

from tests import databases
from tests.services import Postgres
from tests.town import Town


@asynccontextmanager
async def away(town: Town) -> AsyncIterator[None]:
    """It refuses, and at once: a file cannot be written, a server is not there."""
    file = town.app.store.database.file
    if file is not None:
        await town.app.store.write(_patience, 20)
    with held(file) if file else _stopped():
        yield


def _patience(session: Session, milliseconds: int) -> None:
    session.connection().exec_driver_sql(f"PRAGMA busy_timeout={milliseconds}")


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Somebody else writes, longer than anybody waits."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _stopped() -> Iterator[None]:
    server = databases.server()
    if not isinstance(server, Postgres):
        raise TypeError("a test that stops the database needs one of its own, not HUIYIN_TEST_DATABASE_URL")
    server.stop()
    try:
        yield
    finally:
        server.start()


@asynccontextmanager
async def silent(town: Town) -> AsyncIterator[None]:
    """Whoever writes waits, without a word."""
    async with town.app.store.unit() as unit:
        if town.app.store.database.file is None:
            await unit.run(lambda session: session.connection().exec_driver_sql("LOCK TABLE message"))
        yield


@asynccontextmanager
async def unreadable(town: Town) -> AsyncIterator[None]:
    """What is known so far cannot be read either."""
    file = town.app.store.database.file
    with _moved(town, file.parent) if file else _stopped():
        yield


@contextmanager
def _moved(town: Town, folder: Path) -> Iterator[None]:
    town.app.store._backend._engines[1].dispose()  # type: ignore[attr-defined]  # the reader opens it anew
    elsewhere = folder.rename(folder.with_name("elsewhere"))
    yield
    elsewhere.rename(folder)
