"""A running sandbox with a frozen clock, its people, and both client libraries."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.clock import Clock
from bot.sandbox.people import Person, Sandbox
from bot.sandbox.server import BotSpec, build, serve
from tests.sandbox.clients import Client, connect
from tests.sandbox.official import Bot, Office, office_of

TOKEN = "100:first"
START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncIterator[Sandbox]:
    bots = [BotSpec(TOKEN, "huiyin_bot", "回音"), BotSpec("200:second", "other_bot", "别家")]
    async with serve(build(clock, bots)) as running, Sandbox(running.base_url) as sandbox:
        yield sandbox


@pytest.fixture
async def wang(sandbox: Sandbox) -> Person:
    return await sandbox.user(5001, "王某", "wang")


@pytest.fixture
async def li(sandbox: Sandbox) -> Person:
    return await sandbox.user(1001, "李某")


@pytest.fixture(params=["python-telegram-bot", "aiogram"])
async def bot(
    request: pytest.FixtureRequest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")  # retry_after as its next version gives it, without a warning
    async with AsyncExitStack() as stack:
        yield await connect(request.param, sandbox.base_url, TOKEN, stack)


@pytest.fixture
def more() -> dict[str, Any]:
    """What is special about the service account; tests override it."""
    return {}


@pytest.fixture
async def office(more: dict[str, Any]) -> AsyncIterator[Office]:
    async with office_of(Bot(), **more) as office:
        yield office
