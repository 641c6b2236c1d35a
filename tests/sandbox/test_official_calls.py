"""The service account's calls to a bot that reads and answers them with wechatpy."""

import itertools
from typing import Any

import pytest

from bot.clock import Clock
from bot.sandbox.faults import FaultKind
from bot.sandbox.media import tiny_png
from bot.sandbox.official import xml
from bot.sandbox.official.callbacks import SORRY
from bot.sandbox.official.spec import Mode
from bot.sandbox.people import SandboxError
from bot.sandbox.server import build
from tests.sandbox.official import KEY, OLD_KEY, TOKEN, Office, spec


async def report(office: Office) -> dict[str, Any]:
    return dict((await office.sandbox.call("GET", "official/log"))["deliveries"])


# --- what comes


@pytest.mark.parametrize("more", [{"mode": mode} for mode in Mode])
async def test_a_bot_hears_and_answers_in_every_mode(office: Office) -> None:
    office.bot.says = lambda message: "收到 <b> & 😀"
    await office.resident.follows()
    await office.resident.says("路灯 <坏了> & ]]> 😀")
    await office.settled()
    assert await office.texts() == ["收到 <b> & 😀"] * 2
    assert office.bot.heard[1].content == "路灯 <坏了> & ]]> 😀"


async def test_wechatpy_breaks_its_own_answer(office: Office) -> None:
    """It does not split what ends its CDATA: the reason why a bot must."""
    office.bot.says = lambda message: "]]>"
    await office.resident.follows()
    await office.settled()
    assert await office.texts() == [SORRY]


async def test_a_safe_body_tells_nothing(office: Office) -> None:
    await office.resident.follows()
    await office.resident.says("秘密")
    await office.settled()
    query = office.bot.queries[1]
    assert set(xml.read(office.bot.bodies[1])) == {"ToUserName", "Encrypt"}
    assert set(query) == {"signature", "timestamp", "nonce", "openid", "encrypt_type", "msg_signature"}
    assert query["openid"] == office.resident.openid


@pytest.mark.parametrize("more", [{"mode": Mode.MIXED}])
async def test_a_mixed_body_tells_it_twice(office: Office) -> None:
    await office.resident.follows()
    await office.settled()
    assert {"Event", "FromUserName", "Encrypt"} <= set(xml.read(office.bot.bodies[0]))


async def test_everything_people_can_send(office: Office) -> None:
    resident = office.resident
    await resident.follows("b3")
    await resident.sends_photo(tiny_png())
    for recognition in ("漏水了", "", None):
        await resident.sends_voice(recognition)
    await resident.sends_location(30.1, 103.8, "岳师村委会")
    await resident.sends_link("网页", "http://127.0.0.1/x")
    await resident.unfollows()
    await office.settled()
    subscribed, photo, *voices, place, link, gone = office.bot.heard
    assert (subscribed.event, subscribed.scene_id, gone.event) == ("subscribe_scan", "b3", "unsubscribe")
    assert photo.image.startswith(office.sandbox.base_url)
    assert ["Recognition" in voice._data for voice in voices] == [True, True, False]
    assert [(voice.format, voice.recognition) for voice in voices] == [
        ("amr", "漏水了"),
        ("amr", None),
        ("amr", None),
    ]
    assert (place.location_x, place.location_y, place.label) == ("30.1", "103.8", "岳师村委会")
    assert (link.title, link.url) == ("网页", "http://127.0.0.1/x")
    ids = [message.id for message in office.bot.heard[1:-1]]
    assert len(set(ids)) == len(ids)


async def test_positions_are_reported_without_anybody_waiting(office: Office) -> None:
    office.bot.says = lambda message: "" if message.event == "subscribe" else "？"
    await office.resident.follows()
    await office.resident.reports_location(3)
    await office.settled()
    assert [(message.event, message.latitude) for message in office.bot.heard[1:]] == [
        ("location", 30.05)
    ] * 3
    assert await office.texts() == []


async def test_the_address_is_verified(office: Office) -> None:
    assert await office.sandbox.call("POST", "official/verify") == {"verified": True}
    office.bot.echo = "\n"
    assert await office.sandbox.call("POST", "official/verify") == {"verified": False}


async def test_doing_the_same_twice_is_two_events_while_the_clock_stands(office: Office) -> None:
    await office.resident.follows()
    for scene in ("a", "a", "b"):
        await office.resident.scans(scene)
    await office.settled()
    first, second, other = [message.time for message in office.bot.heard[1:]]
    assert (second - first, other - first) == (1, 0)


async def test_the_previous_key_is_used_on_demand(office: Office) -> None:
    office.bot.key, office.bot.says = OLD_KEY, lambda message: "好"
    await office.sandbox.call("POST", "official/sealing", {"previous_key": True})
    await office.resident.follows()
    await office.settled()
    assert await office.texts() == ["好"]


# --- what is answered


@pytest.mark.parametrize(
    "raw",
    [
        b'{"ok": true}',
        b"<xml><MsgType>text</MsgType></xml>",
        b"<html><Encrypt>x</Encrypt></html>",
        b"<xml><Encrypt>x</Encrypt><MsgSignature>y</MsgSignature><TimeStamp>1</TimeStamp><Nonce>1</Nonce></xml>",
        b" success",
    ],
)
async def test_a_senseless_answer_makes_the_platform_apologise(office: Office, raw: bytes) -> None:
    office.bot.raw = raw
    await office.resident.follows()
    await office.settled()
    assert await office.texts() == [SORRY]
    assert ((await report(office))["sorry"], len(office.bot.bodies)) == (1, 1)


def plain_answer(office: Office, **changed: str) -> bytes:
    named = {"ToUserName": office.resident.openid, "FromUserName": spec("http://127.0.0.1").original}
    return xml.write(named | {"CreateTime": "1", "MsgType": "text", "Content": "好"} | changed)


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({}, "好"),
        ({"ToUserName": "somebody"}, SORRY),
        ({"FromUserName": "somebody"}, SORRY),
        ({"CreateTime": "now"}, SORRY),
        ({"MsgType": "dance"}, SORRY),
        ({"Content": ""}, SORRY),
        ({"Content": "字" * 683}, SORRY),
    ],
)
@pytest.mark.parametrize("more", [{"mode": Mode.PLAIN}])
async def test_an_answer_is_checked(office: Office, changed: dict[str, str], shown: str) -> None:
    office.bot.raw = plain_answer(office, **changed)
    await office.resident.follows()
    await office.settled()
    assert await office.texts() == [shown]


@pytest.mark.parametrize(("more", "shown"), [({"mode": Mode.SAFE}, SORRY), ({"mode": Mode.MIXED}, "好")])
async def test_safe_mode_takes_no_open_answer(office: Office, shown: str) -> None:
    office.bot.raw = plain_answer(office)
    await office.resident.follows()
    await office.settled()
    assert await office.texts() == [shown]


async def test_a_picture_may_be_the_answer(office: Office) -> None:
    client, picture = office.client, tiny_png()
    up = await client.do(client.media.upload, "image", ("x.png", picture, "image/png"))
    office.bot.says = lambda message: {"image": up["media_id"]}
    await office.resident.follows()
    await office.settled()
    office.bot.says = lambda message: {"image": "x"}
    await office.resident.says("再来")
    await office.settled()
    first, _, second = await office.resident.sees()
    assert (first.kind, second.text) == ("photo", SORRY)


# --- trouble on the way


async def test_three_tries_with_the_same_body(office: Office) -> None:
    office.bot.says, office.bot.statuses = lambda message: "好", [503, 503]
    await office.resident.follows()
    await office.settled()
    assert await office.texts() == ["好"]
    assert len(office.bot.bodies) == 3
    assert len(set(office.bot.bodies)) == 1
    assert office.bot.queries[0] == office.bot.queries[2]


async def test_after_three_tries_the_platform_apologises(office: Office) -> None:
    office.bot.statuses = [503] * 3
    await office.resident.follows()
    await office.settled()
    assert await office.texts() == [SORRY]
    assert await report(office) == {"delivered": 0, "tries": 3, "sorry": 1, "reasons": {"status 503": 1}}


@pytest.mark.parametrize("more", [{"answer_within": 0.05}])
async def test_a_late_answer_is_not_taken(office: Office) -> None:
    office.bot.says, office.bot.delays = lambda message: "好", [0.2]
    await office.resident.follows()
    await office.settled()
    assert (await office.texts(), len(office.bot.bodies)) == (["好"], 2)


async def test_a_message_counts_until_it_is_answered(office: Office) -> None:
    office.bot.delays = [0.1]
    await office.resident.follows()
    assert (await office.sandbox.log())["undelivered"] == 1
    await office.settled()
    assert len(office.bot.heard) == 1


async def test_one_persons_messages_keep_their_order(office: Office) -> None:
    office.bot.delays = [0.03, 0.0, 0.02, 0.0, 0.0]
    await office.resident.follows()
    for number in range(4):
        await office.resident.says(str(number))
    await office.settled()
    assert [message.content for message in office.bot.heard[1:]] == ["0", "1", "2", "3"]


async def test_messages_may_come_twice_and_are_answered_once(office: Office) -> None:
    office.bot.says = lambda message: "好"
    await office.sandbox.fails(FaultKind.DUPLICATE_UPDATE, chat=office.resident.openid)
    await office.resident.follows()
    await office.settled()
    assert (len(office.bot.bodies), await office.texts()) == (2, ["好"])
    await office.sandbox.call("POST", "official/redeliver", {"count": 1})
    await office.settled()
    assert (len(set(office.bot.bodies)), len(office.bot.bodies)) == (1, 3)


async def test_messages_may_overtake_each_other(office: Office) -> None:
    await office.resident.follows()
    await office.sandbox.fails(FaultKind.REORDER_UPDATES)
    await office.resident.says("先")
    await office.resident.says("后")
    await office.settled()
    assert [message.content for message in office.bot.heard[1:]] == ["后", "先"]
    await office.sandbox.fails(FaultKind.REORDER_UPDATES)
    await office.resident.says("独")
    assert (await office.sandbox.log())["undelivered"] == 1
    await office.sandbox.heals()
    await office.settled()
    assert office.bot.heard[-1].content == "独"


# --- people


async def test_people_do_only_what_their_phone_lets_them(office: Office) -> None:
    await office.resident.follows()
    for act, more, reason in [
        ("follow", {}, "already"),
        ("text", {"text": " "}, "empty"),
        ("dance", {}, "nobody can"),
    ]:
        with pytest.raises(SandboxError, match=reason):
            await office.resident.does(act, **more)
    with pytest.raises(SandboxError, match="nobody is called"):
        await office.sandbox.call("GET", "official/chat", openid="x")


async def test_hearing_waits(office: Office) -> None:
    numbers = itertools.count(1)
    office.bot.says = lambda message: f"第{next(numbers)}句"
    await office.resident.follows()
    first = await office.resident.hears("句")
    await office.resident.says("喂")
    assert (await office.resident.hears("句", after=first.id)).text == "第2句"
    with pytest.raises(TimeoutError, match="第1句"):
        await office.resident.hears("再见", within=0.05)


def test_it_calls_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        build(Clock(), [], spec("http://bot.example/wechat"))
    assert TOKEN not in repr(spec("http://127.0.0.1"))
    assert KEY not in repr(spec("http://127.0.0.1"))
