"""Fresh databases for tests, on both kinds: a copy of one that has its tables already."""

import atexit
import contextlib
import itertools
import os
import shutil
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from redis import Redis
from sqlalchemy import Connection, inspect, text

from storage import schema
from storage.database import Database, Where
from tests.services import HURRIED, Postgres, Server, any_postgres, any_redis

BACKENDS = ("sqlite", "postgresql")
named = os.environ.get("HUIYIN_TESTS_ON")
DEFAULT = named or "sqlite"
chosen = DEFAULT  # what a town lives on that does not say it
_PREFIX = f"huiyin_tests_{os.getpid()}"  # on a server that others may use too
_numbers = itertools.count(1)
_on_loan: list[str] = []


def fresh(backend: str, folder: Path) -> str:
    """The address of a new database with all its tables; on a server that ends with this process."""
    if backend == "sqlite":
        file = shutil.copy(_empty_file(), folder / "huiyin.db")
        return f"sqlite:///{file}"
    return bare(backend, folder, f"TEMPLATE {_empty()}")


def bare(backend: str, folder: Path, like: str = "") -> str:
    """The address of a database that nobody has used yet."""
    if backend == "sqlite":
        return f"sqlite:///{folder}/huiyin.db"
    return _made(f"{_PREFIX}_{next(_numbers)}", like)


def _made(name: str, like: str = "") -> str:
    server().sql(f"CREATE DATABASE {name} {like}")
    if not isinstance(server(), Postgres):  # others are on it, and it goes on
        _on_loan.append(name)
    return server().url(name)


def forget() -> None:
    """Take away what was made on a server that is not ours."""
    while _on_loan:
        server().sql(f"DROP DATABASE IF EXISTS {_on_loan.pop()} WITH (FORCE)", quiet=True)


def beside(backend: str) -> str:
    """The address of an empty Redis for those who live on a server; whoever lives on a file has none."""
    if backend == "sqlite":
        return ""
    with closing(Redis.from_url(_redis())) as connection:
        connection.flushall()
    return _redis()


@cache
def _redis() -> str:
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(any_redis())


@cache
def server() -> Server:
    """One server for all tests of this process, which need not survive a loss of power."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(any_postgres(*HURRIED))


@cache
def _empty() -> str:
    """The name of a database with all tables, of which others are copies."""
    name = f"{_PREFIX}_empty"
    _make_tables(_made(name))
    return name


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
