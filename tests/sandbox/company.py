"""A company's side of WeCom, written with wechatpy: its client, and a server that the platform calls back."""

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from wechatpy.work import WeChatClient, parse_message
from wechatpy.work.crypto import WeChatCrypto

from bot.sandbox.people import Sandbox
from bot.sandbox.server import WecomSpec

CORP, AGENT, SECRET, TOKEN = "ww1234567890", 1000002, "secret", "token"
PART = re.compile(r"<(\w+)>(?:<!\[CDATA\[)?([^<>\]]+)(?:\]\]>)?</")
KEY, PREVIOUS_KEY, BOT_KEY = "a" * 42 + "A", "b" * 42 + "A", "c" * 42 + "A"


class _Client(WeChatClient):  # type: ignore[misc] # wechatpy has no type hints
    def __init__(self, base_url: str) -> None:
        self.API_BASE_URL = f"{base_url}/corp/cgi-bin/"
        super().__init__(CORP, SECRET, timeout=5)

    def fetch_access_token(self) -> Any:
        params = {"corpid": self.corp_id, "corpsecret": self.secret}
        return self._fetch_access_token(f"{self.API_BASE_URL}gettoken", params)


class Client:
    """wechatpy's blocking client, off the event loop."""

    def __init__(self, base_url: str) -> None:
        self.library = _Client(base_url)

    async def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(method, *arguments, **named)

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        """What the library lacks; raises its WeChatClientException."""
        return dict(await self.call(self.library.post, path, data=body))

    async def send(self, to: str, kind: str, part: dict[str, Any], **more: Any) -> dict[str, Any]:
        body = {"touser": to, "agentid": AGENT, "msgtype": kind, kind: part}
        return await self.post("message/send", **body, **more)

    async def robot(self, key: str, kind: str, part: dict[str, Any]) -> dict[str, Any]:
        """Group robots need no token."""
        body = {"msgtype": kind, kind: part}
        params = {"key": key, "access_token": ""}
        return dict(await self.call(self.library.post, "webhook/send", params=params, data=body))


@dataclass
class Company:
    """`app` and `bot` hold what was called, opened; `answers` are given first, then 200 with an empty body.

    An answer is a status, a plain body, an XML text or a JSON object to be sealed, or an event to wait for.
    """

    app_key: str = KEY
    url: str = ""
    app: list[dict[str, Any]] = field(default_factory=list)
    bot: list[dict[str, Any]] = field(default_factory=list)
    answers: deque[Any] = field(default_factory=deque)
    echo: Callable[[str], bytes] = str.encode
    speaks: asyncio.Event = field(default_factory=asyncio.Event)

    def spec(self, **more: Any) -> WecomSpec:
        given: dict[str, Any] = {
            "corp_id": CORP,
            "agent_id": AGENT,
            "secret": SECRET,
            "token": TOKEN,
            "aes_key": KEY,
            "previous_aes_key": PREVIOUS_KEY,
            "url": f"{self.url}/app",
            "robots": {"三号楼群": "robot-key"},
            "bot_token": TOKEN,
            "bot_aes_key": BOT_KEY,
            "bot_url": f"{self.url}/bot",
            "members": ["LiMing", "wang.fang"],
        }
        return WecomSpec(**given | more)

    async def verified(self, request: web.Request) -> web.Response:
        query, key = request.query, BOT_KEY if request.path == "/bot" else self.app_key
        crypto = WeChatCrypto(TOKEN, key, "" if request.path == "/bot" else CORP)
        await self.speaks.wait()
        given = (query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"])
        return web.Response(body=self.echo(crypto.check_signature(*given)))

    async def called_app(self, request: web.Request) -> web.Response:
        crypto, query = WeChatCrypto(TOKEN, self.app_key, CORP), request.query
        envelope = await request.text()
        assert {(name, value) for name, value in PART.findall(envelope)} >= {
            ("ToUserName", CORP),
            ("AgentID", str(AGENT)),
        }
        plain = crypto.decrypt_message(envelope, query["msg_signature"], query["timestamp"], query["nonce"])
        message = parse_message(plain)
        self.app.append(message._data | {"class": type(message).__name__})
        answer = await self._answer()
        sealed = crypto.encrypt_message(answer, "n", "1") if isinstance(answer, str) else answer
        return _response(sealed, "text/xml")

    async def called_bot(self, request: web.Request) -> web.Response:
        crypto, query = WeChatCrypto(TOKEN, BOT_KEY, ""), request.query
        sealed = {"Encrypt": (await request.json())["encrypt"]}
        plain = crypto.decrypt_message(sealed, query["msg_signature"], query["timestamp"], query["nonce"])
        self.bot.append(json.loads(plain))
        answer = await self._answer()
        if isinstance(answer, dict):
            made = PART.findall(crypto.encrypt_message(json.dumps(answer), "n", "1"))
            answer = json.dumps({name.lower(): value for name, value in made}).encode()
        return _response(answer, "application/json")

    async def _answer(self) -> Any:
        answer = self.answers.popleft() if self.answers else b""
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return b""
        return answer


def _response(answer: Any, kind: str) -> web.Response:
    if isinstance(answer, int):
        return web.Response(status=answer)
    body = answer.encode() if isinstance(answer, str) else answer
    return web.Response(body=body, content_type=kind)


@asynccontextmanager
async def company() -> AsyncIterator[Company]:
    """A company whose server listens."""
    made = Company()
    made.speaks.set()
    app = web.Application()
    app.router.add_get("/app", made.verified)
    app.router.add_get("/bot", made.verified)
    app.router.add_post("/app", made.called_app)
    app.router.add_post("/bot", made.called_bot)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


async def settled(sandbox: Sandbox) -> None:
    """Until every call back is answered or given up."""
    async with asyncio.timeout(10):
        while (await sandbox.log())["undelivered"]:  # noqa: ASYNC110 (it is another server's state)
            await asyncio.sleep(0.002)


def xml_reply(kind: str, inner: str) -> str:
    return f"<xml><ToUserName>u</ToUserName><MsgType><![CDATA[{kind}]]></MsgType>{inner}</xml>"


def buttons(task: str = "task-1", *labels: str, **more: Any) -> dict[str, Any]:
    """A card with buttons whose keys are their labels' numbers."""
    listed = [
        {"text": text, "key": f"k{number}"} for number, text in enumerate(labels or ("收到", "我去看看"))
    ]
    title = {"title": "37号 楼道灯", "desc": "3号楼"}
    return {
        "card_type": "button_interaction",
        "main_title": title,
        "task_id": task,
        "button_list": listed,
    } | more
