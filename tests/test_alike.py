"""Whether two reports may be one matter, what needs consent, and the office's file about both, as tables."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.digests import load_digests
from bot.files import FileError
from bot.limits import load_limits
from bot.manners import load_manners
from bot.roles import load_roles
from bot.rules import load_rules
from bot.settings import DEFAULTS, Settings
from bot.texts import load_texts
from bot.together import load_together
from handlers.notices import Notices
from handlers.office import Office, Together
from routing.alike import Alike, box, by_likeness, higher, likeness, metres
from routing.cards import PolicyCards
from routing.guidance import Way, helper, way
from routing.organisation import Organisation, Role

RULES = load_rules(DEFAULTS / "rules" / "taxonomy.yaml")
ROLES = load_roles(DEFAULTS / "roles.yaml")
TOGETHER = load_together(DEFAULTS / "together.yaml")
SQUARE = (34.5, 113.4)


@given(st.text(), st.text())
def test_likeness_is_a_share_and_knows_no_order(one: str, other: str) -> None:
    assert 0 <= likeness(one, other) == likeness(other, one) <= 1


def test_the_more_similar_wording_comes_first() -> None:
    others = {1: "水表坏了", 2: "停水一上午", 3: "停水了没水"}
    assert by_likeness("停水了", others) == [3, 2, 1]
    assert by_likeness("", {2: "a", 1: "b"}) == [2, 1]


@given(st.floats(-0.001, 0.001), st.floats(-0.001, 0.001))
def test_whoever_is_within_the_radius_is_within_the_box(north: float, east: float) -> None:
    there = (SQUARE[0] + north, SQUARE[1] + east)
    low, high, left, right = box(SQUARE, 50)
    inside = low <= there[0] <= high and left <= there[1] <= right
    assert inside or metres(SQUARE, there) > 49.9


def test_a_thousandth_of_a_degree_north_is_111_metres() -> None:
    assert metres(SQUARE, (34.501, 113.4)) == pytest.approx(111.3, abs=0.1)


@pytest.mark.parametrize(
    ("before", "after"),
    [("T4", "T3"), ("T3", "T2"), ("T2", "T1"), ("T1", None), ("T0", None), ("T6", None), (None, None)],
)
def test_counting_never_makes_an_emergency(before: str | None, after: str | None) -> None:
    assert higher(before) == after


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("PF01", Way.ORDINARY), ("PV01", Way.GUIDE), ("OS01", Way.GUIDE), ("GS04", Way.GUIDE),
        ("DP01", Way.ORDINARY), ("DP02", Way.CONSENT), ("CA07", Way.CONSENT), ("CA08", Way.CONSENT),
    ],
)  # fmt: skip
def test_how_a_category_is_treated_first(category: str, expected: Way) -> None:
    assert way(RULES.leaves[category], ROLES) is expected


def test_whoever_of_the_named_roles_exists_helps() -> None:
    lost = RULES.leaves["PV04"]
    assert helper(lost, {Role.NEIGHBOR_CHIEF, Role.COMMUNITY}) is Role.NEIGHBOR_CHIEF
    assert helper(lost, {Role.COMMUNITY}) is Role.COMMUNITY
    assert helper(RULES.leaves["PV01"], {Role.VOLUNTEER}, (Role.VOLUNTEER,)) is Role.VOLUNTEER


def test_only_what_neighbours_share_is_compared() -> None:
    shared = {code for code in RULES.leaves if TOGETHER.alike.concerns(code)}
    assert {"PF01", "EN01", "HP03"} <= shared
    assert not [code for code in shared if code[:2] in ("EM", "DP", "WL", "CA", "PV", "OS", "PA", "GS")]


def test_what_is_sealed_is_never_compared_whatever_the_file_says() -> None:
    alike = Alike(frozenset({"HP"}))
    office = Office(
        Organisation(),
        RULES,
        load_texts(DEFAULTS / "texts" / "zh.yaml"),
        load_limits(DEFAULTS / "limits.yaml"),
        ROLES,
        load_manners(Settings().manners_file),
        Together(alike, TOGETHER.guidance),
        load_digests(DEFAULTS / "digests.yaml"),
        PolicyCards(),
        Notices(),
    )
    assert office.is_shared("HP03")
    assert not office.is_shared("HP05")


def test_every_category_that_the_file_names_exists() -> None:
    named = {*TOGETHER.guidance.volunteers, *TOGETHER.guidance.becomes, *TOGETHER.guidance.becomes.values()}
    assert named <= set(RULES.leaves)
    assert all(any(leaf.startswith(code) for leaf in RULES.leaves) for code in TOGETHER.alike.categories)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("counts: {card: 9, raise: 5, many: 10}", "1: counts:card、raise、many 要从小到大"),
        ("counts: {raises: 5}", "不认识的键 raises"),
        ("alike: {metres: 0}", "不能小于 1"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "together.yaml"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(FileError, match=problem):
        load_together(path)
