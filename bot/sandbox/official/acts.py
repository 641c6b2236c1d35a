"""What people do with the account in their WeChat, and what they see there."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import msgspec

from bot.sandbox.media import tiny_png
from bot.sandbox.official.account import Account, Medium, Shown, User, Wire
from bot.sandbox.official.limits import BRIEF, TALK
from bot.sandbox.world import NotPossibleError, UnknownError

TINY_AMR = b"#!AMR\n" + b"\x3c" + bytes(31)  # one frame without a sound


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`recognition` of None is a voice that the platform did not try to write down; `data` is base64."""

    openid: str
    do: str
    text: str = ""
    scene: str = ""
    data: bytes | None = None
    recognition: str | None = None
    latitude: float = 30.05
    longitude: float = 103.84
    title: str = ""
    url: str = ""
    label: str = ""
    templates: list[str] = []
    status: str = "success"


@dataclass(frozen=True)
class Outcome:
    message: int | None = None
    url: str | None = None


class Actor:
    """One person about to do one thing. `base` is where this sandbox is reached."""

    def __init__(self, account: Account, act: Act, base: str) -> None:
        self.account, self.act, self.base = account, act, base
        self.user = account.user(act.openid)

    def perform(self) -> Outcome:
        if self.act.do not in ACTS:
            raise UnknownError(f"nobody can {self.act.do!r}; known: {', '.join(ACTS)}")
        if not self.user.following and self.act.do not in WITHOUT_FOLLOWING:
            raise NotPossibleError(f"{self.user.name} does not follow the account")
        return ACTS[self.act.do](self)

    # Coming and going

    def follow(self) -> Outcome:
        """From a card or by name; with a scene, by scanning its code."""
        if self.user.following:
            raise NotPossibleError(f"{self.user.name} follows the account already")
        self.user.following, self.user.since = True, self.account.seconds()
        key = f"qrscene_{self.act.scene}" if self.act.scene else ""
        return self._event("subscribe", EventKey=key, **self._ticket())

    def scan(self) -> Outcome:
        """A code leads those who do not follow yet to following."""
        if not self.user.following:
            return self.follow()
        return self._event("SCAN", EventKey=self.act.scene, **self._ticket())

    def _ticket(self) -> Wire:
        """A code may also have been printed by somebody else: then we know no ticket of it."""
        made = self.account.scenes.get(self.act.scene)
        if made is not None and made.until is not None and self.account.now() >= made.until:
            raise NotPossibleError(f"the code {made.scene} has expired")
        return {"Ticket": made.ticket} if made else {}

    def unfollow(self) -> Outcome:
        self.user.following = False
        self.user.windows.shut()
        return self._background("unsubscribe", EventKey="")

    # Speaking

    def text(self) -> Outcome:
        if not self.act.text.strip():
            raise NotPossibleError("an empty message cannot be sent")
        text = self.act.text.strip()
        return self._message("text", text, {"Content": text})

    def photo(self) -> Outcome:
        medium = self._medium("image", self.act.data or tiny_png(), "image/jpeg")
        sent = {"PicUrl": self.base + medium.path, "MediaId": medium.id}
        return self._message("image", "", sent, medium.path)

    def voice(self) -> Outcome:
        medium = self._medium("voice", self.act.data or TINY_AMR, "audio/amr")
        heard = {} if self.act.recognition is None else {"Recognition": self.act.recognition}
        sent = {"MediaId": medium.id, "Format": "amr"} | heard
        return self._message("voice", self.act.recognition or "", sent)

    def _medium(self, kind: str, content: bytes, mime_type: str) -> Medium:
        return self.account.add_medium(kind, content, mime_type)

    def location(self) -> Outcome:
        latitude, longitude, label = self.act.latitude, self.act.longitude, self.act.text
        place = {"Location_X": latitude, "Location_Y": longitude, "Scale": 16, "Label": label}
        return self._message("location", label or f"{latitude}, {longitude}", place)

    def link(self) -> Outcome:
        sent = {"Title": self.act.title, "Description": "", "Url": self.act.url}
        return self._message("link", self.act.title, sent)

    def _message(self, kind: str, shown: str, content: Wire, photo: str | None = None) -> Outcome:
        self.user.windows.open(TALK, self.account.now())
        return self._say(kind, shown, content, photo)

    def _say(self, kind: str, shown: str, content: Wire, photo: str | None = None) -> Outcome:
        name = "photo" if kind == "image" else kind
        message = self.account.show(self.user, name, shown, is_me=True, photo=photo)
        self.account.send(self.user, {"MsgType": kind, **content, "MsgId": self.account.number()}, True)
        return Outcome(message.id)

    # Touching

    def tap(self) -> Outcome:
        """A line of the newest menu in the talk, by its words or its number; it counts as a click."""
        choices = next((one.choices for one in reversed(self.user.messages) if one.choices), {})
        label = self.act.label
        if label.isdecimal() and 0 < int(label) <= len(choices):
            label = list(choices)[int(label) - 1]
        if label not in choices:
            raise UnknownError(f"no line {label!r} in a menu")
        self.user.windows.open(BRIEF, self.account.now())
        return self._say("text", label, {"Content": label, "bizmsgmenuid": choices[label]})

    def click(self) -> Outcome:
        """A button of the account's menu, by its key or its name; one with a page behind it opens that."""
        button = next((one for one in _flat(self.account.menu) if self.act.label in _names(one)), None)
        if button is None:
            raise UnknownError(f"no menu button {self.act.label!r}")
        if button["type"] == "view":
            self._background("VIEW", EventKey=button["url"])
            return Outcome(url=button["url"])
        return self._event("CLICK", EventKey=button["key"])

    def allow(self) -> Outcome:
        """Each consent is good for one notice."""
        self.user.grants.update(self.act.templates)
        return self._popup("accept")

    def refuse(self) -> Outcome:
        return self._popup("reject")

    def _popup(self, status: str) -> Outcome:
        asked = [
            {"TemplateId": template, "SubscribeStatusString": status, "PopupScene": 1}
            for template in self.act.templates
        ]
        return self._background("subscribe_msg_popup_event", SubscribeMsgPopupEvent={"List": asked})

    # Without the person's doing

    def report_location(self) -> Outcome:
        place = {"Latitude": self.act.latitude, "Longitude": self.act.longitude, "Precision": 30.0}
        return self._background("LOCATION", **place)

    def template_status(self) -> Outcome:
        """What will become of templates sent to them, such as `failed:user block`."""
        self.user.template_status = self.act.status
        return Outcome()

    def _event(self, event: str, **content: Any) -> Outcome:
        self.user.windows.open(BRIEF, self.account.now())
        self.account.send(self.user, {"MsgType": "event", "Event": event, **content}, True)
        return Outcome()

    def _background(self, event: str, **content: Any) -> Outcome:
        self.account.send(self.user, {"MsgType": "event", "Event": event, **content}, False)
        return Outcome()


ACTS: dict[str, Callable[[Actor], Outcome]] = {
    "follow": Actor.follow,
    "scan": Actor.scan,
    "unfollow": Actor.unfollow,
    "text": Actor.text,
    "photo": Actor.photo,
    "voice": Actor.voice,
    "location": Actor.location,
    "link": Actor.link,
    "tap": Actor.tap,
    "click": Actor.click,
    "allow": Actor.allow,
    "refuse": Actor.refuse,
    "report_location": Actor.report_location,
    "template_status": Actor.template_status,
}
WITHOUT_FOLLOWING = ("follow", "scan", "allow", "refuse", "template_status")


def _flat(menu: list[Wire]) -> list[Wire]:
    return [one for button in menu for one in button.get("sub_button") or [button]]


def _names(button: Wire) -> tuple[str, ...]:
    return tuple(button[name] for name in ("name", "key") if name in button)


# What a person sees


def view(account: Account, user: User) -> Wire:
    return {
        "id": user.openid,
        "kind": "official",
        "title": user.name,
        "following": user.following,
        "messages": [_shown(user, message) for message in user.messages],
        "keyboard": [],
        "menu": account.menu,
    }


def _shown(user: User, message: Shown) -> Wire:
    return {
        "id": message.id,
        "from": user.name if message.is_me else "公众号",
        "is_me": message.is_me,
        "kind": message.kind,
        "text": message.text,
        "html": escape(message.text),
        "buttons": [[label] for label in message.choices],
        "photo": message.photo,
        "album": None,
        "edited": False,
        "reply_to": None,
        "date": message.date,
        "url": message.url,
    }
