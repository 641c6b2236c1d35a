"""`kill -9` between the webhook's answer and the send: nothing is lost, no request is made twice."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from bot.codes import token_of
from bot.limits import load_limits
from bot.roster import load_roster, read_roster
from bot.sandbox.faults import FaultKind
from bot.sandbox.people import Sandbox
from bot.settings import DEFAULTS
from routing.organisation import AreaKind
from storage import queries, schema
from storage.secrets import Vault
from storage.store import Store
from storage.tables import ServiceRequest, Work
from tests.process import KEY, environment, free_port, product
from tests.town import assert_replays

SOON = 20.0


async def prepared(folder: Path) -> str:
    """A database with the sample roster; returns the token of building 3."""
    return (await _tokens(folder))["YS-1-3"]


async def _tokens(folder: Path) -> dict[str, str]:
    """A database with the sample roster; returns the tokens of all buildings."""
    now = datetime.now(UTC)
    schema.migrate(folder / "huiyin.db", now)
    store = Store(folder / "huiyin.db")
    zone = load_limits(DEFAULTS / "limits.yaml").zone
    roster = read_roster(DEFAULTS / "roster.yaml")
    await store.write(load_roster, roster, "test", Vault(KEY), zone, now, "test")
    buildings = [area.code for area in roster.areas if area.kind is AreaKind.BUILDING]
    tokens = {code: await store.write(token_of, code, now) for code in buildings}
    await store.close()
    return tokens


async def stored(folder: Path) -> list[ServiceRequest]:
    store = Store(folder / "huiyin.db")
    try:
        requests = await store.read(lambda session: list(session.scalars(select(ServiceRequest))))
        for request in requests:
            assert_replays(request, await store.read(queries.history, request.id))
        assert await store.read(lambda session: session.scalar(select(func.count()).select_from(Work))) == 0
        return requests
    finally:
        await store.close()


async def test_a_card_that_was_not_sent_is_sent_after_the_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    env = environment(tmp_path, sandbox.base_url, free_port())
    token = await prepared(tmp_path)
    member, resident = await sandbox.user(1001, "李某"), await sandbox.user(9001, "居民")
    async with product(tmp_path, env) as process:
        await member.scans()
        await resident.scans(token)
        await resident.says("楼道灯坏了")
        await resident.hears("请点【提交】", within=SOON)
        await sandbox.fails(FaultKind("hang"), method="sendMessage", chat=1001, seconds=60)
        await resident.taps("提交")
        await resident.hears("已提交，编号", within=SOON)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    await sandbox.heals()
    async with product(tmp_path, env):
        await member.hears("楼道灯坏了", within=SOON)
        await member.taps("接单")
        await resident.hears("已接单", within=SOON)
    (request,) = await stored(tmp_path)
    assert request.status == "acknowledged"


async def test_messages_answered_200_survive_a_kill_before_they_are_handled(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    env = environment(tmp_path, sandbox.base_url, free_port())
    tokens = list((await _tokens(tmp_path)).values())
    people = [await sandbox.user(9000 + number, f"居民{number}") for number in range(len(tokens))]
    async with product(tmp_path, env) as process:
        for one, token in zip(people, tokens, strict=True):
            await one.scans(token)
            await one.says("楼道灯坏了")
        async with asyncio.timeout(SOON):
            while (await sandbox.log())["undelivered"]:  # noqa: ASYNC110 (it is another server's state)
                await asyncio.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    async with product(tmp_path, env):
        for one in people:
            await one.hears("请点【提交】", within=SOON)
            await one.taps("提交")
        for one in people:
            await one.hears("已提交，编号", within=SOON)
    requests = await stored(tmp_path)
    assert len(requests) == len(people)
    assert len({request.resident for request in requests}) == len(people)


async def test_sigterm_ends_cleanly(tmp_path: Path, sandbox: Sandbox) -> None:
    await prepared(tmp_path)
    async with product(tmp_path, environment(tmp_path, sandbox.base_url, free_port())) as process:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), SOON) == 0
    assert "Traceback" not in (tmp_path / "product.log").read_text()
