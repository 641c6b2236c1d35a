"""Whatever arrives is read or refused in the parser's own words, quickly, and what was read can be stored."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.targets import CORPUS, TARGETS

_FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file())
_LONGEST = 2.0  # seconds of this process
# What breaks parsers, to be put anywhere into what they take.
_SPLINTERS = (
    *(
        b"\0",
        b"\\u0000",
        b"\\0",
        b"%00",
        b"\\ud800",
        b"\xed\xa0\x80",
        b"\xff",
        b"\xe8\xb7",
        "路".encode() * 1000,
    ),
    *(
        b"[" * 3000,
        b'{"a":' * 3000,
        b"<a>" * 300,
        b"a" * 5000,
        b"9" * 5000,
        b"1:" * 3000,
        b"1e400",
        b"NaN",
        b"-",
    ),
    *(b'"', b"'", b"{", b"}", b"[", b"]]>", b"<![CDATA[", b"&a;", b"<!DOCTYPE a>", b"\r\n--x", b"=?utf-7?"),
    *(
        b": ",
        b"\n- ",
        b"!!int ",
        b"!!bool ",
        b"!!binary ",
        b'""',
        b"&a ",
        b"*a",
        b"<<: ",
        b"? ",
        b"<",
        b"()|",
    ),
    *(b"9999-12-31", b"0001-01-01", b"99999999999d", b".inf", b"../", b"http://["),
)
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


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_bytes_are_read_or_refused(name: str, data: st.DataObject) -> None:
    """`make fuzz` looks longer, and where the code is."""
    body = data.draw(st.sampled_from(sorted((CORPUS / name).iterdir()))).read_bytes()
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.sampled_from((start, start + 1, start + 8, start + 40, len(body))))
        body = body[:start] + data.draw(st.sampled_from(_SPLINTERS)) + body[end:]
    TARGETS[name](body)
    TARGETS[name](data.draw(st.binary(max_size=100)))
