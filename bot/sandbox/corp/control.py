"""The control interface of the company: act as its people, watch their talks, check its server."""

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.sandbox.control import answer, body, polite
from bot.sandbox.corp.acts import Act, Actor, seen
from bot.sandbox.corp.aibot import SmartRobot
from bot.sandbox.corp.callbacks import AppCallbacks, verify
from bot.sandbox.corp.cards import Wire
from bot.sandbox.corp.delivery import Courier
from bot.sandbox.corp.refusals import RefusedError
from bot.sandbox.corp.state import Corp, Member, Place, Talk
from bot.sandbox.world import NotPossibleError


class NewGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An internal group that people have made; the smart robot can be mentioned in it."""

    id: str
    name: str
    members: list[str]


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    on: bool


class CorpControl:
    def __init__(self, corp: Corp, app: AppCallbacks, robot: SmartRobot, courier: Courier) -> None:
        self.corp, self.app, self.robot, self.courier = corp, app, robot, courier
        self.actor = Actor(corp, app, robot)

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
        self.corp.talks[new.id] = Talk(Place.GROUP, new.id, new.name, keys)
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
        talk = self.actor.talk(member, query.get("group"), query.get("bot", "").lower() == "true")
        return answer({"messages": [seen(post, member.key) for post in talk.posts]})

    @polite
    async def file(self, request: Request) -> Response:
        file = self.corp.files.get(request.path_params["media_id"])
        if file is None:
            raise HTTPException(404)
        return Response(file.content, media_type=file.mime_type)

    # Acting

    @polite
    async def act(self, request: Request) -> Response:
        try:
            self.actor.perform(await body(request, Act), str(request.base_url))
        except RefusedError as refusal:
            raise NotPossibleError(refusal.reason) from None
        return answer({})

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
