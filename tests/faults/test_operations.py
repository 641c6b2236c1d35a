"""What docs/operations.md promises, on the real process: metrics apart, lines to follow, a backup."""

import json
from pathlib import Path
from typing import Any

import aiohttp

from bot.clock import Clock
from bot.sandbox.people import Sandbox
from bot.sandbox.server import BotSpec, build, serve
from storage import schema
from tests.faults.test_kill import SOON, prepared
from tests.process import TOKEN, environment, free_port, product

Line = dict[str, Any]


async def _status(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/{path}") as answer:
        return answer.status, await answer.text()


def _lines(folder: Path) -> list[Line]:
    return [json.loads(line) for line in (folder / "product.log").read_text().splitlines()]


async def test_a_backup_of_the_running_bot_goes_on_elsewhere(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    async with (
        serve(build(Clock(), [BotSpec(TOKEN, "huiyin_bot", "回音")])) as running,
        Sandbox(running.base_url) as sandbox,
    ):
        token = await prepared(here)
        member, resident = await sandbox.user(1001, "李某"), await sandbox.user(9001, "居民")
        env, ops = _env(here, running.base_url)
        async with product(here, env):
            await member.scans()
            await resident.scans(token)
            await resident.says("楼道灯坏了")
            await resident.hears("请点【提交】", within=SOON)
            await resident.taps("提交")
            await member.hears("楼道灯坏了", within=SOON)
            await resident.hears("已提交，编号", within=SOON)
            schema.copy_to(here / "huiyin.db", there / "huiyin.db")  # as `huiyin backup` does
            await _metrics_are_apart(ops, int(env["HUIYIN_WEB__PORT"]))
        _can_be_followed(_lines(here))
        async with product(there, _env(there, running.base_url)[0]):
            await member.taps("接单")
            await resident.hears("已接单", within=SOON)


def _env(folder: Path, api: str) -> tuple[dict[str, str], int]:
    port = free_port()
    logs = {"HUIYIN_LOG__JSON_LINES": "true", "HUIYIN_LOG__LEVEL": "debug"}
    return environment(folder, api, free_port()) | logs | {"HUIYIN_OPS__PORT": str(port)}, port


async def _metrics_are_apart(ops: int, public: int) -> None:
    status, told = await _status(ops, "metrics")
    assert status == 200
    assert 'huiyin_card_seconds_count{urgency="staff"} ' in told
    assert "process_resident_memory_bytes" in told
    assert [(await _status(ops, path))[0] for path in ("healthz", "readyz", "ops.json")] == [200, 200, 200]
    assert [(await _status(public, path))[0] for path in ("metrics", "ops.json")] == [404, 404]


def _can_be_followed(lines: list[Line]) -> None:
    """From the request's number in the log back to its message, and from there to everything it led to."""
    filed = next(line for line in lines if line["event"] == "handled" and line["requests"])
    message, (request,) = filed["message"], filed["requests"]
    way = [line["event"] for line in lines if line.get("message") == message]
    assert way[:2] == ["stored", "handled"]
    assert way.count("sent") >= 2, "the receipt, and the member's card"
    assert {line["request"] for line in lines if line.get("message") == message and "request" in line} == {
        request
    }
