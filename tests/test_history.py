"""What other rules would have made of the past."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from bot.rules.history import compare, report
from routing.rules import Lexicon, compile_rules
from storage.lessons import Past
from tests.test_proposals import DOCUMENT, LEXICONS

RULES = compile_rules(DOCUMENT)
OTHERS = {"POWER": Lexicon({"跳闸": 9}), "FIRE": Lexicon({"火": 9})}
CHANGED = compile_rules(replace(DOCUMENT, lexicons=LEXICONS | OTHERS))


def past(number: int, text: str | None, right: str | None = None, category: str | None = None) -> Past:
    decision = {"category": category, "outcome": "file" if category else "none", "danger": "none"}
    return Past(f"YS-{number:04d}", number, text, right, decision)


PAST = [
    past(1, "灯跳闸", "POWER"),
    past(2, "停电", "POWER"),
    past(3, "路灯不亮跳闸", "LAMP"),
    past(4, "跳闸"),
    past(5, "火很大", category="POWER"),
    past(6, None, "POWER"),
]


def printed(pasts: list[Past], *, at_the_time: bool = False) -> str:
    compared = list(compare(pasts, None if at_the_time else RULES, CHANGED))
    screen = Console(file=io.StringIO(), width=100)
    screen.print(report(compared, len(pasts) - len(compared)))
    assert isinstance(screen.file, io.StringIO)
    return " ".join(screen.file.getvalue().split())


@pytest.mark.parametrize(
    "line",
    [
        "5 past requests, 5 would be filed differently; 1 skipped, as their words are erased or sealed",
        "of 3 whose right category is known: 1 get better, 2 get worse",
        "filed alone 2 4",
        "alarm 0 1",
        "asked about danger 0 0",
        "LAMP POWER 2",
        "POWER – 1",
        "– POWER 1",
        "YS-0001 YS-0002 YS-0003 YS-0004 YS-0005",
    ],
)
def test_counts_and_numbers_are_printed(line: str) -> None:
    assert line in printed(PAST)


def test_nobodys_words_are_printed() -> None:
    assert "跳闸" not in printed(PAST)


def test_at_most_twenty_numbers() -> None:
    told = printed([past(number, "跳闸") for number in range(1, 24)])
    assert "YS-0020 and 3 more" in told
    assert "YS-0021" not in told


def test_without_another_file_the_rules_are_held_against_what_was_decided_then() -> None:
    assert "2 past requests, 1 would be filed differently" in printed(
        [past(1, "跳闸", category="LAMP"), past(2, "跳闸", category="POWER")], at_the_time=True
    )


def test_no_past_no_difference() -> None:
    assert printed([]).startswith("0 past requests, 0 would be filed differently; 0 skipped")
