"""Pure decisions, as tables: the responsible person, the due time."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from routing.choose import Situation, alerted, candidates, choose, lead_roles
from routing.limits import Calendar, Hours, add
from routing.organisation import Appointment, Area, AreaKind, Member, Organisation, Role

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")

# --- people -----------------------------------------------------------------------------------


def town(*posts: tuple[str, Role, str], ended: tuple[str, ...] = ()) -> Organisation:
    """A community C with grids G1 and G2 and building B in G1."""
    areas = (
        Area("C", AreaKind.COMMUNITY, "社区"),
        Area("G1", AreaKind.GRID, "一网格", "C"),
        Area("G2", AreaKind.GRID, "二网格", "C"),
        Area("B", AreaKind.BUILDING, "3号楼", "G1"),
    )
    return Organisation(
        areas={area.code: area for area in areas},
        members={code: Member(code, code) for code, _, _ in posts},
        appointments=tuple(
            Appointment(code, role, area, ends=NOW if code in ended else None) for code, role, area in posts
        ),
    )


GRID, HEAD, OFFICE, CHIEF = Role.GRID_MEMBER, Role.GRID_HEAD, Role.COMMUNITY, Role.NEIGHBOR_CHIEF


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
    ],
    ids=[
        "the place's own", "nearest first", "head stands in", "community stands in", "not who sent it back",
        "the community's own", "a role nobody has", "another grid's", "nobody", "equal: by code",
    ],
)  # fmt: skip
def test_the_nearest_active_appointment_leads(
    posts: list[tuple[str, Role, str]],
    ended: tuple[str, ...],
    wanted: Role,
    returned: tuple[str, ...],
    lead: str | None,
    vacancy: Role | None,
) -> None:
    found = candidates(town(*posts, ended=ended), "B", lead_roles(wanted), NOW)
    choice = choose(found, Situation(wanted, frozenset(returned)))
    assert (choice.people[0].member.code if choice.people else None) == lead
    assert choice.vacancy == vacancy
    assert choice.reasons


def test_the_less_busy_of_two_equals_leads() -> None:
    found = candidates(town(("a", GRID, "G1"), ("b", GRID, "G1")), "B", lead_roles(GRID), NOW)
    assert choose(found, Situation(GRID, load={"a": 3, "b": 1})).people[0].member.code == "b"


def test_at74_without_the_first_the_next_leads() -> None:
    found = candidates(town(("a", GRID, "G1"), ("h", HEAD, "G1")), "B", lead_roles(GRID), NOW)
    first = choose(found, Situation(GRID)).people
    assert choose(found, Situation(GRID, frozenset({first[0].member.code}))).people[0] == first[1]


def test_an_emergency_reaches_desk_grid_and_nearest_chief() -> None:
    here = town(
        ("d", Role.DUTY_DESK, "C"), ("a", GRID, "G1"), ("z", Role.GROUP_CHIEF, "G1"), ("l", CHIEF, "B")
    )
    assert [one.member.code for one in alerted(here, "B", NOW)] == ["d", "a", "l"]


def test_an_emergency_reaches_the_helpers_it_needs() -> None:
    here = town(("d", Role.DUTY_DESK, "C"), ("a", GRID, "G1"), ("v", Role.VILLAGE_DOCTOR, "C"))
    found = alerted(here, "B", NOW, (GRID, Role.VILLAGE_DOCTOR, Role.STREET))
    assert [one.member.code for one in found] == ["d", "a", "v"]


def test_at67_a_complaint_about_staff_never_falls_to_them() -> None:
    found = candidates(
        town(("a", GRID, "G1"), ("h", HEAD, "G1"), ("o", OFFICE, "C")), "B", lead_roles(Role.SUPERVISOR), NOW
    )
    assert [one.member.code for one in choose(found, Situation(Role.SUPERVISOR)).people] == ["o"]


# --- due times --------------------------------------------------------------------------------

DAILY = Hours(time(8), time(20), frozenset(range(7)))
WEEK = Hours(time(9), time(17, 30), frozenset(range(5)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("start", "duration", "calendar", "due"),
    [
        ("2026-11-23 09:00", timedelta(hours=2), Calendar.ALWAYS, "2026-11-23 11:00"),
        ("2026-11-23 19:00", timedelta(hours=2), Calendar.SERVICE_HOURS, "2026-11-24 09:00"),
        ("2026-11-23 23:00", timedelta(minutes=30), Calendar.SERVICE_HOURS, "2026-11-24 08:30"),
        ("2026-11-23 07:00", timedelta(minutes=30), Calendar.SERVICE_HOURS, "2026-11-23 08:30"),
        ("2026-11-27 17:00", timedelta(hours=2), Calendar.WORKING_HOURS, "2026-11-30 10:30"),
        ("2026-11-28 12:00", timedelta(hours=1), Calendar.WORKING_HOURS, "2026-11-30 10:00"),
        ("2026-11-23 18:00", timedelta(hours=2), Calendar.SERVICE_HOURS, "2026-11-23 20:00"),
    ],
)
def test_due_counts_open_hours_only(start: str, duration: timedelta, calendar: Calendar, due: str) -> None:
    hours = {Calendar.SERVICE_HOURS: DAILY, Calendar.WORKING_HOURS: WEEK}.get(calendar)
    assert add(at(start).astimezone(UTC), duration, hours, SHANGHAI) == at(due)
