"""A draft becomes a request: its number, its owner, and everybody who must know, in one unit of work."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta

import msgspec

from handlers import cards, drafts, lifecycle
from handlers.cards import Brief
from handlers.desk import Desk, RefusalError, Urgency, subject_of, to_member, to_resident
from handlers.drafts import Draft
from handlers.turn import Turn
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
)
from routing.classify import Decision
from routing.organisation import DISPATCHERS, Role
from routing.privacy import wants_no_name
from routing.rules import Scope
from routing.text import readable
from routing.transitions import Actor, Event, Status
from storage import queries, work
from storage.ids import new_id
from storage.tables import Attachment, MediaState, ServiceRequest, day_key

URGENT_LIMIT = "T0"
COMPLAINT = "PA04"  # about how somebody on the roster behaves
SYSTEM = "system"

Reasons = Sequence[tuple[str, str]]


async def file_request(
    turn: Turn,
    draft: Draft,
    decision: Decision,
    *,
    urgent: bool = False,
    direct: bool = False,
) -> ServiceRequest:
    """File the draft and send it on its way. `direct` goes to the grid member without being classified."""
    desk = turn.desk
    category = _emergency_category(turn, decision) if urgent else drafts.settled_category(draft, decision)
    request = await _create(turn, draft, decision, category, urgent)
    desk.opens(subject_of(request))
    lifecycle.start(desk, request, "resident")
    told = await _keep(desk, request, draft, "report")
    turn.conversation.draft = None
    turn.conversation.last_request = request.id
    if category is None and not urgent and not direct:
        await lifecycle.advance(desk, request, Event.TRIAGE, Actor.SYSTEM, SYSTEM)
        await post_to_dispatchers(desk, request, told)
    else:
        await lifecycle.advance(desk, request, Event.ACCEPT, Actor.SYSTEM, SYSTEM)
        await assign(desk, request, told, Role.GRID_MEMBER if direct else None)
    return request


def _emergency_category(turn: Turn, decision: Decision) -> str | None:
    """The best candidate that is an emergency; none where only the person's word or button says so."""
    for one in decision.candidates:
        leaf = turn.office.leaf(one.category)
        if leaf and leaf.scope is Scope.URGENT:
            return one.category
    return None


async def assign(desk: Desk, request: ServiceRequest, told: Brief, wanted: Role | None = None) -> None:
    """Choose the responsible person, keep the reason, and give out the cards."""
    await _seal(desk, request)
    choice = await _choose(desk, request, wanted)
    if request.urgent:
        request.alerted = to_alert(desk, request)
    await assign_to(desk, request, told, _lead(choice), Actor.SYSTEM, SYSTEM, choice.reasons)
    await _tell_office(desk, request, choice)


async def _seal(desk: Desk, request: ServiceRequest) -> None:
    """What its category seals is closed before anybody sees it."""
    if not request.sealed and desk.office.roles.cleared(request.category) is not None:
        request.sealed = True
        await lifecycle.advance(desk, request, Event.SEAL, Actor.SYSTEM, SYSTEM)


def _who_may_see(desk: Desk, request: ServiceRequest, members: list[str]) -> list[str]:
    """Of these, and of those whom the seal names, who may see the request: nearest first."""
    if not request.sealed:
        return members
    roles, area = cards.cleared(desk, request), request.area or request.community
    named = sorted(
        candidates(desk.office.organisation, area, roles, desk.now),
        key=lambda one: (one.role is Role.SUPERVISOR, one.steps),
    )
    codes = dict.fromkeys([*members, *(one.member.code for one in named)])
    return [code for code in codes if cards.may_see(desk, code, request)]


async def assign_to(
    desk: Desk,
    request: ServiceRequest,
    told: Brief,
    member: str | None,
    actor: Actor,
    who: str,
    reasons: Reasons,
) -> None:
    """Make this member responsible; None leaves it to the community's dispatchers as a queue.

    Raises RefusalError where somebody would be given by hand what their role must not be asked.
    """
    await _entrust(desk, request, Event.ASSIGN, member, actor, who, reasons)
    for one in in_charge(desk, request):
        await cards.post_to_member(desk, request, one, told)
    await cards.post_to_group(desk, request)


async def pass_on(desk: Desk, request: ServiceRequest) -> str | None:
    """Whoever had the request is gone or away: choose again; returns who has it now."""
    choice = await _choose(desk, request, None)
    lead = _lead(choice)
    await hand_over(desk, request, lead, Actor.SYSTEM, SYSTEM, choice.reasons)
    await _tell_office(desk, request, choice)
    return lead


async def hand_over(
    desk: Desk,
    request: ServiceRequest,
    member: str | None,
    actor: Actor,
    who: str,
    reasons: Reasons,
) -> None:
    """Somebody else is responsible from now on; the former card loses its buttons, the resident hears.

    Raises RefusalError as `assign_to` does.
    """
    await _entrust(desk, request, Event.HAND_OVER, member, actor, who, reasons)
    await show_to_new(desk, request)
    await cards.post_to_group(desk, request)
    for resident in await cards.residents_of(desk, request):
        desk.say(
            to_resident(resident),
            "handed_over",
            request=request,
            number=request.number,
            handler=desk.office.title(member, desk.now),
        )


async def _entrust(
    desk: Desk,
    request: ServiceRequest,
    event: Event,
    member: str | None,
    actor: Actor,
    who: str,
    reasons: Reasons,
) -> None:
    if actor is not Actor.SYSTEM and member is not None:
        _check_duties(desk, request, member)
    if event is Event.HAND_OVER:
        request.claimed_by, request.alerted = None, [one for one in request.alerted if one != member]
    request.assignee = member
    request.reason = {"terms": [list(term) for term in reasons]}
    await lifecycle.advance(desk, request, event, actor, who, assignee=member, reason=request.reason)


async def show_to_new(desk: Desk, request: ServiceRequest) -> None:
    """Give the card to those who have the request now and were not shown it before."""
    shown = await desk.cards(subject_of(request))
    new = [one for one in in_charge(desk, request) if to_member(one) not in shown]
    if new:
        told = await cards.brief(desk, request)
        for one in new:
            await cards.post_to_member(desk, request, one, told)


def _check_duties(desk: Desk, request: ServiceRequest, member: str) -> None:
    """What a role must not be asked, nobody can ask of it by hand. The refusal quotes the rule."""
    area = request.area or request.community
    role = desk.office.organisation.role_at(member, area, desk.now)
    duties = desk.office.roles.of(role) if role else None
    if duties is not None and not duties.accepts(request.scope, request.limit_class):
        whom = desk.office.title(member, desk.now)
        raise RefusalError("duty_refused", number=request.number, whom=whom, rule=duties.rule)


def to_alert(desk: Desk, request: ServiceRequest) -> list[str]:
    """Whom an emergency reaches besides the assignee."""
    area, also = request.area or request.community, desk.office.helpers(request.category)
    found = alerted(desk.office.organisation, area, desk.now, also, _cleared(desk, request))
    return [one.member.code for one in found]


def in_charge(desk: Desk, request: ServiceRequest) -> list[str]:
    """Who has the request now: its handlers, and those who sort while nobody is responsible.

    Of a sealed one they are those who may see it; where there is nobody, the dispatchers learn just that.
    """
    if request.assignee is not None:
        return cards.handlers_of(request)
    waiting = list(dict.fromkeys([*sorters(desk, request), *request.alerted]))
    return _who_may_see(desk, request, waiting) or waiting


async def post_to_dispatchers(desk: Desk, request: ServiceRequest, told: Brief) -> None:
    """Nobody is responsible yet: the community decides."""
    for member in in_charge(desk, request):
        await cards.post_to_member(desk, request, member, told)


def sorters(desk: Desk, request: ServiceRequest) -> list[str]:
    """Who says where the request goes: the dispatchers; after a second return the supervisor."""
    return nearest(desk, request.area or request.community, cards.sorting_roles(desk, request))


def dispatchers(desk: Desk, area: str | None) -> list[str]:
    """The duty desk, else the community: the nearest who hold the first of these roles."""
    return nearest(desk, area, DISPATCHERS)


def nearest(desk: Desk, area: str | None, roles: Sequence[Role]) -> list[str]:
    """The nearest who hold the first of the roles that anybody there holds."""
    organisation = desk.office.organisation
    root = organisation.only_community()
    for role in roles:
        found = candidates(organisation, area or (root.code if root else None), (role,), desk.now)
        if found:
            return [one.member.code for one in found if one.steps == found[0].steps]
    return []


# --- the choice -------------------------------------------------------------------------------


def _lead(choice: Choice) -> str | None:
    return choice.people[0].member.code if choice.people else None


async def _choose(desk: Desk, request: ServiceRequest, wanted: Role | None) -> Choice:
    office, area = desk.office, request.area or request.community
    wanted = wanted or _wanted(desk, request)
    cleared = _cleared(desk, request)
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


def _cleared(desk: Desk, request: ServiceRequest) -> frozenset[Role] | None:
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


async def _tell_office(desk: Desk, request: ServiceRequest, choice: Choice) -> None:
    """What the choice met that people should know: a vacant post, a chief who is asked too much."""
    if choice.vacancy is not None:
        await _tell_vacancy(desk, request, choice.vacancy)
    for one, why in choice.passed:
        if why is Obstacle.CEILING:
            await _tell_ceiling(desk, request, one)


async def _tell_ceiling(desk: Desk, request: ServiceRequest, one: Candidate) -> None:
    """The chief of the section hears once a day that no more is asked of somebody; else the community."""
    area = request.area or request.community
    for member in nearest(desk, area, (Role.AREA_CHIEF, *DISPATCHERS)):
        await desk.say_once(
            f"ceiling:{one.member.code}:{member}:{desk.now.astimezone(desk.office.zone):%y%m%d}",
            to_member(member),
            "ceiling",
            whom=desk.office.title(one.member.code, desk.now),
            rule=desk.office.roles.of(one.role).rule,
        )


async def _tell_vacancy(desk: Desk, request: ServiceRequest, role: Role) -> None:
    """The dispatchers and the chiefs of the place hear once a day that nobody holds a post."""
    area = request.area or request.community
    grid = desk.office.organisation.grid(area)
    place = grid.name if grid else desk.office.place_name(request.community)
    roles = () if request.sealed else (Role.GROUP_CHIEF, Role.AREA_CHIEF)
    chiefs = (member for one in roles for member in nearest(desk, area, (one,)))
    for member in dict.fromkeys((*dispatchers(desk, area), *chiefs)):
        await desk.say_once(
            f"vacancy:{role}:{place}:{member}:{desk.now.astimezone(desk.office.zone):%y%m%d}",
            to_member(member),
            "vacancy",
            request=request,
            number=request.number,
            role=desk.office.texts.label(role),
            place=place,
        )


async def _create(
    turn: Turn, draft: Draft, decision: Decision, category: str | None, urgent: bool
) -> ServiceRequest:
    desk, organisation = turn.desk, turn.office.organisation
    community = organisation.community(draft.place) or organisation.only_community()
    leaf = turn.office.leaf(category)
    code = community.code if community else "HY"
    unnamed = draft.anonymous or wants_no_name(draft.text)
    request = ServiceRequest(
        id=new_id(),
        number=await _number(desk, code),
        community=code,
        area=draft.place or (community.code if community else None),
        resident=turn.home().id,
        channel=turn.message.channel,
        source=draft.source,
        anonymous=unnamed,
        category=category,
        scope=leaf.scope.value if leaf else None,
        limit_class=URGENT_LIMIT if urgent else leaf.limit if leaf else None,
        urgent=urgent,
        decision=msgspec.to_builtins(decision),
        reason={},
        alerted=[],
        seen_by=[],
        not_here_by=[],
        returned_by=[],
        reopened=0,
        touched_at=desk.now,
        created_at=desk.now,
    )
    desk.unit.add(request)
    return request


async def _number(desk: Desk, community: str) -> str:
    today = desk.now.astimezone(desk.office.zone).date()
    count = await desk.next_number(day_key(community, today))
    return f"{community}{today:%y%m%d}-{count:04d}"


async def _keep(desk: Desk, request: ServiceRequest, draft: Draft, kind: str) -> Brief:
    """Store what the resident said and sent with the request; what is still on its way is told later.

    Of somebody who is not to be named no contact is kept, and their place only where there is danger.
    """
    text = _with_place(draft)
    note = desk.note(request, kind, text, "resident") if text else None
    contact = None if request.anonymous else draft.contact
    location = None if request.anonymous and not request.urgent else draft.location
    if contact:
        desk.note(request, "contact", contact, "resident")
    if location:
        desk.note(request, "location", location, "resident")
    found = [await desk.unit.get(Attachment, one) for one in draft.attachments]
    owned = [one for one in found if one is not None]
    for attachment in owned:
        attachment.request = request.id
    stored = tuple(one for one in owned if one.state is MediaState.STORED)
    masked = note is not None and note.original is not None
    return Brief(note.body if note else "", contact, location, len(owned), stored, masked)


async def retire_draft(turn: Turn, draft: Draft, request: ServiceRequest) -> None:
    """The draft was filed without its card: take the card's questions away, and what waits for answers."""
    turn.desk.drop_deadlines(account=turn.conversation.account)
    if turn.reply_to in await turn.desk.cards(draft.subject):
        await turn.desk.show(turn.reply_to, draft.subject, "draft_filed", number=request.number)


def _with_place(draft: Draft) -> str:
    place = draft.place_text or ""
    return draft.text if place in draft.text else drafts.join([draft.text, place])


async def add_to_request(desk: Desk, request: ServiceRequest, draft: Draft) -> None:
    """What a resident says after filing: kept with the request, and told to whoever has it."""
    told = await _keep(desk, request, draft, "addition")
    desk.record(request, "addition", "resident")
    request.touched_at = desk.now
    if request.status is Status.PENDING_INFO:
        await lifecycle.advance(desk, request, Event.REPLY, Actor.RESIDENT, "resident")
    for member in in_charge(desk, request):
        if not cards.may_see(desk, member, request):
            continue
        desk.say(
            to_member(member),
            "addition",
            request=request,
            urgency=Urgency.URGENT if request.urgent else Urgency.ORDINARY,
            number=request.number,
            text=readable(told.text),
        )
        for photo in told.photos:
            cards.send_photo(desk, request, member, photo)
