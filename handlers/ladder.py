"""What happens at the stages of a clock: reminders, the next rung up, yellow and red light, letters."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any
from zlib import crc32

from handlers import cards, clocks, filing, lifecycle, replies
from handlers.desk import Desk, Urgency, to_member, to_resident
from handlers.drafts import Source
from routing.choose import candidates
from routing.limits import Calendar, Do, Stage, Step
from routing.organisation import Role
from routing.transitions import Actor, Event, Status
from storage import queries
from storage.tables import Letter, Note, ServiceRequest

APOLOGY = 1.5  # from this share of a limit on the resident hears that nobody has taken it yet
LETTER_ANSWER_DAYS = 3
CALL_BACK_PERCENT = 10
REDS_FOR_A_LETTER, REDS_WITHIN = 2, timedelta(days=30)


async def walk(desk: Desk, request: ServiceRequest, step: Step) -> None:
    """A clock of the request has reached its next stage, or after an outage several.

    All are recorded. Every rung is called, each person hears it once; of the rest only the last is said.
    """
    due = clocks.fire(desk, request, step)
    for stage in due:
        desk.record(request, stage.do, filing.SYSTEM, limit=step)
    if rungs := [stage for stage in due if stage.do is Do.RUNG]:
        await _climb(desk, request, step, rungs)
    silent = (Do.RUNG, Do.REMIND) if rungs else (Do.RUNG,)
    if others := [stage for stage in due if stage.do not in silent]:
        await _DOES[others[-1].do](desk, request, step, others[-1])


# --- reminders --------------------------------------------------------------------------------


async def _remind(desk: Desk, request: ServiceRequest, step: Step, _stage: Stage) -> None:
    unheard = step is Step.SORT and request.source == Source.VOICE
    template = "voice_unheard" if unheard else "remind"
    _to_staff(desk, request, template, limit=_name(desk, step), due=_due(desk, request, step))


async def _ask_word(desk: Desk, request: ServiceRequest, _step: Step, _stage: Stage) -> None:
    _to_staff(desk, request, "ask_word")


async def _no_news(desk: Desk, request: ServiceRequest, _step: Step, _stage: Stage) -> None:
    who = desk.office.title(request.assignee, desk.now)
    status = desk.office.texts.label(f"status_{request.status}")
    for resident in await cards.residents_of(desk, request):
        to = to_resident(resident)
        desk.say(to, "no_news", request=request, number=request.number, who=who, status=status)


async def _ask_again(desk: Desk, request: ServiceRequest, _step: Step, _stage: Stage) -> None:
    asked = await desk.unit.run(queries.notes, request.id, "question")
    desk.say(
        to_resident(request.resident),
        "question_again",
        request=request,
        number=request.number,
        question=asked[-1].body if asked else "",
    )


async def _rate(desk: Desk, request: ServiceRequest, _step: Step, _stage: Stage) -> None:
    desk.say(
        to_resident(request.resident),
        "verdict_reminder",
        request=request,
        number=request.number,
        choices=await replies.verdict_choices(desk, request),
    )


async def _close(desk: Desk, request: ServiceRequest, step: Step, _stage: Stage) -> None:
    """The clock has run out: no answer, nobody received it, no verdict."""
    if step is Step.ANSWER:
        request.result_code = "no_info"
    await lifecycle.advance(desk, request, _ENDS[step], Actor.SYSTEM, filing.SYSTEM)
    if step is Step.VERDICT:
        call_back(desk, request)


_ENDS = {
    Step.ANSWER: Event.SILENT,
    Step.RECEIVE: Event.COME_BACK,
    Step.VERDICT: Event.EXPIRE,
    Step.GUIDANCE: Event.EXPIRE,
}


# --- up the ladder ----------------------------------------------------------------------------


async def _climb(desk: Desk, request: ServiceRequest, step: Step, rungs: list[Stage]) -> None:
    """Nobody has answered: the next rung with somebody on it gets the card too."""
    people: list[str] = []
    for stage in rungs:
        people += [*next_rung(desk, request), *_told(desk, request, stage.tell)]
    new = await bring_in(desk, request, people)
    desk.record(request, "brought_in", filing.SYSTEM, members=new, rung=request.rung)
    names = "、".join(desk.office.title(one, desk.now) for one in new)
    for member in new:
        _say_staff(desk, request, member, "rung", limit=_name(desk, step))
    if request.urgent:
        _tell_waiting(desk, request, "rung_urgent" if new else "rung_urgent_nobody", names)
    elif step is Step.ACK and _share(desk, request, step, rungs[-1]) >= APOLOGY:
        _tell_waiting(desk, request, "late_ack", names)


def next_rung(desk: Desk, request: ServiceRequest) -> list[str]:
    """The people on the next rung up who do not have the request yet; the rung is noted."""
    ladder, known = desk.office.limits.ladder, set(cards.handlers_of(request))
    for index in range(max(request.rung, _rung_of(desk, request)) + 1, len(ladder)):
        people = [one for one in _holders(desk, request, ladder[index]) if one not in known]
        if people:
            request.rung = index
            return people
    return []


def _rung_of(desk: Desk, request: ServiceRequest) -> int:
    """On which rung whoever is responsible stands; a grid member stands between the first two."""
    area = request.area or request.community
    if request.urgent or request.assignee is None:
        return 0
    for index, roles in enumerate(desk.office.limits.ladder):
        if desk.office.organisation.holds(request.assignee, roles, area, desk.now):
            return index
    return 0


def _holders(desk: Desk, request: ServiceRequest, roles: Iterable[Role]) -> list[str]:
    """The nearest holders of these roles at the place or above it, who may see the request."""
    cleared = desk.office.roles.cleared(request.category) if request.sealed else None
    wanted = tuple(role for role in roles if cleared is None or role in cleared)
    found = candidates(desk.office.organisation, request.area or request.community, wanted, desk.now)
    nearest = min((one.steps for one in found), default=0)
    return [one.member.code for one in found if one.steps == nearest]


def _told(desk: Desk, request: ServiceRequest, roles: Iterable[Role]) -> list[str]:
    return [member for role in roles for member in _holders(desk, request, [role])]


async def bring_in(desk: Desk, request: ServiceRequest, members: Iterable[str]) -> list[str]:
    """Give these people the card; they may act from now on. Returns those who did not have it."""
    known = cards.handlers_of(request)
    new = [one for one in dict.fromkeys(members) if one not in known]
    if new:
        request.alerted = [*request.alerted, *new]
        told = await cards.brief(desk, request)
        for member in new:
            await cards.post_to_member(desk, request, member, told)
    return new


# --- lights and letters -----------------------------------------------------------------------


async def _yellow(desk: Desk, request: ServiceRequest, step: Step, stage: Stage) -> None:
    request.light = "yellow"
    await _show_light(desk, request, step, stage, "yellow")


async def _red(desk: Desk, request: ServiceRequest, step: Step, stage: Stage) -> None:
    """督办: numbered, in the view of community and supervisor; the second in thirty days is a letter too."""
    await red(desk, request, _name(desk, step), _told(desk, request, stage.tell), step)
    reds = await desk.unit.run(queries.reds_of, request.assignee, desk.now - REDS_WITHIN)
    if request.assignee is not None and reds >= REDS_FOR_A_LETTER:
        await _letter(desk, request, step, stage)


async def red(desk: Desk, request: ServiceRequest, why: str, people: list[str], step: Step | None) -> None:
    """Open a supervision of the request, whatever the reason."""
    request.light, request.reds = "red", request.reds + 1
    number = await _numbered(desk, request, "supervision")
    desk.record(request, "supervise", filing.SYSTEM, supervision=number, assignee=request.assignee)
    await bring_in(desk, request, people)
    _to_staff(desk, request, "red", limit=why, supervision=number)
    await _tell_late(desk, request, step)


async def _show_light(desk: Desk, request: ServiceRequest, step: Step, stage: Stage, light: str) -> None:
    await bring_in(desk, request, _told(desk, request, stage.tell))
    _to_staff(desk, request, light, limit=_name(desk, step))
    await cards.refresh(desk, request)
    await _tell_late(desk, request, step)


async def _letter(desk: Desk, request: ServiceRequest, step: Step, stage: Stage) -> None:
    """提醒函: a numbered letter to the unit; its answer is due in three working days."""
    people = _told(desk, request, stage.tell) or filing.dispatchers(desk, request.area or request.community)
    number = await _numbered(desk, request, "letter")
    due = desk.office.limits.after_days(desk.now, LETTER_ANSWER_DAYS, Calendar.WORKING_HOURS)
    area = request.area or request.community
    desk.unit.add(Letter(number=number, request=request.id, area=area, to=people, at=desk.now, due_at=due))
    desk.record(request, "letter_sent", filing.SYSTEM, letter=number, to=people)
    desk.due("letter", due, request=request)
    await bring_in(desk, request, people)
    for member in people:
        _say_staff(
            desk, request, member, "letter", letter=number, limit=_name(desk, step), due=desk.office.when(due)
        )


async def letter_due(desk: Desk, request: ServiceRequest) -> None:
    """A letter has not been answered in its three working days: the supervisor hears of it."""
    for letter in await desk.unit.run(queries.letters, request.id):
        if letter.answered_at is None and letter.due_at <= desk.now:
            for member in _told(desk, request, [Role.SUPERVISOR]) or letter.to:
                _say_staff(desk, request, member, "letter_unanswered", letter=letter.number)


async def answer_letter(desk: Desk, request: ServiceRequest, note: Note) -> str | None:
    """What somebody wrote is the answer to the oldest open letter; returns its number."""
    open_ = [one for one in await desk.unit.run(queries.letters, request.id) if one.answered_at is None]
    if not open_:
        return None
    open_[0].answered_at, open_[0].answer = desk.now, note.id
    desk.record(request, "letter_answered", note.author, letter=open_[0].number, note=note)
    return open_[0].number


async def _numbered(desk: Desk, request: ServiceRequest, kind: str) -> str:
    """Numbered by community and year, as offices do."""
    year = desk.now.astimezone(desk.office.zone).year
    count = await desk.next_number(f"{kind}:{request.community}:{year}")
    return desk.office.texts.render(
        f"{kind}_number", {"community": request.community, "year": year, "count": count}
    )


# --- once more --------------------------------------------------------------------------------


async def send_again(desk: Desk, request: ServiceRequest) -> None:
    """Opened again: the first time one rung up, then to the supervisor; whoever had it stays informed."""
    area, told = request.area or request.community, await cards.brief(desk, request)
    had = cards.handlers_of(request)
    before = [one for one in had if desk.office.organisation.there(one, area, desk.now)]
    request.claimed_by, request.seen_by, request.not_here_by = None, [], []
    people = next_rung(desk, request) if request.reopened == 1 else supervisors(desk, request)
    lead = next(iter([*people, *before]), None)
    request.alerted = [one for one in before if one != lead]
    reasons = [("reopened", str(request.reopened))]
    await filing.assign_to(desk, request, told, lead, Actor.SYSTEM, filing.SYSTEM, reasons)
    await replies.tell_assigned(desk, request, "reopened")


async def open_again(desk: Desk, request: ServiceRequest, who: str) -> None:
    """The supervisor opens what the resident cannot open any more."""
    event = Event.NOT_SOLVED if request.status is Status.DONE else Event.REOPEN
    await lifecycle.advance(desk, request, event, Actor.SUPERVISOR, who)
    await send_again(desk, request)


def supervisors(desk: Desk, request: ServiceRequest) -> list[str]:
    """The supervisor, else the community."""
    return _told(desk, request, [Role.SUPERVISOR]) or _told(desk, request, [Role.COMMUNITY])


async def urged(desk: Desk, request: ServiceRequest) -> None:
    """The third time a resident has to urge is as bad as a limit passed by half."""
    people = _told(desk, request, [Role.COMMUNITY, Role.SUPERVISOR])
    await red(desk, request, desk.office.texts.label("limit_urged"), people, None)


def call_back(desk: Desk, request: ServiceRequest) -> None:
    """回访: one closed request in ten is asked after by a person, and every emergency nobody rated."""
    sampled = crc32(request.number.encode()) % 100 < CALL_BACK_PERCENT
    if sampled or (request.urgent and request.verdict is None):
        desk.record(request, "call_back", filing.SYSTEM)
        for member in filing.dispatchers(desk, request.area or request.community):
            _say_staff(desk, request, member, "call_back")


# --- saying it --------------------------------------------------------------------------------


async def _tell_late(desk: Desk, request: ServiceRequest, step: Step | None) -> None:
    """Everybody who waits hears that it is late, and the new date."""
    due = clocks.next_due(desk, request, step) if step else None
    text = desk.office.texts
    for resident in await cards.residents_of(desk, request):
        desk.say(
            to_resident(resident),
            "late_resident",
            request=request,
            number=request.number,
            limit=_name(desk, step) if step else text.label("limit_result"),
            due=text.render("late_until", {"due": desk.office.when(due)}) if due else "",
        )


def _tell_waiting(desk: Desk, request: ServiceRequest, template: str, names: str) -> None:
    desk.say(
        to_resident(request.resident),
        template,
        request=request,
        urgency=Urgency.URGENT if request.urgent else Urgency.ORDINARY,
        number=request.number,
        who=names,
    )


def _to_staff(desk: Desk, request: ServiceRequest, template: str, **args: Any) -> None:
    for member in filing.in_charge(desk, request):
        _say_staff(desk, request, member, template, **args)


def _say_staff(desk: Desk, request: ServiceRequest, member: str, template: str, **args: Any) -> None:
    desk.say(
        to_member(member),
        template,
        urgency=Urgency.URGENT if request.urgent else Urgency.ORDINARY,
        request=request,
        number=request.number,
        **args,
    )


def _name(desk: Desk, step: Step) -> str:
    return desk.office.texts.label(f"limit_{step}")


def _due(desk: Desk, request: ServiceRequest, step: Step) -> str:
    due = {Step.ACK: request.due_ack, Step.CONTACT: request.due_contact, Step.PLAN: request.due_plan}
    return desk.office.when(due.get(step, request.due_result))


def _share(desk: Desk, request: ServiceRequest, step: Step, stage: Stage) -> float:
    limit = desk.office.limits.limit(request.limit_class, step)
    return stage.at / limit.duration if limit else 0


_DOES: dict[Do, Callable[[Desk, ServiceRequest, Step, Stage], Awaitable[None]]] = {
    Do.REMIND: _remind,
    Do.YELLOW: _yellow,
    Do.RED: _red,
    Do.LETTER: _letter,
    Do.ASK_WORD: _ask_word,
    Do.NO_NEWS: _no_news,
    Do.ASK_AGAIN: _ask_again,
    Do.RATE: _rate,
    Do.CLOSE: _close,
}
