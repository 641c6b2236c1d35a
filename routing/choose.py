"""Which people a request goes to: the nearest active appointment going up the tree, with the reasons."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from routing.organisation import CHIEFS, Area, Member, Organisation, Role

# Who stands in when nobody holds the category's role anywhere above the place.
STAND_INS = (Role.GRID_MEMBER, Role.GRID_HEAD, Role.COMMUNITY)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who could take the request; `steps` is how far up the tree they were found."""

    member: Member
    role: Role
    area: Area
    steps: int


@dataclass(frozen=True, slots=True)
class Situation:
    """What bears on the choice besides the people: who has already sent the request back."""

    wanted: Role
    excluded: frozenset[str] = frozenset()
    load: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The people in order of preference. `people[0]` leads; empty means a queue of the community.

    `reasons` are codes with their values, for the stored explanation;
    `vacancy` names the role that nobody holds, where a stand-in or a queue had to do.
    """

    people: tuple[Candidate, ...]
    reasons: tuple[tuple[str, str], ...]
    vacancy: Role | None = None


def candidates(
    organisation: Organisation, area: str | None, roles: tuple[Role, ...], now: datetime
) -> list[Candidate]:
    """Everybody who holds one of the roles at the place or above it, role by role, nearest first."""
    return [
        Candidate(member, role, step, distance)
        for role in dict.fromkeys(roles)
        for distance, step in enumerate(organisation.up(area))
        for member in organisation.holders(step.code, role, now)
    ]


def choose(found: list[Candidate], situation: Situation) -> Choice:
    """Order the candidates: the wanted role before stand-ins, near before far, free before busy."""
    load = situation.load or {}
    people = tuple(
        sorted(
            _free(found, situation),
            key=lambda one: (*_rank(one, situation), load.get(one.member.code, 0), one.member.code),
        )
    )
    held = any(one.role is situation.wanted for one in found)
    return Choice(people, _reasons(people, situation), None if held else situation.wanted)


def rivals(found: list[Candidate], situation: Situation) -> set[str]:
    """Those who are equally near for the lead, so that only their load tells them apart."""
    free = _free(found, situation)
    best = min((_rank(one, situation) for one in free), default=None)
    return {one.member.code for one in free if _rank(one, situation) == best}


def _free(found: list[Candidate], situation: Situation) -> list[Candidate]:
    return [one for one in found if one.member.code not in situation.excluded]


def _rank(one: Candidate, situation: Situation) -> tuple[int, int]:
    return lead_roles(situation.wanted).index(one.role), one.steps


def lead_roles(wanted: Role) -> tuple[Role, ...]:
    """The wanted role, then its stand-ins. A complaint never falls to those whom it may be about."""
    stand_ins = (Role.COMMUNITY,) if wanted is Role.SUPERVISOR else STAND_INS
    return (wanted, *(role for role in stand_ins if role is not wanted))


def alerted(
    organisation: Organisation, area: str | None, now: datetime, also: Iterable[Role] = ()
) -> list[Candidate]:
    """Whom an emergency reaches in parallel: duty desk, grid member, the nearest chief, and who it needs."""
    groups = ((Role.DUTY_DESK,), (Role.GRID_MEMBER,), CHIEFS, *((role,) for role in also))
    firsts: dict[str, Candidate] = {}
    for roles in groups:
        nearest = sorted(candidates(organisation, area, roles, now), key=lambda one: one.steps)
        if nearest:
            firsts.setdefault(nearest[0].member.code, nearest[0])
    return list(firsts.values())


def _reasons(people: tuple[Candidate, ...], situation: Situation) -> tuple[tuple[str, str], ...]:
    if not people:
        return (("nobody", situation.wanted),)
    lead = people[0]
    kind = "role" if lead.role is situation.wanted else "stand_in"
    reasons = [(kind, lead.role.value), ("area", lead.area.code), ("steps", str(lead.steps))]
    if situation.excluded:
        reasons.append(("returned_by", ",".join(sorted(situation.excluded))))
    return tuple(reasons)
