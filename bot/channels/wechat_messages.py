"""What the 服务号 receives, read into our messages."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from bot.channels.weixin_xml import parse
from handlers.messages import (
    Envelope,
    InboundMessage,
    Kind,
    MediaRef,
    Opens,
    Outcome,
    UnreadableError,
)

NAME = "wechat"
Fields = Mapping[str, str]
_SCANNED = "qrscene_"


def envelope(body: bytes) -> Envelope:
    """Raises UnreadableError."""
    fields = parse(body)
    noise = fields.get("Event") == "LOCATION"  # where the phone is, every few seconds
    words = fields.get("Content", "")
    return Envelope(_external(fields), _sender(fields), noise=noise, words=words)


def read(body: bytes) -> InboundMessage:
    """Raises UnreadableError."""
    fields = parse(body)
    sender = _sender(fields)
    common: dict[str, Any] = {
        "channel": NAME,
        "external": _external(fields),
        "sender": sender,
        "chat": sender,
        "ref": fields.get("MsgId", ""),
    }
    if fields["MsgType"] == "event":
        event = fields.get("Event", "").lower()
        return InboundMessage(**common | _EVENTS.get(event, _ignored)(fields))
    return InboundMessage(
        **common | {"opens": Opens.TALK} | _MESSAGES.get(fields["MsgType"], _unsupported)(fields)
    )


def _sender(fields: Fields) -> str:
    sender = fields.get("FromUserName", "")
    if not sender or not fields.get("MsgType"):
        raise UnreadableError("neither a message nor an event of anybody")
    return sender


def _external(fields: Fields) -> str:
    """The same for each repetition: the message's id, or, as events have none, what tells them apart.

    Hashed, because it outlives the people's leaving, and nothing may then tell who they were.
    """
    if fields.get("MsgType") != "event":
        if not fields.get("MsgId"):
            raise UnreadableError("a message without an id")
        return fields["MsgId"]
    if not fields.get("CreateTime"):
        raise UnreadableError("an event without a time")
    told = ("FromUserName", "CreateTime", "Event", "EventKey", "MsgID")
    return hashlib.sha256("\n".join(fields.get(name, "") for name in told).encode()).hexdigest()[:40]


# --- messages ---------------------------------------------------------------------------------


def _text(fields: Fields) -> dict[str, Any]:
    """A text; or a line of a menu that we sent, which counts as a tap on it."""
    tapped = fields.get("bizmsgmenuid")
    if tapped:
        return {"kind": Kind.TAP, "tapped": tapped, "opens": Opens.BRIEF}
    text = fields.get("Content", "").strip()
    return {"kind": Kind.TEXT, "text": text} if text else _unsupported(fields)


def _image(fields: Fields) -> dict[str, Any]:
    return {"kind": Kind.PHOTO, "media": _media("photo", fields)}


def _voice(fields: Fields) -> dict[str, Any]:
    """Where the platform wrote it down it is a text; that it may be empty is the rule by now."""
    text, media = fields.get("Recognition", "").strip(), _media("voice", fields)
    return {"kind": Kind.TEXT if text else Kind.VOICE, "text": text, "media": media}


def _location(fields: Fields) -> dict[str, Any]:
    """X is the latitude. The label is left out: it names a place nearby in the map's words, not in theirs."""
    try:
        spot = float(fields["Location_X"]), float(fields["Location_Y"])
    except (KeyError, ValueError):
        raise UnreadableError("a location without coordinates") from None
    if not (abs(spot[0]) <= 90 and abs(spot[1]) <= 180):
        raise UnreadableError("a location that is nowhere")
    return {"kind": Kind.LOCATION, "location": spot}


def _unsupported(_: Fields) -> dict[str, Any]:
    return {"kind": Kind.UNSUPPORTED}


def _media(kind: str, fields: Fields) -> tuple[MediaRef, ...]:
    media = fields.get("MediaId")
    if not media:
        raise UnreadableError(f"a {kind} without its id")
    return (MediaRef(kind, media),)


Reader = Callable[[Fields], dict[str, Any]]
_MESSAGES: dict[str, Reader] = {"text": _text, "image": _image, "voice": _voice, "location": _location}


# --- events -----------------------------------------------------------------------------------


def _subscribe(fields: Fields) -> dict[str, Any]:
    """By a parametric code, or plainly: then there is no scene."""
    key = fields.get("EventKey", "")
    scene = key.removeprefix(_SCANNED) if key.startswith(_SCANNED) else ""
    return {"kind": Kind.START, "start": scene, "opens": Opens.BRIEF}


def _scan(fields: Fields) -> dict[str, Any]:
    return {"kind": Kind.START, "start": fields.get("EventKey", ""), "opens": Opens.BRIEF}


def _click(fields: Fields) -> dict[str, Any]:
    """The keys of our menu are words that people could type."""
    key = fields.get("EventKey", "").strip()
    return {"kind": Kind.TEXT if key else Kind.IGNORED, "text": key, "opens": Opens.BRIEF}


def _left(_: Fields) -> dict[str, Any]:
    return {"kind": Kind.LEFT}


def _finished(fields: Fields) -> dict[str, Any]:
    """What became of a template message."""
    status = fields.get("Status", "").lower()
    failed = Outcome.BLOCKED if "block" in status else Outcome.FAILED
    outcome = Outcome.DELIVERED if status == "success" else failed
    return {"kind": Kind.OUTCOME, "ref": fields.get("MsgID", ""), "outcome": outcome}


def _popup(fields: Fields) -> dict[str, Any]:
    """Which notices somebody has just allowed, each for one time."""
    end, status = ".TemplateId", "SubscribeStatusString"
    granted = tuple(
        value
        for name, value in fields.items()
        if name.endswith(end) and fields.get(f"{name.removesuffix(end)}.{status}") == "accept"
    )
    return {"kind": Kind.GRANTED, "granted": granted} if granted else _ignored(fields)


def _ignored(_: Fields) -> dict[str, Any]:
    return {"kind": Kind.IGNORED}


_EVENTS: dict[str, Reader] = {
    "subscribe": _subscribe,
    "scan": _scan,
    "click": _click,
    "unsubscribe": _left,
    "templatesendjobfinish": _finished,
    "subscribe_msg_popup_event": _popup,
}
