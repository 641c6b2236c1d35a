"""Units of work and the queues, on a real SQLite file and on a real PostgreSQL server."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage import inbox, outbox, queries
from storage.ids import from_base36, new_id, to_base36
from storage.inbox import Arrival
from storage.outbox import Mark, Room
from storage.secrets import Vault
from storage.served import ConflictError
from storage.store import Store, is_conflict
from storage.tables import Counter, Notification, Resident, SendState, ServiceRequest
from tests.databases import BACKENDS, fresh

T = TypeVar("T")

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(fresh(request.param, tmp_path))
    yield store
    await store.close()


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


async def test_units_of_a_file_wait_for_each_other_and_the_first_pass(tmp_path: Path) -> None:
    store = Store(fresh("sqlite", tmp_path))
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
    await store.close()


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


async def test_nobody_overwrites_what_another_has_changed_meanwhile(tmp_path: Path) -> None:
    store = Store(fresh("postgresql", tmp_path))
    await store.write(_file)
    await store.write(_say, ("member:a", 1))
    for kind, name in ((ServiceRequest, "claimed_by"), (Resident, "home_area"), (Notification, "error")):
        with pytest.raises(ConflictError) as caught:
            await _meet(store, kind, name)
        assert is_conflict(caught.value)
        assert getattr(await store.read(_first, kind), name) == "first"
    await store.close()


async def _meet(store: Store, kind: type[T], name: str) -> None:
    async with store.unit() as mine:
        read = await mine.run(_first, kind)
        async with store.unit() as theirs:
            setattr(await theirs.run(_first, kind), name, "first")
        setattr(read, name, "second")


async def test_changes_that_do_not_meet_are_both_kept(tmp_path: Path) -> None:
    store = Store(fresh("postgresql", tmp_path))
    await store.write(_file)
    async with store.unit() as mine:
        resident = await mine.run(_first, Resident)
        async with store.unit() as theirs:
            (await theirs.run(_first, ServiceRequest)).claimed_by = "m1"
        resident.home_area = "YS"
    assert (await store.read(_first, Resident)).home_area == "YS"
    await store.close()


def _first(session: Session, kind: type[T]) -> T:
    return session.scalars(select(kind).where(kind.id > 0)).one()  # type: ignore[attr-defined]  # all have one


async def test_a_number_is_nobody_elses_and_nobody_waits_for_it(tmp_path: Path) -> None:
    store = Store(fresh("postgresql", tmp_path))
    async with store.unit() as mine, store.unit() as theirs:
        taken = [await one.run(queries.take_numbers, {"n": 2, "m": 1}) for one in (mine, theirs, mine)]
    assert taken == [{"n": 2, "m": 1}, {"n": 4, "m": 2}, {"n": 6, "m": 3}]
    await store.close()


async def test_numbers_that_were_not_used_are_given_back_unless_somebody_has_gone_on(store: Store) -> None:
    assert await store.write(queries.take_numbers, {"n": 3, "m": 3}) == {"n": 3, "m": 3}
    await store.write(queries.take_numbers, {"m": 1})
    await store.write(queries.give_numbers_back, {"n": (3, 1), "m": (3, 1)})
    assert await store.write(queries.take_numbers, {"n": 1, "m": 1}) == {"n": 2, "m": 5}


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
    first = await store.write(inbox.store, [arrival("1"), arrival("2")])
    assert first.keys() == {("telegram", "1"), ("telegram", "2")}
    second = await store.write(inbox.store, [arrival("1"), arrival("3")])
    assert second.keys() == {("telegram", "3")}
    claimed = await store.write(inbox.claim, NOW)
    assert [one.external for one in claimed] == ["1", "2", "3"]
    assert [one.message for one in claimed] == [*first.values(), *second.values()]


async def test_a_flooding_account_gets_its_share_and_no_more(store: Store) -> None:
    await store.write(inbox.store, [arrival(f"a{number}") for number in range(100)])
    await store.write(inbox.store, [arrival("b", "b")])
    waiting = await store.write(inbox.claim, NOW)
    assert [one.external for one in waiting] == [*(f"a{number}" for number in range(8)), "b"]


async def test_what_is_set_aside_waits_and_lets_others_pass(store: Store) -> None:
    await store.write(inbox.store, [arrival("1"), arrival("2")])
    first = (await store.write(inbox.claim, NOW))[0]
    await store.write(inbox.set_aside, first.message, 1, NOW + timedelta(minutes=1))
    assert [one.external for one in await store.write(inbox.claim, NOW)] == ["2"]
    assert len(await store.write(inbox.claim, NOW + timedelta(minutes=1))) == 2


async def test_a_message_cannot_be_done_twice(store: Store) -> None:
    await store.write(inbox.store, [arrival("1")])
    ids = [one.message for one in await store.write(inbox.claim, NOW)]
    await store.write(inbox.done, ids)
    with pytest.raises(LookupError):
        await store.write(inbox.done, ids)


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


async def test_a_lease_that_ran_out_is_claimed_again_and_the_late_mark_ignored(store: Store) -> None:
    await store.write(_say, ("member:a", 1))
    (first,) = await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram")
    (second,) = await store.write(outbox.claim, LEASE, LEASE + timedelta(seconds=40), ROOM, "telegram")
    assert second.said.id == first.said.id
    await store.write(outbox.mark, [Mark(first, SendState.WAITING, NOW)], NOW)
    assert await store.write(outbox.claim, LEASE, LEASE, ROOM, "telegram") == [], (
        "the chat is still the second claim's"
    )


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


async def test_what_a_dead_process_had_in_hand_is_free_at_the_next_start(store: Store) -> None:
    await store.write(_say, ("member:a", 1))
    await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram")
    assert await store.write(outbox.release_all) == 1
    assert len(await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram")) == 1


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
    words = " ".join(("secret", "words"))  # as one word nowhere in this file, which tracebacks quote

    def twice(session: Session) -> None:
        session.add(Counter(name=words, value=1))
        session.flush()
        session.execute(insert(Counter).values(name=words, value=1))

    with pytest.raises(IntegrityError) as caught:
        await store.write(twice)
    assert "secret words" not in "".join(traceback.format_exception(caught.value))
