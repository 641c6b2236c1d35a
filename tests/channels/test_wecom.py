"""WeCom's app without a network: callbacks read, cards written, answers sealed for two other readers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.work import parse_message
from wechatpy.work.crypto import WeChatCrypto

from bot.channels import facts
from bot.channels.callback import ForgedError, Letter
from bot.channels.wecom import WecomChannel
from bot.channels.wecom_cards import as_xml, button_key, card, fits, shorten, split_key
from bot.channels.weixin_xml import parse, render
from bot.clock import Clock
from bot.sandbox.sealing import Sealer
from bot.settings import Wecom
from handlers.messages import Button, Kind, MediaRef, Outgoing, UnreadableError

CORP, TOKEN, AGENT = "wwcorp", "huiyintoken", 1000002
KEY, OLD = "a" * 42 + "A", "b" * 42 + "A"
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
STAMP, NONCE = str(int(NOW.timestamp())), "nonce7"
BUTTONS = (Button("1z:ack", "收到"), Button("1z:go", "我去"))


@pytest.fixture
def channel() -> WecomChannel:
    settings = Wecom.model_validate(
        {
            "corp_id": CORP,
            "agent_id": AGENT,
            "secret": "s",
            "token": TOKEN,
            "aes_key": KEY,
            "previous_aes_key": OLD,
            "api_base": "http://127.0.0.1:1",
        }
    )
    return WecomChannel(settings, Clock(NOW))


def xml(**fields: str) -> bytes:
    heads = {"ToUserName": CORP, "FromUserName": "WangFang", "CreateTime": STAMP, "AgentID": str(AGENT)}
    return render({**heads, **fields})


def tap(key: str = "1z:ack") -> bytes:
    return xml(
        MsgType="event",
        Event="template_card_event",
        EventKey=key,
        TaskId="1z@0a",
        CardType="button_interaction",
        ResponseCode="code7",
    )


def letter(body: bytes, key: int = 0) -> Letter:
    return Letter(body, key, STAMP, NONCE)


# --- what comes in ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"MsgType": "text", "Content": " 收到 37号\n"}, {"kind": Kind.TEXT, "text": "收到 37号"}),
        ({"MsgType": "text", "Content": ""}, {"kind": Kind.TEXT, "text": ""}),
        (
            {"MsgType": "image", "MediaId": "m1", "PicUrl": "http://x"},
            {"kind": Kind.PHOTO, "media": (MediaRef("photo", "m1"),)},
        ),
        (
            {"MsgType": "voice", "MediaId": "m2", "Format": "amr"},
            {"kind": Kind.VOICE, "media": (MediaRef("voice", "m2"),)},
        ),
        (
            {"MsgType": "location", "Location_X": "23.1", "Location_Y": "113.2", "Label": "门口"},
            {"kind": Kind.LOCATION, "location": (23.1, 113.2)},
        ),
        ({"MsgType": "video", "MediaId": "m3"}, {"kind": Kind.UNSUPPORTED}),
        ({"MsgType": "link", "Title": "t"}, {"kind": Kind.UNSUPPORTED}),
    ],
)
def test_messages_are_read(
    channel: WecomChannel, fields: Mapping[str, str], expected: Mapping[str, Any]
) -> None:
    message = channel.parse(xml(**fields, MsgId="700"))
    assert {name: getattr(message, name) for name in expected} == expected
    assert (message.channel, message.external, message.sender, message.chat) == (
        "wecom",
        "700",
        "wangfang",
        "wangfang",
    )


@pytest.mark.parametrize("event", ["enter_agent", "LOCATION", "subscribe", "unsubscribe", "view", "新的"])
def test_other_events_are_ignored(channel: WecomChannel, event: str) -> None:
    assert channel.parse(xml(MsgType="event", Event=event, EventKey="")).kind is Kind.IGNORED


@pytest.mark.parametrize(
    ("key", "data", "chat"),
    [
        ("1z:ack", "1z:ack", "wangfang"),
        ("1z:ack|appchat:abc", "1z:ack", "appchat:abc"),
        ("1z:classify:PF01|robot:一网格群", "1z:classify:PF01", "robot:一网格群"),
    ],
)
def test_a_tap_knows_its_card_and_its_group(channel: WecomChannel, key: str, data: str, chat: str) -> None:
    message = channel.parse(tap(key))
    assert (message.kind, message.tapped, message.chat, message.code) == (Kind.TAP, data, chat, "code7")


@given(st.text("0123456789abcdefghijklmnopqrstuvwxyz:_", min_size=1), st.none() | st.text(min_size=1))
def test_what_a_button_carries_comes_back(data: str, group: str | None) -> None:
    assert split_key(button_key(data, group)) == (data, group)


def test_two_events_of_one_second_are_told_apart(channel: WecomChannel) -> None:
    first, second = tap("1z:ack"), tap("1z:go")
    assert channel.envelope(first) == channel.envelope(first)
    assert channel.envelope(first).external != channel.envelope(second).external
    assert channel.envelope(first).sender == "wangfang"
    assert "wang" not in channel.envelope(first).external.lower()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<xml></xml>",
        b"<html></html>",
        b"{}",
        xml(MsgType="text", Content="没有编号"),
        xml(MsgType="image", MsgId="1"),
        xml(MsgType="location", MsgId="1"),
        xml(MsgType="location", MsgId="1", Location_X="x", Location_Y="y"),
        xml(MsgType="location", MsgId="1", Location_X="nan", Location_Y="1"),
        render({"MsgType": "text", "Content": "无人"}),
    ],
)
def test_what_cannot_be_read_is_named_so(channel: WecomChannel, body: bytes) -> None:
    with pytest.raises(UnreadableError):
        channel.parse(body)


# --- sealed, both ways ------------------------------------------------------------------------


def sealed_call(
    key: str = KEY, plain: bytes = xml(MsgType="text", Content="收到", MsgId="1")
) -> tuple[dict[str, str], bytes]:
    sealer = Sealer(TOKEN, key, CORP)
    sealed = sealer.seal(plain)
    query = {"timestamp": STAMP, "nonce": NONCE, "msg_signature": sealer.signature(STAMP, NONCE, sealed)}
    return query, render({"ToUserName": CORP, "AgentID": str(AGENT), "Encrypt": sealed})


@pytest.mark.parametrize(("key", "index"), [(KEY, 0), (OLD, 1)])
def test_calls_are_opened_and_answered_with_the_key_of_the_call(
    channel: WecomChannel, key: str, index: int
) -> None:
    query, body = sealed_call(key)
    opened = channel.unlock(query, body, NOW)
    assert opened.key == index
    assert channel.parse(opened.body).text == "收到"
    reply = channel.answer(opened, [Outgoing("好的 ]]> & 谢谢🔦")], NOW)
    fields = parse(reply)
    library = WeChatCrypto(TOKEN, key, CORP)
    plain = library.decrypt_message(
        reply.decode(), fields["MsgSignature"], fields["TimeStamp"], fields["Nonce"]
    )
    told = parse(plain.encode())
    assert (told["MsgType"], told["Content"]) == ("text", "好的 ]]> & 谢谢🔦")
    assert (told["ToUserName"], told["FromUserName"]) == ("WangFang", CORP)


def test_the_library_seals_and_reads_the_same(channel: WecomChannel) -> None:
    plain = xml(MsgType="text", Content="楼道灯坏了", MsgId="701")
    body = WeChatCrypto(TOKEN, KEY, CORP).encrypt_message(plain.decode(), NONCE, STAMP)
    fields = parse(body.encode())
    query = {"timestamp": STAMP, "nonce": NONCE, "msg_signature": fields["MsgSignature"]}
    message, theirs = channel.parse(channel.unlock(query, body.encode(), NOW).body), parse_message(plain)
    assert (message.text, message.external, message.sender) == (
        theirs.content,
        str(theirs.id),
        theirs.source.lower(),
    )


def test_calls_of_nobody_are_refused(channel: WecomChannel) -> None:
    query, body = sealed_call()
    for forged in ({}, {**query, "msg_signature": "0" * 40}, {**query, "timestamp": "1"}):
        with pytest.raises(ForgedError):
            channel.unlock(forged, body, NOW)
    for hostile in (b"", b"<!DOCTYPE x><xml/>", b"<xml></xml>", b"{}"):
        with pytest.raises(ForgedError):
            channel.unlock(query, hostile, NOW)
    with pytest.raises(ForgedError):
        channel.unlock(query, body, NOW + facts.OLDEST_CALL + timedelta(seconds=1))


def test_row_24_the_check_of_our_address_is_answered_with_bare_text(channel: WecomChannel) -> None:
    sealer = Sealer(TOKEN, KEY, CORP)
    sealed = next(one for one in (sealer.seal(b"5127649") for _ in range(1000)) if "+" in one)
    query = {"timestamp": STAMP, "nonce": NONCE, "msg_signature": sealer.signature(STAMP, NONCE, sealed)}
    assert channel.verify({**query, "echostr": sealed}) == "5127649"
    assert channel.verify({**query, "echostr": sealed.replace("+", " ")}) == "5127649"
    for wrong in ({}, {**query, "echostr": sealer.seal(b"5127649")}, {**query, "echostr": "%"}):
        with pytest.raises(ForgedError):
            channel.verify(wrong)


def test_row_24_a_check_for_another_company_is_refused(channel: WecomChannel) -> None:
    sealer = Sealer(TOKEN, KEY, "wwother")
    sealed = sealer.seal(b"1")
    query = {"timestamp": STAMP, "nonce": NONCE, "msg_signature": sealer.signature(STAMP, NONCE, sealed)}
    with pytest.raises(ForgedError):
        channel.verify({**query, "echostr": sealed})


# --- answers ----------------------------------------------------------------------------------


def told(channel: WecomChannel, body: bytes, said: Sequence[Outgoing]) -> str:
    """The opened answer; empty where nothing was said."""
    reply = channel.answer(letter(body), said, NOW)
    if not reply:
        return ""
    fields = parse(reply)
    sealer = Sealer(TOKEN, KEY, CORP)
    given = (fields["Encrypt"], fields["MsgSignature"], fields["TimeStamp"], fields["Nonce"])
    return sealer.open(*given).decode()


CHANGE = Outgoing("0037 积水\n现在：办理中", BUTTONS)
SAYS = xml(MsgType="text", Content="收到", MsgId="1")


def test_what_nobody_can_read_is_answered_all_the_same(channel: WecomChannel) -> None:
    assert channel.answer(letter(b"garbage"), [], NOW) == b""


@pytest.mark.parametrize(
    ("body", "said", "parts"),
    [
        (SAYS, [], []),
        (SAYS, [Outgoing("好的")], ["<![CDATA[text]]>", "好的"]),
        (SAYS, [Outgoing("好的"), Outgoing("还有一句")], ["好的\n\n还有一句"]),
        (tap(), [], []),
        (tap(), [CHANGE], ["update_template_card", "<TaskId><![CDATA[1z@0a]]>", "1z:go"]),
    ],
)
def test_row_29_a_tap_is_answered_with_the_changed_card(
    channel: WecomChannel, body: bytes, said: list[Outgoing], parts: list[str]
) -> None:
    plain = told(channel, body, said)
    assert bool(plain) == bool(parts)
    assert all(part in plain for part in parts)


# --- cards ------------------------------------------------------------------------------------

MEMBER_CARD = (
    "0037 【积水】急件\n地点：3号楼\n“水从井盖里冒出来，\n快来看看”\n现在：待接单\n请在 10:30 前接单。"
)


def test_a_card_has_title_quotation_and_text() -> None:
    assert card(MEMBER_CARD, BUTTONS, "t1", "robot:群") == {
        "card_type": "button_interaction",
        "main_title": {"title": "0037 【积水】急件"},
        "sub_title_text": "地点：3号楼\n现在：待接单\n请在 10:30 前接单。",
        "quote_area": {"quote_text": "“水从井盖里冒出来，\n快来看看”"},
        "task_id": "t1",
        "button_list": [
            {"text": "收到", "style": 1, "key": "1z:ack|robot:群"},
            {"text": "我去", "style": 1, "key": "1z:go|robot:群"},
        ],
    }


def test_a_card_without_buttons_shows_its_last_line_instead() -> None:
    shown = card("0037 积水\n现在：已办结", (), "t1")
    assert shown["replace_text"] == "现在：已办结"
    assert card("0037 已转给别人办理", (), "t1")["replace_text"] == "0037 已转给别人办理"


def test_at_most_six_buttons_in_the_order_given() -> None:
    many = [Button(f"o:{number}", f"选项{number}的名字是很长的一个") for number in range(8)]
    shown = card("选一个", many, "t1")["button_list"]
    assert [one["key"] for one in shown] == [f"o:{number}" for number in range(6)]
    assert max(len(one["text"]) for one in shown) == facts.CARD_BUTTON


def test_the_same_card_in_xml_repeats_its_lists() -> None:
    fields = parse_message(render({"MsgType": "x", "TemplateCard": as_xml(card(MEMBER_CARD, BUTTONS, "t1"))}))
    inner = fields._data["TemplateCard"]
    assert inner["MainTitle"]["Title"] == "0037 【积水】急件"
    assert [one["Key"] for one in inner["ButtonList"]] == ["1z:ack", "1z:go"]
    assert (inner["CardType"], inner["TaskId"]) == ("button_interaction", "t1")


@given(st.text())
def test_a_card_never_holds_more_than_a_card_shows(text: str) -> None:
    shown = card(text, BUTTONS, "t1")
    assert len(shown["main_title"]["title"]) <= facts.CARD_TITLE
    assert len(shown.get("sub_title_text", "")) <= facts.CARD_TEXT
    assert len(shown.get("quote_area", {}).get("quote_text", "")) <= facts.CARD_QUOTE
    if fits(text):
        assert not {"…"} & set(str(shown)) - set(text)


@given(st.text(), st.integers(4, 60))
def test_what_is_too_long_says_so(text: str, longest: int) -> None:
    short = shorten(text, longest)
    assert len(short) <= longest
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))
