"""The schema's version: brings a database forward with Alembic, and says where it stands."""

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from asyncpg import PostgresError
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from storage import embedded, served
from storage.database import Database, StoreError, Where

T = TypeVar("T")

_HERE = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(4711, 0)")  # replicas that start together
# A change of a table waits for those who read it, and all others wait behind the change: never for long.
_BRIEFLY = text("SET LOCAL lock_timeout = '200ms'")
_TRY_AGAIN = 0.5  # seconds in which those who were held up go on
_PATIENCE = 300.0  # seconds after which somebody has to end what stands in the way


class BusyError(StoreError):
    """Somebody is at the tables that were to be changed; nothing was."""


class Standing(StrEnum):
    EMPTY = "empty"
    CURRENT = "current"
    BEHIND = "behind"
    AHEAD = "ahead"


def standing(where: Where) -> Standing:
    """How the database relates to this program. Raises StoreError where it cannot be opened."""
    return _on(Database.at(where), _standing)


def migrate(where: Where, now: datetime) -> Path | None:
    """Bring the database to this program's schema; returns the backup of a file made before, if any.

    A server's database is not copied (`pg_dump` does that), and other processes may go on using it: whoever
    reads or writes is not held up for longer than a second. Raises StoreError for a database that a newer
    program has moved on, and BusyError where somebody stands in the way for minutes.
    """
    database = Database.at(where)
    before = standing(where)
    if before is Standing.AHEAD:
        raise StoreError(
            f"{database} was moved on by a newer huiyin: update the program, nothing was changed"
        )
    if before is Standing.CURRENT:
        return None
    file = database.file
    backup = back_up(file, now) if file and before is Standing.BEHIND else None
    if file or before is Standing.EMPTY:
        _on(database, _upgrade)
    else:
        _forward(database)
    return backup


def _standing(connection: Connection) -> Standing:
    if not inspect(connection).has_table("alembic_version"):
        return Standing.EMPTY
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    known = sorted(path.name.partition("_")[0] for path in (_HERE / "versions").glob("[0-9]*.py"))
    if found is None:
        return Standing.EMPTY
    if found not in known:
        return Standing.AHEAD
    return Standing.CURRENT if found == known[-1] else Standing.BEHIND


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_ONE_AT_A_TIME)
    upgrade(connection, "head")


def _forward(database: Database) -> None:
    """One version after the other, each as soon as nobody stands in the way."""
    deadline = time.monotonic() + _PATIENCE
    at = Standing.BEHIND
    while at is Standing.BEHIND:
        try:
            at = _on(database, _step)
        except BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_TRY_AGAIN)


def _step(connection: Connection) -> Standing:
    connection.execute(_ONE_AT_A_TIME)
    connection.execute(_BRIEFLY)
    if _standing(connection) is Standing.BEHIND:
        upgrade(connection, "+1")
    return _standing(connection)


def upgrade(connection: Connection, revision: str) -> None:
    """Bring the tables to a revision, over a connection that commits afterwards."""
    from alembic import command  # 11 MB that only a migration needs
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _on(database: Database, work: Callable[[Connection], T]) -> T:
    """The work as one transaction. Raises StoreError where the database cannot be opened and written."""
    file = database.file
    if file is None:
        # beside a loop that may be running in this thread
        with ThreadPoolExecutor(1) as aside:
            return aside.submit(asyncio.run, _on_server(database, work)).result()
    if not file.parent.is_dir():
        raise StoreError(f"the folder of the database does not exist: {file.parent}")
    engine = embedded.open_engine(file, writes=True)
    try:
        with engine.begin() as connection:
            return work(connection)
    except OperationalError as error:
        raise StoreError(f"the database {file} cannot be opened: {error.orig}") from None
    finally:
        engine.dispose()


async def _on_server(database: Database, work: Callable[[Connection], T]) -> T:
    engine = served.open_engine(database.url, connections=1)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    except (OSError, PostgresError, SQLAlchemyError) as error:
        kind = BusyError if served.is_conflict(error) else StoreError
        raise kind(f"the database {database} cannot be used: {_reason(error)}") from None
    finally:
        await engine.dispose()


def _reason(error: Exception) -> str:
    """What the server says, which names roles and databases but no passwords; else what kind of error."""
    said = getattr(error, "orig", error)
    return str(said).partition("\n")[0] if str(said) else type(said).__name__


def back_up(path: Path, now: datetime) -> Path:
    """A copy beside the database, named by the time."""
    target = path.with_name(f"{path.stem}-{now:%Y%m%d-%H%M%S}.backup.db")
    copy_to(path, target)
    return target


def copy_to(path: Path, target: Path) -> None:
    """A consistent copy, taken while others may be reading and writing."""
    source, copy = sqlite3.connect(path), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()
    shutil.copymode(path, target)
