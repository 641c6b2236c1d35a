"""What is said to those who run the bot: metrics and health, on a listener of their own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot.app import listen
from bot.health import STUCK_AFTER, Health, reason_of
from bot.serving import serving
from storage.outbox import CARDS
from storage.store import Store
from storage.tables import Notification, SendState
from tests import databases
from tests.town import Town

Numbers = dict[str, float]


class Internal:
    """Somebody who runs the bot, at its internal listener."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def numbers(self) -> Numbers:
        """What a Prometheus server would read: name{label values} and value."""
        async with self._http.get("/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
            return {_name(one.name, one.labels): one.value for family in families for one in family.samples}

    async def told(self, path: str) -> tuple[int, Any]:
        async with self._http.get(path) as answer:
            return answer.status, await answer.json(content_type=None)


@asynccontextmanager
async def internal(town: Town) -> AsyncIterator[Internal]:
    listening = listen("127.0.0.1", 0)
    base = "http://{}:{}".format(*listening.getsockname())
    async with serving(town.app.internal, listening), aiohttp.ClientSession(base) as http:
        yield Internal(http)


def _name(name: str, labels: dict[str, str]) -> str:
    return f"{name}{{{','.join(labels[key] for key in sorted(labels))}}}"


def _grown(before: Numbers, after: Numbers, name: str) -> float:
    """By how much all values of this name have grown together."""
    return sum(value - before.get(key, 0) for key, value in after.items() if key.startswith(f"{name}{{"))


async def _arrived(town: Town) -> None:
    """Until what people sent is stored; nothing is handled yet."""
    async with asyncio.timeout(20):
        while (await town.sandbox.log())["undelivered"]:  # noqa: ASYNC110 (it is another server's state)
            await asyncio.sleep(0.002)


def _cards(session: Session) -> int:
    query = select(func.count()).where(
        Notification.template.in_(CARDS), Notification.edits.is_(None), Notification.state == SendState.SENT
    )
    return session.scalar(query) or 0


async def test_every_stage_of_a_conversation_is_counted_and_timed(yueshi: Town) -> None:
    await yueshi.staff(1001)
    resident = await yueshi.at_home()
    await yueshi.says(resident, "楼道灯坏了")
    async with internal(yueshi) as ops:
        before, cards = await ops.numbers(), await yueshi.app.store.read(_cards)
        await resident.taps("提交")
        await _arrived(yueshi)
        yueshi.clock.advance(timedelta(seconds=7))
        held = await ops.numbers()
        await yueshi.settle()
        yueshi.clock.advance(timedelta(seconds=7))
        after = await ops.numbers()
    assert held["huiyin_waiting{messages_ordinary}"] == 1
    assert held["huiyin_oldest_seconds{messages_ordinary}"] == 7
    assert (
        after["huiyin_waiting{messages_ordinary}"] == after["huiyin_oldest_seconds{messages_ordinary}"] == 0
    )
    cards = await yueshi.app.store.read(_cards) - cards
    assert cards == 2, "one to the member, one in the group"
    for name, count in {
        "huiyin_received_total": 1,
        "huiyin_stored_total": 1,
        "huiyin_handled_total": 1,
        "huiyin_sent_total": cards + 1,  # and the receipt
        "huiyin_failed_total": 0,
        "huiyin_card_seconds_count": cards,
    }.items():
        assert _grown(before, after, name) == count, name
    assert _grown(before, after, "huiyin_card_seconds_sum") >= 7 * cards, "it counts from the arrival"
    for stage, count in {"store": 1, "batch": 1, "send": cards + 1}.items():
        name = f"huiyin_stage_seconds_count{{{stage}}}"
        assert after[name] - before[name] == count, name


async def test_ages_grow_with_the_clock_also_where_the_database_is_away(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await resident.says("楼道灯坏了")
    await _arrived(yueshi)
    async with internal(yueshi) as ops:
        ages = []
        for away in (False, False, True):
            if away:
                await yueshi.app.store.write(_rename, "work", "gone")
            yueshi.clock.advance(timedelta(seconds=30))
            numbers = await ops.numbers()
            ages.append(numbers["huiyin_oldest_seconds{messages_ordinary}"])
            assert numbers["huiyin_database_up{}"] == (not away)
        await yueshi.app.store.write(_rename, "gone", "work")
    assert ages == [30, 60, 90]


async def test_a_deadline_that_nobody_fires_shows(yueshi: Town) -> None:
    await yueshi.staff(1001)
    await yueshi.filed(await yueshi.at_home())
    async with internal(yueshi) as ops:
        assert (await ops.numbers())["huiyin_waiting{deadlines_late}"] == 0
        yueshi.clock.advance(timedelta(hours=30))
        first = await ops.numbers()
        await yueshi.settle()
        yueshi.clock.advance(timedelta(seconds=5))
        assert (await ops.numbers())["huiyin_waiting{deadlines_late}"] == 0
    assert first["huiyin_waiting{deadlines_late}"] > 0
    assert first["huiyin_oldest_seconds{deadlines_late}"] > 3600


def _rename(session: Session, table: str, to: str) -> None:
    session.execute(text(f"ALTER TABLE {table} RENAME TO {to}"))


async def test_the_page_of_numbers_has_what_prometheus_reads(yueshi: Town) -> None:
    async with internal(yueshi) as ops:
        numbers = await ops.numbers()
        status, page = await ops.told("/ops.json")
    assert (status, page["ready"], page["failing"]) == (200, True, {})
    told = {
        _name(name, {key: str(value) for key, value in one.items() if key != "value"}): one["value"]
        for name, found in page["metrics"].items()
        for one in found
    }
    ours = {name: value for name, value in numbers.items() if name.startswith("huiyin_")}
    assert told == {name: value for name, value in ours.items() if "_created{" not in name}


async def test_nothing_of_it_is_on_the_public_listener(yueshi: Town) -> None:
    base = yueshi.app.settings.channels.telegram.webhook_url.removesuffix("/telegram/webhook")
    async with aiohttp.ClientSession() as http:
        for path in ("metrics", "ops.json"):
            async with http.get(f"{base}/{path}") as answer:
                assert answer.status == 404
                assert "huiyin_" not in await answer.text()


async def test_readiness_names_what_fails_and_why_and_recovers(yueshi: Town) -> None:
    running = asyncio.create_task(yueshi.app.run())
    try:
        async with internal(yueshi) as ops:
            assert await _until(yueshi, ops, 200) == {"ready": True, "failing": {}, "notes": {}}
            yueshi.app.health.note("redis", "away: slower")
            await yueshi.app.store.write(_rename, "work", "gone")
            told = await _until(yueshi, ops, 503)
            assert told["ready"] is False
            assert told["failing"].keys() == {"dispatcher"}
            assert told["failing"]["dispatcher"].endswith("Error")
            assert told["notes"] == {"redis": "away: slower"}
            assert (await ops.numbers())["huiyin_ready{}"] == 0
            await yueshi.app.store.write(_rename, "gone", "work")
            told = await _until(yueshi, ops, 200)
            assert told == {"ready": True, "failing": {}, "notes": {"redis": "away: slower"}}
    finally:
        running.cancel()
        await asyncio.wait({running})


async def _until(town: Town, ops: Internal, status: int) -> Any:
    """What /readyz says once it answers so."""
    async with asyncio.timeout(20):
        while True:
            found, told = await ops.told("/readyz")
            if found == status:
                return told
            town.clock.advance(timedelta(seconds=5))  # the loops look again after so long
            await asyncio.sleep(0.01)


async def test_a_reason_is_ours_or_a_class_and_never_an_errors_text(tmp_path: Path) -> None:
    assert reason_of(ConnectionError("https://api.example/bot1:secret")) == "ConnectionError"
    store = Store(Path(databases.fresh("sqlite", tmp_path).removeprefix("sqlite:///")))
    await store.write(_patience, 0)
    with closing(sqlite3.connect(str(store.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError) as caught:
            await store.write(_patience, 0)
    assert reason_of(caught.value) == "the database is away"
    await store.close()


def _patience(session: Session, milliseconds: int) -> None:
    session.connection().exec_driver_sql(f"PRAGMA busy_timeout={milliseconds}")


def test_a_loop_that_is_not_heard_of_is_stuck() -> None:
    now = [1000.0]
    health = Health(lambda: now[0])
    health.watch("dispatcher")
    health.well("telegram")  # which listens for ever, and is not watched
    now[0] += STUCK_AFTER
    assert health.told()["ready"] is True
    now[0] += 15
    assert health.told() == {"ready": False, "failing": {"dispatcher": "stuck for 75 seconds"}, "notes": {}}
    health.fails("dispatcher", "LookupError")
    assert health.failing == {"dispatcher": "LookupError"}
    health.well("dispatcher")
    assert health.failing == {}
