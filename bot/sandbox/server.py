"""Builds the sandbox and runs it on loopback inside an existing event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bot.clock import Clock
from bot.sandbox.control import Control, Surface
from bot.sandbox.corp.spec import WecomSpec
from bot.sandbox.corp.surface import WecomSurface
from bot.sandbox.official.spec import OfficialSpec
from bot.sandbox.official.surface import OfficialSurface
from bot.sandbox.telegram import Telegram
from bot.sandbox.world import BotSpec, World
from bot.serving import serving

__all__ = ["BotSpec", "OfficialSpec", "Running", "WecomSpec", "build", "run", "serve"]

SHUT_WITHIN = 2.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def build(
    clock: Clock,
    bots: Sequence[BotSpec],
    official: OfficialSpec | None = None,
    wecom: WecomSpec | None = None,
) -> Starlette:
    """`app.state.world` and `app.state.telegram` are there for whoever lives in the same process."""
    world = World(clock, bots)
    telegram = Telegram(world)
    surfaces: list[Surface] = []
    if official is not None:
        surfaces.append(OfficialSurface(world, official))
    if wecom is not None:
        surfaces.append(WecomSurface(world, wecom))
    routes = [route for surface in surfaces for route in surface.routes()]
    control = Control(world, telegram, surfaces)
    app = Starlette(routes=[*telegram.routes(), *routes, *control.routes()])
    app.state.world, app.state.telegram, app.state.surfaces = world, telegram, surfaces
    return app


class _Connection(HttpToolsProtocol):
    """Lets an endpoint break its own connection, as a scripted fault wants."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


@dataclass(frozen=True)
class Running:
    app: Starlette
    base_url: str


@contextlib.asynccontextmanager
async def serve(app: Starlette, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Running]:
    """Listens until the block is left; port 0 takes a free one. Installs no signal handlers."""
    if host not in LOOPBACK:
        raise ValueError("the sandbox listens on loopback only")
    listener = _listen(host, port)
    async with serving(app, listener, SHUT_WITHIN, http=_Connection, timeout_keep_alive=75, backlog=1024):
        try:
            yield Running(app, f"http://{host}:{listener.getsockname()[1]}")
        finally:
            surfaces = (app.state.telegram, *app.state.surfaces)
            await asyncio.gather(*(surface.close() for surface in surfaces))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle only for sockets that say they are TCP; with it, every answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


async def run(app: Starlette, host: str, port: int) -> None:
    async with serve(app, host, port) as running:
        print(f"sandbox {running.base_url}", flush=True)  # noqa: T201 the one line that callers read
        await asyncio.Event().wait()
