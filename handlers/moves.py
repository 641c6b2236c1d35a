"""The rarer moves of a member: ask the resident, hand on, more time, refer, plan, mediate, a word between."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from handlers import capacity, cards, clocks, filing, lifecycle
from handlers.capacity import who
from handlers.desk import Desk, RefusalError, to_member, to_resident
from handlers.messages import Choice
from handlers.turn import Turn
from routing.choose import candidates
from routing.limits import Step
from routing.organisation import CHIEFS, LEADERS, Member, Role
from routing.transitions import OPEN, Actor, Event, Status
from storage import queries
from storage.tables import Conversation, Note, ServiceRequest

LEAST_WORDS = 4
_SHOWN = 4  # buttons under one message
_COLLEAGUES = (Role.GRID_MEMBER, *CHIEFS, Role.GRID_HEAD, Role.COMMUNITY, Role.VILLAGE_COMMITTEE)
_DATE = re.compile(r"(?:(\d{4})\s*[年/.-]\s*)?(\d{1,2})\s*[月/.-]\s*(\d{1,2})\s*日?")


# --- [更多] -----------------------------------------------------------------------------------


def offered(turn: Turn, request: ServiceRequest, member: Member) -> list[str]:
    """The rarer moves that this member may make now."""
    if request.status not in OPEN:
        return []
    moves = [
        *_AT.get(request.status, ()),
        *(_LEADERS_AT.get(request.status, ()) if capacity.leads(turn, request, member) else ()),
        *(_MEDIATORS_AT.get(request.status, ()) if _mediates(turn, request, member) else ()),
    ]
    return [move for move in moves if move != "false_alarm" or capacity.may_call_off(turn, request, member)]


_BEGINNING = ("false_alarm", "return", "ask", "transfer", "extend")
_AT: dict[Status, tuple[str, ...]] = {
    Status.ASSIGNED: _BEGINNING,
    Status.ACKNOWLEDGED: _BEGINNING,
    Status.IN_PROGRESS: ("false_alarm", "ask", "transfer", "extend"),
    Status.IN_MEDIATION: ("extend",),
    Status.IN_DELIBERATION: ("extend",),
}
_WORK = ("refer", "plan", "deliberate")
_LEADERS_AT: dict[Status, tuple[str, ...]] = dict.fromkeys(
    (Status.ASSIGNED, Status.ACKNOWLEDGED, Status.IN_PROGRESS), _WORK
)
_MEDIATORS_AT: dict[Status, tuple[str, ...]] = dict.fromkeys(_LEADERS_AT, ("mediate",))


def _mediates(turn: Turn, request: ServiceRequest, member: Member) -> bool:
    area = request.area or request.community
    return turn.office.organisation.holds(member.code, (Role.MEDIATOR,), area, turn.now)


async def more(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """[更多]: the rarer moves, page by page where there are more than four."""
    start = int(turn.tap.value or 0) if turn.tap else 0
    moves = offered(turn, request, member)[start:]
    choices = turn.desk.choices(*moves[:_SHOWN])
    if len(moves) > _SHOWN:
        following = Choice(f"more_moves:{start + _SHOWN - 1}", turn.office.texts.label("more_moves"))
        choices = [*choices[: _SHOWN - 1], following]
    turn.desk.say(turn.staff_reply_to, "more_moves", choices=choices, request=request, number=request.number)


# --- moves that a person puts into words ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Worded:
    """A move with a text: what is asked for, what happens, who may, what the resident hears of it."""

    event: Event
    actor: Actor
    note: str
    told: str


WORDED: dict[str, Worded] = {
    "ask": Worded(Event.ASK, Actor.HANDLER, "question", "question"),
    "mediate": Worded(Event.MEDIATE, Actor.HANDLER, "mediation", "mediation_begun"),
    "deliberate": Worded(Event.DELIBERATE, Actor.LEADER, "deliberation", "deliberation_begun"),
    "refer": Worded(Event.REFER, Actor.LEADER, "referral", "referred"),
    "plan": Worded(Event.PLAN, Actor.LEADER, "plan", "planned"),
}


async def begin(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """A move is chosen: ask for the words it needs."""
    action = turn.tap.action if turn.tap else ""
    _may(turn, request, member, action)
    turn.conversation.prompt = {"kind": action, "request": request.id}
    turn.desk.say(turn.staff_reply_to, f"ask_{action}", request=request, number=request.number)


def _may(turn: Turn, request: ServiceRequest, member: Member, action: str) -> None:
    capacity.may_handle(turn, request, member)
    if action not in offered(turn, request, member):
        raise RefusalError("not_now", number=request.number)


async def worded(turn: Turn, request: ServiceRequest, member: Member, text: str, action: str) -> None:
    """The words have come: the move is made, and the resident hears them."""
    _may(turn, request, member, action)
    move = WORDED[action]
    if len(text) < LEAST_WORDS:
        raise RefusalError("words_too_short", number=request.number, least=LEAST_WORDS)
    _PREPARES.get(action, _nothing)(turn, request, text)
    lifecycle.check(request, move.event, move.actor)
    turn.conversation.prompt = None
    note = turn.desk.note(request, move.note, text, who(member))
    await lifecycle.advance(turn.desk, request, move.event, move.actor, who(member), note=note)
    if action == "ask":
        await _await_answer(turn.desk, request)
    if action == "refer":
        await _hand_to_receivers(turn, request)
    await tell_everybody(turn.desk, request, move.told, who=_title(turn, member), text=text)
    turn.desk.say(turn.staff_reply_to, "move_made", request=request, number=request.number)


async def tell_everybody(desk: Desk, request: ServiceRequest, template: str, **args: Any) -> None:
    for resident in await cards.residents_of(desk, request):
        desk.say(to_resident(resident), template, request=request, number=request.number, **args)


def _title(turn: Turn, member: Member) -> str:
    return turn.office.title(member.code, turn.now)


def _nothing(_turn: Turn, _request: ServiceRequest, _text: str) -> None:
    pass


async def _await_answer(desk: Desk, request: ServiceRequest) -> None:
    """What the resident writes next is the answer."""
    for conversation in await desk.unit.run(queries.conversations_of, request.resident):
        _expect(conversation, request)


def _expect(conversation: Conversation, request: ServiceRequest) -> None:
    conversation.prompt = {"kind": "addition", "request": request.id}


# --- plans ------------------------------------------------------------------------------------


def _plan(turn: Turn, request: ServiceRequest, text: str) -> None:
    """Raises RefusalError where the text names no day to come."""
    day = find_date(text, turn.now.astimezone(turn.office.zone).date())
    if day is None:
        raise RefusalError("plan_needs_date", number=request.number)
    morning = datetime.combine(day, time(9), turn.office.zone)
    request.planned_for = morning
    turn.desk.due("planned", morning, request=request)


def find_date(text: str, today: date) -> date | None:
    """The first day to come that the text names: “12月31日”, “2027-1-5”; without a year the next such day."""
    for year, month, day in _DATE.findall(text):
        for candidate in (int(year),) if year else (today.year, today.year + 1):
            try:
                found = date(candidate, int(month), int(day))
            except ValueError:
                continue
            if found > today:
                return found
    return None


_PREPARES: dict[str, Callable[[Turn, ServiceRequest, str], None]] = {"plan": _plan}


async def planned(desk: Desk, request: ServiceRequest) -> None:
    """The day that was promised has come."""
    if request.status is Status.SCHEDULED:
        await lifecycle.advance(desk, request, Event.RESUME, Actor.SYSTEM, filing.SYSTEM)
        await tell_everybody(desk, request, "resumed")
        for member in filing.in_charge(desk, request):
            desk.say(to_member(member), "plan_due", request=request, number=request.number)


async def resume(turn: Turn, request: ServiceRequest, member: Member) -> None:
    capacity.may_handle(turn, request, member)
    await lifecycle.advance(turn.desk, request, Event.RESUME, Actor.HANDLER, who(member))
    await tell_everybody(turn.desk, request, "resumed")


# --- referral ---------------------------------------------------------------------------------


async def _hand_to_receivers(turn: Turn, request: ServiceRequest) -> None:
    """Whoever of the street or a department is on the roster gets the card and may receive or decline."""
    found = candidates(
        turn.office.organisation,
        request.area or request.community,
        (Role.STREET, Role.DEPT),
        turn.now,
    )
    receivers = [one.member.code for one in found]
    request.referral = {"receivers": receivers}
    told = await cards.brief(turn.desk, request)
    for member in receivers:
        await cards.post_to_member(turn.desk, request, member, told)
    await cards.refresh(turn.desk, request)


async def take_over(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """The receiver has it now; a leader may say so for one who is not on the roster."""
    actor = _receiving(turn, request, member)
    if actor is Actor.RECEIVER:
        request.alerted = list(dict.fromkeys([*request.alerted, *filter(None, [request.assignee])]))
        request.assignee = member.code
    await lifecycle.advance(turn.desk, request, Event.TAKE_OVER, actor, who(member))
    await tell_everybody(turn.desk, request, "taken_over", who=_title(turn, member))


async def decline(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """Not theirs: the community decides again."""
    actor = _receiving(turn, request, member)
    await lifecycle.advance(turn.desk, request, Event.DECLINE, actor, who(member))
    await filing.post_to_dispatchers(turn.desk, request, await cards.brief(turn.desk, request))


def _receiving(turn: Turn, request: ServiceRequest, member: Member) -> Actor:
    if capacity.receives(request, member):
        return Actor.RECEIVER
    if capacity.leads(turn, request, member):
        return Actor.LEADER
    raise RefusalError("not_yours", number=request.number)


# --- handing on -------------------------------------------------------------------------------


async def transfer(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """[转交]: to whom; a tap names the colleague."""
    _may(turn, request, member, "transfer")
    if turn.tap and turn.tap.value:
        await _transfer_to(turn, request, member, turn.tap.value)
        return
    area = request.area or request.community
    found = candidates(turn.office.organisation, area, _COLLEAGUES, turn.now)
    codes = dict.fromkeys(one.member.code for one in found if one.member.code != member.code)
    others = [code for code in codes if cards.may_see(turn.desk, code, request)]
    choices = [Choice(f"transfer:{code}", turn.office.title(code, turn.now)) for code in others[:_SHOWN]]
    if not choices:
        raise RefusalError("nobody_to_transfer_to", number=request.number)
    turn.desk.say(
        turn.staff_reply_to, "ask_transfer", choices=choices, request=request, number=request.number
    )


async def _transfer_to(turn: Turn, request: ServiceRequest, member: Member, code: str) -> None:
    reasons = [("transferred", member.code)]
    await filing.hand_over(turn.desk, request, code, Actor.HANDLER, who(member), reasons)


# --- more time --------------------------------------------------------------------------------


async def extend(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """[申请延期]: once, before the limit, at most the limit's length again; a superior decides."""
    _may(turn, request, member, "extend")
    if request.extension is not None:
        raise RefusalError("extension_once", number=request.number)
    if request.due_result is None or request.due_result <= turn.now:
        raise RefusalError("extension_late", number=request.number)
    if turn.tap and turn.tap.value:
        turn.conversation.prompt = {
            "kind": "extend",
            "request": request.id,
            "percent": int(turn.tap.value),
        }
        turn.desk.say(turn.staff_reply_to, "ask_extend_reason", request=request, number=request.number)
        return
    choices = turn.desk.choices("extend:50", "extend:100")
    turn.desk.say(turn.staff_reply_to, "ask_extend", choices=choices, request=request, number=request.number)


async def extension_reason(turn: Turn, request: ServiceRequest, member: Member, text: str) -> None:
    """The reason has come: 片长 or community is asked."""
    if len(text) < LEAST_WORDS:
        raise RefusalError("words_too_short", number=request.number, least=LEAST_WORDS)
    approver = _approver(turn, request, member)
    percent = (turn.conversation.prompt or {})["percent"]
    turn.conversation.prompt = None
    note = turn.desk.note(request, "extension", text, who(member))
    request.extension = {"percent": percent, "by": member.code, "note": note.id, "state": "asked"}
    turn.desk.record(request, "extension_asked", who(member), note=note, percent=percent)
    until = turn.desk.office.when(_extended(turn, request, percent))
    turn.desk.say(
        to_member(approver),
        "extension_card",
        choices=turn.desk.choices("extension:yes", "extension:no"),
        request=request,
        number=request.number,
        who=_title(turn, member),
        reason=text,
        until=until,
    )
    turn.desk.say(turn.staff_reply_to, "extension_asked", request=request, number=request.number)


def _approver(turn: Turn, request: ServiceRequest, member: Member) -> str:
    roles = (Role.AREA_CHIEF, *LEADERS, Role.SUPERVISOR)
    area = request.area or request.community
    for one in candidates(turn.office.organisation, area, roles, turn.now):
        if one.member.code != member.code:
            return one.member.code
    raise RefusalError("extension_nobody", number=request.number)


def _extended(turn: Turn, request: ServiceRequest, percent: int) -> datetime:
    limit = turn.office.limits.limit(request.limit_class, Step.RESULT)
    more_time = limit.duration * percent / 100 if limit else timedelta(0)
    start = request.due_result or turn.now
    return turn.office.limits.after(start, more_time, limit.calendar) if limit else start


async def extension(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """The superior decides; the resident hears the reason and the new date."""
    asked = request.extension or {}
    if asked.get("state") != "asked" or request.status not in OPEN:
        raise RefusalError("not_now", number=request.number)
    agreed = turn.tap is not None and turn.tap.value == "yes"
    request.extension = {**asked, "state": "agreed" if agreed else "refused"}
    if agreed:
        limit = turn.office.limits.limit(request.limit_class, Step.RESULT)
        if limit is not None:
            clocks.extend(turn.desk, request, limit.duration * asked["percent"] / 100)
        note = await turn.desk.unit.get(Note, asked["note"])
        due = turn.office.when(request.due_result)
        await tell_everybody(turn.desk, request, "extended", reason=note.body if note else "", due=due)
    turn.desk.record(
        request,
        "extended" if agreed else "extension_refused",
        who(member),
        percent=asked["percent"],
        due=clocks.dues(request),
    )
    await cards.refresh(turn.desk, request)
    answer = "extension_agreed" if agreed else "extension_refused"
    turn.desk.say(to_member(asked["by"]), answer, request=request, number=request.number)


# --- a word between ---------------------------------------------------------------------------


async def word(turn: Turn, request: ServiceRequest, member: Member, text: str) -> None:
    """What a member answers to a card in their own words goes to the resident; accounts stay hidden."""
    capacity.may_handle(turn, request, member)
    if len(text) < LEAST_WORDS and not turn.message.media:
        raise RefusalError("card_reply_unclear", number=request.number)
    photos = attach(turn, request, member)
    if text:
        note = turn.desk.note(request, "word", text, who(member))
        turn.desk.record(request, "word", who(member), note=note, photos=photos)
        clocks.contacted(turn.desk, request)
        await tell_everybody(turn.desk, request, "word", who=_title(turn, member), text=text)
    else:
        turn.desk.record(request, "word", who(member), photos=photos)
    turn.desk.say(turn.staff_reply_to, "word_sent", request=request, number=request.number)


def attach(turn: Turn, request: ServiceRequest, member: Member) -> int:
    """Keep a member's photos with the request; they go to the residents once they are here."""
    return len(turn.keep_media(request=request.id, author=who(member)))


Act = Callable[[Turn, ServiceRequest, Member], Awaitable[None]]
ACTIONS: dict[str, Act] = {
    "more_moves": more,
    **dict.fromkeys(WORDED, begin),
    "transfer": transfer,
    "extend": extend,
    "extension": extension,
    "resume": resume,
    "take_over": take_over,
    "decline": decline,
}
