"""One callback of WeCom's app, read into our message."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from bot.channels.wecom_cards import split_key
from bot.channels.weixin_xml import parse
from handlers.messages import Envelope, InboundMessage, Kind, MediaRef, UnreadableError

NAME = "wecom"
TAP = "template_card_event"

Fields = Mapping[str, str]


def envelope(body: bytes, agent: int) -> Envelope:
    """Raises UnreadableError, also for what was said to another app than `agent`."""
    fields = _to(agent, body)
    return Envelope(_external(fields), _sender(fields), words=fields.get("Content", ""))


def read(body: bytes, agent: int) -> InboundMessage:
    """Raises UnreadableError, also for what was said to another app than `agent`."""
    fields = _to(agent, body)
    sender = _sender(fields)
    common: dict[str, Any] = {
        "channel": NAME,
        "external": _external(fields),
        "sender": sender,
        "chat": sender,
        "ref": fields.get("MsgId", ""),
    }
    if fields["MsgType"] == "event":
        return InboundMessage(**common | (_tap(fields) if fields.get("Event") == TAP else _IGNORED))
    return InboundMessage(**common | _MESSAGES.get(fields["MsgType"], _unsupported)(fields))


def _to(agent: int, body: bytes) -> Fields:
    """An office may have given two apps of its company the same address, token and key."""
    fields = parse(body)
    if fields.get("AgentID", str(agent)) != str(agent):
        raise UnreadableError("of another app")
    return fields


def _sender(fields: Fields) -> str:
    """The platform compares userids without regard to case, and gives them back in small letters."""
    return _needed(fields, "FromUserName").lower()


def _external(fields: Fields) -> str:
    """The same for each repetition: the message's id, or, as events have none, what tells them apart.

    Hashed, because it names a person and is not kept like a name.
    """
    if _needed(fields, "MsgType") != "event":
        return _needed(fields, "MsgId")
    told = ("FromUserName", "CreateTime", "Event", "EventKey", "TaskId")
    return hashlib.sha256("\n".join(fields.get(name, "") for name in told).encode()).hexdigest()[:40]


def _tap(fields: Fields) -> dict[str, Any]:
    """A card that was sent for a group is tapped in the group, wherever the person sees it."""
    data, group = split_key(fields.get("EventKey", ""))
    where = {"chat": group, "apart": True} if group else {}
    return {**where, "kind": Kind.TAP, "tapped": data, "code": fields.get("ResponseCode") or None}


def _text(fields: Fields) -> dict[str, Any]:
    return {"kind": Kind.TEXT, "text": fields.get("Content", "").strip()}


def _photo(fields: Fields) -> dict[str, Any]:
    return {"kind": Kind.PHOTO, "media": (MediaRef("photo", _needed(fields, "MediaId")),)}


def _voice(fields: Fields) -> dict[str, Any]:
    return {"kind": Kind.VOICE, "media": (MediaRef("voice", _needed(fields, "MediaId")),)}


def _location(fields: Fields) -> dict[str, Any]:
    spot = (_degrees(fields, "Location_X", 90), _degrees(fields, "Location_Y", 180))
    return {"kind": Kind.LOCATION, "location": spot}


def _degrees(fields: Fields, name: str, most: float) -> float:
    try:
        degrees = float(fields.get(name, ""))
    except ValueError:
        degrees = math.nan
    if not abs(degrees) <= most:
        raise UnreadableError("a location that is nowhere")
    return degrees


def _unsupported(fields: Fields) -> dict[str, Any]:
    return {"kind": Kind.UNSUPPORTED}


_IGNORED = {"kind": Kind.IGNORED}
_MESSAGES = {"text": _text, "image": _photo, "voice": _voice, "location": _location}


def _needed(fields: Fields, name: str) -> str:
    if not fields.get(name):
        raise UnreadableError(f"without {name}")
    return fields[name]
