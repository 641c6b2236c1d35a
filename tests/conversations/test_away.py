"""While the database is away: nothing is lost or overtaken, platforms get true answers, people hear once."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

import bot.intake
from bot import metrics
from bot.delays import HICCUP
from bot.sandbox.official.people import Follower
from bot.sandbox.people import Person
from bot.settings import Settings, Spool
from storage import inbox
from storage.tables import Message
from tests.away import away, silent, unreadable
from tests.conversations.test_door import post
from tests.conversations.test_hand_page import OPENID, Here
from tests.conversations.test_hand_page import here as hand_page
from tests.test_spool import no_file_above
from tests.town import GROUP, Town, town

__all__ = ["hand_page"]
pytestmark = pytest.mark.both
LATE, DANGER = "晚一点回您", "请马上拨110"
_updates = iter(range(70_000, 80_000))


def update(text: str, user: int = 9001) -> bytes:
    number = next(_updates)
    message = {
        "message_id": number, "date": 1795395600, "text": text,
        "from": {"id": user, "is_bot": False, "first_name": "居民"},
        "chat": {"id": user, "type": "private", "first_name": "居民"},
    }  # fmt: skip
    return json.dumps({"update_id": number, "message": message}).encode()


async def failing(town: Town) -> dict[str, str]:
    home = town.app.settings.channels.web.url
    async with aiohttp.ClientSession() as http, http.get(f"{home}/readyz") as answer:
        told = await answer.json()
        assert told["ready"] == (not told["failing"])
        return dict(told["failing"])


async def delivered(town: Town) -> None:
    """Until the product has answered for every update, without doing anything else."""
    while (await town.sandbox.log())["undelivered"]:
        pass


async def bodies(town: Town) -> list[bytes]:
    return await town.app.store.read(
        lambda session: list(session.scalars(select(Message.body).order_by(Message.id)))
    )


async def told(person: Person | Follower, words: str) -> int:
    return sum(words in one.text for one in await person.sees() if not one.is_me)


# --- nothing is lost --------------------------------------------------------------------------


async def test_what_comes_meanwhile_is_handled_in_order_afterwards(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    async with away(yueshi):
        await resident.says("楼道灯坏了")
        await resident.says("三楼的也坏了")
        await delivered(yueshi)
        assert await failing(yueshi) == {"database": "away"}
        assert metrics.spool_records._value.get() == 2
        assert metrics.spool_bytes._value.get() > 0
    await yueshi.settle()
    assert await failing(yueshi) == {}
    assert metrics.spool_records._value.get() == 0
    assert "楼道灯坏了" in (await yueshi.card(resident, "三楼的也坏了")).text
    await yueshi.taps(resident, "提交")
    await yueshi.request()


async def test_nothing_overtakes_what_waits_in_the_spool(yueshi: Town) -> None:
    first, second, third = update("第一句"), update("第二句"), update("第三句")
    async with away(yueshi):
        assert await post(yueshi, first) == 200
    assert [await post(yueshi, one) for one in (second, first, third)] == [200] * 3
    assert not set(await bodies(yueshi)) & {first, second, third}
    await yueshi.settle()
    assert [one for one in await bodies(yueshi) if one in (first, second, third)] == [first, second, third]


async def test_a_drain_that_ends_half_way_is_begun_again(yueshi: Town) -> None:
    sent = [update(f"第{number}句") for number in range(5)]
    async with away(yueshi):
        for one in sent:
            await post(yueshi, one)
    part = yueshi.app.spool.oldest()
    assert part is not None
    await yueshi.app.store.write(inbox.store, part.arrivals[:2])
    await yueshi.settle()
    assert [one for one in await bodies(yueshi) if one in sent] == sent


async def test_a_database_that_does_not_answer_counts_as_away(
    yueshi: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.intake, "PATIENCE", 0.1)
    sent = [update("第一句"), update("第二句")]
    async with silent(yueshi):
        async with asyncio.timeout(2):
            assert [await post(yueshi, one) for one in sent] == [200, 200]
        assert yueshi.app.spool.records == 2
    await yueshi.app.intake.finish()
    await yueshi.settle()
    assert [one for one in await bodies(yueshi) if one in sent] == sent


async def test_a_message_that_the_database_refuses_does_not_stop_the_others(yueshi: Town) -> None:
    sent = [update("第一句"), update("第二句"), update("第三句")]
    async with away(yueshi):
        for one in sent:
            await post(yueshi, one)
    await yueshi.app.store.write(_refuse, sent[1].hex())
    broken = metrics.spool_broken._value.get()
    with capture_logs() as logs:
        await yueshi.app.intake.drain()
    assert [one for one in await bodies(yueshi) if one in sent] == [sent[0], sent[2]]
    assert metrics.spool_broken._value.get() == broken + 1
    assert [one["log_level"] for one in logs if "set aside" in one["event"]] == ["error"]
    (aside,) = (yueshi.app.settings.data_dir / "spool").glob("*.broken")
    assert aside.stat().st_size > 0


def _refuse(session: Session, body: str) -> None:
    """From now on the database never takes this body."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        when = f"BEFORE INSERT ON message WHEN NEW.body = x'{body}'"
        connection.exec_driver_sql(f"CREATE TRIGGER refuses {when} BEGIN SELECT RAISE(ABORT, 'no'); END")
    else:
        check = f"CHECK (body <> decode('{body}', 'hex')) NOT VALID"
        connection.exec_driver_sql(f"ALTER TABLE message ADD CONSTRAINT refuses {check}")


# --- what platforms are told ------------------------------------------------------------------


async def test_a_full_spool_says_so_once_and_platforms_try_again(tmp_path: Path) -> None:
    long = "长" * 100_000
    refused = metrics.refused.labels("telegram")._value.get()
    async with town(tmp_path, Settings(spool=Spool(megabytes=1))) as here:
        async with away(here):
            with capture_logs() as logs:
                assert [await post(here, update(long)) for _ in range(4)] == [200, 503, 503, 503]
                assert (await failing(here))["spool"] == "full"
            assert [one["problem"] for one in logs if "trouble" in one["event"]] == ["away", "full"]
            assert metrics.refused.labels("telegram")._value.get() == refused + 3
            assert await post(here, update("短")) == 200
        await here.settle()
        assert await failing(here) == {}
        assert await post(here, update(long)) == 200


async def test_a_full_disk_says_so_and_takes_no_messages(everywhere: Town) -> None:
    resident = await everywhere.follower()
    async with away(everywhere):
        with no_file_above(0), capture_logs() as logs:
            assert [await post(everywhere, update("灯坏了")) for _ in range(2)] == [503, 503]
            await resident.says("灯坏了")
            await delivered(everywhere)
            assert (await failing(everywhere))["spool"].startswith("cannot be written")
        assert [one["what"] for one in logs if "trouble" in one["event"]] == ["database", "spool"]
        sorry = (await everywhere.sandbox.call("GET", "official/log"))["deliveries"]
        assert sorry["reasons"] == {"status 503": 1}, "WeChat was never told that we have it"
        assert await post(everywhere, update("灯坏了")) == 200
    await everywhere.settle()
    assert await failing(everywhere) == {}


async def test_too_many_waiting_in_memory_are_sent_away(
    yueshi: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.intake, "MOST_WAITING", 0)
    assert await post(yueshi, update("灯坏了")) == 503
    assert (await failing(yueshi))["queue"] == "full"
    monkeypatch.undo()
    assert await post(yueshi, update("灯坏了")) == 200
    assert await failing(yueshi) == {}


# --- what people are told ---------------------------------------------------------------------


async def test_a_resident_on_telegram_hears_once_that_answers_are_late(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    for _ in range(2):
        before = await told(resident, LATE)
        async with away(yueshi):
            await resident.says("楼道灯坏了")
            await resident.says("坏了三天了")
            await delivered(yueshi)
            assert await told(resident, LATE) == before, "a hiccup is not worth a message"
            yueshi.clock.advance(HICCUP)
            await resident.hears(LATE)
            yueshi.clock.advance(timedelta(minutes=5))
            await delivered(yueshi)
        await yueshi.settle()
        assert await told(resident, LATE) == before + 1


async def test_a_hiccup_is_told_to_nobody(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    async with away(yueshi):
        await resident.says("楼道灯坏了")
        await delivered(yueshi)
    await yueshi.settle()
    await yueshi.pass_time(minutes=1)
    assert await told(resident, LATE) == 0


async def test_danger_is_answered_with_the_emergency_numbers_at_once(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    async with away(yueshi):
        await resident.says("楼道灯坏了")
        await resident.says("着火了，有人困在里面")
        await delivered(yueshi)
        await resident.hears(DANGER)
        yueshi.clock.advance(HICCUP)
        await resident.hears(LATE)
    await yueshi.settle()
    assert await told(resident, LATE) == 1


async def test_taps_are_acknowledged_and_groups_hear_nothing(yueshi: Town) -> None:
    (member,) = await yueshi.staff(1001)
    resident = await yueshi.at_home()
    await yueshi.says(resident, "楼道灯坏了")
    seen = len(await resident.sees()), len(await member.sees())
    async with away(yueshi):
        tapped = await resident.taps("提交")
        await member.says("/danger@huiyin_bot", chat=GROUP)
        await delivered(yueshi)
        yueshi.clock.advance(HICCUP)
        assert tapped is not None
        assert len(await resident.sees()) == seen[0]
        assert len(await member.sees()) == seen[1]
        assert (await member.sees(GROUP))[-1].is_me
    await yueshi.settle()
    assert len(await yueshi.requests()) >= 1


async def test_a_resident_on_wechat_hears_it_in_the_answer(everywhere: Town) -> None:
    resident = await everywhere.follower()
    async with away(everywhere):
        for text in ("楼道灯坏了", "坏了三天了"):
            await resident.says(text)
            await delivered(everywhere)
        assert await told(resident, LATE) == 1
        await resident.says("着火了，有人困在里面")
        await delivered(everywhere)
        assert DANGER in (await everywhere.newest(resident)).text
        assert (await everywhere.sandbox.call("GET", "official/log"))["deliveries"]["sorry"] == 0
    await everywhere.settle()
    assert await told(resident, "登记为急事") == 1
    assert await told(resident, LATE) == 1


async def test_a_tap_on_the_hand_page_says_that_it_was_not_taken(hand_page: Here) -> None:
    async with hand_page.phone(OPENID) as phone:
        await phone.opens()
        async with away(hand_page.town):
            assert await phone._send(hand_page.link, {"form": phone.form, "do": "seen"}) == 503
            assert "现在存不进去" in phone.page
            assert (await failing(hand_page.town))["database"] == "away"
        await hand_page.town.app.intake.drain()
        assert await failing(hand_page.town) == {}, "though nobody has sent anything since"
        assert await phone.taps("seen") == 200, "the button is still there"
        assert "已由您确认" in phone.page


# --- what waits in the database itself --------------------------------------------------------


async def test_a_deadline_is_not_to_blame_and_stays_due(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "楼道灯坏了")
    async with away(yueshi):
        yueshi.clock.advance(timedelta(minutes=13))
        with capture_logs() as logs, pytest.raises(SQLAlchemyError):
            await yueshi.app.ticker.step()
        assert logs == []
    await yueshi.settle()
    await yueshi.request()


async def test_a_message_that_cannot_be_put_together_just_now_goes_later(yueshi: Town) -> None:
    request = await yueshi.filed(await yueshi.at_home(), "楼道灯坏了，电话13912345678")
    (supervisor,) = await yueshi.staff(3001)
    await supervisor.says(f"查看原文 {request.number} 上门核实地址")
    await delivered(yueshi)
    await yueshi.app.dispatcher.step()
    yueshi.clock.advance(timedelta(seconds=5))
    await yueshi.app.outbox.step()
    async with unreadable(yueshi):
        await yueshi.app.outbox.settle()
    await yueshi.settle()
    assert await told(supervisor, "13912345678") == 1
