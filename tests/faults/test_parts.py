"""Processes of the product side by side on one PostgreSQL: who polls, who stands by, who goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bot.roster import read_roster
from bot.sandbox.people import Sandbox
from bot.settings import DEFAULTS
from tests import databases
from tests.chaos.cluster import Cluster, Running
from tests.chaos.database import prepare
from tests.process import environment, free_port, huiyin
from tests.services import valkey

SOON = 20.0


@asynccontextmanager
async def cluster(folder: Path, env: dict[str, str], *roles: str) -> AsyncIterator[Cluster]:
    found = Cluster(folder, env)
    found.add(*roles)
    try:
        await found.start_all()
        yield found
    finally:
        await found.close()


async def told(one: Running) -> dict[str, Any]:
    """What a process says of itself in /readyz."""
    address = f"http://127.0.0.1:{one.port}/readyz"
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        return dict(await answer.json())


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(SOON):
        while not await holds():  # noqa: ASYNC110 (it is another process's state)
            await asyncio.sleep(0.05)


async def test_one_polls_and_the_other_goes_on_without_it_and_without_redis(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    url = databases.fresh("postgresql", tmp_path)
    tokens = await prepare(url, read_roster(DEFAULTS / "roster.yaml"))
    resident, member = await sandbox.user(9001, "居民"), await sandbox.user(1001, "李某")
    with valkey() as redis:
        env = environment(tmp_path, sandbox.base_url, free_port())
        env |= {"HUIYIN_DATABASE_URL": url, "HUIYIN_REDIS_URL": redis.connection_url}
        env |= {"HUIYIN_CHANNELS__TELEGRAM__MODE": "polling"}
        async with cluster(tmp_path, env, "all", "all") as both:

            async def is_settled() -> bool:
                return ["polling" in (await told(one))["notes"] for one in both.members].count(True) == 1

            await until(is_settled)
            notes = [(await told(one))["notes"] for one in both.members]
            first, second = sorted(both.members, key=lambda one: "polling" in notes[both.members.index(one)])
            await member.scans()
            await resident.scans(tokens["YS-1-3"])
            await resident.says("楼道灯坏了")
            await resident.hears("请点【提交】", within=SOON)
            redis.terminate()

            async def knows_that_redis_is_away() -> bool:
                return "redis" in (await told(second))["notes"]

            await until(knows_that_redis_is_away)
            assert (await told(second))["ready"], "it only slows"
            await both.kill(first)
            await resident.taps("提交")
            await member.hears("楼道灯坏了", within=SOON)
            assert "polling" not in (await told(second))["notes"]
            assert await both.terminate(second) == 0


async def test_a_file_serves_one_process_that_does_everything(tmp_path: Path) -> None:
    env = environment(tmp_path, "http://127.0.0.1:1", free_port())
    code, _, error = await huiyin("run", "--role", "worker", folder=tmp_path, env=env)
    assert code == 1
    assert "needs a database on a server" in error
