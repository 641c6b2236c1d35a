"""Serves an application on a socket inside a running event loop, and ends without uvicorn's fixed pauses."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette

from bot.guarded import Guarded

_LOOK_AGAIN = 0.002


@asynccontextmanager
async def serving(
    app: Starlette, listening: socket.socket, finish_within: float = 5.0, **options: Any
) -> AsyncIterator[None]:
    """Until the block is left; what is being answered then is finished, for at most so many seconds.

    Installs no signal handlers. `options` are more of uvicorn's.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        date_header=False,
        server_header=False,
        ws="none",
        **({"http": Guarded} | options),
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    try:
        yield
    finally:
        await _end(server, finish_within)
        listening.close()


async def _end(server: uvicorn.Server, within: float) -> None:
    for listener in server.servers:
        listener.close()
    state = server.server_state
    for connection in list(state.connections):
        connection.shutdown()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while state.connections or state.tasks:  # noqa: ASYNC110 (uvicorn tells nobody)
                await asyncio.sleep(_LOOK_AGAIN)
