"""What residents see and hear of a request: the receipt, every step, the result and how it ended."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from handlers.cards import facts, refresh, residents_of
from handlers.desk import Desk, to_resident
from handlers.messages import Choice
from routing.guidance import Way, way
from routing.rules import Scope
from routing.transitions import OPEN, Event, Status
from storage.tables import Note, Resident, ServiceRequest

MERGE_WITHIN = timedelta(minutes=30)  # small steps that follow each other closely are one message
_STEPS = (Event.ACKNOWLEDGE, Event.START)
_VERDICTS = (Event.SATISFIED, Event.PARTLY, Event.NOT_SOLVED, Event.EXPIRE)

# --- after a move -----------------------------------------------------------------------------


async def announce(desk: Desk, request: ServiceRequest, event: Event, who: str, note: Note | None) -> None:
    """Tell everybody who waits of the move and bring every card about the request up to date."""
    if event in _STEPS:
        for resident in await residents_of(desk, request):
            await _tell_step(desk, request, resident, event, who)
    if event is Event.FINISH:
        await _tell_result(desk, request, note)
    if event in _ENDS:
        await _tell_end(desk, request, event)
    if event in _VERDICTS:
        await _take_verdict_buttons(desk, request)
    await refresh(desk, request)


async def _tell_step(desk: Desk, request: ServiceRequest, resident: int, event: Event, who: str) -> None:
    """Acknowledged and on site: one message where they follow each other closely."""
    to, subject = to_resident(resident), f"steps:{request.id}"
    step = desk.office.texts.render(f"step_{event}", {"who": _name(desk, who)})
    earlier = (await desk.cards(subject)).get(to)
    if earlier is not None and desk.now - earlier.created_at < MERGE_WITHIN:
        lines = f"{earlier.args['steps']}\n{step}"
        await desk.show(to, subject, "steps", request=request, number=request.number, steps=lines)
    else:
        desk.say(to, "steps", subject=subject, request=request, number=request.number, steps=step)


async def _tell_result(desk: Desk, request: ServiceRequest, note: Note | None) -> None:
    """The result in a person's words: with the question to the reporter, as news to the others."""
    reporter, *others = await residents_of(desk, request)
    told: dict[str, Any] = {
        "number": request.number,
        "who": _name(desk, note.author) if note else "",
        "result": note.body if note else "",
        "code": desk.office.texts.label(f"told_{request.result_code or 'solved'}"),
    }
    desk.say(
        to_resident(reporter),
        "ask_verdict",
        subject=f"verdict:{request.id}",
        request=request,
        choices=await verdict_choices(desk, request),
        **told,
    )
    for resident in others:
        desk.say(to_resident(resident), "result_news", request=request, **told)


@dataclass(frozen=True, slots=True)
class _End:
    template: str
    reopens: bool = False


_ENDS: dict[Event, _End] = {
    Event.SATISFIED: _End("closed", reopens=True),
    Event.PARTLY: _End("closed_partly", reopens=True),
    Event.EXPIRE: _End("closed_unrated", reopens=True),
    Event.SILENT: _End("closed_no_info", reopens=True),
    Event.WITHDRAW: _End("withdrawn"),
    Event.FALSE_ALARM: _End("called_off", reopens=True),
}


async def _tell_end(desk: Desk, request: ServiceRequest, event: Event) -> None:
    """Closed one way or another: the reporter hears how, whoever joined in hears that it is."""
    if event is Event.EXPIRE and request.done_at is None:
        return  # guidance that nobody came back to ends in silence
    reporter, *others = await residents_of(desk, request)
    offered = desk.choices("reopen") if _ENDS[event].reopens else []
    template = _ENDS[event].template
    desk.say(to_resident(reporter), template, request=request, choices=offered, number=request.number)
    for resident in others:
        desk.say(to_resident(resident), "closed_news", request=request, number=request.number)


async def verdict_choices(desk: Desk, request: ServiceRequest) -> list[Choice]:
    """What the resident may answer; in 长者版 yes or no."""
    return desk.choices(*_verdicts(elder=await _is_elder(desk, request)))


async def _is_elder(desk: Desk, request: ServiceRequest) -> bool:
    resident = await desk.unit.get(Resident, request.resident)
    return resident is not None and resident.elder


def _verdicts(*, elder: bool) -> tuple[str, ...]:
    return ("satisfied", "not_solved") if elder else ("satisfied", "partly", "not_solved")


async def _take_verdict_buttons(desk: Desk, request: ServiceRequest) -> None:
    """The question has been answered, or nobody waits for the answer any more."""
    to, subject = to_resident(request.resident), f"verdict:{request.id}"
    asked = (await desk.cards(subject)).get(to)
    if asked is not None:
        await desk.show(to, subject, asked.template, request=request, **asked.args)


def _name(desk: Desk, who: str) -> str:
    kind, _, key = who.partition(":")
    return desk.office.title(key, desk.now) if kind == "member" else desk.office.texts.label(f"actor_{who}")


# --- what the resident sees -------------------------------------------------------------------


def receipt(desk: Desk, request: ServiceRequest, *, elder: bool, masked: bool = False) -> dict[str, Any]:
    """The receipt of a filed request, as arguments of `Desk.show` and `Desk.say`."""
    offered = ["person", "progress"] if elder else ["progress", "withdraw", "danger"]
    if not elder and request.status is not Status.TRIAGE:
        offered.insert(0, "reclass")
    return {
        "template": "receipt_triage" if request.status is Status.TRIAGE else "receipt",
        "choices": desk.choices(*offered),
        "request": request,
        "purpose": "receipt",
        **facts(desk, request),
        "advice": _advice(desk, request),
        "lead": _lead_line(desk, request),
        "fix": desk.office.texts.render("fix_by_word" if elder else "fix_line", {}),
        "due_ack": desk.office.when(request.due_ack),
        "result": _result_line(desk, request),
        "masked": desk.office.texts.render("masked", {}) if masked else "",
        "unnamed": desk.office.texts.render("unnamed_line", {}) if request.anonymous else "",
        "danger": desk.office.texts.render("danger_by_word" if elder else "danger_line", {}),
    }


def _advice(desk: Desk, request: ServiceRequest) -> str:
    """The category's first words; where the resident was guided or asked first, they have read them."""
    leaf = desk.office.leaf(request.category)
    known = leaf is not None and way(leaf, desk.office.roles) is not Way.ORDINARY
    return "" if known else first_reply(desk, request)


def _lead_line(desk: Desk, request: ServiceRequest) -> str:
    """Who leads in a 大事: the community follows it up and does not decide it."""
    leaf = desk.office.leaf(request.category)
    if leaf is None or leaf.scope is not Scope.MAJOR:
        return ""
    texts = desk.office.texts
    unit = texts.labels.get(f"unit_{leaf.role}") or texts.label("unit_other")
    return texts.render("lead_line", {"unit": unit})


async def tell_assigned(desk: Desk, request: ServiceRequest, template: str = "assigned") -> None:
    """Tell the resident who has the request now, and by when they will hear."""
    told = receipt(desk, request, elder=await _is_elder(desk, request))
    desk.say(to_resident(request.resident), **{**told, "template": template})


def _result_line(desk: Desk, request: ServiceRequest) -> str:
    """By when there will be a result; nothing where the category's own first words say it."""
    leaf = desk.office.leaf(request.category)
    if request.due_result is None or (leaf is not None and "{deadline}" in leaf.first_reply):
        return ""
    return desk.office.texts.render("result_by", {"due": desk.office.when(request.due_result)})


def first_reply(desk: Desk, request: ServiceRequest) -> str:
    """The category's own first words, with handler and date filled in."""
    leaf = desk.office.leaf(request.category)
    if leaf is None:
        return ""
    args = {
        "handler": desk.office.title(request.assignee, desk.now),
        "deadline": desk.office.when(request.due_result),
    }
    return desk.office.texts.fill(leaf.first_reply, args)


def status_card(desk: Desk, request: ServiceRequest, *, elder: bool, joined: bool = False) -> dict[str, Any]:
    """How a request stands, for the resident whose it is, or who joined it."""
    offered = _resident_choices(request, elder)
    return {
        "template": "progress_one",
        "choices": desk.choices(*(one for one in offered if not joined or one in JOINED_MAY)),
        "request": request,
        **facts(desk, request),
        "due": desk.office.texts.render("result_by", {"due": desk.office.when(request.due_result)})
        if request.status in OPEN and request.due_result
        else "",
    }


JOINED_MAY = ("urge", "add_more", "withdraw")  # with a request that somebody else reported


def _resident_choices(request: ServiceRequest, elder: bool) -> tuple[str, ...]:
    if request.status in OPEN:
        return ("person", "urge") if elder else ("urge", "add_more", "withdraw")
    if request.status is Status.DONE:
        return _verdicts(elder=elder)
    return ("reopen",) if request.status is Status.CLOSED else ()
