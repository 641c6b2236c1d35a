"""The platform that processes under test speak to."""

from collections.abc import AsyncIterator

import pytest

from bot.clock import Clock
from bot.sandbox.people import Sandbox
from bot.sandbox.server import BotSpec, build, serve
from tests.process import TOKEN


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with (
        serve(build(Clock(), [BotSpec(TOKEN, "huiyin_bot", "回音")])) as running,
        Sandbox(running.base_url) as client,
    ):
        yield client
