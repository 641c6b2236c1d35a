"""Many processes on one database: who has which message, chat, number and lead, and what the dead leave."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from storage import inbox, outbox, queries
from storage.ids import new_id
from storage.inbox import Arrival, Waiting
from storage.outbox import Room
from storage.presence import Presence
from storage.store import Store
from storage.tables import Notification
from tests.databases import BACKENDS, fresh, server

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
LEASE = NOW + timedelta(seconds=40)
ROOM = Room(10, 6, 20)


def arrival(external: str, account: str, *, urgent: bool = False) -> Arrival:
    return Arrival("telegram", external, account, b"{}", NOW, urgent)


@pytest.fixture
def where(tmp_path: Path) -> str:
    return fresh("postgresql", tmp_path)


@pytest.fixture
async def store(where: str) -> AsyncIterator[Store]:
    store = Store(where)
    yield store
    await store.close()


@pytest.fixture(params=BACKENDS)
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(fresh(request.param, tmp_path))
    yield store
    await store.close()


async def _claimed(store: Store) -> list[str]:
    return [one.external for one in await store.write(inbox.claim, NOW)]


# --- messages ---------------------------------------------------------------------------------


async def test_what_one_worker_has_another_passes_over_until_it_is_done(store: Store) -> None:
    await store.write(inbox.store, [arrival("a1", "a"), arrival("b1", "b"), arrival("a2", "a")])
    async with store.unit() as mine:
        first = await mine.run(inbox.claim, NOW)
        assert [one.external for one in first] == ["a1", "b1", "a2"]
        await store.write(inbox.store, [arrival("a3", "a"), arrival("c1", "c")])
        assert await _claimed(store) == ["c1"]
        await mine.run(inbox.done, [one.message for one in first])
    assert await _claimed(store) == ["a3", "c1"]


async def test_what_another_has_done_meanwhile_is_not_done_again(store: Store) -> None:
    await store.write(inbox.store, [arrival("a1", "a"), arrival("b1", "b")])
    waiting = await store.write(inbox.claim, NOW)
    await store.write(inbox.done, [waiting[0].message])
    async with store.unit() as theirs:
        await theirs.run(inbox.hold, _of(waiting, "b1"), NOW)
        assert await store.write(inbox.hold, waiting, NOW) == set()
    assert await store.write(inbox.hold, waiting, NOW) == {waiting[1].message}


def _of(waiting: list[Waiting], external: str) -> list[Waiting]:
    return [one for one in waiting if one.external == external]


async def test_danger_passes_everybody_and_takes_along_what_they_wrote_before(either: Store) -> None:
    await either.write(inbox.store, [arrival("a1", "a"), arrival("b1", "b"), arrival("c1", "c")])
    await either.write(inbox.store, [arrival("c2", "c", urgent=True)])
    async with either.unit() as unit:
        claimed = await unit.run(inbox.claim, NOW)
    assert [one.external for one in claimed] == ["a1", "b1", "c1", "c2"]
    await either.write(inbox.done, [one.message for one in claimed if one.account == "a"])
    heads = await either.read(lambda session: list(session.connection().scalars(inbox._HEADS, {"now": NOW})))
    assert heads == ["c", "b"]


async def test_a_flood_waits_behind_and_is_worked_off_in_order(either: Store) -> None:
    flood = [f"f{number:03}" for number in range(100)]
    for number in range(0, 100, 25):
        await either.write(inbox.store, [arrival(one, "f") for one in flood[number : number + 25]])
    await either.write(inbox.store, [arrival("b1", "b")])
    done: list[str] = []
    while True:
        async with either.unit() as unit:
            claimed = await unit.run(inbox.claim, NOW)
            await unit.run(inbox.done, [one.message for one in claimed])
            moved = await unit.run(inbox.bring_forward)
        done += [one.external for one in claimed]
        if not claimed and not moved:
            break
    assert done.index("b1") <= 8, "nobody waits for a flood"
    assert [one for one in done if one != "b1"] == flood


async def test_whoever_floods_is_still_heard_in_danger(either: Store) -> None:
    for number in range(4):
        await either.write(inbox.store, [arrival(f"{number}.{one}", "f") for one in range(25)])
    await either.write(inbox.store, [arrival("help", "f", urgent=True)])
    order: list[str] = []
    for _ in range(8):
        async with either.unit() as unit:
            claimed = await unit.run(inbox.claim, NOW)
            await unit.run(inbox.done, [one.message for one in claimed])
        order += [one.external for one in claimed]
    assert "help" in order
    assert len(order) < 101, "before what waits behind"


# --- chats ------------------------------------------------------------------------------------


def _say(session: Session, chat: str, urgency: int = 1) -> int:
    row = Notification(
        id=new_id(), chat=chat, urgency=urgency, state=0, purpose="p", template="t", created_at=NOW
    )
    session.add(row)
    session.flush()
    queries.enqueue(session, [(chat, urgency)], NOW)
    return row.id


async def test_what_the_dead_had_in_hand_is_free_and_what_the_living_have_is_not(
    where: str, store: Store
) -> None:
    await store.write(_say, "member:a")
    await store.write(_say, "member:b")
    dying, living = Presence(where), Presence(where)
    (first,) = await store.write(outbox.claim, NOW, LEASE, Room(1, 6, 20), "telegram", await dying.number())
    (second,) = await store.write(outbox.claim, NOW, LEASE, Room(1, 6, 20), "telegram", await living.number())
    assert await store.write(outbox.free_orphans) == 0
    await dying.close()
    assert await store.write(outbox.free_orphans) == 1
    (again,) = await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram", await living.number())
    assert again.said.id == first.said.id != second.said.id
    await living.close()


async def test_a_card_that_is_just_being_changed_goes_out_when_it_is_changed(store: Store) -> None:
    await store.write(_say, "member:a")
    async with store.unit() as theirs:
        card = await theirs.run(lambda session: session.query(Notification).one())
        card.template = "better"
        await theirs.run(lambda session: session.flush())
        assert await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram") == []
    (job,) = await store.write(outbox.claim, NOW, LEASE, ROOM, "telegram")
    assert job.said.template == "better"


async def test_a_chat_whose_messages_were_withdrawn_is_not_looked_at_again(either: Store) -> None:
    await either.write(_say, "member:a")
    await either.write(lambda session: session.query(Notification).delete())
    assert await either.write(outbox.claim, NOW, LEASE, ROOM, "telegram") == []
    assert await either.read(outbox.next_due) == {}


async def test_the_pace_is_everybodys(either: Store) -> None:
    assert await either.read(outbox.paces) == {}
    await either.write(outbox.set_paces, {"telegram": 2.5, "wecom": 0.0}, NOW)
    await either.write(outbox.set_paces, {"telegram": -1.0}, LEASE)
    assert await either.read(outbox.paces) == {"telegram": (-1.0, LEASE), "wecom": (0.0, NOW)}


# --- leads ------------------------------------------------------------------------------------


async def test_one_leads_until_it_is_gone(where: str) -> None:
    async with AsyncExitStack() as stack:
        first, second = Presence(where), Presence(where)
        stack.push_async_callback(second.close)
        assert [await one.leads("clock") for one in (first, second, first)] == [True, False, True]
        assert await second.leads("polling"), "each lead by itself"
        await first.close()
        assert await second.leads("clock")


async def test_whoever_lost_the_server_leads_nothing_and_begins_anew(where: str) -> None:
    one = Presence(where)
    assert await one.leads("clock")
    before = await one.number()
    name = where.rpartition("/")[2]
    server().sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608 (our own name)
    assert not await one.leads("clock")
    assert await one.leads("clock")
    assert await one.number() not in (0, before)
    await one.close()


async def test_a_file_has_one_process_and_that_leads(tmp_path: Path) -> None:
    alone = Presence(tmp_path / "huiyin.db")
    assert await alone.leads("clock")
    assert await alone.number() == 0
