"""The control interface of the company: act as its people, watch their talks, check its server."""

import base64
import html

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.sandbox.control import answer, body, polite
from bot.sandbox.corp.aibot import SmartRobot
from bot.sandbox.corp.callbacks import AppCallbacks, verify
from bot.sandbox.corp.cards import Wire
from bot.sandbox.corp.delivery import Courier
from bot.sandbox.corp.files import TINY_AMR, picture_type
from bot.sandbox.corp.refusals import RefusedError
from bot.sandbox.corp.state import Content, Corp, Member, Post, Talk
from bot.sandbox.media import tiny_png
from bot.sandbox.world import NotPossibleError, UnknownError


class NewGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An internal group that people have made; the smart robot can be mentioned in it."""

    id: str
    name: str
    members: list[str]


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


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    on: bool


class CorpControl:
    def __init__(self, corp: Corp, app: AppCallbacks, robot: SmartRobot, courier: Courier) -> None:
        self.corp, self.app, self.robot, self.courier = corp, app, robot, courier

    def routes(self) -> list[Route]:
        return [
            Route("/control/corp/members", self.add_member, methods=["POST"]),
            Route("/control/corp/members", self.members),
            Route("/control/corp/groups", self.add_group, methods=["POST"]),
            Route("/control/corp/chats", self.chats),
            Route("/control/corp/chat", self.chat),
            Route("/control/corp/act", self.act, methods=["POST"]),
            Route("/control/corp/files/{media_id}", self.file),
            Route("/control/corp/verify", self.verify, methods=["POST"]),
            Route("/control/corp/rotating", self.rotating, methods=["POST"]),
            Route("/control/corp/redeliver", self.redeliver, methods=["POST"]),
            Route("/control/corp/log", self.log),
        ]

    # People and groups

    @polite
    async def add_member(self, request: Request) -> Response:
        member = await body(request, Member)
        self.corp.members[member.key] = member
        return answer(_named(member))

    @polite
    async def members(self, request: Request) -> Response:
        return answer([_named(member) for member in self.corp.members.values()])

    @polite
    async def add_group(self, request: Request) -> Response:
        new = await body(request, NewGroup)
        if new.id in self.corp.talks or not new.members:
            raise NotPossibleError("a group needs members and an id of its own")
        keys = frozenset(self.corp.member(userid).key for userid in new.members)
        self.corp.talks[new.id] = Talk(new.id, new.name, keys)
        return answer({"id": new.id, "name": new.name})

    @polite
    async def chats(self, request: Request) -> Response:
        """What a member finds in their list; a group of the app's own appears with its first message."""
        key = self.corp.member(request.query_params["user"]).key
        talks = [talk for talk in self.corp.talks.values() if talk.has(key)]
        found = [talk for talk in talks if talk.posts or not talk.made_by_app]
        return answer([{"id": talk.id, "name": talk.name} for talk in found])

    @polite
    async def chat(self, request: Request) -> Response:
        query = request.query_params
        member = self.corp.member(query["user"])
        talk = self._talk(member, query.get("group"), query.get("bot", "").lower() == "true")
        return answer({"messages": [_seen(self.corp, post, member.key) for post in talk.posts]})

    @polite
    async def file(self, request: Request) -> Response:
        file = self.corp.files.get(request.path_params["media_id"])
        if file is None:
            raise HTTPException(404)
        return Response(file.content, media_type=file.mime_type)

    # Acting

    @polite
    async def act(self, request: Request) -> Response:
        act = await body(request, Act)
        member = self.corp.member(act.user)
        talk = self._talk(member, act.group, act.bot)
        try:
            self._act(act, member, talk, str(request.base_url))
        except RefusedError as refusal:
            raise NotPossibleError(refusal.reason) from None
        return answer({})

    def _talk(self, member: Member, group: str | None, bot: bool) -> Talk:
        if group is not None:
            return self.corp.group(group, member.key)
        return self.corp.bot_talk(member.key) if bot else self.corp.app_talk(member.key)

    def _act(self, act: Act, member: Member, talk: Talk, base_url: str) -> None:
        if act.do == "text":
            self._say(act, member, talk, base_url)
        elif act.do == "tap":
            self._tap(act.text, member, talk)
        elif act.do == "enter":
            (self.robot if act.bot else self.app).enters(member)
        elif act.do in ("photo", "voice", "location") and talk.id == f"app:{member.key}":
            self._send(act, member, talk)
        else:
            raise NotPossibleError(f"nobody can {act.do} here")

    def _say(self, act: Act, member: Member, talk: Talk, base_url: str) -> None:
        if not act.text.strip():
            raise NotPossibleError("the message is empty")
        in_group = not talk.id.startswith(("app:", "bot:"))
        text = f"@{self.corp.spec.bot_name} {act.text}" if in_group and act.mention else act.text
        if talk.id.startswith("bot:") or (in_group and act.mention):
            self.robot.hears(member, talk, text, base_url)
        elif not in_group:
            self.app.says(member, text)
        self.corp.post([talk], Content("text", text), member.key)

    def _tap(self, label: str, member: Member, talk: Talk) -> None:
        """The newest button of this label."""
        for post in reversed(talk.posts):
            card = post.card(member.key)
            key = card.key(label) if card is not None else None
            if card is None or key is None:
                continue
            if talk.id.startswith("app:"):
                return self.app.taps(member, post, card, key)
            return self.robot.taps(member, talk, post, card, key)
        raise UnknownError(f"no button {label}")

    def _send(self, act: Act, member: Member, talk: Talk) -> None:
        if act.do == "location":
            self.app.sends_place(member, act.latitude, act.longitude, act.text)
            self.corp.post([talk], Content("location", act.text), member.key)
            return
        content = base64.b64decode(act.data) if act.data else tiny_png() if act.do == "photo" else TINY_AMR
        kind, mime_type = ("image", picture_type(content)) if act.do == "photo" else ("voice", "audio/amr")
        file = self.corp.add_file(kind, "", mime_type, content)
        self.app.sends_file(member, kind, file)
        self.corp.post([talk], Content(act.do, "", file.id), member.key)

    # The company's server

    @polite
    async def verify(self, request: Request) -> Response:
        """With `bot`, the smart robot's address instead of the app's."""
        spec, bot = self.corp.spec, "bot" in request.query_params
        url, sealer = (spec.bot_url, self.robot.sealer) if bot else (spec.url, self.app.sealer)
        problem = await verify(self.courier, url, sealer, int(self.corp.now().timestamp()))
        return answer({"problem": problem})

    @polite
    async def rotating(self, request: Request) -> Response:
        on = (await body(request, Switch)).on
        if on and not self.corp.spec.previous_aes_key:
            raise NotPossibleError("there is no previous key")
        self.app.rotating = on
        return answer({})

    @polite
    async def redeliver(self, request: Request) -> Response:
        return answer({"redelivered": int(self.courier.send_again())})

    @polite
    async def log(self, request: Request) -> Response:
        calls: dict[str, dict[str, int]] = {}
        for (path, code), count in self.corp.calls.items():
            calls.setdefault(path, {})[str(code)] = count
        told: Wire = {"calls": calls, "tokens": len(self.corp.tokens), "repeated": self.corp.repeated}
        told |= {"dropped": dict(+self.corp.dropped), "refused": dict(self.corp.refused)}
        return answer(told | {"lost": self.courier.lost, "tries": self.courier.tries})


def _named(member: Member) -> Wire:
    return {"userid": member.userid, "name": member.name}


def _seen(corp: Corp, post: Post, key: str) -> Wire:
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
