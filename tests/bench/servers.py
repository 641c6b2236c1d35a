"""The programs under test, each in a process of its own that ends with the row that started it."""

import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

import psutil

from bot.sandbox.sealing import Sealer
from tests.bench.databases import Database
from tests.bench.town import TOWN, Town
from tests.bench.wire import HOST, Caller, Stub
from tests.services import redis

ROOT = Path(__file__).parents[2]
TOKEN = "1:bench"
SECRET = "bench-secret"
WEBHOOK = "/telegram/webhook"
KEY = "a secret key for the bench only"
WECHAT = Sealer("benchtoken", "a" * 42 + "A", "wxbench")  # no secret: it is known to the bench alone
_BOT = (sys.executable, "-m", "bot")
_START_WITHIN = 60.0
_STOP_WITHIN = 15.0
_LOG_SHOWN = 2_000  # characters

UNPACED = {"PER_BOT": "1000000", "PER_CHAT": "1000000", "PER_GROUP_MINUTE": "60000000"}


class ServerError(Exception):
    """A program under test could not be started; the text says why."""


@dataclass
class Running:
    """The processes of one program, each under what it is for, and what they have cost so far."""

    processes: Mapping[str, psutil.Process]
    port: int
    folder: Path
    started: float

    def cpu(self) -> float:
        return sum(self.cpu_of(name) for name in self.processes)

    def cpu_of(self, name: str) -> float:
        times = self.processes[name].cpu_times()
        return float(times.user + times.system)

    def megabytes(self) -> float:
        return sum(self.megabytes_of(name) for name in self.processes)

    def megabytes_of(self, name: str) -> float:
        return float(self.processes[name].memory_info().rss) / 1e6

    @asynccontextmanager
    async def caller(self, connections: int, path: str = WEBHOOK) -> AsyncIterator[Caller]:
        caller = Caller(self.port, path, {"X-Telegram-Bot-Api-Secret-Token": SECRET})
        await caller.open(connections)
        try:
            yield caller
        finally:
            caller.close()


def free_port() -> int:
    with socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def _started(
    folder: Path, port: int, command: list[str], variables: dict[str, str], ready: str, name: str = "all"
) -> AsyncIterator[psutil.Process]:
    """Run until the block ends; its log goes to a file in its folder."""
    path = folder / f"{name}.log"
    with path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=_environment(variables), stdout=log, stderr=log
        )
        try:
            if not await _answers(port, ready, process):
                last = path.read_text(errors="replace")[-_LOG_SHOWN:]
                raise ServerError(f"a server under test ended by itself:\n{last}")
            yield psutil.Process(process.pid)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_WITHIN)
            except TimeoutError:
                process.kill()
                await process.wait()


def _environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUIYIN_")}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


async def _answers(port: int, path: str, process: asyncio.subprocess.Process) -> bool:
    """Whether the path answered 200 before the process ended."""
    async with asyncio.timeout(_START_WITHIN):
        while not await _is_ok(port, path):
            if process.returncode is not None:
                return False
            await asyncio.sleep(0.01)
    return True


async def _is_ok(port: int, path: str) -> bool:
    """Whether it answers 200 there; without a path, whether it accepts a connection."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    if not path:
        writer.close()
        return True
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


# --- the product -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setup:
    """How the product runs: on which database, in which processes, on which channels, at which pace.

    Several processes wake each other through a Redis of their own. `telegram` off and `wechat` on is a
    worker that never loads the parser of Telegram's messages.
    """

    database: Database
    roles: tuple[str, ...] = ("all",)
    pacing: Mapping[str, str] = field(default_factory=lambda: UNPACED)
    telegram: bool = True
    wechat: bool = False


TWO_WORKERS = ("intake", "worker", "worker")


@asynccontextmanager
async def product(folder: Path, stub: Stub, setup: Setup, town: Town | None = TOWN) -> AsyncIterator[Running]:
    """`python -m bot run` with the bench's roster, and the parser of messages warm."""
    async with cold_product(folder, stub, setup, town) as running:
        if setup.telegram:
            await registered(stub)
        yield running


@asynccontextmanager
async def cold_product(
    folder: Path, stub: Stub, setup: Setup, town: Town | None = TOWN
) -> AsyncIterator[Running]:
    """The same, as soon as /readyz says so. Without a town the database has its roster already."""
    ports = [free_port() for _ in setup.roles]
    if town is not None:
        await load_roster(folder, setup.database, town)
    stub.registered.clear()
    started, processes = time.perf_counter(), dict[str, psutil.Process]()
    async with AsyncExitStack() as stack:
        shared = {"HUIYIN_REDIS_URL": stack.enter_context(redis())} if len(setup.roles) > 1 else {}
        for number, (role, port) in enumerate(zip(setup.roles, ports, strict=True)):
            variables = _variables(folder, stub, port, setup, ports[0]) | shared
            name = role if setup.roles.count(role) == 1 else f"{role} {number}"
            command = [*_BOT, "run", *(["--role", role] if role != "all" else [])]
            starting = _started(folder, port, command, variables, "/readyz", name)
            processes[name] = await stack.enter_async_context(starting)
        yield Running(processes, ports[0], folder, started)


async def registered(stub: Stub) -> None:
    """Until the product has registered its webhook, which it does last."""
    async with asyncio.timeout(_START_WITHIN):
        await stub.registered.wait()


async def load_roster(folder: Path, database: Database, town: Town) -> None:
    """The schema, and the town's people and places. Raises ServerError where they are refused."""
    town.write_roster(folder / "roster.yaml")
    loading = await asyncio.create_subprocess_exec(
        *_BOT, "roster", "load", "roster.yaml",
        cwd=folder, env=_environment(_common(folder, database)), stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    if await loading.wait():
        raise ServerError("the bench's roster was refused")


def _common(folder: Path, database: Database) -> dict[str, str]:
    return {
        "HUIYIN_DATABASE_URL": database.url,
        "HUIYIN_DATA_DIR": str(folder),
        "HUIYIN_SECRET_KEY": KEY,
    }


def _variables(folder: Path, stub: Stub, port: int, setup: Setup, door: int) -> dict[str, str]:
    """`door` is the port that the platforms call."""
    base = f"http://{HOST}:{stub.port}"
    telegram = {
        "TOKEN": TOKEN,
        "USERNAME": "bench_bot",
        "API_BASE": base,
        "MODE": "webhook",
        "WEBHOOK_URL": f"http://{HOST}:{door}{WEBHOOK}",
        "WEBHOOK_SECRET": SECRET,
    }
    wechat = {
        "APP_ID": WECHAT.receiver,
        "SECRET": "bench-secret",
        "TOKEN": WECHAT.token,
        "AES_KEY": WECHAT.aes_key,
        "API_BASE": base,
        "PAGES_BASE": base,
        "OPEN_BASE": base,
    }
    return {
        **_common(folder, setup.database),
        "HUIYIN_WEB__PORT": str(port),
        **(_channel("TELEGRAM", telegram, setup.pacing) if setup.telegram else {}),
        **(_channel("WECHAT", wechat, setup.pacing) if setup.wechat else {}),
    }


def _channel(name: str, settings: Mapping[str, str], pacing: Mapping[str, str]) -> dict[str, str]:
    paced = {f"PACING__{key}": value for key, value in pacing.items()}
    return {f"HUIYIN_CHANNELS__{name}__{key}": value for key, value in {**settings, **paced}.items()}


# --- the parts, the floors, and anybody else's ---------------------------------------------------


@asynccontextmanager
async def part(name: str, folder: Path, stub: Stub, database: str) -> AsyncIterator[Running]:
    """One of the small programs of `tests.bench.programs`."""
    port, base = free_port(), f"http://{HOST}:{stub.port}"
    command = [sys.executable, "-m", "tests.bench.programs", name, str(port), database, base]
    started = time.perf_counter()
    async with _started(folder, port, command, {}, "/healthz", name) as process:
        yield Running({name: process}, port, folder, started)


@asynccontextmanager
async def peer(command: str, folder: Path, stub: Stub) -> AsyncIterator[Running]:
    """Any program that listens for Telegram's updates; ready as soon as it accepts connections."""
    port = free_port()
    known = {"port": port, "api_base": f"http://{HOST}:{stub.port}", "token": TOKEN, "secret": SECRET}
    words = [word.format(**known) for word in shlex.split(command)]
    started = time.perf_counter()
    async with _started(folder, port, words, {}, "", "peer") as process:
        yield Running({"peer": process}, port, folder, started)
