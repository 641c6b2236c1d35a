"""The service account over HTTP: what api.weixin.qq.com, mp.weixin.qq.com and open.weixin.qq.com answer."""

import asyncio
import io
import secrets
from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import segno
from PIL import Image
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.official.account import Account, Wire
from bot.sandbox.official.limits import STATE_BYTES, RefusedError
from bot.sandbox.official.methods import METHODS, Asked
from bot.sandbox.official.spec import Permission
from bot.sandbox.telegram import BAD_GATEWAY, BREAKING, break_off, pause
from bot.sandbox.updates import encode

WHOSE_PHONE = "sandbox_openid"  # the cookie that makes a browser somebody's WeChat
JSON = "application/json; encoding=utf-8"  # as the platform writes it
LARGEST_UPLOAD = 10 * 2**20


class Api:
    """`calls` counts by path and errcode; what broke on the wire counts with 0 under its fault's name."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.calls: Counter[tuple[str, int]] = Counter()
        self.stop = asyncio.Event()

    def routes(self) -> list[Route]:
        return [
            Route("/cgi-bin/showqrcode", self.show_code),
            Route("/cgi-bin/{path:path}", self.call, methods=["GET", "POST"]),
            Route("/wxaapi/{path:path}", self.call, methods=["GET", "POST"]),
            Route("/sns/oauth2/access_token", self.tell_who),
            Route("/connect/oauth2/authorize", self.ask_consent),
        ]

    # api.weixin.qq.com

    async def call(self, request: Request) -> Response:
        path = request.path_params["path"]
        try:
            asked = await _asked(request)
        except RefusedError as refusal:
            return self._refused(path, refusal)
        fault = self.account.world.faults.take_call(path, asked.json.get("touser"))
        if fault is not None:
            return await self._go_wrong(fault, path, asked, request)
        return self._perform(path, asked)

    async def tell_who(self, request: Request) -> Response:
        """Whose code it was that came back with the redirect."""
        query = request.query_params
        try:
            self._check_secret(query)
            user = self.account.redeem(query.get("code", ""))
        except RefusedError as refusal:
            return self._refused("sns/oauth2/access_token", refusal)
        tokens = {name: f"99_{secrets.token_urlsafe(64)}" for name in ("access_token", "refresh_token")}
        who = {"openid": user.openid, "scope": "snsapi_base", "expires_in": 7200}
        return self._accepted("sns/oauth2/access_token", tokens | who)

    def _perform(self, path: str, asked: Asked) -> Response:
        try:
            if path in TOKENS:
                return self._accepted(path, self._token(path, asked))
            self.account.tokens.check(asked.query.get("access_token", ""))
            if path == "media/get":
                return self._download(path, asked)
            return self._accepted(path, {"errcode": 0, "errmsg": "ok", **self._answer(path, asked)})
        except RefusedError as refusal:
            return self._refused(path, refusal)

    def _answer(self, path: str, asked: Asked) -> Wire:
        if path not in METHODS:
            raise RefusedError(40066)
        entry = METHODS[path]
        if asked.verb != entry.verb:
            raise RefusedError(43002 if entry.verb == "POST" else 43001)
        if entry.permission is not None and not self.account.spec.may(entry.permission):
            raise RefusedError(48001)
        return entry.perform(self.account, asked)

    def _download(self, path: str, asked: Asked) -> Response:
        medium = self.account.medium(asked.query.get("media_id"))
        self.calls[path, 0] += 1
        named = {"Content-Disposition": f'attachment; filename="{medium.id}"'}
        return Response(medium.content, media_type=medium.mime_type, headers=named)

    def _token(self, path: str, asked: Asked) -> Wire:
        wanted = asked.query if path == "token" else asked.json
        self._check_secret(wanted)
        if wanted.get("grant_type") != "client_credential":
            raise RefusedError(40002)
        tokens = self.account.tokens
        token, seconds = (
            tokens.plain() if path == "token" else tokens.stable(bool(wanted.get("force_refresh")))
        )
        return {"access_token": token, "expires_in": seconds}

    def _check_secret(self, asked: Mapping[str, Any]) -> None:
        if asked.get("appid") != self.account.spec.app_id:
            raise RefusedError(40013)
        if asked.get("secret") != self.account.spec.secret:
            raise RefusedError(40125)

    def _accepted(self, path: str, content: Wire) -> Response:
        self.calls[path, 0] += 1
        return Response(encode(content), media_type=JSON)

    def _refused(self, path: str, refusal: RefusedError) -> Response:
        """A refusal is a success for HTTP; where a file was asked for, it is not even called JSON."""
        self.calls[path, refusal.errcode] += 1
        content = encode({"errcode": refusal.errcode, "errmsg": refusal.errmsg})
        return Response(content, media_type="text/plain" if path == "media/get" else JSON)

    async def _go_wrong(self, fault: Fault, path: str, asked: Asked, request: Request) -> Response:
        kind = fault.kind
        if kind in (FaultKind.TIMEOUT_AFTER_ACCEPT, FaultKind.ACCEPT_THEN_DROP):
            self._perform(path, asked)
        if kind in (FaultKind.HANG, FaultKind.TIMEOUT_AFTER_ACCEPT):
            await pause(self.account.world.faults.released, self.stop, fault.seconds)
        if kind in BREAKING:
            self.calls[f"{path} ({kind.value})", 0] += 1
            return await break_off(request)
        if kind is FaultKind.BAD_GATEWAY_HTML:
            self.calls[path, 502] += 1
            return Response(BAD_GATEWAY, 502, media_type="text/html")
        return self._refused(path, RefusedError(fault.errcode, fault.description))

    # mp.weixin.qq.com

    async def show_code(self, request: Request) -> Response:
        scene = self.account.tickets.get(request.query_params.get("ticket", ""))
        if scene is None:
            raise HTTPException(404)
        return Response(_picture(scene.url), media_type="image/jpg")

    # open.weixin.qq.com

    async def ask_consent(self, request: Request) -> Response:
        """Sends whoever's phone it is straight back with a code: `snsapi_base` asks nothing."""
        query = request.query_params
        if problem := self._problem(query):
            return _page(problem)
        user = self.account.users.get(request.cookies.get(WHOSE_PHONE, ""))
        if user is None:
            return _page("请在微信客户端打开链接")
        back = query["redirect_uri"]
        more = urlencode({"code": self.account.new_code(user), "state": query.get("state", "")})
        return RedirectResponse(f"{back}{'&' if urlsplit(back).query else '?'}{more}", 302)

    def _problem(self, query: Mapping[str, str]) -> str | None:
        back, spec = urlsplit(query.get("redirect_uri", "")), self.account.spec
        if query.get("appid") != spec.app_id:
            return "AppID 参数错误 错误码:10013"
        if not spec.may(Permission.PAGES) or query.get("scope") != "snsapi_base":
            return "Scope 参数错误或没有 Scope 权限 错误码:10005"
        if back.scheme not in ("http", "https") or back.hostname != urlsplit(spec.callback).hostname:
            return "redirect_uri域名与后台配置不一致 错误码:10003"
        if query.get("response_type") != "code" or len(query.get("state", "").encode()) > STATE_BYTES:
            return "参数错误 错误码:10015"
        return None


TOKENS = ("token", "stable_token")


async def _asked(request: Request) -> Asked:
    """Raises RefusedError for a body that should be JSON and is not."""
    query = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=1, max_part_size=LARGEST_UPLOAD) as form:
            media = form.get("media")
            return Asked(
                request.method, query, {}, await media.read() if isinstance(media, UploadFile) else None
            )
    body = await request.body()
    try:
        return Asked(request.method, query, msgspec.json.decode(body, type=dict[str, Any]) if body else {})
    except msgspec.DecodeError:
        raise RefusedError(47001) from None


def _picture(url: str) -> bytes:
    drawn, taken = io.BytesIO(), io.BytesIO()
    segno.make(url, micro=False).save(drawn, kind="png", scale=8)
    Image.open(drawn).convert("L").save(taken, "JPEG")
    return taken.getvalue()


def _page(sentence: str) -> Response:
    return Response(f"<!doctype html><meta charset=utf-8><p>{escape(sentence)}</p>", media_type="text/html")
