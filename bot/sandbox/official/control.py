"""The service account's part of the control interface, under /control/official."""

from urllib.parse import urlsplit

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.sandbox.control import answer, body, polite
from bot.sandbox.official.acts import Act, Actor, view
from bot.sandbox.official.api import WHOSE_PHONE, Api
from bot.sandbox.official.callbacks import Courier
from bot.sandbox.official.spec import LOOPBACK
from bot.sandbox.world import NotPossibleError


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without an `openid` they get one."""

    name: str
    openid: str = ""


class Again(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: int = 1


class Sealing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    previous_key: bool


class OfficialControl:
    def __init__(self, api: Api, courier: Courier) -> None:
        self.api, self.account, self.courier = api, api.account, courier

    def routes(self) -> list[Route]:
        return [
            Route("/control/official/users", self.add_user, methods=["POST"]),
            Route("/control/official/users", self.users),
            Route("/control/official/act", self.act, methods=["POST"]),
            Route("/control/official/chat", self.chat),
            Route("/control/official/files/{media_id}", self.file),
            Route("/control/official/open", self.open),
            Route("/control/official/verify", self.verify, methods=["POST"]),
            Route("/control/official/redeliver", self.redeliver, methods=["POST"]),
            Route("/control/official/sealing", self.sealing, methods=["POST"]),
            Route("/control/official/tokens", self.revoke, methods=["DELETE"]),
            Route("/control/official/log", self.log),
        ]

    @polite
    async def add_user(self, request: Request) -> Response:
        new = await body(request, NewUser)
        user = self.account.add_user(new.name, new.openid)
        return answer({"openid": user.openid, "name": user.name})

    @polite
    async def users(self, request: Request) -> Response:
        return answer([{"openid": user.openid, "name": user.name} for user in self.account.users.values()])

    @polite
    async def act(self, request: Request) -> Response:
        act = await body(request, Act)
        outcome = Actor(self.account, act, str(request.base_url).rstrip("/")).perform()
        return answer({"message": outcome.message, "url": outcome.url})

    @polite
    async def chat(self, request: Request) -> Response:
        return answer(view(self.account, self.account.user(request.query_params["openid"])))

    @polite
    async def file(self, request: Request) -> Response:
        """A picture on somebody's phone: unlike its media id, it does not expire."""
        medium = self.account.media.get(request.path_params["media_id"])
        if medium is None:
            raise HTTPException(404)
        return Response(medium.content, media_type=medium.mime_type)

    @polite
    async def open(self, request: Request) -> Response:
        """Makes this browser the person's WeChat and opens a page of this machine in it."""
        user, url = self.account.user(request.query_params["openid"]), request.query_params["url"]
        if urlsplit(url).hostname not in LOOPBACK:
            raise NotPossibleError("the sandbox opens pages on loopback only")
        opened = RedirectResponse(url, 302)
        opened.set_cookie(WHOSE_PHONE, user.openid, httponly=True)
        return opened

    @polite
    async def verify(self, request: Request) -> Response:
        return answer({"verified": await self.courier.verify()})

    @polite
    async def redeliver(self, request: Request) -> Response:
        return answer({"redelivered": self.courier.redeliver((await body(request, Again)).count)})

    @polite
    async def sealing(self, request: Request) -> Response:
        """Seal with the key before the last change, as the platform may for a while."""
        self.account.previous_key = (await body(request, Sealing)).previous_key
        return answer({})

    @polite
    async def revoke(self, request: Request) -> Response:
        self.account.tokens.revoke()
        return answer({})

    @polite
    async def log(self, request: Request) -> Response:
        """Calls of the API by path and errcode; what became of the calls to us, and why they went wrong."""
        calls: dict[str, dict[str, int]] = {}
        for (path, errcode), count in self.api.calls.items():
            calls.setdefault(path, {})[str(errcode)] = count
        return answer({"calls": calls, "deliveries": self.courier.report})
