"""The Bot API over HTTP: `/bot<token>/<method>` and `/file/bot<token>/<path>`."""

import asyncio
import re
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.sandbox.delivery import Courier, Webhook
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.limits import NOT_MODIFIED, ApiError, bad_request, forbidden, too_many
from bot.sandbox.methods import METHODS
from bot.sandbox.params import Params, read_params
from bot.sandbox.updates import WEBHOOK_SET, encode
from bot.sandbox.world import Bot, Wire, World

BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
BAD_ENTITIES = 'can\'t parse entities: Unsupported start tag "x" at byte offset 0'
POLLING_SHUT = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)
SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


async def pause(event: asyncio.Event, stop: asyncio.Event, seconds: float) -> None:
    """Wait in real time for the event, the end of the server, or so many seconds."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class Telegram:
    """Serves the world's bots. `calls` counts by method and status, `refused` by description."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stop = asyncio.Event()
        self.calls: Counter[tuple[str, int]] = Counter()
        self.refused: Counter[str] = Counter()
        self.couriers: dict[int, Courier] = {}
        self.session: aiohttp.ClientSession | None = None

    def routes(self) -> list[Route]:
        return [
            Route("/bot{token}/{method}", self.call, methods=["GET", "POST"]),
            Route("/file/bot{token}/{path:path}", self.download, methods=["GET"]),
        ]

    async def close(self) -> None:
        self.stop.set()
        await asyncio.gather(*(courier.stop() for courier in self.couriers.values()))
        if self.session is not None:
            await self.session.close()

    async def call(self, request: Request) -> Response:
        bot = self.world.bots.get(request.path_params["token"])
        name = request.path_params["method"]
        method = name.lower()
        try:
            if bot is None:
                raise ApiError(401, "Unauthorized")
            params = await read_params(request)
            fault = self.world.faults.take_call(method, _chat_number(params))
            if fault is not None:
                return await self._go_wrong(fault, request, bot, method, params)
            return self._accepted(name, await self._perform(bot, method, params))
        except ApiError as refusal:
            return self._refusal(name, refusal)

    async def download(self, request: Request) -> Response:
        if request.path_params["token"] not in self.world.bots:
            raise HTTPException(401)
        file = self.world.files.at(request.path_params["path"])
        if file is None:
            raise HTTPException(404)
        return Response(file.content, media_type="application/octet-stream")

    async def _perform(self, bot: Bot, method: str, params: Params) -> Any:
        if method == "getupdates":
            return await self._get_updates(bot, params)
        if method == "setwebhook" and params.text("url"):
            return await self._set_webhook(bot, params)
        if method in ("setwebhook", "deletewebhook"):
            return await self._delete_webhook(bot, params)
        if method == "getwebhookinfo":
            return self._webhook_info(bot)
        if method not in METHODS:
            raise ApiError(404, "Not Found")
        return METHODS[method](self.world, bot, params)

    # Answers

    def _accepted(self, name: str, result: Any) -> Response:
        self.calls[name, 200] += 1
        return Response(b'{"ok":true,"result":' + encode(result) + b"}", media_type="application/json")

    def _refusal(self, name: str, refusal: ApiError) -> Response:
        self.calls[name, refusal.code] += 1
        self.refused[refusal.description] += 1
        answer: Wire = {"ok": False, "error_code": refusal.code, "description": refusal.description}
        if refusal.parameters:
            answer["parameters"] = refusal.parameters
        return Response(encode(answer), refusal.code, media_type="application/json")

    async def _go_wrong(
        self, fault: Fault, request: Request, bot: Bot, method: str, params: Params
    ) -> Response:
        kind, name = fault.kind, request.path_params["method"]
        if kind in (FaultKind.TIMEOUT_AFTER_ACCEPT, FaultKind.ACCEPT_THEN_DROP):
            self._accepted(name, await self._perform(bot, method, params))
        if kind in (FaultKind.HANG, FaultKind.TIMEOUT_AFTER_ACCEPT):
            await pause(self.world.faults.released, self.stop, fault.seconds)
        if kind in BREAKING:
            self.calls[f"{name} ({kind.value})", 0] += 1
            return await break_off(request)
        if kind is FaultKind.BAD_GATEWAY_HTML:
            self.calls[name, 502] += 1
            return Response(BAD_GATEWAY, 502, media_type="text/html")
        raise _scripted_refusal(fault)

    # Updates

    async def _get_updates(self, bot: Bot, params: Params) -> list[msgspec.Raw]:
        if bot.user.id in self.couriers:
            raise ApiError(409, POLLING_SHUT)
        offset, limit = params.integer("offset"), params.integer("limit", 100)
        if "allowed_updates" in params:
            bot.queue.allowed = params.decoded("allowed_updates") or ()
        if offset < 0:
            bot.queue.keep_last(-offset)
        else:
            bot.queue.confirm(offset)
        seconds = min(max(params.integer("timeout"), 0), 50)
        updates = await bot.queue.poll(
            min(max(limit, 1), 100), lambda woken: pause(woken, self.stop, seconds)
        )
        return [msgspec.Raw(update.body) for update in updates]

    async def _set_webhook(self, bot: Bot, params: Params) -> bool:
        webhook = _checked_webhook(params)
        await self._stop_courier(bot, params)
        if "allowed_updates" in params:
            bot.queue.allowed = params.decoded("allowed_updates") or ()
        bot.queue.end_poll(WEBHOOK_SET)
        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self.couriers[bot.user.id] = Courier(webhook, bot.queue, self.session, self.world.now)
        return True

    async def _delete_webhook(self, bot: Bot, params: Params) -> bool:
        await self._stop_courier(bot, params)
        return True

    async def _stop_courier(self, bot: Bot, params: Params) -> None:
        courier = self.couriers.pop(bot.user.id, None)
        if courier is not None:
            await courier.stop()
        if params.flag("drop_pending_updates"):
            bot.queue.waiting.clear()

    def _webhook_info(self, bot: Bot) -> Wire:
        courier = self.couriers.get(bot.user.id)
        info: Wire = {
            "url": "",
            "has_custom_certificate": False,
            "pending_update_count": len(bot.queue.waiting),
        }
        if bot.queue.allowed:
            info["allowed_updates"] = list(bot.queue.allowed)
        if courier is None:
            return info
        info |= {"url": courier.webhook.url, "max_connections": courier.webhook.max_connections}
        if courier.last_error is not None:
            info["last_error_date"], info["last_error_message"] = courier.last_error
        return info


BREAKING = (
    FaultKind.HANG,
    FaultKind.DROP,
    FaultKind.TIMEOUT_AFTER_ACCEPT,
    FaultKind.ACCEPT_THEN_DROP,
)


def _scripted_refusal(fault: Fault) -> ApiError:
    refusals = {
        FaultKind.TOO_MANY: too_many(fault.retry_after),
        FaultKind.BLOCKED: forbidden("bot was blocked by the user"),
        FaultKind.BAD_REQUEST: bad_request("something is wrong"),
        FaultKind.NOT_MODIFIED: bad_request(NOT_MODIFIED),
        FaultKind.BAD_ENTITIES: bad_request(BAD_ENTITIES),
        FaultKind.SERVER_ERROR: ApiError(500, "Internal Server Error"),
    }
    refusal = refusals[fault.kind]
    return ApiError(refusal.code, fault.description or refusal.description, **refusal.parameters)


def _checked_webhook(params: Params) -> Webhook:
    """The sandbox delivers to loopback only, so that a trial never reaches out."""
    url, secret = params.text("url"), params.text("secret_token")
    if urlsplit(url).scheme not in ("http", "https") or urlsplit(url).hostname not in LOOPBACK:
        raise bad_request("bad webhook: the sandbox delivers to loopback only")
    if secret and not SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    return Webhook(url, secret, min(max(params.integer("max_connections", 40), 1), 100))


def _chat_number(params: Params) -> int | None:
    written = params.text("chat_id")
    return int(written) if written.removeprefix("-").isdecimal() else None


async def break_off(request: Request) -> Response:
    """Close the connection without a word."""
    request.scope["state"]["transport"].close()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()
