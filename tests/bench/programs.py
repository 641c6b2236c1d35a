"""What the product is held against: its own door alone, and the barest programs that do the same.

Run as `python -m tests.bench.programs NAME PORT DATABASE API_BASE`.
"""

import asyncio
import hashlib
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.app import listen
from bot.health import Health
from tests.bench.committers import Rows, To, committer
from tests.bench.servers import SECRET, TOKEN, WEBHOOK
from tests.bench.town import FIRST_GROUP, FIRST_MEMBER, TOWN
from tests.bench.wire import HOST

_DETAIL = '{"rule":"nearest","steps":[["role","grid_member"],["area","BENCH-1"]],"version":"0.1"}'
_TEXT = "{} 【公共照明】一般\n地点:试验社区1网格3号楼\n“3号楼楼道灯坏了”\n现在:已派\n请在 12:00 前接单。"
_BUTTONS = [
    [{"text": "提交", "callback_data": "1:submit"}, {"text": "再补充", "callback_data": "1:more"}],
    [{"text": "取消", "callback_data": "1:cancel"}, {"text": "有危险", "callback_data": "1:danger"}],
]

# --- the floor of the door ----------------------------------------------------------------------


def _stored(body: bytes) -> Rows:
    return {To.MESSAGE: [(hashlib.blake2b(body, digest_size=16).digest(), body)]}


def floor_door(database: str, _base: str) -> Starlette:
    store = committer(database)

    async def webhook(request: Request) -> Response:
        await store.write(_stored(await request.body()))
        return PlainTextResponse("ok")

    return _app(webhook)


# --- the floor of the whole path ----------------------------------------------------------------


class _Peer(msgspec.Struct):
    id: int


class _Query(msgspec.Struct):
    id: str
    from_: _Peer = msgspec.field(name="from")


class _Message(msgspec.Struct):
    chat: _Peer
    text: str = ""


class _Update(msgspec.Struct):
    message: _Message | None = None
    callback_query: _Query | None = None


_decode = msgspec.json.Decoder(_Update).decode


class BarePath:
    """The same durable rows and the same calls as the product's whole path, without a rule or a check."""

    def __init__(self, database: str, base: str) -> None:
        self._committer = committer(database)
        self._calls = f"{base}/bot{TOKEN}/"
        self._http: aiohttp.ClientSession | None = None
        self._ids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def webhook(self, request: Request) -> Response:
        body = await request.body()
        update = _decode(body)
        if update.message is not None:
            self._later(self._offer(update.message.chat.id))
        elif (query := update.callback_query) is not None:
            self._later(self._file(query.from_.id))
            self._later(self._call("answerCallbackQuery", callback_query_id=query.id))
        await self._committer.write(_stored(body))
        return PlainTextResponse("ok")

    async def _offer(self, user: int) -> None:
        said = next(self._ids)
        await self._committer.write(
            {
                To.FACT: [(kind, user, _DETAIL) for kind in ("resident", "account", "conversation")],
                To.DEADLINE: [(user, kind, 1_800_000_000) for kind in ("draft_quiet", "draft_drop")],
                To.NOTIFICATION: [(said, None, str(user), _TEXT)],
            }
        )
        await self._say(said, "sendMessage", user, _TEXT)

    async def _file(self, user: int) -> None:
        request = next(self._ids)
        number = f"BENCH000000-{request:04d}"
        text = _TEXT.format(number)
        grid = request % TOWN.grids + 1
        calls = (
            ("editMessageText", user),
            ("sendMessage", FIRST_MEMBER + grid),
            ("sendMessage", FIRST_GROUP - grid),
        )
        said = [(next(self._ids), *call) for call in calls]
        await self._committer.write(
            {
                To.REQUEST: [(request, number, user, text, _DETAIL)],
                To.HISTORY: [(request, event, _DETAIL) for event in ("submit", "accept", "assign")],
                To.FACT: [(kind, request, text) for kind in ("note", "assignment")],
                To.DEADLINE: [
                    (request, kind, 1_800_000_000) for kind in ("ack", "contact", "result", "silence")
                ],
                To.NOTIFICATION: [(one, request, str(chat), text) for one, _, chat in said],
            }
        )
        await asyncio.gather(*(self._say(one, method, chat, text) for one, method, chat in said))

    async def _say(self, said: int, method: str, chat: int, text: str) -> None:
        await self._call(method, chat_id=str(chat), text=text, reply_markup={"inline_keyboard": _BUTTONS})
        await self._committer.write({To.SENT: [(said,)]})

    async def _call(self, method: str, **parameters: Any) -> None:
        if self._http is None:
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        headers = {"Content-Type": "application/json"}
        body = msgspec.json.encode(parameters)
        async with self._http.post(self._calls + method, data=body, headers=headers) as response:
            await response.read()

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def floor_path(database: str, base: str) -> Starlette:
    return _app(BarePath(database, base).webhook)


# --- the product's door, alone -------------------------------------------------------------------


def door(database: str, base: str) -> Starlette:
    """The product's own web, intake and store; nothing reads what is stored."""
    from bot import web
    from bot.app import ready_database
    from bot.channels.telegram import TelegramChannel
    from bot.channels.telegram_api import TelegramApi
    from bot.clock import Clock
    from bot.delays import Delays
    from bot.intake import Intake
    from bot.offices import OfficeFiles, Offices
    from bot.settings import Settings
    from bot.spool import Spool
    from storage.secrets import Vault
    from storage.store import Store

    path = Path(database)
    ready_database(path)
    store, clock = Store(path), Clock()
    delays = Delays(Offices(store, OfficeFiles.of(Settings())), {}, clock)
    spool = Spool(path.parent / "spool", 1024**2)
    intake = Intake(store, Vault("a secret key for the bench only"), clock, spool, delays, Health())
    return web.build(intake, TelegramChannel(TelegramApi(base, TOKEN)), SECRET, Health(), {})


# --- serving, as bot.app.serve does ---------------------------------------------------------------


def _app(webhook: Callable[[Request], Any]) -> Starlette:
    async def healthz(_: Request) -> Response:
        return PlainTextResponse("alive")

    return Starlette(routes=[Route(WEBHOOK, webhook, methods=["POST"]), Route("/healthz", healthz)])


_PROGRAMS: dict[str, Callable[[str, str], Starlette]] = {
    "door": door,
    "floor-door": floor_door,
    "floor-path": floor_path,
}


async def _serve(name: str, port: int, database: str, base: str) -> None:
    listening = listen(HOST, port)
    config = uvicorn.Config(
        _PROGRAMS[name](database, base), log_config=None, access_log=False, lifespan="off"
    )
    await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
