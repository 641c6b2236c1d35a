"""Row F: what it costs to choose the responsible person in an organisation as large as a whole county."""

import random
import time
from datetime import UTC, datetime

from routing.choose import Facts, Situation, candidates, choose, in_question, lead_roles
from routing.organisation import Appointment, Area, AreaKind, Member, Organisation, Role
from tests.bench.common import Bench
from tests.bench.report import Figure

TOWNS, VILLAGES, MEMBERS = 106, 2_400, 2_700
_NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
_TRIES = 2_000


async def route(bench: Bench) -> list[Figure]:
    """CPU of one choice, from the place to the person, and of the first, which builds the dictionaries."""
    bench.step(f"route: {MEMBERS:,} members, {VILLAGES:,} villages, {TOWNS} towns")
    each, first = [], []
    for _ in range(bench.sizes.repetitions):
        organisation = _county()
        begun = time.process_time()
        _choose(organisation, "V1")
        first.append((time.process_time() - begun) * 1000)
        villages = random.Random(7).choices(range(VILLAGES), k=_TRIES)  # noqa: S311 (test load)
        begun = time.process_time()
        for village in villages:
            _choose(organisation, f"V{village}")
        each.append((time.process_time() - begun) / _TRIES * 1000)
    return [
        Figure("F route", "one choice", tuple(each), "ms", at_most=1),
        Figure("F route", "the first after a new roster", tuple(first), "ms"),
    ]


def _choose(organisation: Organisation, area: str) -> None:
    situation = Situation(Role.GRID_MEMBER, category="PF03", scope="小事", limit_class="T3")
    found = candidates(organisation, area, lead_roles(situation.wanted), _NOW)
    facts = {code: Facts(open=3, today=1) for code in in_question(found, situation)}
    if not choose(found, Situation(Role.GRID_MEMBER, category="PF03", facts=facts)).people:
        raise AssertionError(f"nobody was found for {area}")


def _county() -> Organisation:
    """Every village has a member or two, every town a cadre: 2,700 in all."""
    areas = [Area(f"T{town}", AreaKind.STREET, f"{town}镇") for town in range(TOWNS)]
    areas += [Area(f"V{n}", AreaKind.COMMUNITY, f"{n}村", f"T{n % TOWNS}") for n in range(VILLAGES)]
    posts = [(f"V{n % VILLAGES}", Role.GRID_MEMBER) for n in range(MEMBERS - TOWNS)]
    posts += [(f"T{town}", Role.COMMUNITY) for town in range(TOWNS)]
    return Organisation(
        areas={area.code: area for area in areas},
        members={f"m{n}": Member(f"m{n}", "某") for n in range(MEMBERS)},
        appointments=tuple(Appointment(f"m{n}", role, area) for n, (area, role) in enumerate(posts)),
    )
