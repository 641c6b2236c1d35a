"""Every kind of message and event of the service account, and how it is read."""

import pytest

from bot.channels.wechat_messages import envelope, read
from bot.channels.weixin_xml import Node, render
from handlers.messages import InboundMessage, Kind, MediaRef, Opens, Outcome, UnreadableError

OPENID = "oAbc123_-resident"
COMMON: dict[str, Node] = {
    "ToUserName": "gh_account",
    "FromUserName": OPENID,
    "CreateTime": 1763884800,
}


def message(kind: str, **fields: Node) -> bytes:
    return render({**COMMON, "MsgType": kind, **fields, "MsgId": 24000000000000001})


def event(name: str, **fields: Node) -> bytes:
    return render({**COMMON, "MsgType": "event", "Event": name, **fields})


def seen(body: bytes) -> dict[str, object]:
    """What differs from an empty message of the same sender."""
    found = read(body)
    blank = InboundMessage("wechat", found.external, OPENID, OPENID, found.kind, ref=found.ref)
    names = InboundMessage.__dataclass_fields__
    return {"kind": found.kind} | {
        name: getattr(found, name) for name in names if getattr(found, name) != getattr(blank, name)
    }


TALK, BRIEF = {"opens": Opens.TALK}, {"opens": Opens.BRIEF}
PHOTO, VOICE = (MediaRef("photo", "m1"),), (MediaRef("voice", "m1"),)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (message("text", Content=" 路灯坏了 "), {"kind": Kind.TEXT, "text": "路灯坏了", **TALK}),
        (message("text", Content=""), {"kind": Kind.UNSUPPORTED, **TALK}),
        (
            message("text", Content="1 提交", bizmsgmenuid="9:yes"),
            {"kind": Kind.TAP, "tapped": "9:yes", **BRIEF},
        ),
        (message("image", PicUrl="http://x/", MediaId="m1"), {"kind": Kind.PHOTO, "media": PHOTO, **TALK}),
        (message("voice", MediaId="m1", Format="amr"), {"kind": Kind.VOICE, "media": VOICE, **TALK}),
        (message("voice", MediaId="m1", Recognition=" "), {"kind": Kind.VOICE, "media": VOICE, **TALK}),
        (
            message("voice", MediaId="m1", Recognition="路灯坏了。"),
            {"kind": Kind.TEXT, "text": "路灯坏了。", "media": VOICE, **TALK},
        ),
        (
            message("location", Location_X="30.05", Location_Y="103.84", Scale=16, Label="月湖"),
            {"kind": Kind.LOCATION, "location": (30.05, 103.84), **TALK},
        ),
        (message("video", MediaId="m1", ThumbMediaId="t"), {"kind": Kind.UNSUPPORTED, **TALK}),
        (message("shortvideo", MediaId="m1"), {"kind": Kind.UNSUPPORTED, **TALK}),
        (message("link", Title="a", Url="http://x/"), {"kind": Kind.UNSUPPORTED, **TALK}),
        (message("file", Title="a"), {"kind": Kind.UNSUPPORTED, **TALK}),
        (message("something new"), {"kind": Kind.UNSUPPORTED, **TALK}),
        (event("subscribe", EventKey=""), {"kind": Kind.START, "start": "", **BRIEF}),
        (event("subscribe"), {"kind": Kind.START, "start": "", **BRIEF}),
        (
            event("subscribe", EventKey="qrscene_grid-1", Ticket="t"),
            {"kind": Kind.START, "start": "grid-1", **BRIEF},
        ),
        (event("subscribe", EventKey="last_trade_no_5"), {"kind": Kind.START, "start": "", **BRIEF}),
        (event("SCAN", EventKey="grid-1", Ticket="t"), {"kind": Kind.START, "start": "grid-1", **BRIEF}),
        (event("SCAN", EventKey="qrscene_x"), {"kind": Kind.START, "start": "qrscene_x", **BRIEF}),
        (event("unsubscribe", EventKey=""), {"kind": Kind.LEFT}),
        (event("CLICK", EventKey="我的事项"), {"kind": Kind.TEXT, "text": "我的事项", **BRIEF}),
        (event("CLICK", EventKey=""), {"kind": Kind.IGNORED, **BRIEF}),
        (event("VIEW", EventKey="https://x/"), {"kind": Kind.IGNORED}),
        (event("LOCATION", Latitude="30.1", Longitude="103.8", Precision="30"), {"kind": Kind.IGNORED}),
        (
            event("scancode_waitmsg", EventKey="s", ScanCodeInfo={"ScanType": "qrcode", "ScanResult": "1"}),
            {"kind": Kind.IGNORED},
        ),
        (
            event("pic_weixin", SendPicsInfo={"Count": 2, "PicList": {"item": [{"PicMd5Sum": "a"}] * 2}}),
            {"kind": Kind.IGNORED},
        ),
        (
            event("location_select", SendLocationInfo={"Location_X": "1", "Label": "a"}),
            {"kind": Kind.IGNORED},
        ),
        (event("MASSSENDJOBFINISH", MsgID="5"), {"kind": Kind.IGNORED}),
        (
            event("subscribe_msg_sent_event", SubscribeMsgSentEvent={"List": {"MsgID": "5"}}),
            {"kind": Kind.IGNORED},
        ),
        (event("something_new"), {"kind": Kind.IGNORED}),
    ],
)
def test_what_arrives_is_read(body: bytes, wanted: dict[str, object]) -> None:
    assert seen(body) == wanted


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("success", Outcome.DELIVERED),
        ("failed:user block", Outcome.BLOCKED),
        ("failed: user block", Outcome.BLOCKED),
        ("failed: system failed", Outcome.FAILED),
        ("failed:freq limit", Outcome.FAILED),
        ("something new", Outcome.FAILED),
        ("", Outcome.FAILED),
    ],
)
def test_row_10_what_became_of_a_template_message(status: str, outcome: Outcome) -> None:
    found = read(event("TEMPLATESENDJOBFINISH", MsgID=2400001, Status=status))
    assert (found.kind, found.ref, found.outcome) == (Kind.OUTCOME, "2400001", outcome)


def test_only_what_was_allowed_is_granted() -> None:
    asked: list[Node] = [
        {"TemplateId": template, "SubscribeStatusString": status, "PopupScene": 1}
        for template, status in (("T1", "accept"), ("T2", "reject"), ("T3", "accept"))
    ]
    popup = event("subscribe_msg_popup_event", SubscribeMsgPopupEvent={"List": asked})  # type: ignore[dict-item]
    assert seen(popup) == {"kind": Kind.GRANTED, "granted": ("T1", "T3")}
    refused = event("subscribe_msg_popup_event", SubscribeMsgPopupEvent={"List": asked[1]})
    assert seen(refused) == {"kind": Kind.IGNORED}


def test_row_05_messages_are_known_by_their_id() -> None:
    assert envelope(message("text", Content="a")).external == "24000000000000001"
    assert envelope(message("text", Content="a")).sender == OPENID


def test_row_05_events_are_known_by_all_that_tells_them_apart() -> None:
    bodies = [
        event("CLICK", EventKey="a"),
        event("CLICK", EventKey="b"),
        event("VIEW", EventKey="a"),
        event("TEMPLATESENDJOBFINISH", MsgID=1, Status="success"),
        event("TEMPLATESENDJOBFINISH", MsgID=2, Status="success"),
        event("CLICK", EventKey="a", CreateTime=1763884801),
        event("CLICK", EventKey="a", FromUserName="another"),
    ]
    externals = [envelope(body).external for body in bodies]
    assert len(set(externals)) == len(bodies)
    assert externals == [read(body).external for body in bodies]
    assert not any(OPENID in one for one in externals)


@pytest.mark.parametrize(
    "body",
    [
        b"<xml/>",
        b"",
        b"{}",
        render({"MsgType": "text", "Content": "a", "MsgId": 1}),
        render({**COMMON, "Content": "a", "MsgId": 1}),
        render({**COMMON, "MsgType": "text", "Content": "a"}),
        render({**COMMON, "MsgType": "event", "Event": "CLICK", "CreateTime": ""}),
        message("image"),
        message("voice"),
        message("location", Location_X="north", Location_Y="1"),
        message("location", Location_X="nan", Location_Y="1"),
        message("location", Location_X="91", Location_Y="1"),
        message("location"),
    ],
)
def test_what_cannot_come_from_the_platform_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read(body)
