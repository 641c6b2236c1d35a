"""Connections that can be cut: a relay on loopback between two of the parties."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

from bot.app import listen

HOST = "127.0.0.1"


class Wire:
    """Takes connections on a port of its own and passes each on to a target that answers, in turn."""

    def __init__(self, targets: Callable[[], Sequence[int]]) -> None:
        self.port = 0
        self._targets = targets
        self._turn = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> int:
        """Break all connections as they are; returns how many ends there were."""
        for end in self._open:
            end.transport.abort()
        return len(self._open)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._pass_on(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._held(writer):
            there = await self._connect()
            if there is None:
                return
            async with self._held(there[1]):
                await _until_one_ends(_copy(reader, there[1]), _copy(there[0], writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        targets = self._targets()
        self._turn += 1
        for place in range(len(targets)):
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(HOST, targets[(self._turn + place) % len(targets)])
        return None

    @contextlib.asynccontextmanager
    async def _held(self, end: asyncio.StreamWriter) -> AsyncIterator[None]:
        """Whoever loses one end loses the other."""
        self._open.add(end)
        try:
            yield
        finally:
            self._open.discard(end)
            end.transport.abort()


async def _copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await source.read(65536):
            to.write(block)
            await to.drain()


async def _until_one_ends(*copies: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.ensure_future(one) for one in copies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def wire(targets: Callable[[], Sequence[int]]) -> AsyncIterator[Wire]:
    """A relay that listens until the block is left."""
    made, listening = Wire(targets), listen(HOST, 0)
    server = await asyncio.start_server(made.accept, sock=listening)
    made.port = int(listening.getsockname()[1])
    try:
        yield made
    finally:
        server.close()
        await made.close()
