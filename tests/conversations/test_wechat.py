"""Residents on WeChat: the whole loop within the platform's windows, on its real wire."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

import bot.callbacks
from bot.channels import facts
from bot.passive import MOST_WAITING, Passive
from bot.rehearsal import TEMPLATE
from bot.sandbox.faults import FaultKind
from bot.sandbox.official import xml
from bot.sandbox.official.people import Follower
from bot.sandbox.people import Person
from bot.sandbox.sealing import Sealer, signature
from bot.settings import DEFAULTS, Settings
from routing.windows import Means, Reason
from storage.tables import Account, Attachment, MediaState, Message, Notification, SendState
from tests.town import Town, town

AT_ONCE = pytest.mark.usefixtures("impatient")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    """岳师村 everywhere, with a template for the office's notices."""
    notices = tmp_path / "notices.yaml"
    notices.write_text(
        (DEFAULTS / "notices.yaml").read_text().replace('template: ""', f"template: {TEMPLATE}", 1)
    )
    run = tmp_path / "run"
    run.mkdir()
    async with town(run, Settings(notices_file=notices), everywhere=True) as found:
        yield found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks do not wait for words: the platform is told at once that we have the message."""
    monkeypatch.setattr(bot.callbacks, "ANSWER_WITHIN", 0.05)


async def notified(here: Town, purpose: str) -> list[Notification]:
    query = select(Notification).where(Notification.purpose == purpose).order_by(Notification.id)
    return await here.app.store.read(lambda session: list(session.scalars(query)))


async def account_of(here: Town, resident: Follower) -> Account | None:
    lookup = here.vault.lookup("wechat", resident.openid)
    query = select(Account).where(Account.lookup == lookup)
    return await here.app.store.read(lambda session: session.scalar(query))


async def reported(here: Town, resident: Follower, text: str = "楼道灯坏了") -> None:
    for answer in (text, "新问题", "不是", "提交"):
        if answer == text or answer in (await here.newest(resident)).text:
            await here.writes(resident, answer)


async def step(here: Town, member: Person, *labels: str) -> None:
    for label in labels:
        await here.taps(member, label)


async def sorry(here: Town) -> int:
    return int((await here.sandbox.call("GET", "official/log"))["deliveries"]["sorry"])


# --- the loop ---------------------------------------------------------------------------------


async def test_from_the_code_to_the_verdict(here: Town) -> None:
    (member,) = await here.staff(1001)
    resident = await here.follower()
    assert "3号楼" in (await here.newest(resident)).text
    asked = await here.writes(resident, "楼道灯坏了")
    assert "回复数字：1 提交" in asked.text
    receipt = await here.writes(resident, "1")
    request = await here.request()
    assert request.number in receipt.text
    await step(here, member, "接单")
    assert "已接单" in (await here.newest(resident)).text
    await here.pass_time(minutes=40)
    await step(here, member, "到场", "办结")
    await here.says(member, "换了新的灯泡，楼道已经亮了")
    question = await here.newest(resident)
    assert "换了新的灯泡" in question.text
    assert [label[:2] for label in question.labels] == ["1 ", "2 ", "3 "]
    await resident.taps(1)
    await here.settle()
    assert (await here.request()).status == "closed"
    assert (await here.request()).channel == "wechat"
    said = [one.text for one in await resident.sees() if "换了新的灯泡" in one.text]
    assert len(said) == 1, "a question that only loses its buttons is not said again"
    assert await sorry(here) == 0


async def test_what_is_said_at_once_costs_nothing_and_its_reason_is_kept(here: Town) -> None:
    resident = await here.follower()
    await reported(here, resident)
    (receipt,) = await notified(here, "receipt")
    assert (receipt.means, receipt.reason, receipt.state) == (
        Means.PASSIVE,
        Reason.ASKED_FOR,
        SendState.SENT,
    )
    account = await account_of(here, resident)
    assert account is not None
    assert account.ledger["talk"]["left"] == facts.TALK.messages  # type: ignore[index]


# --- 1, 3: who may call -----------------------------------------------------------------------


async def test_row_01_our_address_is_verified_and_a_forged_check_refused(everywhere: Town) -> None:
    assert (await everywhere.sandbox.call("POST", "official/verify"))["verified"]
    for query in ({}, {"signature": "0" * 40, "timestamp": "1", "nonce": "1", "echostr": "x"}):
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{home(everywhere)}/wechat", params=query) as answer,
        ):
            assert (answer.status, await answer.text()) == (403, "")


def home(here: Town) -> str:
    return here.app.settings.channels.telegram.webhook_url.removesuffix("/telegram/webhook")


def sealed(here: Town, fields: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """A call as the platform makes it."""
    settings = here.app.settings.channels.wechat
    token, key = settings.token.get_secret_value(), settings.aes_key.get_secret_value()
    stamp, nonce = str(int(here.clock.now().timestamp())), secrets.token_hex(5)
    sealer = Sealer(token, key, settings.app_id)
    body = sealer.seal(xml.write({"ToUserName": "gh_1", "CreateTime": int(stamp), **fields}))
    query = {
        "signature": signature(token, stamp, nonce),
        "timestamp": stamp,
        "nonce": nonce,
        "encrypt_type": "aes",
        "msg_signature": sealer.signature(stamp, nonce, body),
    }
    return query, xml.write({"ToUserName": "gh_1", "Encrypt": body})


async def call(here: Town, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{home(here)}/wechat", params=query, data=body) as answer,
    ):
        return answer.status, await answer.read()


async def posted(here: Town, fields: dict[str, Any]) -> tuple[int, bytes]:
    """A call, with the product at work meanwhile."""
    calling = asyncio.create_task(call(here, *sealed(here, fields)))
    while not calling.done():
        await here.app.drain()
        await asyncio.sleep(0.002)
    return calling.result()


def opened(here: Town, answer: bytes) -> dict[str, Any]:
    settings = here.app.settings.channels.wechat
    sealer = Sealer(settings.token.get_secret_value(), settings.aes_key.get_secret_value(), settings.app_id)
    fields = xml.read(answer)
    given = (fields["MsgSignature"], fields["TimeStamp"], fields["Nonce"])
    return xml.read(sealer.open(fields["Encrypt"], *given))


def text_of(openid: str, text: str, number: str = "1") -> dict[str, Any]:
    return {"FromUserName": openid, "MsgType": "text", "Content": text, "MsgId": number}


async def stored(here: Town) -> int:
    return len(await here.app.store.read(lambda session: list(session.scalars(select(Message.id)))))


async def test_row_03_only_a_sealed_call_of_now_is_stored(everywhere: Town) -> None:
    before = await stored(everywhere)
    query, body = sealed(everywhere, text_of("o1", "楼道灯坏了"))
    plain = xml.write(text_of("o1", "楼道灯坏了"))
    assert await call(everywhere, query, plain) == (403, b"")
    assert await call(everywhere, {**query, "msg_signature": "0" * 40}, body) == (403, b"")
    everywhere.clock.advance(facts.OLDEST_CALL + timedelta(seconds=1))
    assert await call(everywhere, query, body) == (403, b"")
    assert await stored(everywhere) == before


@AT_ONCE
async def test_row_03_a_true_repetition_still_gets_its_success(everywhere: Town) -> None:
    before = await stored(everywhere)
    query, body = sealed(everywhere, text_of("o1", "楼道灯坏了"))
    assert await call(everywhere, query, body) == (200, b"success")
    assert await call(everywhere, query, body) == (200, b"success")
    assert await stored(everywhere) == before + 1


async def test_row_22_a_body_that_is_too_large_or_no_call_is_refused(everywhere: Town) -> None:
    before = await stored(everywhere)
    query, _ = sealed(everywhere, text_of("o1", "楼道灯坏了"))
    assert (await call(everywhere, query, b"x" * (facts.LARGEST_BODY + 1)))[0] == 413
    assert (await call(everywhere, query, b"<!DOCTYPE a><xml/>"))[0] in (400, 403)
    assert await stored(everywhere) == before


# --- 4, 5: at once, and once ------------------------------------------------------------------


@AT_ONCE
async def test_row_04_a_slow_worker_costs_no_error_and_the_answer_comes_later(here: Town) -> None:
    resident = await here.follower()
    await resident.says("楼道灯坏了")
    while (await here.sandbox.log())["undelivered"]:  # noqa: ASYNC110 (it is another server's state)
        await asyncio.sleep(0.002)
    assert (await resident.sees())[-1].is_me, "nothing was handled yet"
    await here.settle()
    assert "我记下来了" in (await here.newest(resident)).text
    assert await sorry(here) == 0
    (said,) = await notified(here, "draft_card")
    assert said.means == Means.SERVICE


async def test_row_04_words_that_nobody_waited_for_any_more_are_sent(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = await here.follower()
    monkeypatch.setattr(here.app.passive, "_most", 0)
    monkeypatch.setattr(here.app.passive, "expected", lambda *_: True)  # as if it gave up before the commit
    await here.writes(resident, "楼道灯坏了")
    assert "我记下来了" in (await here.newest(resident)).text
    (said,) = await notified(here, "draft_card")
    assert (said.means, said.state) == (Means.SERVICE, SendState.SENT)


async def test_row_04_not_everybody_waits_for_words() -> None:
    passive = Passive()
    assert all(passive.expect("wechat", str(number)) for number in range(MOST_WAITING))
    assert passive.expect("wechat", "0") is passive.expect("wechat", "0")
    assert passive.expect("wechat", "one more") is None
    assert not passive.expected("wechat", "one more")


async def test_row_05_three_tries_at_once_are_one_message_with_one_answer(here: Town) -> None:
    resident = await here.follower()
    query, body = sealed(here, text_of(resident.openid, "楼道灯坏了"))
    tries = [asyncio.create_task(call(here, query, body)) for _ in range(3)]
    while not all(one.done() for one in tries):
        await here.app.drain()
        await asyncio.sleep(0.002)
    answers = [one.result() for one in tries]
    assert {status for status, _ in answers} == {200}
    texts = [opened(here, answer)["Content"] for _, answer in answers]
    assert len(set(texts)) == 1
    assert "我记下来了" in texts[0]
    assert len(await notified(here, "draft_card")) == 1
    late = await call(here, query, body)
    assert opened(here, late[1])["Content"] == texts[0], "a later repetition gets the same words"


async def test_row_05_two_events_of_one_second_are_two(here: Town) -> None:
    openid = "o-two-events"
    event = {"FromUserName": openid, "MsgType": "event"}
    before = await stored(here)
    for more in ({"Event": "CLICK", "EventKey": "查进度"}, {"Event": "CLICK", "EventKey": "叫网格员"}):
        await posted(here, event | more)
    assert await stored(here) == before + 2


# --- 7: windows -------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "seconds", "means"), [(47, 3599, Means.SERVICE), (48, 1, Means.TEMPLATE)])
async def test_row_07_free_messages_end_after_48_hours(
    here: Town, hours: int, seconds: int, means: Means
) -> None:
    member, _ = await here.staff(1001, 2001)
    resident = await here.follower()
    await reported(here, resident)
    here.clock.advance(timedelta(hours=hours, seconds=seconds))
    await step(here, member, "接单")
    (said,) = await notified(here, "steps")
    assert (said.means, said.state) == (means, SendState.SENT)
    shown = await here.newest(resident)
    assert (shown.kind == "template") is (means is Means.TEMPLATE)
    request = await here.request()
    assert request.number.lower() in shown.text.lower()


async def test_row_07_the_sixth_message_goes_by_template(here: Town) -> None:
    (member,) = await here.staff(1001)
    resident = await here.follower()
    await reported(here, resident)
    card = await here.last(member)
    for day in range(facts.TALK.messages + 1):
        await here.says(member, f"材料还没有到，第{day + 1}天", reply_to=card.id)
    told = await notified(here, "word")
    assert [one.means for one in told] == [Means.SERVICE] * facts.TALK.messages + [Means.TEMPLATE]
    assert told[-1].reason == Reason.COUNT_USED


async def test_a_template_that_the_office_has_wrong_loses_nothing(tmp_path: Path) -> None:
    notices = tmp_path / "notices.yaml"
    notices.write_text((DEFAULTS / "notices.yaml").read_text().replace('template: ""', "template: wrong", 1))
    run = tmp_path / "run"
    run.mkdir()
    async with town(run, Settings(notices_file=notices), everywhere=True) as here:
        (member,) = await here.staff(1001)
        resident = await here.follower()
        await reported(here, resident)
        here.clock.advance(timedelta(hours=49))
        await step(here, member, "接单")
        assert [one.state for one in await notified(here, "steps")] == [SendState.KEPT]
        await here.writes(resident, "查进度")
        assert [one.state for one in await notified(here, "steps")] == [SendState.SENT]


async def test_row_07_without_a_template_it_waits_until_they_write(everywhere: Town) -> None:
    (member,) = await everywhere.staff(1001)
    resident = await everywhere.follower()
    await reported(everywhere, resident)
    everywhere.clock.advance(timedelta(hours=49))
    await step(everywhere, member, "接单")
    (said,) = await notified(everywhere, "steps")
    assert (said.state, said.means, said.reason) == (
        SendState.KEPT,
        Means.KEPT,
        Reason.WINDOW_CLOSED,
    )
    await everywhere.writes(resident, "查进度")
    told = [one.text for one in await resident.sees() if not one.is_me]
    assert any("已接单" in text for text in told[-2:])
    assert (await notified(everywhere, "steps"))[0].state == SendState.SENT


@pytest.mark.parametrize("errcode", [45015, 45047])
async def test_row_07_the_platform_corrects_what_we_believed(here: Town, errcode: int) -> None:
    (member,) = await here.staff(1001)
    resident = await here.follower()
    await reported(here, resident)
    await here.sandbox.fails(FaultKind.ERRCODE, "message/custom/send", errcode=errcode)
    await step(here, member, "接单")
    (said,) = await notified(here, "steps")
    assert (said.means, said.state) == (Means.TEMPLATE, SendState.SENT)
    account = await account_of(here, resident)
    assert account is not None
    assert account.ledger["talk"] is None  # type: ignore[index]


async def test_row_07_a_notice_that_was_allowed_is_used_once(tmp_path: Path) -> None:
    notices = tmp_path / "notices.yaml"
    shipped = (DEFAULTS / "notices.yaml").read_text()
    notices.write_text(shipped.replace('subscription: ""', f"subscription: {TEMPLATE}", 1))
    run = tmp_path / "run"
    run.mkdir()
    async with town(run, Settings(notices_file=notices), everywhere=True) as here:
        (member,) = await here.staff(1001)
        resident = await here.follower()
        await reported(here, resident)
        await resident.allows(TEMPLATE)
        await here.settle()
        here.clock.advance(timedelta(hours=49))
        await step(here, member, "接单")
        assert [one.means for one in await notified(here, "steps")] == [Means.SUBSCRIPTION]
        await here.pass_time(hours=1)
        await step(here, member, "到场")
        assert [one.means for one in await notified(here, "steps")] == [Means.SUBSCRIPTION, Means.KEPT]


# --- 10, 11: what the platform tells ----------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("success", SendState.SENT),
        ("failed:user block", SendState.UNREACHABLE),
        ("failed: system failed", SendState.FAILED),
        ("failed:never heard of", SendState.FAILED),
    ],
)
async def test_row_10_what_became_of_a_template_message(here: Town, status: str, state: SendState) -> None:
    member, desk = await here.staff(1001, 2001)
    resident = await here.follower()
    await reported(here, resident)
    await resident.gets_templates(status)
    here.clock.advance(timedelta(hours=49))
    await step(here, member, "接单")
    (said,) = await notified(here, "steps")
    assert said.state == state
    account = await account_of(here, resident)
    assert account is not None
    assert (account.unreachable_at is not None) is (state is SendState.UNREACHABLE)
    told = [one.text for one in await desk.sees() if "没能送到居民" in one.text]
    assert bool(told) is (state is not SendState.SENT)


async def test_row_10_the_outcome_may_come_before_we_have_noted_the_message(here: Town) -> None:
    member, desk = await here.staff(1001, 2001)
    resident = await here.follower()
    await reported(here, resident)
    await resident.gets_templates("failed:user block")
    here.clock.advance(timedelta(hours=49))
    await member.taps("接单")
    await here.app.intake.settle()
    while not await notified(here, "steps"):
        await here.app.dispatcher.step()
        await asyncio.sleep(0.002)
    for _ in range(2):  # claims at Telegram's pace, whom it has never spoken to; then at WeChat's
        await here.app.outbox.step()
        await here.app.outbox.settle()  # has sent, and not marked it yet
    while not await here.app.dispatcher.step():  # noqa: ASYNC110 (it is the sandbox that must come first)
        await asyncio.sleep(0.002)
    await here.settle()
    assert (await notified(here, "steps"))[0].state == SendState.UNREACHABLE
    account = await account_of(here, resident)
    assert account is not None
    assert account.unreachable_at is not None
    assert any("没能送到居民" in one.text for one in await desk.sees())


@pytest.mark.parametrize("errcode", [43004, 43019, 48002, 50005, 40003])
async def test_row_11_who_cannot_be_reached_is_shown_to_staff_and_left_alone(
    here: Town, errcode: int
) -> None:
    member, desk = await here.staff(1001, 2001)
    resident = await here.follower()
    await reported(here, resident)
    await here.sandbox.fails(FaultKind.ERRCODE, "message/custom/send", errcode=errcode)
    await step(here, member, "接单")
    (said,) = await notified(here, "steps")
    assert said.state == SendState.UNREACHABLE
    account = await account_of(here, resident)
    assert account is not None
    assert account.unreachable_at is not None
    number = (await here.request()).number
    assert any(number in one.text for one in await desk.sees() if not one.is_me)
    event = {"MsgType": "event", "Event": "TEMPLATESENDJOBFINISH", "MsgID": "7", "Status": "success"}
    await posted(here, {"FromUserName": resident.openid, **event})
    account = await account_of(here, resident)
    assert account is not None
    assert account.unreachable_at is not None, "it is the platform that speaks, not the resident"


async def test_row_14_a_quota_that_is_used_up_waits_for_tomorrow(here: Town) -> None:
    (member,) = await here.staff(1001)
    resident = await here.follower()
    await reported(here, resident)
    await here.sandbox.fails(FaultKind.ERRCODE, "message/custom/send", errcode=45009)
    await step(here, member, "接单")
    assert (await notified(here, "steps"))[0].state == SendState.WAITING
    await here.pass_time(hours=14)
    assert (await notified(here, "steps"))[0].state == SendState.WAITING, "it is eleven in the evening"
    await here.pass_time(hours=1, minutes=1)
    assert (await notified(here, "steps"))[0].state == SendState.SENT


async def test_row_23_what_the_account_may_not_do_is_done_otherwise(here: Town) -> None:
    (member,) = await here.staff(1001)
    resident = await here.follower()
    await reported(here, resident)
    await here.sandbox.fails(FaultKind.ERRCODE, "message/custom/send", errcode=48001, times=9)
    await step(here, member, "接单")
    assert (await notified(here, "steps"))[0].means == Means.TEMPLATE
    log = await here.sandbox.call("GET", "official/log")
    assert log["calls"]["message/custom/send"] == {"48001": 1}


# --- 17, 18: coming and going -----------------------------------------------------------------


async def test_row_17_following_by_a_code_and_scanning_it_mean_the_same_place(here: Town) -> None:
    first, second = await here.follower("甲"), await here.follower("乙", "YS-2-4")
    await second.scans(await here.token("YS-1-3"))
    await here.settle()
    assert "3号楼" in (await here.newest(first)).text
    assert "3号楼" in (await here.newest(second)).text


@pytest.mark.parametrize("scene", ["", "not-a-code-of-ours"])
async def test_row_17_without_a_known_code_the_place_is_asked(here: Town, scene: str) -> None:
    from bot.sandbox.official.people import follower

    resident = await follower(here.sandbox, "路人")
    await resident.follows(scene)
    await here.settle()
    assert "您好" in (await here.newest(resident)).text
    assert "在哪" in (await here.writes(resident, "楼道灯坏了")).text


async def test_row_18_who_leaves_is_forgotten_and_comes_back_as_somebody_new(here: Town) -> None:
    resident = await here.follower()
    await reported(here, resident)
    before = await account_of(here, resident)
    assert before is not None
    await resident.unfollows()
    await here.pass_time(seconds=1)
    assert not await holding(here, resident.openid)
    assert (await here.request()).status == "cancelled"
    seen = len(await resident.sees())
    await here.pass_time(hours=1)
    assert len(await resident.sees()) == seen
    await resident.follows()
    await here.settle()
    after = await account_of(here, resident)
    assert after is not None
    assert after.resident != before.resident
    assert (await here.request()).resident != after.resident


async def holding(here: Town, words: str) -> list[str]:
    """The tables that hold these words in clear."""
    from storage.tables import Base

    def look(session: Any) -> list[str]:
        return [
            table.name
            for table in Base.metadata.sorted_tables
            for row in session.connection().execute(select(table))
            if any(words.encode() in (one if isinstance(one, bytes) else str(one).encode()) for one in row)
        ]

    return await here.app.store.read(look)


async def test_row_18_help_that_is_on_its_way_comes_all_the_same(here: Town) -> None:
    await here.staff(1001, 2001)
    resident = await here.follower()
    await here.writes(resident, "着火了，快来人啊，楼里着火了")
    request = await here.request()
    assert request.urgent
    await resident.unfollows()
    await here.pass_time(seconds=1)
    assert (await here.request()).status not in ("cancelled", "closed")
    assert await account_of(here, resident) is None


# --- 19, 20, 21: photos, voices, places -------------------------------------------------------


async def test_row_19_a_photo_is_fetched_at_once_and_reaches_the_member_elsewhere(here: Town) -> None:
    (member,) = await here.staff(1001)
    resident = await here.follower()
    await here.writes(resident, "楼道灯坏了")
    await resident.sends_photo()
    await here.settle()
    await here.writes(resident, "提交")
    assert any(one.photo for one in await member.sees())


async def test_row_19_a_photo_that_the_platform_lost_is_said_to_be_missing(here: Town) -> None:
    (member,) = await here.staff(1001)
    resident = await here.follower()
    await here.sandbox.fails(FaultKind.ERRCODE, "media/get", errcode=40007)
    await here.writes(resident, "楼道灯坏了")
    await resident.sends_photo()
    await here.settle()
    await here.writes(resident, "提交")
    (kept,) = await here.app.store.read(lambda session: list(session.scalars(select(Attachment))))
    assert kept.state is MediaState.MISSING
    assert not any(one.photo for one in await member.sees())


@pytest.mark.parametrize("recognition", [None, ""])
async def test_row_20_a_voice_without_words_is_heard_by_a_person(here: Town, recognition: str | None) -> None:
    await here.staff(1001, 2001)
    resident = await here.follower()
    await resident.sends_voice(recognition)
    await here.settle()
    request = await here.request()
    assert request.source == "voice"
    assert request.category is None


async def test_row_20_a_voice_with_words_is_a_text_and_the_voice_is_kept(here: Town) -> None:
    resident = await here.follower()
    await resident.sends_voice("楼道灯坏了")
    await here.settle()
    assert "照明" in (await here.newest(resident)).text
    kept = await here.app.store.read(lambda session: list(session.scalars(select(Attachment))))
    assert [one.kind for one in kept] == ["voice"]


async def test_row_21_where_a_phone_is_concerns_nobody(here: Town) -> None:
    resident = await here.follower()
    seen, before = len(await resident.sees()), await stored(here)
    await resident.reports_location(1000)
    await here.settle()
    assert len(await resident.sees()) == seen
    assert await stored(here) == before


async def test_a_number_that_answers_nothing_is_not_a_report(here: Town) -> None:
    resident = await here.follower()
    await reported(here, resident)
    await here.writes(resident, "查进度")
    (member,) = await here.staff(1001)
    await step(here, member, "接单")
    assert "最新的一条" in (await here.writes(resident, "7")).text
    assert len(await here.requests()) == 1
