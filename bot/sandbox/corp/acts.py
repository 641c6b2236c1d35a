"""What the company's people do at their phones, and what they see there."""

import base64
import html

import msgspec

from bot.sandbox.corp.aibot import SmartRobot
from bot.sandbox.corp.callbacks import AppCallbacks
from bot.sandbox.corp.cards import Wire
from bot.sandbox.corp.files import TINY_AMR, checked_type
from bot.sandbox.corp.state import Content, Corp, Member, Place, Post, Talk
from bot.sandbox.media import tiny_png
from bot.sandbox.world import NotPossibleError, UnknownError


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a member does: in the app's talk, in a `group`, or (`bot`) in the smart robot's own talk."""

    user: str
    do: str
    text: str = ""
    data: str | None = None
    latitude: float = 0.0
    longitude: float = 0.0
    group: str | None = None
    bot: bool = False
    mention: bool = True


class Actor:
    """Raises UnknownError, NotPossibleError, and RefusedError for a file that WeCom does not take."""

    def __init__(self, corp: Corp, app: AppCallbacks, robot: SmartRobot) -> None:
        self.corp, self.app, self.robot = corp, app, robot

    def talk(self, member: Member, group: str | None, bot: bool) -> Talk:
        if group is not None:
            return self.corp.group(group, member.key)
        return self.corp.bot_talk(member.key) if bot else self.corp.app_talk(member.key)

    def perform(self, act: Act, base_url: str) -> None:
        member = self.corp.member(act.user)
        talk = self.talk(member, act.group, act.bot)
        if act.do == "text":
            self._say(act, member, talk, base_url)
        elif act.do == "tap":
            self._tap(act.text, member, talk)
        elif act.do == "enter":
            (self.robot if act.bot else self.app).enters(member)
        elif act.do in ("photo", "voice", "location") and talk.place is Place.APP:
            self._send(act, member, talk)
        else:
            raise NotPossibleError(f"nobody can {act.do} here")

    def _say(self, act: Act, member: Member, talk: Talk, base_url: str) -> None:
        if not act.text.strip():
            raise NotPossibleError("the message is empty")
        mentions = talk.place is Place.GROUP and act.mention
        text = f"@{self.corp.spec.bot_name} {act.text}" if mentions else act.text
        if talk.place is Place.BOT or mentions:
            self.robot.hears(member, talk, text, base_url)
        elif talk.place is Place.APP:
            self.app.says(member, text)
        self.corp.post([talk], Content("text", text), member.key)

    def _tap(self, label: str, member: Member, talk: Talk) -> None:
        """The newest button of this label."""
        for post in reversed(talk.posts):
            card = post.card(member.key)
            key = card.key(label) if card is not None else None
            if card is None or key is None:
                continue
            if talk.place is Place.APP:
                return self.app.taps(member, post, card, key)
            return self.robot.taps(member, talk, post, card, key)
        raise UnknownError(f"no button {label}")

    def _send(self, act: Act, member: Member, talk: Talk) -> None:
        if act.do == "location":
            self.app.sends_place(member, act.latitude, act.longitude, act.text)
            self.corp.post([talk], Content("location", act.text), member.key)
            return
        kind, usual = ("image", tiny_png()) if act.do == "photo" else ("voice", TINY_AMR)
        content = base64.b64decode(act.data) if act.data else usual
        file = self.corp.add_file(kind, "", checked_type(kind, content), content)
        self.app.sends_file(member, file)
        self.corp.post([talk], Content(act.do, "", file.id), member.key)


def seen(post: Post, key: str) -> Wire:
    """In the form of people.SeenMessage."""
    card = post.card(key)
    text = card.text if card is not None else post.content.text
    media = post.content.media
    return {
        "id": post.id,
        "from": post.sender,
        "is_me": post.author == key,
        "kind": post.content.kind,
        "text": text,
        "html": html.escape(text),
        "buttons": card.labels if card is not None else [],
        "disabled": card is not None and bool(card.replaced),
        "photo": f"/control/corp/files/{media}" if post.content.kind == "photo" else None,
        "album": None,
        "edited": key in post.changed,
        "reply_to": None,
        "date": int(post.at.timestamp()),
    }
