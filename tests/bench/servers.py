"""The programs under test, each in a process of its own that ends with the row that started it."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

import psutil

from bot.sandbox.sealing import Sealer
from tests.bench.people import write_roster
from tests.bench.wire import HOST, Caller, Stub

ROOT = Path(__file__).parents[2]
TOKEN = "1:bench"
SECRET = "bench-secret"
WEBHOOK = "/telegram/webhook"
WECHAT = Sealer("benchtoken", "a" * 42 + "A", "wxbench")  # no secret: it is known to the bench alone
_START_WITHIN = 60.0
_STOP_WITHIN = 15.0
_LOG_SHOWN = 2_000  # characters

UNPACED = {"PER_BOT": "1000000", "PER_CHAT": "1000000", "PER_GROUP_MINUTE": "60000000"}


class ServerError(Exception):
    """A program under test could not be started; the text says why."""


@dataclass
class Running:
    """A server process, and what it has cost so far."""

    process: psutil.Process
    port: int
    folder: Path
    started: float

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def megabytes(self) -> float:
        return float(self.process.memory_info().rss) / 1e6

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
    folder: Path, port: int, command: list[str], variables: dict[str, str], ready: str
) -> AsyncIterator[Running]:
    """Run until the block ends; its log goes to a file in its folder."""
    with (folder / "server.log").open("wb") as log:
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=folder, env=_environment(variables), stdout=log, stderr=log
        )
        try:
            if not await _answers(port, ready, process):
                last = (folder / "server.log").read_text(errors="replace")[-_LOG_SHOWN:]
                raise ServerError(f"a server under test ended by itself:\n{last}")
            yield Running(psutil.Process(process.pid), port, folder, started)
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
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


# --- the product -------------------------------------------------------------------------------


def _variables(folder: Path, stub: Stub, port: int, pacing: dict[str, str]) -> dict[str, str]:
    telegram = {
        "TOKEN": TOKEN,
        "USERNAME": "bench_bot",
        "API_BASE": f"http://{HOST}:{stub.port}",
        "MODE": "webhook",
        "WEBHOOK_URL": f"http://{HOST}:{port}{WEBHOOK}",
        "WEBHOOK_SECRET": SECRET,
        **{f"PACING__{name}": value for name, value in pacing.items()},
    }
    return {
        "HUIYIN_DATABASE_URL": f"sqlite:///{folder}/huiyin.db",
        "HUIYIN_DATA_DIR": str(folder),
        "HUIYIN_SECRET_KEY": "a secret key for the bench only",
        "HUIYIN_WEB__PORT": str(port),
        **{f"HUIYIN_CHANNELS__TELEGRAM__{name}": value for name, value in telegram.items()},
    }


def _wechat(stub: Stub, pacing: dict[str, str]) -> dict[str, str]:
    base = f"http://{HOST}:{stub.port}"
    settings = {
        "APP_ID": WECHAT.receiver,
        "SECRET": "bench-secret",
        "TOKEN": WECHAT.token,
        "AES_KEY": WECHAT.aes_key,
        "API_BASE": base,
        "PAGES_BASE": base,
        "OPEN_BASE": base,
        **{f"PACING__{name}": value for name, value in pacing.items()},
    }
    return {f"HUIYIN_CHANNELS__WECHAT__{name}": value for name, value in settings.items()}


@asynccontextmanager
async def product(
    folder: Path, stub: Stub, pacing: dict[str, str], *, on_wechat: bool = False
) -> AsyncIterator[Running]:
    """`python -m bot run` with the bench's roster, and the parser of messages warm."""
    async with cold_product(folder, stub, pacing, on_wechat=on_wechat) as running:
        await registered(stub)
        yield running


@asynccontextmanager
async def cold_product(
    folder: Path, stub: Stub, pacing: dict[str, str], *, on_wechat: bool = False
) -> AsyncIterator[Running]:
    """The same, as soon as /readyz says so."""
    port = free_port()
    variables = _variables(folder, stub, port, pacing) | (_wechat(stub, pacing) if on_wechat else {})
    await _load_roster(folder, variables)
    stub.registered.clear()
    async with _started(folder, port, ["-m", "bot", "run"], variables, "/readyz") as running:
        yield running


async def registered(stub: Stub) -> None:
    """Until the product has registered its webhook, which it does last."""
    async with asyncio.timeout(_START_WITHIN):
        await stub.registered.wait()


async def _load_roster(folder: Path, variables: dict[str, str]) -> None:
    write_roster(folder / "roster.yaml")
    command = ["-m", "bot", "roster", "load", "roster.yaml"]
    loading = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=folder, env=_environment(variables), stdout=asyncio.subprocess.DEVNULL
    )
    if await loading.wait():
        raise ServerError("the bench's roster was refused")


# --- the parts and the floors ------------------------------------------------------------------


@asynccontextmanager
async def part(name: str, folder: Path, stub: Stub) -> AsyncIterator[Running]:
    """One of the small programs of `tests.bench.programs`."""
    port = free_port()
    command = ["-m", "tests.bench.programs", name, str(port), str(folder), f"http://{HOST}:{stub.port}"]
    async with _started(folder, port, command, {}, "/healthz") as running:
        yield running
