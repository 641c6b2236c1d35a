"""The two ends of the wire, as cheap as Python allows: a keep-alive caller and a Telegram-like stub."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import msgspec

HOST = "127.0.0.1"
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_PATIENCE = 30.0  # seconds a server may take to accept a connection or to answer
_IDLE = 4.0  # uvicorn closes a connection that was idle for five seconds

Done = Callable[[int], None]


def _split(buffer: bytearray) -> tuple[bytes, bytes] | None:
    """Take one whole HTTP message with a Content-Length off the buffer: its head and its body."""
    head = buffer.find(_END)
    if head < 0:
        return None
    fields = bytes(buffer[:head])
    at = fields.lower().find(_LENGTH)
    length = int(fields[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    end = head + len(_END) + length
    if len(buffer) < end:
        return None
    body = bytes(buffer[head + len(_END) : end])
    del buffer[:end]
    return fields, body


# --- calling ----------------------------------------------------------------------------------


class _Line(asyncio.Protocol):
    """One keep-alive connection, one request at a time. A server may close it while it is idle."""

    def __init__(self, caller: "Caller") -> None:
        self._caller = caller
        self._buffer = bytearray()
        self._done: Done | None = None
        self._used = time.perf_counter()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is no relation

    @property
    def alive(self) -> bool:
        """Whether it is open, and was used so lately that the server is not just about to close it."""
        fresh = time.perf_counter() - self._used < _IDLE
        return fresh and self._transport is not None and not self._transport.is_closing()

    def send(self, raw: bytes, done: Done) -> None:
        assert self._transport is not None
        self._done, self._used = done, time.perf_counter()
        self._transport.write(raw)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        found = _split(self._buffer)
        if found is None:
            return
        done, self._done = self._done, None
        self._used = time.perf_counter()
        self._caller.body = found[1]
        self._caller.free(self)
        if done is not None:
            done(int(found[0][9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            self._caller.reopen()
            done(0)  # no answer: counted as an error by whoever asked

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Caller:
    """A fixed number of connections to one server; what finds none free waits in line.

    `body` is that of the answer which is just being handed over.
    """

    def __init__(self, port: int, path: str, headers: dict[str, str] | None = None) -> None:
        self.body = b""
        self._port = port
        given = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._path = path
        self._head = (
            f" HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n{given}Content-Length: "
        ).encode()
        self._lines: list[_Line] = []
        self._free: deque[_Line] = deque()
        self._waiting: deque[tuple[bytes, Done]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False
        self.lines = 0

    async def open(self, connections: int) -> None:
        self.lines = connections
        for _ in range(connections):
            await self._open_one()

    async def _open_one(self) -> None:
        line = _Line(self)
        async with asyncio.timeout(_PATIENCE):
            await asyncio.get_running_loop().create_connection(lambda: line, HOST, self._port)
        self._lines.append(line)
        self.free(line)

    def reopen(self) -> None:
        """A connection was lost: put another in its place."""
        if self._closed:
            return
        task = asyncio.create_task(self._open_one())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def post(self, body: bytes, done: Done, query: str = "") -> None:
        """Send now or as soon as a connection is free; `done` gets the status, 0 for none."""
        if self._closed:
            return  # a card that came after the row had ended
        asked = f"POST {self._path}{query}".encode()
        raw = asked + self._head + str(len(body)).encode() + _END + body
        while self._free:
            line = self._free.popleft()
            if line.alive:
                line.send(raw, done)
                return
            line.close()
            self.reopen()
        self._waiting.append((raw, done))

    def free(self, line: _Line) -> None:
        if self._waiting and line.alive:
            line.send(*self._waiting.popleft())
        else:
            self._free.append(line)

    def close(self) -> None:
        self._closed = True
        for task in self._opening:
            task.cancel()
        for line in self._lines:
            line.close()


# --- the stub ---------------------------------------------------------------------------------


class Button(msgspec.Struct):
    text: str
    callback_data: str = ""


class Keyboard(msgspec.Struct):
    inline_keyboard: list[list[Button]] = []


class Call(msgspec.Struct):
    """What a bot sends us, as far as the bench looks at it."""

    chat_id: str | int = 0
    touser: str = ""  # WeChat's name for it
    text: Any = ""  # WeChat's is an object
    reply_markup: Keyboard | None = None

    def button(self, label: str) -> str | None:
        """The data behind the button with that label."""
        rows = self.reply_markup.inline_keyboard if self.reply_markup else []
        return next((one.callback_data for row in rows for one in row if one.text == label), None)


Seen = Callable[[float, str, Call], None]

_decode = msgspec.json.Decoder(Call).decode
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    b'{"ok":true,"result":{"message_id":%d}}'
)
_TOKEN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 43\r\n\r\n"
    b'{"access_token":"bench","expires_in":7200} '
)
_BARE = len(b'{"ok":true,"result":{"message_id":}}')


class Stub:
    """Accepts every method of every bot; whoever is looking is told when it came and what it said."""

    def __init__(self) -> None:
        self.seen: Seen = lambda _at, _method, _call: None
        self.registered = asyncio.Event()
        self.port = 0
        self._count = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Accepted(self), HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def answer(self, head: bytes, body: bytes) -> bytes:
        now = time.perf_counter()
        method = head.split(b" ", 2)[1].partition(b"?")[0].rpartition(b"/")[2].decode()
        if method == "setWebhook":
            self.registered.set()
        if method == "stable_token":
            return _TOKEN
        self._count += 1
        self.seen(now, method, _decode(body) if body[:1] == b"{" else Call())
        return _ANSWER % (_BARE + len(str(self._count)), self._count)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


class _Accepted(asyncio.Protocol):
    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is no relation

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (found := _split(self._buffer)) is not None:
            if self._transport is not None:
                self._transport.write(self._stub.answer(*found))
