"""`huiyin demo`: the sandbox and the phones page in this process, the product itself in a child process."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from pydantic import BaseModel, SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot import framed
from bot.alone import TakenError, alone
from bot.clock import Clock
from bot.sandbox import page
from bot.sandbox.control import answer, body, polite
from bot.sandbox.server import BotSpec, OfficialSpec, Running, WecomSpec, build, serve
from bot.sandbox.world import NotPossibleError
from bot.settings import PREFIX, Channels, ConfigError, Page, Telegram
from bot.trial import company_at, service_account, wechat_settings, wecom_settings

if TYPE_CHECKING:
    from bot.backstage import Backstage

HOST = "127.0.0.1"
USERNAME = "huiyin_demo_bot"
_LOOK_AGAIN = 0.05
_NEWS_TRAVELS = 2.5  # the page asks more often than this how the bot is
_STOPS_WITHIN = 5.0
_NOTICED_WITHIN = 1.2  # the bot looks every second whether the roster is another one


def run_demo(port: int, folder: Path) -> None:
    """Show the phones page until SIGINT or SIGTERM. Raises ConfigError where it cannot start or go on."""
    with _only_one(folder), contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_show(port, folder.resolve()))


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep other demonstrations away from the folder, which is made where it is missing."""
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone(folder / "demo.lock"))
        except TakenError:
            raise ConfigError(
                f"another demonstration is running in {folder}: choose another --folder"
            ) from None
        except OSError as error:
            raise ConfigError(f"the folder {folder} cannot be used: {error.strerror}") from None
        yield


class Stage(StrEnum):
    PREPARING = "preparing"
    READY = "ready"
    STOPPED = "stopped"


class InUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which phones the staff on the page use."""

    member: Literal["telegram", "wecom"] = "telegram"
    group: Literal["telegram", "wecom"] = "telegram"


class Demo:
    """What the page asks besides the sandbox: how far we are, who plays, the newest request's trace."""

    def __init__(self) -> None:
        self.stage = Stage.PREPARING
        self.cast: dict[str, Any] | None = None
        self.backstage: Backstage | None = None

    def routes(self) -> list[Route]:
        return [
            Route("/demo/state", self.state),
            Route("/demo/trace", self.trace),
            Route("/demo/code.svg", self.code),
            Route("/demo/phones", self.phones, methods=["POST"]),
        ]

    async def state(self, _: Request) -> Response:
        return JSONResponse({"stage": self.stage, "cast": self.cast})

    async def trace(self, _: Request) -> Response:
        ready = self.backstage if self.cast else None
        return JSONResponse(await ready.trace() if ready else None)

    async def code(self, _: Request) -> Response:
        if self.backstage is None:
            return Response(status_code=404)
        return Response(self.backstage.code(), media_type="image/svg+xml")

    @polite
    async def phones(self, request: Request) -> Response:
        """Staff take these phones into use; answered when the bot knows."""
        wanted = await body(request, InUse)
        if self.backstage is None or self.stage is not Stage.READY:
            raise NotPossibleError("the bot is not there yet")
        await self.backstage.take_into_use(wanted.member, wanted.group)
        await asyncio.sleep(_NOTICED_WITHIN)
        return answer({})


async def _show(port: int, folder: Path) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 (a coroutine always runs in one)
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    clock, demo = Clock(), Demo()
    token = f"{secrets.randbelow(10**9)}:{secrets.token_urlsafe(24)}"
    product = _free_port()
    home = f"http://{HOST}:{product}"
    official, company = service_account(home), company_at(home)
    app = build(clock, [BotSpec(token, USERNAME, "回音")], official, company)
    app.routes.extend([*page.routes(), *demo.routes(), *framed.routes(home)])
    async with _serving(app, port) as running:
        print(f"Open {running.base_url}/ in a browser.", flush=True)  # noqa: T201
        print("Stop with Ctrl+C.", flush=True)  # noqa: T201
        channels = _channels(token, official, company, running.base_url)
        demo.backstage = await asyncio.to_thread(_backstage, folder, clock)
        async with contextlib.aclosing(demo.backstage):
            demo.cast = await demo.backstage.prepare(running.base_url, channels)
            environment = _environment(demo.backstage, running.base_url, product, channels)
            await _play(demo, app, environment, folder / "demo.log")


def _free_port() -> int:
    """Where the product will listen: the platforms must know it before they are there."""
    with socket.socket() as tried:
        tried.bind((HOST, 0))
        return int(tried.getsockname()[1])


def _channels(token: str, official: OfficialSpec, company: WecomSpec, base_url: str) -> Channels:
    """The product's side of the sandbox, whose address is the residents' page's too."""
    bot = {"token": token, "username": USERNAME, "api_base": base_url, "mode": "polling"}
    return Channels(
        telegram=Telegram.model_validate(bot),
        wechat=wechat_settings(official, base_url),
        wecom=wecom_settings(company, base_url),
        web=Page(url=base_url),
    )


@contextlib.asynccontextmanager
async def _serving(app: Starlette, port: int) -> AsyncIterator[Running]:
    serving = serve(app, HOST, port)
    try:
        running = await serving.__aenter__()
    except OSError as error:
        raise ConfigError(f"{HOST}:{port} cannot be used: {error.strerror}; choose another --port") from None
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_exit(serving)
        yield running


def _backstage(folder: Path, clock: Clock) -> "Backstage":
    from bot.backstage import Backstage  # slow to import: the page is there before

    return Backstage(folder, clock, USERNAME)


def _environment(backstage: "Backstage", base_url: str, port: int, channels: Channels) -> dict[str, str]:
    """The child's environment: this one, with the demonstration's settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    ours = {
        "SECRET_KEY": backstage.secret_key,
        "DATABASE_URL": f"sqlite:///{backstage.database}",
        "DATA_DIR": str(backstage.files),
        "CLOCK": "sandbox",
        "CLOCK_URL": f"{base_url}/control/clock",
        "WEB__PORT": str(port),
        **dict(_variables("CHANNELS", channels)),
    }
    return kept | {PREFIX + name: value for name, value in ours.items()}


def _variables(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Settings as the environment spells them: all that were given."""
    if isinstance(value, BaseModel):
        for key in value.model_fields_set:
            yield from _variables(f"{name}__{key.upper()}", getattr(value, key))
    elif isinstance(value, dict):
        yield name, json.dumps({key: one.get_secret_value() for key, one in value.items()})
    else:
        yield name, value.get_secret_value() if isinstance(value, SecretStr) else str(value)


async def _play(demo: Demo, app: Starlette, environment: dict[str, str], log: Path) -> None:
    """Run the product until it ends, which it should not. Raises ConfigError when it does."""
    async with _product(environment, log) as child:
        while child.returncode is None and not _polled(app):  # noqa: ASYNC110 (it is another process's state)
            await asyncio.sleep(_LOOK_AGAIN)
        demo.stage = Stage.READY
        code = await child.wait()
    demo.stage = Stage.STOPPED
    await asyncio.sleep(_NEWS_TRAVELS)
    raise ConfigError(f"the bot has ended by itself (exit code {code}); its log is {log}")


def _polled(app: Starlette) -> bool:
    """Whether the product has come so far as to fetch updates: it deletes a webhook just before."""
    return bool(app.state.telegram.calls["deleteWebhook", 200])


@contextlib.asynccontextmanager
async def _product(environment: dict[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`huiyin run` as a child, with the shipped files whatever config.yaml lies about, ended at the end."""
    command = (sys.executable, "-m", "bot.tied", "run", "--config", os.devnull)
    with log.open("wb") as written:
        child = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=written,
            stderr=written,
            start_new_session=True,  # Ctrl+C is ours; the child is asked to stop
        )
    try:
        yield child
    finally:
        await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    try:
        async with asyncio.timeout(_STOPS_WITHIN):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
