"""The database is away while residents write: the process goes on, and `kill -9` meanwhile loses nothing."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp

from bot.sandbox.people import Sandbox
from tests.away import held
from tests.faults.test_kill import SOON, prepared, stored
from tests.process import environment, free_port, product


async def test_what_was_spooled_survives_a_kill(tmp_path: Path, sandbox: Sandbox) -> None:
    env = environment(tmp_path, sandbox.base_url, free_port())
    token = await prepared(tmp_path)
    first, second = [await sandbox.user(user, "居民") for user in (9001, 9002)]
    async with product(tmp_path, env) as process:
        with held(tmp_path / "huiyin.db"):
            await first.scans(token)
            await first.says("楼道灯坏了")
            await _taken(sandbox)
            assert (await _ready(env))["failing"]["database"] == "away"
        await first.hears("请点【提交】", within=SOON)
        await _ready(env, in_order=True)
        with held(tmp_path / "huiyin.db"):
            await first.taps("提交")
            await second.scans(token)
            await second.says("井盖不见了")
            await _taken(sandbox)
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
    async with product(tmp_path, env):
        await first.hears("已提交，编号", within=SOON)
        await second.hears("井盖不见了", within=SOON)
    (request,) = await stored(tmp_path)
    assert request.status == "assigned"
    assert list((tmp_path / "spool").iterdir()) == []
    assert "Traceback" not in (tmp_path / "product.log").read_text()


async def _taken(sandbox: Sandbox) -> None:
    async with asyncio.timeout(SOON):
        while (await sandbox.log())["undelivered"]:  # noqa: ASYNC110 (it is another server's state)
            await asyncio.sleep(0.01)


async def _ready(env: dict[str, str], *, in_order: bool = False) -> dict[str, Any]:
    async with asyncio.timeout(SOON), aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"http://127.0.0.1:{env['HUIYIN_WEB__PORT']}/readyz") as answer:
                told: dict[str, Any] = await answer.json()
            if told["ready"] or not in_order:
                return told
            await asyncio.sleep(0.02)
