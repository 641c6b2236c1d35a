"""The API's methods as functions of the account; a refusal is a RefusedError with the platform's code."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.sandbox.official import limits
from bot.sandbox.official.account import Account, Scene, Wire
from bot.sandbox.official.limits import RefusedError, as_shown
from bot.sandbox.official.spec import Permission


@dataclass(frozen=True)
class Asked:
    """What a call brought: its query, its JSON body or its one file."""

    verb: str
    query: Mapping[str, str]
    json: Wire
    file: bytes | None = field(default=None, repr=False)


# Free messages (客服消息)


def send_service(account: Account, asked: Asked) -> Wire:
    user, kind = account.addressee(asked.json.get("touser")), str(asked.json.get("msgtype"))
    if kind not in CONTENTS:
        raise RefusedError(40008)
    content = asked.json.get(kind)
    if not isinstance(content, dict):
        raise RefusedError(47001)
    shown = CONTENTS[kind](account, content)
    user.windows.check(account.now())
    user.windows.spend()
    account.show(user, **shown)
    return {}


def _text(account: Account, content: Wire) -> Wire:
    return {"kind": "text", "text": _checked_text(content.get("content"))}


def _checked_text(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise RefusedError(44004)
    if len(text.encode()) > limits.TEXT_BYTES:
        raise RefusedError(45002)
    return text


def _image(account: Account, content: Wire) -> Wire:
    return {"kind": "photo", "text": "", "photo": account.medium(content.get("media_id"), "image").path}


def _voice(account: Account, content: Wire) -> Wire:
    account.medium(content.get("media_id"), "voice")
    return {"kind": "voice", "text": ""}


def _menu(account: Account, content: Wire) -> Wire:
    """Its lines are links within the text; a tap on one sends its words back."""
    lines = content.get("list")
    if not isinstance(lines, list) or not lines:
        raise RefusedError(47001)
    if not all(isinstance(line, dict) and line.get("id") and line.get("content") for line in lines):
        raise RefusedError(47001)
    said = [str(content.get(name, "")) for name in ("head_content", "tail_content")]
    text = _checked_text("\n".join(part for part in said if part) or None)
    choices = {str(line["content"]): str(line["id"]) for line in lines}
    return {"kind": "text", "text": text, "choices": choices}


CONTENTS: dict[str, Callable[[Account, Wire], Wire]] = {
    "text": _text,
    "image": _image,
    "voice": _voice,
    "msgmenu": _menu,
}


# Templates, and notices that people have allowed


def send_template(account: Account, asked: Asked) -> Wire:
    """Taken at once; whether the person got it comes later, by an event."""
    user = account.addressee(asked.json.get("touser"))
    lines = _fields(account, asked)
    if not user.following:
        raise RefusedError(43004)
    number = account.number()
    if user.template_status == "success":
        account.show(user, "template", lines, url=asked.json.get("url") or None)
    result = {"Event": "TEMPLATESENDJOBFINISH", "MsgID": number, "Status": user.template_status}
    account.send(user, {"MsgType": "event", **result}, False)
    return {"msgid": number}


def send_notice(account: Account, asked: Asked) -> Wire:
    """The answer names no message: developers have long asked for it in vain."""
    user, template = account.addressee(asked.json.get("touser")), str(asked.json.get("template_id"))
    lines = _fields(account, asked)
    if user.grants[template] < 1:
        raise RefusedError(43101)
    user.grants[template] -= 1
    account.show(user, "template", lines, url=asked.json.get("page") or None)
    result = {
        "TemplateId": template,
        "MsgID": str(account.number()),
        "ErrorCode": "0",
        "ErrorStatus": "success",
    }
    event = {"Event": "subscribe_msg_sent_event", "SubscribeMsgSentEvent": {"List": [result]}}
    account.send(user, {"MsgType": "event", **event}, False)
    return {}


def _fields(account: Account, asked: Asked) -> str:
    """The fields as the phone shows them, a line each."""
    if asked.json.get("template_id") not in account.spec.templates:
        raise RefusedError(40037)
    data = asked.json.get("data")
    if not isinstance(data, dict) or not data:
        raise RefusedError(47003)
    if not all(isinstance(one, dict) and isinstance(one.get("value"), str) for one in data.values()):
        raise RefusedError(47003)
    shown = {name: as_shown(one["value"]) for name, one in data.items() if name not in limits.UNSHOWN_FIELDS}
    return "\n".join(f"{name}：{value}" for name, value in shown.items())


def list_templates(account: Account, asked: Asked) -> Wire:
    return {"template_list": [{"template_id": name, **about} for name, about in _described(account)]}


def list_notices(account: Account, asked: Asked) -> Wire:
    return {"data": [{"priTmplId": name, "type": 2, **about} for name, about in _described(account)]}


def _described(account: Account) -> Iterator[tuple[str, Wire]]:
    for name in account.spec.templates:
        lines = [f"{one}:{{{{{one}.DATA}}}}" for one in account.spec.fields.get(name, ())]
        yield name, {"title": name, "content": "\n".join(lines), "example": ""}


# Media

PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"BM": "image/bmp"}


def upload(account: Account, asked: Asked) -> Wire:
    kind = asked.query.get("type")
    if kind not in ("image", "voice"):
        raise RefusedError(40004)
    if not asked.file:
        raise RefusedError(41005)
    medium = account.add_medium(kind, asked.file, _mime_type(kind, asked.file))
    return {"type": kind, "media_id": medium.id, "created_at": account.seconds()}


def _mime_type(kind: str, content: bytes) -> str:
    if kind == "voice":
        return "audio/amr"
    for start, mime_type in PICTURES.items():
        if content.startswith(start):
            return mime_type
    raise RefusedError(40005)


# Codes with a parameter


def create_code(account: Account, asked: Asked) -> Wire:
    action, info = asked.json.get("action_name"), asked.json.get("action_info")
    if action not in ACTIONS:
        raise RefusedError(40052)
    scene = _scene(action, info.get("scene") if isinstance(info, dict) else None)
    if action.startswith("QR_LIMIT"):
        return _told(_permanent(account, scene))
    seconds = asked.json.get("expire_seconds", limits.SCENE_DEFAULT_SECONDS)
    if not isinstance(seconds, int) or not 0 < seconds <= limits.SCENE_SECONDS:
        raise RefusedError(40097)
    until = account.now() + timedelta(seconds=seconds)
    return _told(_new_scene(account, scene, until)) | {"expire_seconds": seconds}


ACTIONS = ("QR_SCENE", "QR_STR_SCENE", "QR_LIMIT_SCENE", "QR_LIMIT_STR_SCENE")


def _scene(action: str, scene: Any) -> str:
    if not isinstance(scene, dict):
        raise RefusedError(40053)
    if "STR" in action:
        text = scene.get("scene_str")
        if not isinstance(text, str) or not 1 <= len(text) <= limits.SCENE_CHARACTERS:
            raise RefusedError(40053)
        return text
    number, largest = scene.get("scene_id"), 100_000 if "LIMIT" in action else 2**32 - 1
    if not isinstance(number, int) or not 0 < number <= largest:
        raise RefusedError(40053)
    return str(number)


def _permanent(account: Account, scene: str) -> Scene:
    """The same ticket for the same scene, for ever."""
    known = account.permanent.get(scene)
    if known is None and len(account.permanent) >= limits.PERMANENT_SCENES:
        raise RefusedError(45029)
    account.permanent[scene] = known or _new_scene(account, scene, None)
    return account.permanent[scene]


def _new_scene(account: Account, scene: str, until: datetime | None) -> Scene:
    made = Scene(scene, f"gQ{secrets.token_urlsafe(60)}", until)
    account.scenes[scene] = account.tickets[made.ticket] = made
    return made


def _told(scene: Scene) -> Wire:
    return {"ticket": scene.ticket, "url": scene.url}


# The menu


def create_menu(account: Account, asked: Asked) -> Wire:
    account.menu = _buttons(asked.json.get("button"), limits.MENU_BUTTONS, 40016)
    return {}


def _buttons(buttons: Any, most: int, too_many: int) -> list[Wire]:
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= most:
        raise RefusedError(too_many)
    for button in buttons:
        if not isinstance(button, dict) or not button.get("name"):
            raise RefusedError(40018)
        if button.get("sub_button"):
            _buttons(button["sub_button"], limits.SUB_BUTTONS, 40023)
        else:
            _check_button(button)
    return buttons


def _check_button(button: Wire) -> None:
    needed = {"click": ("key", 40019), "view": ("url", 40020)}.get(str(button.get("type")))
    if needed is None:
        raise RefusedError(40017)
    name, code = needed
    if not button.get(name):
        raise RefusedError(code)


def get_menu(account: Account, asked: Asked) -> Wire:
    if not account.menu:
        raise RefusedError(46003)
    return {"menu": {"button": account.menu}}


def delete_menu(account: Account, asked: Asked) -> Wire:
    account.menu = []
    return {}


# People


def user_info(account: Account, asked: Asked) -> Wire:
    user = account.addressee(asked.query.get("openid"))
    if not user.following:
        return {"subscribe": 0, "openid": user.openid}
    return {"subscribe": 1, "openid": user.openid, "language": "zh_CN", "subscribe_time": user.since}


Method = Callable[[Account, Asked], Wire]


@dataclass(frozen=True)
class Entry:
    """`permission` is what the account needs for it; None where every account may."""

    verb: str
    perform: Method
    permission: Permission | None = None


METHODS = {
    "message/custom/send": Entry("POST", send_service, Permission.SERVICE),
    "message/template/send": Entry("POST", send_template, Permission.TEMPLATE),
    "message/subscribe/bizsend": Entry("POST", send_notice, Permission.SUBSCRIPTION),
    "template/get_all_private_template": Entry("GET", list_templates, Permission.TEMPLATE),
    "newtmpl/gettemplate": Entry("GET", list_notices, Permission.SUBSCRIPTION),
    "media/upload": Entry("POST", upload),
    "qrcode/create": Entry("POST", create_code, Permission.SCENES),
    "menu/create": Entry("POST", create_menu, Permission.MENU),
    "menu/get": Entry("GET", get_menu, Permission.MENU),
    "menu/delete": Entry("GET", delete_menu, Permission.MENU),
    "user/info": Entry("GET", user_info),
}
