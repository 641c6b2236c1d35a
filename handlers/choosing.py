"""Who gets a request: what bears on the choice is gathered, and the office hears what the choice met."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta

from handlers import cards
from handlers.desk import Desk, to_member
from routing.choose import (
    Candidate,
    Choice,
    Facts,
    Obstacle,
    Situation,
    candidates,
    choose,
    considered,
    in_question,
    lead_roles,
    promptness,
)
from routing.organisation import DISPATCHERS, Role
from storage import queries, work
from storage.tables import ServiceRequest

COMPLAINT = "PA04"  # about how somebody on the roster behaves


def nearest(desk: Desk, area: str | None, roles: Sequence[Role]) -> list[str]:
    """The nearest who hold the first of the roles that anybody there holds."""
    organisation = desk.office.organisation
    root = organisation.only_community()
    for role in roles:
        found = candidates(organisation, area or (root.code if root else None), (role,), desk.now)
        if found:
            return [one.member.code for one in found if one.steps == found[0].steps]
    return []


async def choose_for(desk: Desk, request: ServiceRequest, wanted: Role | None = None) -> Choice:
    """Who should have the request, in order; `wanted` where it is not for the category to say."""
    office, area = desk.office, request.area or request.community
    wanted = wanted or _wanted(desk, request)
    cleared = cleared_for(desk, request)
    found = considered(office.organisation, area, lead_roles(wanted, cleared), desk.now)
    situation = Situation(
        wanted,
        returned=frozenset(request.returned_by),
        complained=await _complained_of(desk, request),
        category=request.category,
        scope=request.scope,
        limit_class=request.limit_class,
        urgent=request.urgent,
        cleared=cleared,
        roles=office.roles,
        facts=_hours(desk, found),
    )
    asked = in_question(found, situation)
    if asked:
        situation = replace(situation, facts=await _facts(desk, request, asked, situation.facts))
    return choose(found, situation)


def cleared_for(desk: Desk, request: ServiceRequest) -> frozenset[Role] | None:
    """The roles that may hear of a sealed request; None for one that is open to all."""
    return frozenset(cards.cleared(desk, request)) if request.sealed else None


def _wanted(desk: Desk, request: ServiceRequest) -> Role:
    """The role that the category asks for."""
    leaf = desk.office.leaf(request.category)
    if leaf is not None:
        return desk.office.role(leaf.role)
    return Role.DUTY_DESK if request.urgent else Role.GRID_MEMBER


async def _complained_of(desk: Desk, request: ServiceRequest) -> frozenset[str]:
    """A complaint about somebody on the roster: whoever serves the grid or had this resident's requests."""
    if request.category != COMPLAINT:
        return frozenset()
    organisation, area = desk.office.organisation, request.area or request.community
    grid = organisation.grid(area)
    there = organisation.holders_within(grid.code, desk.now) if grid else set()
    earlier = await desk.unit.run(queries.requests_of, request.resident)
    return frozenset(there | {one.assignee for one in earlier if one.assignee})


def _hours(desk: Desk, found: Sequence[Candidate]) -> dict[str, Facts]:
    """Who of the candidates is on duty now, as far as hours are set for them."""
    local, organisation = desk.now.astimezone(desk.office.zone), desk.office.organisation
    return {
        one.member.code: Facts(on_duty=organisation.on_duty(one.member.code, local))
        for one in found
        if one.member.duties
    }


async def _facts(
    desk: Desk, request: ServiceRequest, members: set[str], hours: Mapping[str, Facts]
) -> dict[str, Facts]:
    """What the members have in hand and were asked lately, with their hours."""
    today = datetime.combine(desk.now.astimezone(desk.office.zone), time.min, desk.office.zone)
    monday = today - timedelta(days=today.weekday())
    place, master = request.area or request.community, request.master
    found = await desk.unit.run(work.work_of, members, desk.now, today, monday, place, master)
    ranks = promptness({code: one.seconds for code, one in found.items() if one.seconds is not None})
    known = {
        code: replace(
            hours.get(code, Facts()),
            open=one.open,
            late=one.late,
            today=one.today,
            week=one.week,
            before=one.before,
            promptness=ranks.get(code, 0.0),
        )
        for code, one in found.items()
    }
    return {**hours, **known}


# --- what people should know ---------------------------------------------------------------------


def tell_office(desk: Desk, request: ServiceRequest, choice: Choice) -> None:
    """What the choice met that people should know: a vacant post, a chief who is asked too much."""
    if choice.vacancy is not None:
        _tell_vacancy(desk, request, choice.vacancy)
    for one, why in choice.passed:
        if why is Obstacle.CEILING:
            _tell_ceiling(desk, request, one)


def _tell_ceiling(desk: Desk, request: ServiceRequest, one: Candidate) -> None:
    """The chief of the section hears once a day that no more is asked of somebody; else the community."""
    area = request.area or request.community
    for member in nearest(desk, area, (Role.AREA_CHIEF, *DISPATCHERS)):
        desk.remark_once(
            f"ceiling:{one.member.code}:{member}:{desk.now.astimezone(desk.office.zone):%y%m%d}",
            to_member(member),
            "ceiling",
            whom=desk.office.title(one.member.code, desk.now),
            rule=desk.office.roles.of(one.role).rule,
        )


def _tell_vacancy(desk: Desk, request: ServiceRequest, role: Role) -> None:
    """The dispatchers and the chiefs of the place hear once a day that nobody holds a post."""
    area = request.area or request.community
    grid = desk.office.organisation.grid(area)
    place = grid.name if grid else desk.office.place_name(request.community)
    roles = () if request.sealed else (Role.GROUP_CHIEF, Role.AREA_CHIEF)
    chiefs = (member for one in roles for member in nearest(desk, area, (one,)))
    for member in dict.fromkeys((*nearest(desk, area, DISPATCHERS), *chiefs)):
        desk.remark_once(
            f"vacancy:{role}:{place}:{member}:{desk.now.astimezone(desk.office.zone):%y%m%d}",
            to_member(member),
            "vacancy",
            request=request,
            number=request.number,
            role=desk.office.texts.label(role),
            place=place,
        )
