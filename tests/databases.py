"""Fresh databases for tests, on both kinds: a copy of one that has its tables already."""

import atexit
import contextlib
import itertools
import os
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from storage import schema
from storage.database import Database, Where
from tests.services import HURRIED, Postgres, postgres

BACKENDS = ("sqlite", "postgresql")
chosen = os.environ.get("HUIYIN_TESTS_ON", "sqlite")  # what a town lives on that does not say it
_EMPTY = "huiyin_empty"
_numbers = itertools.count(1)


def fresh(backend: str, folder: Path) -> str:
    """The address of a new database with all its tables; on a server that ends with this process."""
    if backend == "sqlite":
        file = shutil.copy(_empty_file(), folder / "huiyin.db")
        return f"sqlite:///{file}"
    return bare(backend, folder, f"TEMPLATE {_EMPTY}")


def bare(backend: str, folder: Path, like: str = "") -> str:
    """The address of a database that nobody has used yet."""
    if backend == "sqlite":
        return f"sqlite:///{folder}/huiyin.db"
    name = f"town_{next(_numbers)}"
    server().sql(f"CREATE DATABASE {name} {like}")
    return server().url(name)


@cache
def server() -> Postgres:
    """One server for all tests of this process, which need not survive a loss of power."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    found = stack.enter_context(postgres(*HURRIED))
    found.sql(f"CREATE DATABASE {_EMPTY}")
    _make_tables(found.url(_EMPTY))
    return found


@cache
def _empty_file() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="huiyin-tests-"))
    atexit.register(shutil.rmtree, folder)
    _make_tables(folder / "huiyin.db")
    return folder / "huiyin.db"


def _make_tables(where: Where) -> None:
    schema.migrate(where, datetime.now(UTC))


# --- looked at from outside -----------------------------------------------------


def change(url: str, statement: str) -> None:
    """What somebody does to the database beside the program."""
    schema._on(Database.at(url), lambda connection: connection.execute(text(statement)))


def values(url: str) -> list[str]:
    """Everything that is in any column of any table."""
    return schema._on(Database.at(url), _values)


def _values(connection: Connection) -> list[str]:
    tables = inspect(connection).get_table_names()
    rows = [row for one in tables for row in connection.execute(text(f'SELECT * FROM "{one}"'))]  # noqa: S608
    return [
        one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for row in rows for one in row
    ]
