"""`huiyin demo`: the sandbox and the phones page in this process, the product itself in a child process."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.alone import TakenError, alone
from bot.clock import Clock
from bot.sandbox import page
from bot.sandbox.server import BotSpec, Running, build, serve
from bot.settings import PREFIX, ConfigError

if TYPE_CHECKING:
    from bot.backstage import Backstage

HOST = "127.0.0.1"
USERNAME = "huiyin_demo_bot"
_LOOK_AGAIN = 0.05
_NEWS_TRAVELS = 2.5  # the page asks more often than this how the bot is
_STOPS_WITHIN = 5.0


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


async def _show(port: int, folder: Path) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 (a coroutine always runs in one)
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    clock, demo = Clock(), Demo()
    token = f"{secrets.randbelow(10**9)}:{secrets.token_urlsafe(24)}"
    app = build(clock, [BotSpec(token, USERNAME, "回音")])
    app.routes.extend([*page.routes(), *demo.routes()])
    async with _serving(app, port) as running:
        print(f"Open {running.base_url}/ in a browser.", flush=True)  # noqa: T201
        print("Stop with Ctrl+C.", flush=True)  # noqa: T201
        demo.backstage = await asyncio.to_thread(_backstage, folder, clock)
        with contextlib.closing(demo.backstage):
            demo.cast = await demo.backstage.prepare(running.base_url)
            await _play(demo, app, _environment(demo.backstage, running.base_url, token), folder / "demo.log")


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


def _environment(backstage: "Backstage", base_url: str, token: str) -> dict[str, str]:
    """The child's environment: this one, with the demonstration's settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    ours = {
        "SECRET_KEY": backstage.secret_key,
        "DATABASE_URL": f"sqlite:///{backstage.database}",
        "DATA_DIR": str(backstage.files),
        "CLOCK": "sandbox",
        "CLOCK_URL": f"{base_url}/control/clock",
        "WEB__PORT": "0",
        "CHANNELS__TELEGRAM__TOKEN": token,
        "CHANNELS__TELEGRAM__USERNAME": USERNAME,
        "CHANNELS__TELEGRAM__API_BASE": base_url,
        "CHANNELS__TELEGRAM__MODE": "polling",
    }
    return kept | {PREFIX + name: value for name, value in ours.items()}


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
