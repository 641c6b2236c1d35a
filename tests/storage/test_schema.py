"""The schema on both databases: made new, brought forward from every release, refused where it is newer."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from storage import queries, schema
from storage.database import Database
from storage.embedded import open_engine
from storage.schema import Standing
from storage.store import Store, StoreError
from storage.tables import Base, Resident, ServiceRequest
from tests.databases import BACKENDS, bare, fresh, server

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    fresh("sqlite", tmp_path)
    return tmp_path / "huiyin.db"


# --- the schema -------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_migrations_make_just_the_tables_that_the_code_knows(backend: str, tmp_path: Path) -> None:
    assert schema._on(Database.at(fresh(backend, tmp_path)), _differences) == []


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


def test_a_file_is_flushed_at_every_commit_and_read_beside_its_writer(path: Path) -> None:
    engine = open_engine(path, writes=False)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()


def test_an_older_database_comes_forward_with_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "huiyin.db"
    _at_revision(path, "0001")
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO resident (id, created_at, elder) VALUES (7, 1, 0)")
        _insert(connection, "service_request", {"id": 1, "resident": 7, "number": "YS261123-0001"})
    connection.close()
    assert schema.standing(path) is Standing.BEHIND
    backup = schema.migrate(path, NOW)
    assert backup is not None
    assert backup.exists()
    engine = open_engine(path, writes=False)
    with Session(engine) as session:
        (found,) = session.scalars(select(ServiceRequest))
        assert (found.source, found.sealed, found.clocks, found.endorsements) == ("chat", False, {}, 0)
        resident = session.get(Resident, 7)
        assert resident is not None
        assert resident.strikes == []
    engine.dispose()


def _at_revision(path: Path, revision: str) -> None:
    """A database as an earlier release left it."""
    engine = open_engine(path, writes=True)
    with engine.begin() as connection:
        schema.upgrade(connection, revision)
    engine.dispose()


def _insert(connection: sqlite3.Connection, table: str, values: dict[str, object]) -> None:
    """A row with something in every column that must have something."""
    filler = {"JSON": "{}", "VARCHAR": "submitted"}
    for _, name, kind, required, _, _ in connection.execute(f"PRAGMA table_info({table})").fetchall():
        if required and name not in values:
            values[name] = filler.get(kind.split("(")[0], 0)
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))  # noqa: S608


def test_a_database_of_a_newer_program_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    assert schema.standing(path) is Standing.AHEAD
    with pytest.raises(StoreError, match="newer huiyin"):
        schema.migrate(path, NOW)
    assert path.read_bytes() == before


async def test_a_copy_is_whole_while_others_write(path: Path, tmp_path: Path) -> None:
    store = Store(path)
    await store.write(queries.next_number, "n")
    schema.copy_to(path, tmp_path / "copy.db")
    copy = Store(tmp_path / "copy.db")
    assert await copy.read(queries.counter, "n") == 1
    await copy.close()
    await store.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense:pw", "sqlite://", "postgresql://u:pw@host", ""])
def test_an_address_we_cannot_use_is_named_without_its_password(url: str) -> None:
    with pytest.raises(StoreError, match="database_url") as caught:
        Database.at(url)
    assert "pw" not in str(caught.value)


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(StoreError, match=r"@127\.0\.0\.1:1") as caught:
        schema.standing("postgresql://huiyin:hidden@127.0.0.1:1/huiyin")
    assert "hidden" not in str(caught.value)


# --- on a server ------------------------------------------------------------------------------


def _server_at(revision: str, tmp_path: Path) -> str:
    url = bare("postgresql", tmp_path)
    schema._on(Database.at(url), lambda connection: schema.upgrade(connection, revision))
    return url


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004"])
def test_a_server_comes_forward_from_every_release(revision: str, tmp_path: Path) -> None:
    url = _server_at(revision, tmp_path)
    assert schema.standing(url) is Standing.BEHIND
    assert schema.migrate(url, NOW) is None
    assert schema._on(Database.at(url), _differences) == []


def test_a_server_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    url = fresh("postgresql", tmp_path)
    server().sql("UPDATE alembic_version SET version_num = '9999'", url.rpartition("/")[2])
    assert schema.standing(url) is Standing.AHEAD
    with pytest.raises(StoreError, match="newer huiyin"):
        schema.migrate(url, NOW)


def test_replicas_that_start_together_make_the_tables_once(tmp_path: Path) -> None:
    url = bare("postgresql", tmp_path)
    with ThreadPoolExecutor(4) as together:
        assert list(together.map(schema.migrate, [url] * 4, [NOW] * 4)) == [None] * 4
    assert schema.standing(url) is Standing.CURRENT


# --- while others work ------------------------------------------------------------------------

# As version 0004 wrote what came in and what goes out.
_MESSAGE = """INSERT INTO message (channel, external, account, received_at, body, state)
    VALUES ('telegram', $1, 'a', 1, '', 'waiting') RETURNING id"""
_CONVERSATION = "INSERT INTO conversation (account) VALUES ('a') ON CONFLICT DO NOTHING"
_WORK = "INSERT INTO work (message, account, not_before, attempts) VALUES ($1, 'a', 1, 0)"
_ENQUEUE = """INSERT INTO chat_queue (chat, urgency, next_at, waiting, claim_no) VALUES ($1, 1, 1, true, 0)
    ON CONFLICT (chat) DO UPDATE SET waiting = true"""
_SAY = """INSERT INTO notification
    (id, chat, urgency, state, purpose, template, args, choices, created_at, attempts)
    VALUES ($1, $2, 1, 0, 'p', 't', '{}', '[]', 1, 0)"""


async def _store(connection: asyncpg.Connection, number: int) -> None:
    async with connection.transaction():
        message = await connection.fetchval(_MESSAGE, str(number))
        await connection.execute(_CONVERSATION)
        await connection.execute(_WORK, message)
        await connection.execute(_SAY, message, f"c{number % 50}")
        await connection.execute(_ENQUEUE, f"c{number % 50}")


@asynccontextmanager
async def _connected(url: str, **settings: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_server_comes_forward_while_messages_come_in_and_somebody_reads_for_long(
    tmp_path: Path,
) -> None:
    """No store waits longer than a second for a lock: the server would refuse it then."""
    url, numbers, ready = _server_at("0004", tmp_path), count(1), asyncio.Event()

    async def stores() -> None:
        async with _connected(url, lock_timeout="1s") as connection:
            while not ready.is_set():
                await _store(connection, next(numbers))

    async with asyncio.TaskGroup() as tasks, _connected(url) as looking:
        intakes = [tasks.create_task(stores()) for _ in range(2)]
        async with _connected(url) as report, report.transaction():
            await report.fetchval("SELECT count(*) FROM notification")
            migrating = tasks.create_task(asyncio.to_thread(schema.migrate, url, NOW))
            for _ in range(3):  # tries that the report is in the way of
                await _until(looking, "EXISTS" + _STANDS)
                await _until(looking, "NOT EXISTS" + _STANDS)
            assert not migrating.done()
        await migrating
        assert not any(one.done() for one in intakes)
        newest = await looking.fetchval("SELECT max(message) FROM work")
        await _until(looking, "EXISTS (SELECT FROM work WHERE message > $1)", newest)  # the old one goes on
        ready.set()
    assert schema.standing(url) is Standing.CURRENT
    assert schema._on(Database.at(url), _differences) == []


_STANDS = """ (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'ALTER TABLE%' AND wait_event_type = 'Lock')"""


async def _until(connection: asyncpg.Connection, condition: str, *values: object) -> None:
    async with asyncio.timeout(60):
        while not await connection.fetchval(f"SELECT {condition}", *values):
            pass
