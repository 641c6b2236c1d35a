"""The product as a process of its own, for tests that kill it or read what it prints."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp

from bot.app import listen

TOKEN = "123456:process-token"
SECRET = "process-secret"
_READY_WITHIN = aiohttp.ClientTimeout(total=5)
KEY = "a secret key for tests only"


def environment(folder: Path, api_base: str, port: int) -> dict[str, str]:
    """What the product needs to run against a sandbox, on a database in `folder`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HUIYIN_")}
    return inherited | {
        "HUIYIN_DATABASE_URL": f"sqlite:///{folder}/huiyin.db",
        "HUIYIN_DATA_DIR": str(folder),
        "HUIYIN_SECRET_KEY": KEY,
        "HUIYIN_WEB__PORT": str(port),
        "HUIYIN_CHANNELS__TELEGRAM__TOKEN": TOKEN,
        "HUIYIN_CHANNELS__TELEGRAM__USERNAME": "huiyin_bot",
        "HUIYIN_CHANNELS__TELEGRAM__API_BASE": api_base,
        "HUIYIN_CHANNELS__TELEGRAM__MODE": "webhook",
        "HUIYIN_CHANNELS__TELEGRAM__WEBHOOK_URL": f"http://127.0.0.1:{port}/telegram/webhook",
        "HUIYIN_CHANNELS__TELEGRAM__WEBHOOK_SECRET": SECRET,
    }


def free_port() -> int:
    with listen("127.0.0.1", 0) as free:
        return int(free.getsockname()[1])


async def huiyin(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> tuple[int, str, str]:
    """Run a command to its end: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments,
        stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=folder, env={**_outside(), **(env or {})},
    )  # fmt: skip
    out, err = await process.communicate(stdin)
    return process.returncode or 0, out.decode(), err.decode()


def _outside() -> dict[str, str]:
    """This environment without our own variables, able to find the packages from any folder."""
    root = Path(__file__).parent.parent
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUIYIN_")}
    return kept | {"PYTHONPATH": str(root)}


async def spawn(folder: Path, env: Mapping[str, str], *arguments: str) -> Process:
    """`huiyin` with these arguments, its output in `product.log`."""
    with (folder / "product.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", *arguments,
            cwd=folder, env={**_outside(), **env}, stderr=log, stdout=log,
        )  # fmt: skip


async def is_ready(port: int) -> bool:
    """Whether the product behind this port says that all is in order."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with (
            aiohttp.ClientSession(timeout=_READY_WITHIN) as http,
            http.get(f"http://127.0.0.1:{port}/readyz") as answer,
        ):
            return answer.status == 200
    return False


@contextlib.asynccontextmanager
async def product(folder: Path, env: Mapping[str, str]) -> AsyncIterator[Process]:
    """`huiyin run`, ready to be written to; ended at the latest with the block."""
    process = await spawn(folder, env, "run")
    try:
        await _ready(process, int(env["HUIYIN_WEB__PORT"]), folder)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def _ready(process: Process, port: int, folder: Path) -> None:
    async with asyncio.timeout(40):
        while not await is_ready(port):
            if process.returncode is not None:
                raise RuntimeError((folder / "product.log").read_text())
            await asyncio.sleep(0.02)
