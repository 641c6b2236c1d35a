"""Fixtures that every test may use."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from bot.logs import write_traceback
from tests import databases
from tests.town import Town, town


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests marked `both` run on both databases; everything runs on the one that HUIYIN_TESTS_ON names."""
    if databases.named is None and metafunc.definition.get_closest_marker("both"):
        metafunc.parametrize("lives_on", databases.BACKENDS, indirect=True)


def pytest_sessionfinish() -> None:
    databases.forget()


@pytest.fixture(autouse=True)
def lives_on(request: pytest.FixtureRequest) -> Iterator[None]:
    databases.chosen = getattr(request, "param", databases.DEFAULT)
    yield
    databases.chosen = databases.DEFAULT


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


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """Those with every value in them take seconds each to draw."""
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=write_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
