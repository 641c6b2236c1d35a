"""The shipped rules on the project's own messages: a change that makes them worse fails here."""

import pytest

from bot.rules import load_rules
from bot.rules.measuring import Figure, figures, judge
from tests.accuracy.__main__ import RULES
from tests.accuracy.sets import messages


@pytest.fixture(scope="module")
def found() -> dict[str, Figure]:
    return {one.name: one for one in figures(judge(messages("unseen"), load_rules(RULES)))}


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("best guess right", 0.75),
        ("right within three", 0.87),
        ("filed alone", 0.55),
        ("… of these right", 0.93),
        ("emergencies: alarm or ask", 0.95),
        ("… worded indirectly", 0.92),
    ],
)
def test_no_less_than(found: dict[str, Figure], name: str, least: float) -> None:
    assert (found[name].value or 0) >= least


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("no keyword hit", 0.02),
        ("nothing to file, but filed", 0.05),
        ("harmless: alarm", 0.02),
        ("harmless: ask", 0.08),
    ],
)
def test_no_more_than(found: dict[str, Figure], name: str, most: float) -> None:
    value = found[name].value
    assert value is not None
    assert value <= most


def test_the_parts_share_no_person_and_no_text() -> None:
    parts = {part: messages(part) for part in ("train", "dev", "unseen")}
    texts = [{row.text for row in rows} for rows in parts.values()]
    assert [len(rows) for rows in parts.values()] == [len(set(one)) for one in texts]
    assert not texts[0] & texts[1]
    assert not texts[0] & texts[2]
    assert not texts[1] & texts[2]
