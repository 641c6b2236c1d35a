"""Units of work, queues and the schema, on a real SQLite file."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from storage import inbox, outbox, queries, schema
from storage.ids import from_base36, new_id, to_base36
from storage.inbox import Arrival
from storage.outbox import Mark, Room
from storage.schema import Standing
from storage.secrets import Vault
from storage.store import Store, StoreError, open_engine, sqlite_path
from storage.tables import Base, Counter, Notification, Resident, SendState, ServiceRequest

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    schema.migrate(tmp_path / "huiyin.db", NOW)
    return tmp_path / "huiyin.db"


@pytest.fixture
def store(path: Path) -> Store:
    return Store(path)


# --- the schema -------------------------------------------------------------------------------


def test_the_migrations_make_just_the_tables_that_the_code_knows(path: Path) -> None:
    engine = open_engine(path, writes=False)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
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
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
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


async def test_a_copy_is_whole_while_others_write(path: Path, store: Store, tmp_path: Path) -> None:
    await store.write(queries.next_number, "n")
    schema.copy_to(path, tmp_path / "copy.db")
    copy = Store(tmp_path / "copy.db")
    assert await copy.read(queries.counter, "n") == 1
    copy.close()
    store.close()


@pytest.mark.parametrize("url", ["postgresql://x/y", "nonsense", "sqlite://", ""])
def test_an_address_we_cannot_use_is_named(url: str) -> None:
    with pytest.raises(StoreError, match="database_url"):
        sqlite_path(url)


# --- units of work ----------------------------------------------------------------------------


async def test_a_unit_is_all_or_nothing(store: Store) -> None:
    async def fails() -> None:
        async with store.unit() as unit:
            await unit.run(queries.next_number, "n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fails()
    assert await store.read(queries.counter, "n") == 0
    assert await store.write(queries.next_number, "n") == 1
    store.close()


async def test_units_wait_for_each_other_and_the_first_pass(store: Store) -> None:
    order: list[str] = []

    async def work(name: str, first: bool) -> None:
        async with store.unit(first=first) as unit:
            order.append(name)
            await unit.run(queries.next_number, "n")

    async with store.unit():
        waiting = [asyncio.create_task(work(name, name == "in")) for name in ("a", "b", "in")]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["in", "a", "b"]
    assert await store.read(queries.counter, "n") == 3
    store.close()


async def test_a_cancelled_unit_leaves_the_store_usable(store: Store) -> None:
    async def endless() -> None:
        async with store.unit() as unit:
            await unit.run(queries.next_number, "n")
            await asyncio.Event().wait()

    task = asyncio.create_task(endless())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait({task})
    assert await asyncio.wait_for(store.write(queries.next_number, "n"), 5) == 1
    store.close()


async def test_a_claim_is_a_compare_and_set_on_the_version(path: Path, store: Store) -> None:
    await store.write(_file)
    other = Session(open_engine(path, writes=False), expire_on_commit=False)
    stale = other.get(ServiceRequest, 1)
    assert stale is not None
    other.commit()

    async with store.unit() as unit:
        request = await unit.get(ServiceRequest, 1)
        assert request is not None
        request.claimed_by = "first"
    stale.claimed_by = "second"
    with pytest.raises(StaleDataError):
        other.commit()
    other.close()
    store.close()


def _file(session: Session) -> None:
    session.add(Resident(id=1, created_at=NOW))
    request = ServiceRequest(
        id=1, number="YS261123-0001", community="YS", resident=1, channel="telegram",
        status_since=NOW, decision={}, touched_at=NOW, created_at=NOW, alerted=[], seen_by=[], not_here_by=[],
        returned_by=[], reason={},
    )  # fmt: skip
    setattr(request, "status", "submitted")  # noqa: B010 (only lifecycle may write it by name)
    session.add(request)


# --- the way in -------------------------------------------------------------------------------


ROOM = Room(10, 6, 20)


def arrival(external: str, account: str | None = "a", body: bytes = b"{}") -> Arrival:
    return Arrival("telegram", external, account, body, NOW)


async def test_a_message_is_stored_once(store: Store) -> None:
    assert await store.write(inbox.store, [arrival("1"), arrival("2")]) == {
        ("telegram", "1"),
        ("telegram", "2"),
    }
    assert await store.write(inbox.store, [arrival("1"), arrival("3")]) == {("telegram", "3")}
    assert [one.external for one in await store.read(inbox.waiting, NOW)] == ["1", "2", "3"]
    store.close()


async def test_a_flooding_account_gets_its_share_and_no_more(store: Store) -> None:
    await store.write(inbox.store, [arrival(f"a{number}") for number in range(100)])
    await store.write(inbox.store, [arrival("b", "b")])
    waiting = await store.read(inbox.waiting, NOW)
    assert [one.external for one in waiting] == [*(f"a{number}" for number in range(8)), "b"]
    store.close()


async def test_what_is_set_aside_waits_and_lets_others_pass(store: Store) -> None:
    await store.write(inbox.store, [arrival("1"), arrival("2")])
    first = (await store.read(inbox.waiting, NOW))[0]
    await store.write(inbox.set_aside, first.message, 1, NOW + timedelta(minutes=1))
    assert [one.external for one in await store.read(inbox.waiting, NOW)] == ["2"]
    assert len(await store.read(inbox.waiting, NOW + timedelta(minutes=1))) == 2
    store.close()


async def test_a_message_cannot_be_done_twice(store: Store) -> None:
    await store.write(inbox.store, [arrival("1")])
    ids = [one.message for one in await store.read(inbox.waiting, NOW)]
    await store.write(inbox.done, ids)
    with pytest.raises(LookupError):
        await store.write(inbox.done, ids)
    store.close()


# --- the way out ------------------------------------------------------------------------------

LEASE = NOW + timedelta(seconds=40)


def _say(session: Session, *said: tuple[str, int]) -> list[int]:
    rows = [
        Notification(
            id=new_id(), chat=chat, urgency=urgency, state=0, purpose="p", template="t", created_at=NOW
        )
        for chat, urgency in said
    ]
    session.add_all(rows)
    session.flush()
    queries.enqueue(session, said, NOW)
    return [row.id for row in rows]


async def test_a_chat_is_claimed_once_and_its_head_is_urgent_first(store: Store) -> None:
    ids = await store.write(_say, ("member:a", 1), ("member:a", 0), ("member:b", 1))
    jobs = await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram")
    assert {job.said.id for job in jobs} == {ids[1], ids[2]}
    assert await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram") == []
    store.close()


async def test_a_lease_that_ran_out_is_claimed_again_and_the_late_mark_ignored(store: Store) -> None:
    await store.write(_say, ("member:a", 1))
    (first,) = await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram")
    (second,) = await store.write(outbox.claim, LEASE, LEASE + timedelta(seconds=40), ROOM, "telegram")
    assert second.said.id == first.said.id
    await store.write(outbox.mark, [Mark(first, SendState.WAITING, NOW)], NOW)
    assert await store.write(outbox.claim, LEASE, LEASE, ROOM, "telegram") == [], (
        "the chat is still the second claim's"
    )
    store.close()


async def test_order_in_a_chat_is_kept_and_pauses_are_obeyed(store: Store) -> None:
    ids = await store.write(_say, ("member:a", 1), ("member:a", 1))
    (first,) = await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram")
    assert first.said.id == ids[0]
    later = NOW + timedelta(seconds=1)
    await store.write(outbox.mark, [Mark(first, SendState.SENT, later, sent_at=NOW, ref="9")], NOW)
    assert await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram") == []
    assert set((await store.read(outbox.next_due)).values()) == {later}
    (second,) = await store.write(outbox.claim, later, LEASE, ROOM, "telegram")
    assert second.said.id == ids[1]
    store.close()


async def test_what_a_dead_process_had_in_hand_is_free_at_the_next_start(store: Store) -> None:
    await store.write(_say, ("member:a", 1))
    await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram")
    assert await store.write(outbox.release_all) == 1
    assert len(await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram")) == 1
    store.close()


async def test_the_same_dedupe_key_is_refused_by_the_database(store: Store) -> None:
    def twice(session: Session) -> None:
        for _ in range(2):
            session.add(
                Notification(
                    id=new_id(),
                    chat="a",
                    urgency=1,
                    state=0,
                    purpose="p",
                    template="t",
                    created_at=NOW,
                    dedupe="k",
                )
            )

    with pytest.raises(IntegrityError):
        await store.write(twice)
    store.close()


# --- small things -----------------------------------------------------------------------------


@given(st.integers(min_value=0, max_value=2**62))
def test_ids_survive_the_button(number: int) -> None:
    assert from_base36(to_base36(number)) == number
    assert len(to_base36(number)) <= 13


def test_ids_rise() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert ids == sorted(set(ids))


def test_a_sealed_address_opens_under_its_own_secret_only() -> None:
    ours, theirs = Vault("one secret of the office"), Vault("another secret altogether")
    sealed = ours.seal("1001")
    assert b"1001" not in sealed
    assert ours.open(sealed) == "1001"
    assert ours.lookup("telegram", "1001") != theirs.lookup("telegram", "1001")
    with pytest.raises(ValueError, match="HUIYIN_SECRET_KEY"):
        theirs.open(sealed)


async def test_an_error_never_shows_what_was_being_written(store: Store) -> None:
    def twice(session: Session) -> None:
        session.add(Counter(name="secret words", value=1))
        session.flush()
        session.connection().exec_driver_sql("INSERT INTO counter VALUES (?, 1)", ("secret words",))

    with pytest.raises(IntegrityError) as caught:
        await store.write(twice)
    assert "secret words" not in str(caught.value)
    store.close()
