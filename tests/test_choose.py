"""Who a request goes to, as tables and properties over the people of a small town."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.choose import (
    Candidate,
    Choice,
    Facts,
    Obstacle,
    Situation,
    alerted,
    candidates,
    choose,
    considered,
    in_question,
    lead_roles,
    promptness,
    score,
)
from routing.organisation import Appointment, Area, AreaKind, Duty, Leave, Member, Organisation, Role
from routing.roles import Duties, Roles

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
GRID, HEAD, OFFICE, DESK = Role.GRID_MEMBER, Role.GRID_HEAD, Role.COMMUNITY, Role.DUTY_DESK
CHIEF, GROUP_CHIEF, AREA_CHIEF = Role.NEIGHBOR_CHIEF, Role.GROUP_CHIEF, Role.AREA_CHIEF
ROLES = Roles(
    duties={CHIEF: Duties(asks_day=3, asks_week=10, refused_scopes=frozenset({"大事"}))},
)

Post = tuple[str, Role, str]


def town(*posts: Post, ended: tuple[str, ...] = (), leaves: tuple[Leave, ...] = ()) -> Organisation:
    """A community C with grids G1 and G2; in G1 the section P, in it the group Z with building B."""
    areas = (
        Area("C", AreaKind.COMMUNITY, "社区"),
        Area("G1", AreaKind.GRID, "一网格", "C"),
        Area("G2", AreaKind.GRID, "二网格", "C"),
        Area("P", AreaKind.SECTION, "东片", "G1"),
        Area("Z", AreaKind.GROUP, "三组", "P"),
        Area("B", AreaKind.BUILDING, "3号楼", "Z"),
    )
    return Organisation(
        areas={area.code: area for area in areas},
        members={code: Member(code, code) for code, _, _ in posts},
        appointments=tuple(
            Appointment(code, role, area, ends=NOW if code in ended else None) for code, role, area in posts
        ),
        leaves=leaves,
    )


def choice(here: Organisation, situation: Situation, area: str = "B") -> Choice:
    return choose(considered(here, area, lead_roles(situation.wanted), NOW), situation)


def names(found: Choice) -> list[str]:
    return [one.member.code for one in found.people]


# --- who is found -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("posts", "ended", "wanted", "returned", "lead", "vacancy"),
    [
        ([("a", GRID, "G1"), ("b", GRID, "G2")], (), GRID, (), "a", None),
        ([("a", GRID, "C"), ("b", GRID, "G1")], (), GRID, (), "b", None),
        ([("a", GRID, "G1"), ("h", HEAD, "G1"), ("o", OFFICE, "C")], ("a",), GRID, (), "h", GRID),
        ([("a", GRID, "G1"), ("o", OFFICE, "C")], ("a",), GRID, (), "o", GRID),
        ([("a", GRID, "G1"), ("o", OFFICE, "C")], (), GRID, ("a",), "o", None),
        ([("a", GRID, "G1"), ("o", OFFICE, "C")], (), OFFICE, (), "o", None),
        ([("a", GRID, "G1"), ("o", OFFICE, "C")], (), Role.PROPERTY, (), "a", Role.PROPERTY),
        ([("b", GRID, "G2")], (), GRID, (), None, GRID),
        ([], (), GRID, (), None, GRID),
        ([("b", GRID, "G1"), ("a", GRID, "G1")], (), GRID, (), "a", None),
        ([("z", GROUP_CHIEF, "Z"), ("a", GRID, "G1")], (), CHIEF, (), "z", CHIEF),
        ([("p", AREA_CHIEF, "P"), ("a", GRID, "G1")], (), CHIEF, (), "p", CHIEF),
        ([("l", CHIEF, "B"), ("p", AREA_CHIEF, "P")], (), GROUP_CHIEF, (), "p", GROUP_CHIEF),
    ],
    ids=[
        "the place's own", "nearest first", "head stands in", "community stands in", "not who sent it back",
        "the community's own", "a role nobody has", "another grid's", "nobody", "equal: by code",
        "vacant: the chief above", "vacant twice: the next above", "never a chief below",
    ],
)  # fmt: skip
def test_the_wanted_role_leads_and_the_next_above_stands_in(
    posts: list[Post],
    ended: tuple[str, ...],
    wanted: Role,
    returned: tuple[str, ...],
    lead: str | None,
    vacancy: Role | None,
) -> None:
    found = choice(town(*posts, ended=ended), Situation(wanted, returned=frozenset(returned)))
    assert (names(found)[0] if found.people else None) == lead
    assert found.vacancy == vacancy
    assert found.reasons


def test_an_emergency_reaches_desk_grid_and_nearest_chief() -> None:
    here = town(("d", DESK, "C"), ("a", GRID, "G1"), ("z", GROUP_CHIEF, "G1"), ("l", CHIEF, "B"))
    assert [one.member.code for one in alerted(here, "B", NOW)] == ["d", "a", "l"]


def test_a_sealed_emergency_reaches_only_who_is_cleared() -> None:
    here = town(("d", DESK, "C"), ("a", GRID, "G1"), ("p", Role.COMMUNITY_POLICE, "C"))
    cleared = frozenset({DESK, Role.COMMUNITY_POLICE})
    assert {one.member.code for one in alerted(here, "B", NOW, (GRID,), cleared)} == {"d", "p"}


def test_an_emergency_reaches_the_helpers_it_needs() -> None:
    here = town(("d", DESK, "C"), ("a", GRID, "G1"), ("v", Role.VILLAGE_DOCTOR, "C"))
    found = alerted(here, "B", NOW, (GRID, Role.VILLAGE_DOCTOR, Role.STREET))
    assert [one.member.code for one in found] == ["d", "a", "v"]


def leave(member: str, deputy: str | None = None, **moved: float) -> Leave:
    start = NOW + timedelta(**moved)
    return Leave(member, start, start + timedelta(days=2), deputy)


@pytest.mark.parametrize(
    ("leaves", "lead"),
    [
        ((leave("a", "b"),), "b"),
        ((leave("a"),), "o"),
        ((leave("a", "b", hours=1),), "a"),
        ((leave("a", "b", days=-3),), "a"),
        ((leave("a", "b"), leave("b")), "o"),
        ((leave("a", "b"), leave("b", "a")), "o"),
    ],
    ids=["the deputy", "no deputy", "not yet", "back again", "deputy away", "each for the other"],
)
def test_somebody_on_leave_is_stood_in_for(leaves: tuple[Leave, ...], lead: str) -> None:
    here = town(("a", GRID, "G1"), ("b", GRID, "G2"), ("o", OFFICE, "C"), leaves=leaves)
    assert names(choice(here, Situation(GRID)))[0] == lead


def test_a_deputy_acts_in_the_post_while_it_lasts() -> None:
    here = town(("a", GRID, "G1"), ("b", GRID, "G2"), leaves=(leave("a", "b"),))
    assert here.serves("b", "B", NOW)
    assert here.holds("b", (GRID,), "B", NOW)
    assert not here.serves("b", "B", NOW + timedelta(days=3))
    assert here.next_change(NOW) == NOW + timedelta(days=2)


# --- who may ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("situation", "facts", "why"),
    [
        (Situation(CHIEF), Facts(today=2, week=9), None),
        (Situation(CHIEF), Facts(today=3), Obstacle.CEILING),
        (Situation(CHIEF), Facts(week=10), Obstacle.CEILING),
        (Situation(CHIEF, urgent=True), Facts(week=10), None),
        (Situation(CHIEF, scope="大事"), Facts(), Obstacle.REFUSED),
        (Situation(CHIEF, limit_class="T1"), Facts(on_duty=False), Obstacle.OFF_DUTY),
        (Situation(CHIEF, limit_class="T1"), Facts(on_duty=None), None),
        (Situation(CHIEF, limit_class="T3"), Facts(on_duty=False), None),
        (Situation(CHIEF, cleared=frozenset({GROUP_CHIEF})), Facts(), Obstacle.SEALED),
        (Situation(CHIEF, returned=frozenset({"l"})), Facts(), Obstacle.RETURNED),
        (Situation(CHIEF, complained=frozenset({"l"})), Facts(), Obstacle.COMPLAINED),
    ],
)
def test_what_keeps_a_request_from_somebody(situation: Situation, facts: Facts, why: Obstacle | None) -> None:
    here = town(("l", CHIEF, "B"), ("z", GROUP_CHIEF, "Z"))
    found = choice(here, replace(situation, roles=ROLES, facts={"l": facts}))
    assert ("l" in names(found)) == (why is None)
    assert {one.member.code: reason for one, reason in found.passed}.get("l") == why


def test_a_volunteer_who_stands_in_is_still_not_asked_what_volunteers_are_not() -> None:
    here = town(("a", GRID, "G1"), ("l", CHIEF, "B"), ("o", OFFICE, "C"), leaves=(leave("a", "l"),))
    assert names(choice(here, Situation(GRID, roles=ROLES)))[0] == "l"
    assert names(choice(here, Situation(GRID, roles=ROLES, scope="大事")))[0] == "o"


def test_of_what_is_sealed_only_cleared_roles_are_asked() -> None:
    here = town(("a", GRID, "G1"), ("o", OFFICE, "C"), ("s", Role.SUPERVISOR, "C"))
    cleared = frozenset({Role.MEDIATOR, Role.SUPERVISOR})
    found = candidates(here, "B", lead_roles(Role.MEDIATOR, cleared), NOW)
    assert names(choose(found, Situation(Role.MEDIATOR, cleared=cleared))) == ["s"]


def test_at67_a_complaint_about_staff_never_falls_to_them() -> None:
    here = town(("a", GRID, "G1"), ("h", HEAD, "G1"), ("o", OFFICE, "C"))
    assert names(choice(here, Situation(Role.SUPERVISOR))) == ["o"]


@pytest.mark.parametrize(
    ("hour", "days", "on"), [(9, {0}, True), (21, {0}, False), (9, {1}, False), (2, {6}, False)]
)
def test_hours_on_duty(hour: int, days: set[int], on: bool) -> None:
    assert Duty(frozenset(days), time(8), time(20)).covers(datetime(2026, 11, 23, hour, tzinfo=UTC)) is on


@pytest.mark.parametrize(
    ("hour", "days", "on"), [(21, {0}, True), (3, {6}, True), (3, {0}, False), (9, {0}, False)]
)
def test_a_night_on_duty_ends_the_next_morning(hour: int, days: set[int], on: bool) -> None:
    assert Duty(frozenset(days), time(20), time(8)).covers(datetime(2026, 11, 23, hour, tzinfo=UTC)) is on


# --- who fits best ----------------------------------------------------------------------------

TWO = town(("a", GRID, "G1"), ("b", GRID, "G1"), ("o", OFFICE, "C"))


@pytest.mark.parametrize(
    ("of_a", "of_b"),
    [
        (Facts(open=3), Facts(open=1)),
        (Facts(late=1), Facts(open=2)),
        (Facts(), Facts(on_duty=True)),
        (Facts(), Facts(promptness=1.0, open=2)),
        (Facts(open=2), Facts(before=True, open=4)),
        (Facts(today=2), Facts(today=1)),
    ],
    ids=["less in hand", "late weighs more", "on duty", "prompt", "knows the place", "less asked today"],
)
def test_of_equals_the_better_placed_leads(of_a: Facts, of_b: Facts) -> None:
    assert names(choice(TWO, Situation(GRID, facts={"a": of_a, "b": of_b})))[0] == "b"


def test_who_knows_the_matter_leads() -> None:
    here = replace(TWO, members={**TWO.members, "b": Member("b", "b", expertise=("PF",))})
    assert names(choice(here, Situation(GRID, category="PF03")))[0] == "b"
    assert names(choice(here, Situation(GRID, category="EN01")))[0] == "a"


def test_a_stand_in_never_passes_the_wanted_role() -> None:
    busy = Facts(open=10, late=2, today=9)
    assert names(choice(TWO, Situation(GRID, facts={"a": busy, "b": busy}))) == ["a", "b", "o"]


@pytest.mark.parametrize(("area", "weight"), [("B", 40), ("Z", 28), ("P", 16), ("G1", 16), ("C", 8)])
def test_nearness_by_the_smallest_unit_in_common(area: str, weight: float) -> None:
    (one,) = candidates(town(("a", GRID, area)), "B", (GRID,), NOW)
    assert score(one, Situation(GRID)) == {"near": weight}


def test_promptness_is_a_rank() -> None:
    assert promptness({"a": 60.0, "b": 600.0, "c": 90.0}) == {"a": 1.0, "c": 0.5, "b": 0.0}
    assert promptness({"a": 600.0}) == {"a": 1.0}
    assert promptness({}) == {}


@pytest.mark.parametrize(
    ("posts", "wanted", "asked"),
    [
        ([("a", GRID, "G1"), ("o", OFFICE, "C")], GRID, set()),
        ([("a", GRID, "G1"), ("b", GRID, "C"), ("o", OFFICE, "C")], GRID, {"a", "b", "o"}),
        ([("l", CHIEF, "B"), ("z", GROUP_CHIEF, "Z")], CHIEF, {"l", "z"}),
    ],
    ids=["one lead", "two leads", "a ceiling"],
)
def test_their_work_is_looked_up_only_where_it_decides(
    posts: list[Post], wanted: Role, asked: set[str]
) -> None:
    found = candidates(town(*posts), "B", lead_roles(wanted), NOW)
    assert in_question(found, Situation(wanted, roles=ROLES)) == asked


# --- properties -------------------------------------------------------------------------------

_facts = st.builds(
    Facts,
    on_duty=st.sampled_from([None, True, False]),
    open=st.integers(0, 15),
    late=st.integers(0, 4),
    today=st.integers(0, 5),
    week=st.integers(0, 12),
    promptness=st.floats(0, 1),
    before=st.booleans(),
)
_codes = st.sampled_from("abcdefgh")
_posts = st.lists(
    st.tuples(_codes, st.sampled_from([GRID, HEAD, OFFICE, CHIEF, GROUP_CHIEF]), st.sampled_from("BZPC")),
    max_size=10,
)
_situations = st.builds(
    Situation,
    wanted=st.sampled_from([GRID, CHIEF, Role.PROPERTY]),
    limit_class=st.sampled_from(["T1", "T3"]),
    urgent=st.booleans(),
    roles=st.just(ROLES),
    facts=st.dictionaries(_codes, _facts),
)


def _found(posts: list[Post], situation: Situation) -> list[Candidate]:
    return candidates(town(*posts), "B", lead_roles(situation.wanted), NOW)


@given(_posts, _situations, st.randoms())
def test_at73_the_same_people_in_any_order_are_the_same_choice(
    posts: list[Post], situation: Situation, chance: Random
) -> None:
    found = _found(posts, situation)
    shuffled = list(found)
    chance.shuffle(shuffled)
    assert names(choose(found, situation)) == names(choose(shuffled, situation))


@given(_posts, _situations)
def test_at74_without_the_first_the_next_leads(posts: list[Post], situation: Situation) -> None:
    found = _found(posts, situation)
    before = names(choose(found, situation))
    if before:
        without = replace(situation, returned=frozenset({before[0]}))
        assert names(choose(found, without)) == before[1:]


@given(_posts, _situations, st.sets(_codes))
def test_who_is_left_out_changes_nothing_among_the_others(
    posts: list[Post], situation: Situation, out: set[str]
) -> None:
    found = _found(posts, situation)
    before = names(choose(found, situation))
    after = names(choose(found, replace(situation, returned=frozenset(out))))
    assert after == [code for code in before if code not in out]
