"""WeCom's channel against the sandbox, over its wire: cards for many, codes used once, groups, robots."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bot.channels import facts
from bot.channels.callback import CallbackChannel
from bot.channels.wecom import WecomChannel
from bot.clock import Clock
from bot.sandbox.corp.people import Colleague
from bot.sandbox.corp.state import Corp
from bot.sandbox.faults import FaultKind
from bot.sandbox.media import tiny_png
from bot.sandbox.people import Sandbox
from bot.sandbox.server import build, serve
from bot.settings import Wecom
from handlers.messages import (
    Blob,
    Button,
    InboundMessage,
    Kind,
    Outgoing,
    Refused,
    Retry,
    SendResult,
    Sent,
    Unknown,
    Unreachable,
)
from tests.channels.servers import served
from tests.sandbox.company import (
    AGENT,
    BOT_KEY,
    CORP,
    KEY,
    PREVIOUS_KEY,
    SECRET,
    TOKEN,
    Company,
    settled,
)

START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
GROUP, ROBOT_KEY = "三号楼群", "robot-key"
CARD = Outgoing(
    "0037 积水 / 3号楼\n现在：待接单", (Button("1z:ack", "收到"), Button("1z:go", "我去")), key="1z"
)
DONE = Outgoing("0037 积水 / 3号楼\n王某已去看。", key="20", edit="ref")


@dataclass
class Office:
    """Our side: what was heard, and what the next calls are answered with."""

    sandbox: Sandbox
    clock: Clock
    heard: list[InboundMessage] = field(default_factory=list)
    says: list[Outgoing] = field(default_factory=list)
    corp: Corp = field(init=False)
    channel: WecomChannel = field(init=False)

    async def called(self, request: web.Request) -> web.Response:
        called: CallbackChannel | None = self.channel.bot if request.path == "/bot" else self.channel
        assert called is not None
        if request.method == "GET":
            return web.Response(text=called.verify(request.query))
        letter = called.unlock(request.query, await request.read(), self.clock.now())
        self.heard.append(called.parse(letter.body))
        return web.Response(body=called.answer(letter, self.says, self.clock.now()))

    async def send(self, address: str, outgoing: Outgoing) -> SendResult:
        return await self.channel.send(address, outgoing)

    async def sent(self, address: str, outgoing: Outgoing) -> Sent:
        result = await self.send(address, outgoing)
        assert isinstance(result, Sent), result
        return result

    async def fails(self, kind: FaultKind, path: str, **more: Any) -> None:
        await self.sandbox.fails(kind, f"corp/{path}", **more)

    def calls(self, path: str | None = None) -> int:
        """How often the platform was called, at all or at one path; scripted trouble counts too."""
        return sum(count for (called, _), count in self.corp.calls.items() if path in (None, called))


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
async def office(clock: Clock) -> AsyncIterator[Office]:
    async with AsyncExitStack() as stack:
        made = Office(None, clock)  # type: ignore[arg-type] # the sandbox needs our address first
        url = await stack.enter_async_context(served(made.called))
        running = await stack.enter_async_context(serve(build(clock, [], wecom=Company(url=url).spec())))
        made.corp = running.app.state.surfaces[0].corp
        made.sandbox = await stack.enter_async_context(Sandbox(running.base_url))
        settings = {
            "corp_id": CORP,
            "agent_id": AGENT,
            "secret": SECRET,
            "token": TOKEN,
            "aes_key": KEY,
            "previous_aes_key": PREVIOUS_KEY,
            "robot_keys": {GROUP: ROBOT_KEY},
            "bot": {"token": TOKEN, "aes_key": BOT_KEY},
            "api_base": f"{running.base_url}/corp",
        }
        made.channel = WecomChannel(Wecom.model_validate(settings), clock)
        stack.push_async_callback(made.channel.close)
        yield made


@pytest.fixture
def li(office: Office) -> Colleague:
    return Colleague(office.sandbox, "LiMing")


@pytest.fixture
def wang(office: Office) -> Colleague:
    return Colleague(office.sandbox, "wang.fang")


BOTH = ("liming", "wang.fang")


# --- our address ------------------------------------------------------------------------------


@pytest.mark.parametrize("bot", [None, True])
async def test_row_24_the_platform_accepts_our_addresses(office: Office, bot: bool | None) -> None:
    assert await office.sandbox.call("POST", "corp/verify", bot=bot) == {"problem": ""}


async def test_what_people_send_is_heard(office: Office, li: Colleague) -> None:
    await li.says("收到 37号")
    await li.sends_photo()
    await li.sends_voice()
    await li.sends_location(23.1, 113.2, "门口")
    await li.enters()
    await settled(office.sandbox)
    assert [(one.kind, one.sender) for one in office.heard] == [
        (kind, "liming") for kind in (Kind.TEXT, Kind.PHOTO, Kind.VOICE, Kind.LOCATION, Kind.IGNORED)
    ]
    assert await office.channel.fetch(office.heard[1].media[0].remote) == tiny_png()
    assert await office.channel.fetch("gone") is None
    office.clock.advance(timedelta(days=3, seconds=1))
    assert await office.channel.fetch(office.heard[1].media[0].remote) is None


async def test_a_file_that_cannot_be_had_now_is_asked_for_later(office: Office) -> None:
    for errcode in (-1, 45009, 60020):
        await office.fails(FaultKind.ERRCODE, "media/get", errcode=errcode)
        with pytest.raises(OSError, match="now"):
            await office.channel.fetch("some")


# --- to one person ----------------------------------------------------------------------------


async def test_a_text_and_a_card_reach_a_person(office: Office, li: Colleague) -> None:
    assert (await office.sent("liming", Outgoing("37号 已转给您"))).code is None
    card = await office.sent("liming", CARD)
    text, shown = await li.sees()
    assert text.text == "37号 已转给您"
    assert (shown.text, shown.labels) == (CARD.text, ["收到", "我去"])
    assert card.ref
    assert card.code


async def test_what_a_card_cannot_show_comes_before_it_and_once(office: Office, li: Colleague) -> None:
    long = Outgoing("0037 积水\n" + "地下车库进水了。" * 30, CARD.buttons, key="1z")
    await office.fails(FaultKind.ERRCODE, "message/send", errcode=-1, times=1)
    assert isinstance(await office.send("liming", long), Retry)
    await office.sent("liming", long)
    await office.sent("liming", long)
    seen = [one for one in await li.sees() if not one.buttons]
    assert [one.text for one in seen] == [long.text]


async def test_row_29_a_tap_on_ones_own_card_is_answered_with_the_changed_one(
    office: Office, li: Colleague
) -> None:
    await office.sent("liming", CARD)
    office.says = [Outgoing("0037 积水 / 3号楼\n现在：办理中", (Button("20:done", "办结"),), key="20")]
    await li.taps("收到")
    await settled(office.sandbox)
    assert (office.heard[-1].tapped, office.heard[-1].chat) == ("1z:ack", "liming")
    (changed,) = await li.sees()
    assert (changed.edited, changed.labels) == (True, ["办结"])
    await li.taps("办结")
    await settled(office.sandbox)
    assert office.heard[-1].tapped == "20:done"


async def test_photos_and_voices_go_after_their_words(office: Office, li: Colleague) -> None:
    await office.sent("liming", Outgoing("37号 的照片", photo=Blob("1.png", tiny_png())))
    await office.sent("liming", Outgoing("", photo=Blob("2.amr", b"#!AMR\n" + bytes(40))))
    await office.sent("liming", Outgoing("", photo=Blob("3.ogg", b"OggS" + bytes(40))))
    words, photo, *others = await li.sees()
    assert words.text == "37号 的照片"
    assert photo.photo is not None
    assert await office.sandbox.file(photo.photo) == tiny_png()
    assert [one.kind for one in others] == ["voice", "document"]
    wrong = await office.send("liming", Outgoing("坏的", photo=Blob("4.jpg", b"no picture")))
    assert isinstance(wrong, Refused)
    assert len(await li.sees()) == 4


async def test_long_texts_are_cut_before_a_whole_character(office: Office, li: Colleague) -> None:
    await office.sent("liming", Outgoing("灯" * 700))
    assert (await li.sees())[-1].text == "灯" * 681 + "…"


# --- to a group's people ----------------------------------------------------------------------


async def test_row_27_who_taps_first_changes_the_card_for_all(
    office: Office, li: Colleague, wang: Colleague
) -> None:
    sent = await office.sent("cards:三号楼", Outgoing(CARD.text, CARD.buttons, key="1z", also=BOTH))
    await wang.taps("我去")
    await settled(office.sandbox)
    tap = office.heard[-1]
    assert (tap.kind, tap.tapped, tap.sender, tap.chat) == (Kind.TAP, "1z:go", "wang.fang", "cards:三号楼")
    assert tap.code
    assert tap.code != sent.code
    changed = Outgoing(DONE.text, key="20", edit=sent.ref, code=tap.code, also=BOTH)
    assert await office.sent("cards:三号楼", changed) == Sent(sent.ref)
    for one in (li, wang):
        (seen,) = await one.sees()
        assert (seen.text, seen.labels, seen.disabled) == (DONE.text, ["王某已去看。"], True)


async def test_row_27_a_code_serves_once_and_then_a_new_card_comes(office: Office, li: Colleague) -> None:
    first = await office.sent("liming", CARD)
    changed = Outgoing("0037\n现在：办理中", CARD.buttons, key="20", edit=first.ref, code=first.code)
    assert (await office.sent("liming", changed)).code is None
    second = await office.sent("liming", changed)
    assert second.code not in (None, first.code)
    assert second.ref != first.ref
    assert len(await li.sees()) == 2
    await office.sent("liming", Outgoing(DONE.text, key="21", edit=first.ref, code=first.code))
    last = (await li.sees())[-1]
    assert (last.text, last.buttons) == (DONE.text, [])


@pytest.mark.parametrize(("late", "cards"), [(timedelta(0), 1), (timedelta(seconds=1), 2)])
async def test_row_27_a_code_lives_for_three_days(
    office: Office, li: Colleague, late: timedelta, cards: int
) -> None:
    first = await office.sent("liming", CARD)
    office.clock.advance(facts.CARD_CODE_LIVES + late)
    await office.sent(
        "liming", Outgoing("0037\n办理中", CARD.buttons, key="20", edit=first.ref, code=first.code)
    )
    assert len(await li.sees()) == cards


async def test_row_26_whom_it_did_not_reach_is_told_by_our_spelling(office: Office, li: Colleague) -> None:
    people = ("LiMing", "Nobody", "zhao.liu")
    sent = await office.sent("cards:群", Outgoing(CARD.text, CARD.buttons, key="1z", also=people))
    assert sent.missed == ("Nobody", "zhao.liu")
    assert len(await li.sees()) == 1
    edit = Outgoing(DONE.text, key="20", edit=sent.ref, code=sent.code, also=people)
    assert (await office.sent("cards:群", edit)).missed == ("Nobody", "zhao.liu")


async def test_row_26_nobody_reached_is_unreachable(office: Office) -> None:
    assert isinstance(await office.send("nobody", Outgoing("在吗")), Unreachable)
    for also in (
        (),
        ("nobody",),
    ):  # a group is asked again next time: it could not call to say that it is back
        lost = Outgoing(CARD.text, CARD.buttons, key="1z", also=also)
        assert isinstance(await office.send("cards:群", lost), Refused)


async def test_row_31_a_group_of_the_apps_own_gets_words_only(office: Office, li: Colleague) -> None:
    address = await office.channel.open_group("三号楼邻长", BOTH, "这里发通知")
    assert isinstance(address, str)
    group = address.removeprefix("appchat:")
    sent = await office.sent(address, Outgoing(CARD.text, CARD.buttons, key="1z", also=BOTH))
    first, notice = await li.sees_group(group)
    assert first.text == "这里发通知"
    assert (notice.text, notice.buttons) == (CARD.text, [])
    assert [one.labels for one in await li.sees()] == [["收到", "我去"]]
    await office.sent(address, Outgoing(DONE.text, key="20", edit=sent.ref, code=sent.code, also=BOTH))
    assert len(await li.sees_group(group)) == 2  # a changed card is no news for the group
    before = office.calls()
    assert isinstance(await office.send(address, Outgoing("", photo=Blob("1.png", tiny_png()))), Refused)
    assert office.calls() == before


async def test_row_31_a_group_that_cannot_be_opened_says_why(office: Office) -> None:
    assert isinstance(await office.channel.open_group("无人群", ("nobody", "liming"), "通知"), Unreachable)
    await office.fails(FaultKind.ERRCODE, "appchat/send", errcode=-1)
    assert isinstance(await office.channel.open_group("三号楼邻长", BOTH, "通知"), str)


async def test_row_31_a_group_that_is_not_the_apps_own_is_refused(office: Office, li: Colleague) -> None:
    assert isinstance(await office.send("appchat:other", Outgoing("通知")), Refused)
    with capture_logs() as logs:  # the cards are out: that is what counts
        await office.sent("appchat:other", Outgoing(CARD.text, CARD.buttons, key="1z", also=BOTH))
    assert [one["outcome"] for one in logs if "group" in one["event"]] == ["Unreachable"]
    assert len(await li.sees()) == 1


async def test_nobody_for_the_cards_but_a_group_that_hears(office: Office, li: Colleague) -> None:
    sent = await office.sent(f"robot:{GROUP}", Outgoing(CARD.text, CARD.buttons, key="1z", also=("nobody",)))
    assert sent.missed == ("nobody",)
    assert [one.text for one in await li.sees_group(GROUP)] == [CARD.text]


async def test_words_for_a_group_without_notices_go_to_each_of_its_people(
    office: Office, li: Colleague, wang: Colleague
) -> None:
    await office.sent("cards:三号楼", Outgoing("今晚停水", also=BOTH))
    assert [[one.text for one in await each.sees()] for each in (li, wang)] == [["今晚停水"]] * 2


async def test_a_group_is_not_told_of_cards_that_have_to_be_repeated(office: Office, li: Colleague) -> None:
    await office.fails(FaultKind.ERRCODE, "message/send", errcode=-1)
    card = Outgoing(CARD.text, CARD.buttons, key="1z", also=BOTH)
    assert isinstance(await office.send(f"robot:{GROUP}", card), Retry)
    assert await li.sees_group(GROUP) == []


# --- robots -----------------------------------------------------------------------------------


async def test_row_30_at_our_pace_a_robot_is_never_silenced(office: Office, li: Colleague) -> None:
    pause = timedelta(minutes=1) / facts.ROBOT_MINUTE
    for number in range(60):
        await office.sent(f"robot:{GROUP}", Outgoing(f"通知{number}"))
        office.clock.advance(pause)
    assert len(await li.sees_group(GROUP)) == 60


async def test_row_30_a_robot_that_is_pressed_waits_out_its_silence(office: Office) -> None:
    results = [await office.send(f"robot:{GROUP}", Outgoing(f"通知{number}")) for number in range(21)]
    assert all(isinstance(one, Sent) for one in results[:20])
    assert results[20] == Retry("errcode 130101", after=facts.ROBOT_SILENCE)
    office.clock.advance(timedelta(seconds=facts.ROBOT_SILENCE))
    await office.sent(f"robot:{GROUP}", Outgoing("通知"))


async def test_row_30_merged_notices_fit(office: Office, li: Colleague) -> None:
    for text in ("灯" * 682, "灯" * 683, "灯" * 2000):
        await office.sent(f"robot:{GROUP}", Outgoing(text))
    assert [len(one.text) for one in await li.sees_group(GROUP)] == [682, 683, 1365]


async def test_row_30_a_robots_key_is_told_to_nobody(office: Office) -> None:
    assert isinstance(await office.send("robot:别的群", Outgoing("通知")), Refused)
    assert isinstance(await office.send("robot:", Outgoing("通知")), Refused)
    with capture_logs() as logs:
        await office.fails(FaultKind.ERRCODE, "webhook/send", errcode=93000)
        gone = await office.send(f"robot:{GROUP}", Outgoing("通知"))
        await office.fails(FaultKind.BAD_GATEWAY_HTML, "webhook/send")
        away = await office.send(f"robot:{GROUP}", Outgoing("通知"))
    assert isinstance(gone, Refused)
    assert isinstance(away, Retry)
    assert ROBOT_KEY not in repr((logs, gone, away, office.channel.__dict__))


async def test_row_32_a_robot_is_asked_in_a_group_and_answers_later_once(
    office: Office, li: Colleague
) -> None:
    await li.says_in(GROUP, "收到 37号")
    await settled(office.sandbox)
    asked = office.heard[-1]
    assert (asked.text, asked.chat, asked.sender) == ("收到 37号", f"aibot:{GROUP}", "liming")
    await office.sent(asked.chat, Outgoing("37号 已记下", code=asked.code))
    assert (await li.hears("已记下", group=GROUP)).text == "37号 已记下"
    assert isinstance(await office.send(asked.chat, Outgoing("还有", code=asked.code)), Refused)


async def test_row_32_an_hour_later_is_too_late(office: Office, li: Colleague) -> None:
    await li.says_in(GROUP, "收到 37号")
    await settled(office.sandbox)
    office.clock.advance(facts.RESPONSE_URL_LIVES + timedelta(seconds=1))
    asked = office.heard[-1]
    assert isinstance(await office.send(asked.chat, Outgoing("37号", code=asked.code)), Refused)


async def test_row_32_alone_with_the_robot(office: Office, li: Colleague) -> None:
    office.says = [Outgoing("37号 现在：办理中")]
    await li.says("37号", bot=True)
    assert (await li.hears("办理中", bot=True)).text == "37号 现在：办理中"
    asked = office.heard[-1]
    assert (asked.chat, asked.private) == ("liming", True)
    await office.sent("liming", Outgoing("选一个", CARD.buttons, key="1z", code=asked.code))
    await office.sent("liming", Outgoing("还有一句", code=asked.code))  # used up: it comes from the app
    assert [one.text for one in await li.sees()] == ["还有一句"]
    office.says = [Outgoing("0037\n现在：已接单", key="20")]
    await li.taps("收到", bot=True)
    await settled(office.sandbox)
    assert office.heard[-1].tapped == "1z:ack"
    assert (await li.sees(bot=True))[-1].labels == ["现在：已接单"]


# --- when it goes wrong -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errcode", "expected"),
    [
        (-1, Retry("errcode -1")),
        (45033, Retry("errcode 45033")),
        (45009, Retry("errcode 45009", after=facts.FREQUENCY_PAUSE)),
        (60020, Retry("errcode 60020")),
        (301002, Retry("errcode 301002")),
        (81013, Unreachable("errcode 81013")),
        (60111, Unreachable("errcode 60111")),
        (40058, Refused("errcode 40058")),
    ],
)
async def test_every_refusal_says_what_to_do(office: Office, errcode: int, expected: SendResult) -> None:
    await office.fails(FaultKind.ERRCODE, "message/send", errcode=errcode)
    assert await office.send("liming", Outgoing("在吗")) == expected


@pytest.mark.parametrize("errcode", [40014, 42001])
async def test_a_refused_token_is_renewed_once(office: Office, errcode: int) -> None:
    await office.fails(FaultKind.ERRCODE, "message/send", errcode=errcode, times=9)
    assert await office.send("liming", Outgoing("在吗")) == Retry(f"errcode {errcode}")
    assert (office.calls("gettoken"), office.calls("message/send")) == (2, 1)


async def test_an_expired_token_is_nobodys_trouble(office: Office) -> None:
    await office.sent("liming", Outgoing("在吗"))
    office.clock.advance(timedelta(hours=2, seconds=1))
    await office.sent("liming", Outgoing("还在吗"))


async def test_a_lost_answer_is_unknown_but_a_change_may_be_repeated(office: Office, li: Colleague) -> None:
    sent = await office.sent("liming", CARD)
    await office.fails(FaultKind.ACCEPT_THEN_DROP, "message/send")
    assert isinstance(await office.send("liming", Outgoing("在吗")), Unknown)
    await office.fails(FaultKind.DROP, "message/update_template_card")
    changed = Outgoing(DONE.text, key="20", edit=sent.ref, code=sent.code)
    assert isinstance(await office.send("liming", changed), Retry)
    await office.sent("liming", changed)
    assert [one.text for one in await li.sees()] == [DONE.text, "在吗"]


async def test_what_was_not_delivered_is_tried_again(office: Office) -> None:
    await office.fails(FaultKind.BAD_GATEWAY_HTML, "message/send")
    assert isinstance(await office.send("liming", Outgoing("在吗")), Retry)
    await office.fails(FaultKind.DROP, "media/upload")
    assert isinstance(await office.send("liming", Outgoing("", photo=Blob("1.png", tiny_png()))), Retry)
    assert isinstance(await office.send("tel:110", Outgoing("在吗")), Refused)
