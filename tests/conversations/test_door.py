"""The way in: what is refused, what is kept, what runs on; and nothing private in the log."""

import asyncio
import io
import json
import shutil
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

import handlers
from bot import metrics
from bot.channels.telegram import ALLOWED_UPDATES
from bot.clock import Clock
from bot.rehearsal import rehearsal
from bot.roster import read_roster
from bot.settings import DEFAULTS, Settings
from bot.web import LARGEST_BODY
from storage.tables import Lane, Message, MessageState, Work
from tests import databases
from tests.away import away
from tests.town import GROUP, MORNING, Town

HEADER = "X-Telegram-Bot-Api-Secret-Token"


async def post(town: Town, body: bytes, header: str | None = None) -> int:
    """The status of a webhook call; with the right secret unless another header is given."""
    telegram = town.app.settings.channels.telegram
    headers = {HEADER: telegram.webhook_secret.get_secret_value() if header is None else header}
    async with (
        aiohttp.ClientSession() as http,
        http.post(telegram.webhook_url, data=io.BytesIO(body), headers=headers) as answer,
    ):
        return answer.status


async def messages(town: Town) -> list[Message]:
    return await town.app.store.read(
        lambda session: list(session.scalars(select(Message).order_by(Message.id)))
    )


def counted(outcome: str) -> float:
    return float(metrics.received.labels("telegram", outcome)._value.get())


@pytest.mark.parametrize("header", ["", "wrong", "ключ", "the right one and more"])
async def test_34_a_wrong_secret_is_refused_and_nothing_is_stored(yueshi: Town, header: str) -> None:
    before, stored = counted("refused"), len(await messages(yueshi))
    if header.startswith("the right"):
        header = yueshi.app.settings.channels.telegram.webhook_secret.get_secret_value() + "x"
    assert await post(yueshi, b'{"update_id": 1}', header) == 401
    assert len(await messages(yueshi)) == stored
    assert counted("refused") == before + 1


async def test_an_oversized_body_is_refused_at_once(yueshi: Town) -> None:
    stored = len(await messages(yueshi))
    assert await post(yueshi, b"x" * (LARGEST_BODY + 1)) == 413
    assert len(await messages(yueshi)) == stored


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'{"update_id": "x"}',
        b'{"update_id": 5, "poll": {"id": "1"}}',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
async def test_signed_nonsense_is_kept_counted_and_answered_200(yueshi: Town, body: bytes) -> None:
    before = counted("unreadable")
    assert await post(yueshi, body) == 200
    assert await post(yueshi, body) == 200
    await yueshi.settle()
    kept = [one for one in await messages(yueshi) if one.state is MessageState.UNREADABLE]
    assert [one.body for one in kept] == [body]
    assert counted("unreadable") == before + 2


async def test_an_update_with_an_envelope_but_no_sense_is_set_apart(yueshi: Town) -> None:
    update: dict[str, Any] = {"message": {"message_id": 7, "chat": {"id": 9001}, "from": {"id": 9001}}}
    await yueshi.sandbox.injects(update)
    await yueshi.settle()
    assert (await messages(yueshi))[-1].state is MessageState.UNREADABLE


async def test_35_a_small_update_id_after_a_quiet_week_is_no_repetition(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "楼道灯坏了")
    first = (await messages(yueshi))[-1]
    update_id = int(first.external.split(".")[0])
    sender = {"id": 9001, "is_bot": False, "first_name": "居民"}
    message = {
        "message_id": 4242, "date": 1795395600, "from": sender,
        "chat": {"id": 9001, "type": "private", "first_name": "居民"}, "text": "晚上看不见",
    }  # fmt: skip
    await yueshi.sandbox.injects({"update_id": update_id, "message": message})
    await yueshi.settle()
    assert "晚上看不见" in (await yueshi.last(resident)).text


async def test_36_the_webhook_asks_for_just_what_is_read(yueshi: Town) -> None:
    token = yueshi.app.settings.channels.telegram.token.get_secret_value()
    info = (await yueshi.sandbox.telegram(token, "getWebhookInfo"))["result"]
    assert sorted(info["allowed_updates"]) == sorted(ALLOWED_UPDATES)


async def test_polling_brings_the_same_and_confirms_only_what_is_stored(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    telegram = yueshi.app.telegram
    assert telegram is not None
    polling = asyncio.create_task(telegram.poll(lambda body: yueshi.app.intake.receive(telegram, body)))
    try:
        await yueshi.says(resident, "楼道灯坏了")
        assert "照明" in (await yueshi.last(resident)).text
        await yueshi.taps(resident, "提交")
        assert (await yueshi.request()).status == "assigned"
    finally:
        polling.cancel()
        await asyncio.wait({polling})


async def test_health_is_told(yueshi: Town) -> None:
    base = yueshi.app.settings.channels.telegram.webhook_url.removesuffix("/telegram/webhook")
    async with aiohttp.ClientSession() as http:
        for path in ("healthz", "readyz"):
            async with http.get(f"{base}/{path}") as answer:
                assert answer.status == 200
        async with http.get(f"{base}/control/users") as answer:
            assert answer.status == 404, "the product has no control interface"


async def test_a_handler_that_fails_apologises_and_others_go_on(
    yueshi: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlucky, lucky = await yueshi.at_home(9001), await yueshi.at_home(9002)

    async def fails_once(turn: Any) -> str:
        if turn.message.text == "坏":
            raise RuntimeError("a bug")
        return await handlers.handle(turn)

    monkeypatch.setattr("bot.dispatcher.handle", fails_once)
    await asyncio.gather(unlucky.says("坏"), lucky.says("楼道灯坏了"))
    await yueshi.settle()
    assert "对不起" in (await yueshi.last(unlucky)).text
    assert "照明" in (await yueshi.last(lucky)).text
    for _ in range(6):
        await yueshi.pass_time(hours=1)
    parked = [one for one in await messages(yueshi) if one.state is MessageState.PARKED]
    assert len(parked) == 1
    assert len([one for one in await unlucky.sees() if "对不起" in one.text]) == 1


async def test_the_log_holds_no_words_names_numbers_or_tokens(
    yueshi: Town, capfd: pytest.CaptureFixture[str]
) -> None:
    resident = await yueshi.person(9_876_543, "王小明")
    (member,) = await yueshi.staff(1001)
    await resident.scans(await yueshi.token("YS-1-3"))
    await yueshi.settle()
    await member.blocks()
    await yueshi.filed(resident, "我叫王小明，电话13800138000，楼道灯坏了")
    await post(yueshi, b"nonsense 13800138000")
    await yueshi.settle()
    printed = "".join(capfd.readouterr())
    token = yueshi.app.settings.channels.telegram.token.get_secret_value()
    assert "handled" in printed
    for secret in ("王小明", "13800138000", "9876543", "楼道灯", token, token.split(":")[1]):
        assert secret not in printed


async def test_a_changed_file_takes_effect_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    shutil.copytree(DEFAULTS / "texts", tmp_path / "texts")
    shutil.copytree(DEFAULTS / "rules", tmp_path / "rules")
    files = Settings(texts_dir=tmp_path / "texts", rules_dir=tmp_path / "rules")
    database = databases.fresh(databases.chosen, tmp_path)
    async with rehearsal(tmp_path, Clock(MORNING), files, database=database) as here:
        town = Town(here.clock, here.sandbox, here.app)
        await town.load(read_roster(DEFAULTS / "roster.yaml"))
        resident = await town.at_home()
        texts, rules = tmp_path / "texts/zh.yaml", tmp_path / "rules/keywords.yaml"
        texts.write_text(texts.read_text().replace("我记下来了", "好的，记住了"))
        rules.write_text(
            rules.read_text().replace(
                "  PF06:\n    keywords:\n", "  PF06:\n    keywords:\n      20: 呱呱灯\n"
            )
        )
        await town.app.offices.refresh()
        await town.says(resident, "呱呱灯不闪了")
        told = (await town.last(resident)).text
        assert "好的，记住了" in told
        assert "照明" in told
        texts.write_text("version: '2'\ntemplates: {draft_card: '{'}\n")
        await town.app.offices.refresh()
        await town.says(resident, "三楼那盏")
        assert "好的，记住了" in (await town.last(resident)).text


async def test_40_the_shipped_limits_hold(yueshi: Town) -> None:
    """With the platform's own limits switched on, nothing is refused and nothing is lost."""
    (member,) = await yueshi.staff(1001)
    people = [await yueshi.person(9100 + number) for number in range(12)]
    for one in people:
        await one.scans(await yueshi.token("YS-1-3"))
    await yueshi.settle()
    await yueshi.pass_time(minutes=2)
    await yueshi.sandbox.limits(on=True)
    for one in people:
        await one.says("楼道灯坏了")
    await yueshi.settle()
    for one in people:
        await one.taps("提交")
    await yueshi.settle()
    for one in people[1:]:  # who are asked whether it is the neighbours' matter
        await one.taps("不是")
    await yueshi.settle()
    log = await yueshi.sandbox.log()
    assert not [reason for reason in log["refused"] if "Too Many" in reason], log["refused"]
    assert len([one for one in await member.sees() if "楼道灯坏了" in one.text]) == len(people)
    shown = "\n".join(one.text for one in await member.sees(GROUP))
    assert all(request.number in shown for request in await yueshi.requests())


async def test_40_other_channels_room_is_not_telegrams(everywhere: Town) -> None:
    """Whoever was never spoken to may be claimed for any channel; each keeps to its own pace."""
    await everywhere.sandbox.limits(on=True)
    people = [await everywhere.person(9100 + number) for number in range(60)]
    for one in people:
        await one.scans()
    await everywhere.settle()
    log = await everywhere.sandbox.log()
    assert not [reason for reason in log["refused"] if "Too Many" in reason], log["refused"]
    assert not [person.id for person in people if (await person.sees())[-1].is_me]


@pytest.mark.both
async def test_hard_case_duplicate_delivery_and_outage_one_answer(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    message = {
        "message_id": 4242, "date": 1795395600, "text": "楼道灯坏了",
        "from": {"id": 9001, "is_bot": False, "first_name": "居民"},
        "chat": {"id": 9001, "type": "private", "first_name": "居民"},
    }  # fmt: skip
    update = json.dumps({"update_id": 777, "message": message}).encode()
    async with away(yueshi):
        assert await post(yueshi, update) == 200, "it waits in the spool"
    assert [await post(yueshi, update) for _ in range(2)] == [200, 200]
    await yueshi.app.intake.drain()
    blamed = metrics.handled.labels("failed")._value.get()
    async with away(yueshi):
        with pytest.raises(SQLAlchemyError):
            await yueshi.app.dispatcher.step()
    assert metrics.handled.labels("failed")._value.get() == blamed, "the message is not to blame"
    await yueshi.settle()
    await yueshi.taps(resident, "提交")
    answers = [one.text for one in await resident.sees() if not one.is_me][1:]
    assert ["已提交" in one for one in answers] == [True]
    assert len(await yueshi.requests()) == 1


async def test_a_parser_that_breaks_over_one_message_stops_no_other(
    yueshi: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlucky, lucky = await yueshi.at_home(9001), await yueshi.at_home(9002)
    telegram = yueshi.app.telegram
    assert telegram is not None

    def breaks(body: bytes) -> Any:
        if "坏".encode() in body:
            raise ArithmeticError("a bug")
        return type(telegram).parse(telegram, body)

    monkeypatch.setattr(telegram, "parse", breaks)
    await asyncio.gather(unlucky.says("坏"), lucky.says("楼道灯亮着不灭"))
    await yueshi.settle()
    assert [one.state for one in await messages(yueshi)].count(MessageState.UNREADABLE) == 1
    assert "照明" in (await yueshi.last(lucky)).text


async def test_danger_is_known_at_the_door_and_passes_who_waits(yueshi: Town) -> None:
    calm, afraid = await yueshi.at_home(9001), await yueshi.at_home(9002)
    await calm.says("楼道灯坏了")
    await afraid.says("家里煤气味很大，我头晕")
    while (await yueshi.sandbox.log())["undelivered"]:  # noqa: ASYNC110 (it is another server's state)
        await asyncio.sleep(0.002)
    await yueshi.app.intake.settle()
    waiting = await yueshi.app.store.read(
        lambda session: list(session.scalars(select(Work).order_by(Work.message)))
    )
    assert [one.lane for one in waiting] == [Lane.ORDINARY, Lane.URGENT]
    await yueshi.settle()
    await yueshi.taps(afraid, "有危险")
