"""The other side of the service account in tests: a bot's server, and wechatpy's own client and ciphers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from wechatpy import WeChatClient, parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.exceptions import WeChatClientException
from wechatpy.replies import ImageReply, create_reply
from wechatpy.utils import check_signature

from bot.clock import Clock
from bot.sandbox.official.people import Follower, follower
from bot.sandbox.people import Sandbox
from bot.sandbox.server import OfficialSpec, build, serve

APP_ID, SECRET, TOKEN = "wx00000000000000aa", "0123456789abcdef", "callbacktoken"
KEY, OLD_KEY = "a" * 42 + "A", "b" * 42 + "A"
TEMPLATE, NOTICE = "template-progress", "notice-progress"
START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


def spec(callback: str, **more: Any) -> OfficialSpec:
    usual = {"previous_aes_key": OLD_KEY, "templates": (TEMPLATE, NOTICE)}
    return OfficialSpec(APP_ID, SECRET, TOKEN, KEY, callback, **(usual | more))


class Client(WeChatClient):  # type: ignore[misc]  # wechatpy has no type hints
    """The only change: where the platform is, which wechatpy has built in."""

    def __init__(self, base: str, secret: str = SECRET) -> None:
        self.base, self.API_BASE_URL = base, f"{base}/cgi-bin/"
        super().__init__(APP_ID, secret, auto_retry=False)

    def fetch_access_token(self) -> Any:
        asked = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(f"{self.base}/cgi-bin/token", asked)

    async def do(self, function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """What the platform answered, or the errcode of its refusal. In a thread, as wechatpy blocks."""
        try:
            return await asyncio.to_thread(function, *arguments, **more)
        except WeChatClientException as refused:
            return refused.errcode

    def close(self) -> None:
        self._http.close()


@dataclass
class Bot:
    """A bot's server. It answers with these `raw` bytes, or with what `says` returns, sealed by wechatpy:

    a text, or {"image": media id}.
    """

    says: Callable[[Any], Any] = lambda message: ""
    raw: bytes | None = None
    key: str = KEY
    echo: str = ""  # what it wrongly adds to its answer when its address is verified
    statuses: list[int] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    heard: list[Any] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(message.event, getattr(message, "scene_id", "")) for message in self.heard]

    async def verify(self, request: web.Request) -> web.Response:
        query = request.query
        check_signature(TOKEN, query["signature"], query["timestamp"], query["nonce"])
        return web.Response(text=query["echostr"] + self.echo)

    async def take(self, request: web.Request) -> web.Response:
        body, query = await request.read(), dict(request.query)
        self.bodies.append(body)
        self.queries.append(query)
        if self.delays:
            await asyncio.sleep(self.delays.pop(0))
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return web.Response(status=status)
        check_signature(TOKEN, query["signature"], query["timestamp"], query["nonce"])
        message = parse_message(self._opened(body, query))
        self.heard.append(message)
        return web.Response(body=self._answer(message, query) if self.raw is None else self.raw)

    def _opened(self, body: bytes, query: dict[str, str]) -> Any:
        if "msg_signature" not in query:
            return body
        crypto = WeChatCrypto(TOKEN, self.key, APP_ID)
        return crypto.decrypt_message(body, query["msg_signature"], query["timestamp"], query["nonce"])

    def _answer(self, message: Any, query: dict[str, str]) -> bytes:
        said = self.says(message)
        if not said:
            return b"success"
        reply = said if isinstance(said, str) else ImageReply(media_id=said["image"])
        plain = create_reply(reply, message).render()
        if "msg_signature" not in query:
            return str(plain).encode()
        sealed = WeChatCrypto(TOKEN, self.key, APP_ID).encrypt_message(plain, query["nonce"])
        return str(sealed).encode()


@asynccontextmanager
async def listening(bot: Bot) -> AsyncIterator[str]:
    """The address to call the bot at."""
    app = web.Application()
    app.add_routes([web.get("/wechat", bot.verify), web.post("/wechat", bot.take)])
    async with TestServer(app) as server:
        yield str(server.make_url("/wechat"))


@dataclass
class Office:
    bot: Bot
    sandbox: Sandbox
    client: Client
    resident: Follower

    async def stable(self, **more: Any) -> dict[str, Any]:
        asked = {"grant_type": "client_credential", "appid": APP_ID, "secret": SECRET, **more}
        return await self.ask("POST", "stable_token", asked)

    async def ask(self, verb: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        async with aiohttp.request(
            verb, f"{self.sandbox.base_url}/cgi-bin/{path}", json=body, params=query
        ) as answer:
            return dict(await answer.json(content_type=None))

    async def allowed(self, token: str) -> Any:
        """0 where the token works, else why not."""
        told = await self.ask("GET", "user/info", access_token=token, openid=self.resident.openid)
        return told.get("errcode", 0)

    async def later(self, seconds: float) -> None:
        """Wait, and get a new token, as the old one may have ended."""
        await self.sandbox.advance(seconds)
        await self.client.do(self.client.fetch_access_token)

    async def settled(self) -> None:
        async with asyncio.timeout(10):
            while (await self.sandbox.log())["undelivered"]:
                pass

    async def texts(self) -> list[str]:
        return [message.text for message in await self.resident.sees() if not message.is_me]


@asynccontextmanager
async def office_of(bot: Bot, **more: Any) -> AsyncIterator[Office]:
    """A service account with `more` about it, whose calls this bot takes, and somebody who may follow it."""
    async with (
        listening(bot) as url,
        serve(build(Clock(START), [], spec(url, **more))) as running,
        Sandbox(running.base_url) as sandbox,
    ):
        client = Client(running.base_url)
        yield Office(bot, sandbox, client, await follower(sandbox))
        client.close()
