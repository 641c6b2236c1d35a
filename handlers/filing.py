"""A draft becomes a request: its number, its owner, and everybody who must know, in one unit of work."""

from collections.abc import Sequence

import msgspec

from handlers import byhand, cards, choosing, drafts, feedback, lifecycle, patrol
from handlers.cards import Brief
from handlers.desk import Desk, RefusalError, Urgency, subject_of, to_member, to_resident
from handlers.drafts import Draft, Source
from handlers.turn import Turn
from routing.choose import Choice, alerted, candidates
from routing.classify import Decision
from routing.guidance import helper
from routing.organisation import DISPATCHERS, Role
from routing.privacy import wants_no_name
from routing.rules import GUIDED_LIMIT, Leaf, Scope
from routing.text import readable
from routing.transitions import Actor, Event, Status
from storage import queries
from storage.ids import new_id
from storage.tables import Attachment, MediaState, ServiceRequest

URGENT_LIMIT = "T0"
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
    if not urgent and _is_own_choice(turn, decision, category):
        feedback.remember(desk, request, decision.category, category, "resident", told.text)
    desk.files(request)
    turn.conversation.draft = None
    turn.conversation.last_request = request.id
    if category is None and not urgent and not direct:
        await lifecycle.advance(desk, request, Event.TRIAGE, Actor.SYSTEM, SYSTEM)
        await post_to_dispatchers(desk, request, told)
    else:
        await lifecycle.advance(desk, request, Event.ACCEPT, Actor.SYSTEM, SYSTEM)
        await assign(desk, request, told, Role.GRID_MEMBER if direct else _helper(turn, request, draft))
    if request.source == Source.PATROL:
        await patrol.found(turn, request)
    return request


def _is_own_choice(turn: Turn, decision: Decision, category: str | None) -> bool:
    """Whether the resident chose another category than the likeliest, on the card.

    What only changes its category because people are to come is no mistake of the rules.
    """
    guess = decision.category
    becomes = turn.office.together.guidance.becomes
    return category is not None and category not in (guess, becomes.get(guess or ""))


def _helper(turn: Turn, request: ServiceRequest, draft: Draft) -> Role | None:
    """Who is sent when the resident asks for help with what the bot would only guide."""
    office, leaf = turn.office, turn.office.leaf(request.category)
    if leaf is None or not leaf.guided or request.urgent:
        return None
    held = office.organisation.held(request.area or request.community, turn.now)
    first = (Role.VOLUNTEER,) if volunteers(turn, draft, leaf) else ()
    return helper(leaf, held, first)


def volunteers(turn: Turn, draft: Draft, leaf: Leaf) -> bool:
    """Whether volunteers may come for this: the old and the disabled do not have to buy everything."""
    guidance = turn.office.together.guidance
    return leaf.code in guidance.volunteers and (turn.home().elder or guidance.is_frail(draft.text))


async def file_light(turn: Turn, draft: Draft, decision: Decision) -> ServiceRequest:
    """Only counted: which category, when, at which building. No words, no photos, and nobody is sent."""
    desk = turn.desk
    request = await _create(turn, draft, decision, drafts.settled_category(draft, decision), urgent=False)
    request.decision = {**request.decision, "candidates": []}  # which name the words that were said
    desk.opens(subject_of(request))
    lifecycle.start(desk, request, "resident")
    turn.conversation.draft = None
    await desk.unit.run(queries.forget_attachments, draft.attachments)
    await lifecycle.advance(desk, request, Event.GUIDE, Actor.SYSTEM, SYSTEM)
    return request


def _emergency_category(turn: Turn, decision: Decision) -> str | None:
    """The best candidate that is an emergency; none where only the person's word or button says so."""
    for one in decision.candidates:
        leaf = turn.office.leaf(one.category)
        if leaf and leaf.scope is Scope.URGENT:
            return one.category
    return None


def _lead(choice: Choice) -> str | None:
    return choice.people[0].member.code if choice.people else None


async def assign(desk: Desk, request: ServiceRequest, told: Brief, wanted: Role | None = None) -> None:
    """Choose the responsible person, keep the reason, and give out the cards."""
    await _seal(desk, request)
    choice = await choosing.choose_for(desk, request, wanted)
    if request.urgent:
        request.alerted = to_alert(desk, request)
    await assign_to(desk, request, told, _lead(choice), Actor.SYSTEM, SYSTEM, choice.reasons)
    choosing.tell_office(desk, request, choice)


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
    await byhand.post_to_group(desk, request)


async def pass_on(desk: Desk, request: ServiceRequest) -> str | None:
    """Whoever had the request is gone or away: choose again; returns who has it now."""
    choice = await choosing.choose_for(desk, request)
    lead = _lead(choice)
    await hand_over(desk, request, lead, Actor.SYSTEM, SYSTEM, choice.reasons)
    choosing.tell_office(desk, request, choice)
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
    await byhand.post_to_group(desk, request)
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
    found = alerted(desk.office.organisation, area, desk.now, also, choosing.cleared_for(desk, request))
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
    return choosing.nearest(desk, request.area or request.community, cards.sorting_roles(desk, request))


def dispatchers(desk: Desk, area: str | None) -> list[str]:
    """The duty desk, else the community: the nearest who hold the first of these roles."""
    return choosing.nearest(desk, area, DISPATCHERS)


async def _create(
    turn: Turn, draft: Draft, decision: Decision, category: str | None, urgent: bool
) -> ServiceRequest:
    desk, organisation = turn.desk, turn.office.organisation
    community = organisation.community(draft.place) or organisation.only_community()
    code = community.code if community else "HY"
    unnamed = draft.anonymous or wants_no_name(draft.text)
    spot = None if unnamed and not urgent else drafts.coordinates(draft)
    latitude, longitude = spot or (None, None)
    request = ServiceRequest(
        id=new_id(),
        number=await desk.request_number(code),
        community=code,
        area=draft.place or (community.code if community else None),
        resident=turn.home().id,
        channel=turn.message.channel,
        source=Source.PATROL if patrol.is_finding(turn, draft.text) else draft.source,
        anonymous=unnamed,
        latitude=latitude,
        longitude=longitude,
        endorsements=0,
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
    put_under(desk, request, turn.office.leaf(category))
    turn.home().home_area = turn.home().home_area or draft.place
    desk.unit.add(request)
    return request


def put_under(desk: Desk, request: ServiceRequest, leaf: Leaf | None) -> None:
    """Give a request its category, with the scope and limits that follow. Help that a resident asks for
    has ordinary limits, though its category is only guided."""
    request.category = leaf.code if leaf else None
    request.scope = leaf.scope.value if leaf else None
    request.urgent = request.urgent or (leaf is not None and leaf.scope is Scope.URGENT)
    ordinary = desk.office.limits.default_class if leaf and leaf.limit == GUIDED_LIMIT else None
    request.limit_class = URGENT_LIMIT if request.urgent else ordinary or (leaf.limit if leaf else None)


async def _keep(desk: Desk, request: ServiceRequest, draft: Draft, kind: str) -> Brief:
    """Store what the resident said and sent with the request; what is still on its way is told later.

    Of somebody who is not to be named no contact is kept, and their place only where there is danger.
    """
    text = _with_place(draft)
    note = desk.note(request, kind, text, "resident") if text else None
    contact = None if request.anonymous else draft.contact
    location = None if request.anonymous and not request.urgent else draft.location
    if draft.follows:
        desk.note(request, "earlier", draft.follows, "system")
    if contact:
        desk.note(request, "contact", contact, "resident")
    if location:
        desk.note(request, "location", location, "resident")
    found = [await desk.unit.get(Attachment, one) for one in draft.attachments]
    owned = [one for one in found if one is not None]
    for attachment in owned:
        attachment.request = request.id
    stored = tuple(one for one in owned if one.state is MediaState.STORED)
    masked, rooms = (cards.hides(note), (note.id,) if note.rooms else ()) if note else (False, ())
    return Brief(
        note.body if note else "", contact, location, len(owned), stored, masked, draft.follows, rooms
    )


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
            **cards.rooms_for(request, member, told.rooms),
        )
        for photo in told.photos:
            cards.send_photo(desk, request, member, photo)
