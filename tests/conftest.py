"""Fixtures that every test may use."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.town import Town, town


@pytest.fixture
async def yueshi(tmp_path: Path) -> AsyncIterator[Town]:
    """岳师村, with its staff on the roster and nobody's phone opened yet."""
    async with town(tmp_path) as here:
        yield here


@pytest.fixture
async def everywhere(tmp_path: Path) -> AsyncIterator[Town]:
    """岳师村 on Telegram, WeChat and WeCom."""
    async with town(tmp_path, everywhere=True) as here:
        yield here
