"""WeCom's smart robot without a network: sealed JSON both ways, names stripped, quoted numbers found."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wechatpy.work.crypto import WeChatCrypto

from bot.channels.callback import ForgedError, Letter
from bot.channels.wecom import WecomChannel
from bot.channels.wecom_bot import WecomBot
from bot.clock import Clock
from bot.sandbox.sealing import Sealer
from bot.settings import Wecom
from handlers.messages import Button, Kind, Outgoing, Refused, UnreadableError

TOKEN, KEY = "bottoken", "c" * 42 + "A"
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
STAMP, NONCE = str(int(NOW.timestamp())), "nonce7"
LATER = "http://127.0.0.1:1/corp/cgi-bin/aibot/response?response_code=r1"
SEALER = Sealer(TOKEN, KEY, "")


def made() -> WecomChannel:
    values = {
        "corp_id": "wwcorp",
        "agent_id": 1,
        "secret": "s",
        "token": "apptoken",
        "aes_key": "a" * 42 + "A",
        "api_base": "http://127.0.0.1:1/corp",
        "bot": {"token": TOKEN, "aes_key": KEY},
    }
    return WecomChannel(Wecom.model_validate(values), Clock(NOW))


CHANNEL = made()


@pytest.fixture
def channel() -> WecomChannel:
    return CHANNEL


@pytest.fixture
def bot(channel: WecomChannel) -> WecomBot:
    assert channel.bot is not None
    return channel.bot


def body(**fields: Any) -> bytes:
    heads = {
        "msgid": "m1",
        "aibotid": "a1",
        "chatid": "c1",
        "chattype": "group",
        "from": {"userid": "WangFang"},
        "response_url": LATER,
    }
    return json.dumps({**heads, **fields}, ensure_ascii=False).encode()


def text(content: str, **fields: Any) -> bytes:
    return body(msgtype="text", text={"content": content}, **fields)


MIXED = {
    "msg_item": [
        {"msgtype": "text", "text": {"content": "@回音 收到"}},
        {"msgtype": "image", "image": {"url": "http://x"}},
        {"msgtype": "text", "text": {"content": "37号"}},
    ]
}
TAP = {
    "eventtype": "template_card_event",
    "template_card_event": {"card_type": "button_interaction", "event_key": "1z:ack", "task_id": "t1"},
}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (text("@回音 收到 37号"), "收到 37号"),
        (text("收到 37号 @回音"), "收到 37号"),
        (text("@回音 @李某 收到 37号"), "收到 37号"),
        (text("@回音 请@李某去看 37号"), "请@李某去看 37号"),
        (text("@回音 收到", quote={"msgtype": "text", "text": {"content": "37号 积水"}}), "收到\n37号 积水"),
        (text("@回音 收到", quote={"msgtype": "mixed", "mixed": MIXED}), "收到\n@回音 收到 37号"),
        (body(msgtype="mixed", mixed=MIXED), "收到 37号"),
        (text("@回音 收到\0 37号"), "收到 37号"),
        (text("@住在三楼 的灯坏了", chattype="single"), "@住在三楼 的灯坏了"),
        (body(msgtype="voice", voice={"content": "收到三十七号"}, chattype="single"), "收到三十七号"),
    ],
)
def test_row_32_words_are_read_without_the_robots_name(channel: WecomChannel, call: bytes, said: str) -> None:
    message = channel.parse(call)
    assert (message.kind, message.text, message.channel, message.code) == (Kind.TEXT, said, "wecom", LATER)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (text("@回音"), Kind.UNSUPPORTED),
        (body(msgtype="image", image={"url": "http://x"}, chattype="single"), Kind.UNSUPPORTED),
        (body(msgtype="file", file={"url": "http://x"}, chattype="single"), Kind.UNSUPPORTED),
        (body(msgtype="event", event={"eventtype": "enter_chat"}), Kind.IGNORED),
        (body(msgtype="event", event={"eventtype": "feedback_event"}), Kind.IGNORED),
        (body(msgtype="stream", stream={"id": "s"}), Kind.IGNORED),
        (body(msgtype="event", event=TAP), Kind.TAP),
    ],
)
def test_row_32_every_kind_is_told_apart(channel: WecomChannel, call: bytes, kind: Kind) -> None:
    assert channel.parse(call).kind is kind


def test_row_32_groups_and_single_talks_have_their_addresses(channel: WecomChannel) -> None:
    group, single = channel.parse(text("@回音 在吗")), channel.parse(text("在吗", chattype="single"))
    assert (group.sender, group.chat, group.external) == ("wangfang", "aibot:c1", "aibot/m1")
    assert (single.sender, single.chat) == ("wangfang", "wangfang")
    assert channel.envelope(text("@回音 在吗")).external == group.external
    tapped = channel.parse(body(msgtype="event", event=TAP))
    assert (tapped.tapped, tapped.chat, tapped.code) == ("1z:ack", "aibot:c1", LATER)


@pytest.mark.parametrize("call", [b"{", b"{}", b'{"msgid": 1}', b"[]", b'{"msgid":"\xff"}'])
def test_what_is_no_message_is_named_so(bot: WecomBot, call: bytes) -> None:
    with pytest.raises(UnreadableError):
        bot.parse(call)


_JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda part: st.lists(part) | st.dictionaries(st.text(), part)
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["text", "event", "mixed", "quote", "chattype", "msgtype"]), _JSON))
def test_whatever_comes_is_read_or_named_unreadable(fields: dict[str, Any]) -> None:
    with suppress(UnreadableError):
        CHANNEL.parse(body(**fields))


def opened(reply: bytes) -> Any:
    told = json.loads(reply)
    plain = SEALER.open(told["encrypt"], told["msgsignature"], str(told["timestamp"]), told["nonce"])
    library = WeChatCrypto(TOKEN, KEY, "")
    sealed = {"Encrypt": told["encrypt"]}
    theirs = library.decrypt_message(sealed, told["msgsignature"], str(told["timestamp"]), told["nonce"])
    assert json.loads(theirs) == json.loads(plain)
    return json.loads(plain)


def test_row_32_json_is_sealed_for_no_receiver_both_ways(bot: WecomBot) -> None:
    sealed = SEALER.seal(text("@回音 收到 37号"))
    query = {"timestamp": STAMP, "nonce": NONCE, "msg_signature": SEALER.signature(STAMP, NONCE, sealed)}
    letter = bot.unlock(query, json.dumps({"encrypt": sealed}).encode(), NOW)
    assert bot.parse(letter.body).text == "收到 37号"
    stream = opened(bot.answer(letter, [Outgoing("37号 已记下"), Outgoing("谢谢")], NOW))["stream"]
    assert (stream["finish"], stream["content"]) == (True, "37号 已记下\n\n谢谢")
    assert bot.answer(letter, [], NOW) == bot.answer(Letter(b"garbage", 0, STAMP, NONCE), [], NOW) == b""
    for hostile in (b"", b"{}", b"<xml/>", b'{"encrypt": 7}', b'{"encrypt": ""}'):
        with pytest.raises(ForgedError):
            bot.unlock(query, hostile, NOW)


def test_row_32_a_tap_changes_the_card_and_a_welcome_is_plain_text(bot: WecomBot) -> None:
    tap = Letter(body(msgtype="event", event=TAP), 0, STAMP, NONCE)
    told = opened(bot.answer(tap, [Outgoing("0037\n现在：办理中", (Button("1z:go", "我去"),))], NOW))
    assert told["response_type"] == "update_template_card"
    assert told["template_card"]["task_id"] == "t1"
    entered = Letter(body(msgtype="event", event={"eventtype": "enter_chat"}), 0, STAMP, NONCE)
    assert opened(bot.answer(entered, [Outgoing("您好")], NOW)) == {
        "msgtype": "text",
        "text": {"content": "您好"},
    }


def test_row_24_the_robots_address_is_checked_too(bot: WecomBot) -> None:
    sealed = SEALER.seal(b"42")
    query = {"timestamp": STAMP, "nonce": NONCE, "msg_signature": SEALER.signature(STAMP, NONCE, sealed)}
    assert bot.verify({**query, "echostr": sealed}) == "42"


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "http://127.0.0.1:10/corp/cgi-bin/aibot/response",
        "http://127.0.0.1:1@evil.example/x",
        "http://127.0.0.1:1.evil.example/x",
        "https://127.0.0.1:1/x",
        "//127.0.0.1:1/x",
        "file:///etc/passwd",
    ],
)
async def test_row_32_a_robot_answers_nowhere_else(channel: WecomChannel, url: str | None) -> None:
    assert isinstance(await channel.send("aibot:c1", Outgoing("37号 已记下", code=url)), Refused)


async def test_a_robot_that_is_not_configured_hears_and_says_nothing() -> None:
    values = {"corp_id": "ww", "agent_id": 1, "token": "apptoken", "aes_key": "a" * 42 + "A"}
    channel = WecomChannel(Wecom.model_validate(values), Clock(NOW))
    with pytest.raises(UnreadableError):
        channel.parse(text("@回音 在吗"))
    assert isinstance(await channel.send("aibot:c1", Outgoing("在", code=LATER)), Refused)
