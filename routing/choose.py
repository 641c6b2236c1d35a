"""Which people a request goes to: who holds the right post near the place, who may take it, who fits best."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from routing.organisation import CHIEFS, Area, AreaKind, Member, Organisation, Role
from routing.roles import Roles

# Who stands in when nobody holds the category's role anywhere above the place.
STAND_INS = (Role.GRID_MEMBER, Role.GRID_HEAD, Role.COMMUNITY)

# What speaks for somebody, and against them.
NEAR, EXPERTISE, ON_DUTY, PROMPT, BEFORE = 40, 25, 15, 10, 10
OPEN_ITEM, MOST_OPEN = -4, 10
LATE_ITEM, MOST_LATE = -10, 2

WEIGHED = frozenset({"near", "expertise", "on_duty", "prompt", "before", "open", "late"})

_NEARNESS = {
    AreaKind.BUILDING: 1.0,
    AreaKind.NEIGHBOUR_UNIT: 1.0,
    AreaKind.GROUP: 0.7,
    AreaKind.SECTION: 0.4,
    AreaKind.GRID: 0.4,
    AreaKind.COMMUNITY: 0.2,
}
_AT_ONCE = ("T0", "T1")  # limits that do not wait for the next shift


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who could take the request; `steps` is how far up the tree the post was found.

    `bound` are the roles whose duties bind them: the post's, and for a deputy their own besides.
    """

    member: Member
    role: Role
    area: Area
    steps: int
    bound: tuple[Role, ...]
    instead_of: str | None = None
    away: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a member's work; `today` and `week` count what they were asked that was not urgent.

    `promptness` is their rank by the usual time to acknowledge: 1 for the fastest, 0 for the slowest.
    """

    on_duty: bool | None = None
    open: int = 0
    late: int = 0
    today: int = 0
    week: int = 0
    promptness: float = 0.0
    before: bool = False


_NOTHING_KNOWN = Facts()


@dataclass(frozen=True, slots=True)
class Situation:
    """What bears on the choice besides the people: the request, and what the office allows."""

    wanted: Role
    returned: frozenset[str] = frozenset()
    complained: frozenset[str] = frozenset()
    category: str | None = None
    scope: str | None = None
    limit_class: str | None = None
    urgent: bool = False
    cleared: frozenset[Role] | None = None
    roles: Roles = field(default_factory=Roles)
    facts: Mapping[str, Facts] = field(default_factory=dict)

    def of(self, one: Candidate) -> Facts:
        return self.facts.get(one.member.code, _NOTHING_KNOWN)


class Obstacle(StrEnum):
    """Why somebody who could take a request is passed over."""

    AWAY = "away"
    RETURNED = "returned"
    COMPLAINED = "complained"
    SEALED = "sealed"
    REFUSED = "refused"
    OFF_DUTY = "off_duty"
    CEILING = "ceiling"


Terms = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The people in order of preference. `people[0]` leads; empty means a queue of the community.

    `reasons` are codes with their values, for the stored explanation;
    `vacancy` names the role that nobody holds, where a stand-in or a queue had to do.
    """

    people: tuple[Candidate, ...]
    passed: tuple[tuple[Candidate, Obstacle], ...]
    reasons: Terms
    vacancy: Role | None = None


# --- who could --------------------------------------------------------------------------------


def candidates(
    organisation: Organisation, area: str | None, roles: Collection[Role], now: datetime
) -> list[Candidate]:
    """Everybody there who holds one of the roles at the place or above it, role by role, nearest first.

    For whoever is on leave their deputy is found.
    """
    return [one for one in considered(organisation, area, roles, now) if not one.away]


def considered(
    organisation: Organisation, area: str | None, roles: Collection[Role], now: datetime
) -> list[Candidate]:
    """The candidates, and those on leave, marked so, before their deputies."""
    steps = list(enumerate(organisation.up(area)))
    return [
        one
        for role in dict.fromkeys(roles)
        for distance, step in steps
        for member in organisation.holders(step.code, role, now)
        for one in _or_deputy(organisation, Candidate(member, role, step, distance, (role,)), now)
    ]


def _or_deputy(organisation: Organisation, holder: Candidate, now: datetime) -> Iterator[Candidate]:
    code = holder.member.code
    if not organisation.away(code, now):
        yield holder
        return
    yield replace(holder, away=True)
    deputy = organisation.deputy_of(code, now)
    if deputy is not None:
        own = (post.role for post in organisation.posts(deputy, now))
        member, bound = organisation.members[deputy], (holder.role, *own)
        yield replace(holder, member=member, bound=bound, instead_of=code)


def lead_roles(wanted: Role, cleared: frozenset[Role] | None = None) -> tuple[Role, ...]:
    """The wanted role, then who stands in: the chiefs above a chief, the grid, the community.

    Of what is sealed only the roles `cleared` for it hear, whoever that is. Nor does a complaint fall to
    those whom it may be about.
    """
    above = CHIEFS[CHIEFS.index(wanted) :] if wanted in CHIEFS else (wanted,)
    stand_ins = (Role.COMMUNITY,) if wanted is Role.SUPERVISOR else STAND_INS
    order = dict.fromkeys((*above, *stand_ins))
    if cleared is None:
        return tuple(order)
    return tuple(role for role in (order | dict.fromkeys(Role)) if role in cleared)


def alerted(
    organisation: Organisation,
    area: str | None,
    now: datetime,
    also: Iterable[Role] = (),
    cleared: frozenset[Role] | None = None,
) -> list[Candidate]:
    """Whom an emergency reaches in parallel: duty desk, grid member, the nearest chief, and who it needs.

    A sealed one reaches the nearest of each role that is cleared for it, and nobody else.
    """
    groups = [(Role.DUTY_DESK,), (Role.GRID_MEMBER,), CHIEFS, *((role,) for role in also)]
    if cleared is not None:
        groups = [(role,) for role in Role if role in cleared]
    firsts: dict[str, Candidate] = {}
    for roles in groups:
        found = candidates(organisation, area, roles, now)
        if found:
            nearest = min(found, key=lambda one: one.steps)
            firsts.setdefault(nearest.member.code, nearest)
    return list(firsts.values())


# --- who may ----------------------------------------------------------------------------------


def obstacle(one: Candidate, situation: Situation) -> Obstacle | None:
    """What keeps the request from this candidate; the first that applies."""
    return next((name for name, applies in _OBSTACLES.items() if applies(one, situation)), None)


def _sealed(one: Candidate, situation: Situation) -> bool:
    return situation.cleared is not None and one.role not in situation.cleared


def _refused(one: Candidate, situation: Situation) -> bool:
    duties = (situation.roles.of(role) for role in one.bound)
    return not all(each.accepts(situation.scope, situation.limit_class) for each in duties)


def _off_duty(one: Candidate, situation: Situation) -> bool:
    return situation.limit_class in _AT_ONCE and situation.of(one).on_duty is False


def _at_ceiling(one: Candidate, situation: Situation) -> bool:
    if situation.urgent:
        return False
    facts = situation.of(one)
    return any(
        (each.asks_day is not None and facts.today >= each.asks_day)
        or (each.asks_week is not None and facts.week >= each.asks_week)
        for each in map(situation.roles.of, one.bound)
    )


_OBSTACLES = {
    Obstacle.AWAY: lambda one, _: one.away,
    Obstacle.RETURNED: lambda one, situation: one.member.code in situation.returned,
    Obstacle.COMPLAINED: lambda one, situation: one.member.code in situation.complained,
    Obstacle.SEALED: _sealed,
    Obstacle.REFUSED: _refused,
    Obstacle.OFF_DUTY: _off_duty,
    Obstacle.CEILING: _at_ceiling,
}


# --- who fits best ----------------------------------------------------------------------------


def choose(found: Sequence[Candidate], situation: Situation) -> Choice:
    """Order the candidates: the wanted role before stand-ins, then by score, then the less asked today."""
    judged = [(one, obstacle(one, situation)) for one in found]
    free = [one for one, why in judged if why is None]
    people = _once(sorted(free, key=lambda one: _place(one, situation)))
    passed = tuple((one, why) for one, why in judged if why is not None)
    held = any(one.role is situation.wanted for one in found)
    reasons = _reasons(people, passed, situation)
    return Choice(people, passed, reasons, None if held else situation.wanted)


def _once(people: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Whoever may take it in several posts stays at the best of them."""
    firsts: dict[str, Candidate] = {}
    for one in people:
        firsts.setdefault(one.member.code, one)
    return tuple(firsts.values())


def in_question(found: Sequence[Candidate], situation: Situation) -> set[str]:
    """Those whose work must be known before the choice: where several may lead, or a ceiling binds one."""
    free = [one for one in found if obstacle(one, situation) is None]
    if not free:
        return set()
    first = min(_rank(one, situation) for one in free)
    leads = {one.member.code for one in free if _rank(one, situation) == first}
    bounded = not situation.urgent and any(
        situation.roles.of(role).bounded for one in free for role in one.bound
    )
    return {one.member.code for one in free} if bounded or len(leads) > 1 else set()


def score(one: Candidate, situation: Situation) -> dict[str, float]:
    """Everything that speaks for or against a candidate, by name; what weighs nothing is left out."""
    facts = situation.of(one)
    nearness = 1.0 if one.steps == 0 else _NEARNESS.get(one.area.kind, 0.0)
    weights = {
        "near": NEAR * nearness,
        "expertise": EXPERTISE * _knows(one.member, situation.category),
        "on_duty": ON_DUTY * (facts.on_duty is True),
        "prompt": PROMPT * facts.promptness,
        "before": BEFORE * facts.before,
        "open": OPEN_ITEM * min(facts.open, MOST_OPEN),
        "late": LATE_ITEM * min(facts.late, MOST_LATE),
    }
    return {name: weight for name, weight in weights.items() if weight}


def promptness(seconds: Mapping[str, float]) -> dict[str, float]:
    """Ranks between 1 and 0, the fastest first; equal times rank equally."""
    times = sorted(set(seconds.values()))
    last = max(len(times) - 1, 1)
    return {code: 1 - times.index(time) / last for code, time in seconds.items()}


def _knows(member: Member, category: str | None) -> bool:
    return category is not None and any(category.startswith(tag) for tag in member.expertise)


def _rank(one: Candidate, situation: Situation) -> int:
    """The wanted role, then its stand-ins in their order."""
    order = lead_roles(situation.wanted, situation.cleared)
    return order.index(one.role) if one.role in order else len(order)


def _place(one: Candidate, situation: Situation) -> tuple[int, float, int, str]:
    total = sum(score(one, situation).values())
    return _rank(one, situation), -total, situation.of(one).today, one.member.code


def _reasons(
    people: Sequence[Candidate], passed: Sequence[tuple[Candidate, Obstacle]], situation: Situation
) -> Terms:
    ahead = tuple((why.value, one.member.code) for one, why in passed if one.role is situation.wanted)
    if not people:
        return (*ahead, ("nobody", situation.wanted))
    lead = people[0]
    kind = "role" if lead.role is situation.wanted else "stand_in"
    found = ((kind, lead.role.value), ("area", lead.area.code), ("steps", str(lead.steps)))
    deputy = (("deputy", lead.instead_of),) if lead.instead_of else ()
    weights = tuple((name, f"{weight:g}") for name, weight in score(lead, situation).items())
    return (*found, *deputy, *ahead, *weights)
