"""Whatever arrives is read or refused in the parser's own words, quickly, and what was read can be stored."""

import time
from pathlib import Path

import pytest

from tests.hostile.targets import CORPUS, TARGETS

_FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file())
_LONGEST = 2.0  # seconds of this process
_NEVER_TAKEN = ("aibot-call", "wecom-call", "page-message")  # what nobody has signed or sealed


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """Importing Telegram's parser takes seconds, which no body is to blame for."""
    TARGETS["telegram"]((CORPUS / "telegram" / "text.json").read_bytes())


@pytest.mark.parametrize("path", _FILES, ids=lambda path: str(path.relative_to(CORPUS)))
def test_a_known_body_is_read_or_refused_in_time(path: Path) -> None:
    began = time.process_time()
    TARGETS[path.parent.name](path.read_bytes())
    assert time.process_time() - began < _LONGEST


@pytest.mark.parametrize("name", TARGETS)
def test_every_parser_has_bodies_that_it_takes(name: str) -> None:
    """Or what is bent would never get past its first line."""
    target = TARGETS[name]
    bodies = [path.read_bytes() for path in (CORPUS / name).iterdir()]
    if target.shipped is not None:
        bodies.append(target.shipped.read_bytes())
    assert bodies
    assert any(map(target, bodies)) is (name not in _NEVER_TAKEN)
