"""A resident asks how it stands, urges, withdraws, gives the verdict."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

from handlers import cards, correcting, filing, ladder, lifecycle, replies, together
from handlers.desk import RefusalError, Urgency, to_member
from handlers.turn import Turn
from routing.text import normalize
from routing.transitions import OPEN, Actor, Event, Status
from storage import queries
from storage.tables import ServiceRequest

URGE_EVERY = timedelta(hours=24)
URGES_FOR_RED = 3
CHANGE_WITHIN = timedelta(hours=24)
MOST_REOPENED = 2  # what is still not solved then is opened again by the supervisor only
_FULL = re.compile(r"[a-z]{1,8}\d{6}-\d{4,}")
_SHORT = re.compile(r"#?(\d{1,4})号?")

RESIDENT = "resident"


def is_number(turn: Turn) -> bool:
    """A whole request number, or “37号” outside a draft (there it is rather a house)."""
    text = normalize(turn.message.text)
    if _FULL.fullmatch(text):
        return True
    return turn.conversation.draft is None and text.endswith("号") and bool(_SHORT.fullmatch(text))


async def query(turn: Turn) -> None:
    """One request by its number. A stranger learns its stage and nothing else."""
    request = await _by_number(turn)
    if request is None:
        turn.desk.say(turn.reply_to, "number_unknown", number=turn.message.text[:40])
    elif turn.member is not None and turn.member.code in cards.handlers_of(request):
        await cards.post_again(turn.desk, request, turn.member.code)
    elif request.resident != turn.home().id and not await _joined(turn, request):
        status = turn.office.texts.label(f"status_{request.status}")
        turn.desk.say(turn.reply_to, "progress_stage", number=request.number, status=status)
    else:
        joined = request.resident != turn.home().id
        turn.desk.say(
            turn.reply_to, **replies.status_card(turn.desk, request, elder=turn.home().elder, joined=joined)
        )


async def _joined(turn: Turn, request: ServiceRequest) -> bool:
    return bool(await turn.desk.joined(turn.home().id, [request.id]))


async def _by_number(turn: Turn) -> ServiceRequest | None:
    text = normalize(turn.message.text)
    short = _SHORT.fullmatch(text)
    if short:
        return await turn.desk.unit.run(queries.request_by_short_number, turn.home().id, int(short[1]))
    return await turn.desk.unit.run(queries.request_by_number, text)


async def overview(turn: Turn) -> None:
    """进度: the last five requests, the only one in full."""
    found = await turn.desk.unit.run(queries.concerning, turn.home().id)
    if not found:
        turn.desk.say(turn.reply_to, "progress_none")
    elif len(found) == 1:
        joined = found[0].resident != turn.home().id
        turn.desk.say(
            turn.reply_to, **replies.status_card(turn.desk, found[0], elder=turn.home().elder, joined=joined)
        )
    else:
        lines = "\n".join(_line(turn, one) for one in found)
        turn.desk.say(turn.reply_to, "progress_list", lines=lines)


def _line(turn: Turn, request: ServiceRequest) -> str:
    args = {
        "number": request.number,
        "category": turn.office.category_name(request.category),
        "status": turn.office.texts.label(f"status_{request.status}"),
    }
    return turn.office.texts.render("progress_line", args)


# --- the resident acts on a request -----------------------------------------------------------


async def act(turn: Turn) -> None:
    """A button under a request, or its word: about that request, else about the newest it can mean."""
    action = turn.tap.action if turn.tap else turn.command or ""
    request = await turn.request_of(turn.tap.offer) if turn.tap else await _meant(turn, action)
    if request is None or not await _may(turn, request, action):
        turn.desk.say(turn.reply_to, "nothing_open")
        return
    await _ACTIONS[action](turn, request)


async def _may(turn: Turn, request: ServiceRequest, action: str) -> bool:
    """The reporter may do everything; who joined may urge, add and leave again."""
    if request.resident == turn.home().id:
        return True
    return action in replies.JOINED_MAY and await _joined(turn, request)


async def _meant(turn: Turn, action: str) -> ServiceRequest | None:
    wanted = _MEANT.get(action, OPEN)
    found = await turn.desk.unit.run(queries.requests_of, turn.home().id)
    return next((one for one in found if one.status in wanted), None)


async def _urge(turn: Turn, request: ServiceRequest) -> None:
    """[催办]: once a day per request, to whoever has it."""
    if request.status not in OPEN:
        raise RefusalError("not_now", number=request.number)
    if request.urged_at and turn.now - request.urged_at < URGE_EVERY:
        raise RefusalError("urged_already", number=request.number)
    request.urged_at, request.urges = turn.now, request.urges + 1
    turn.desk.record(request, "urge", RESIDENT)
    for member in filing.in_charge(turn.desk, request):
        turn.desk.say(
            to_member(member), "urged", urgency=Urgency.URGENT, request=request, number=request.number
        )
    if request.urges % URGES_FOR_RED == 0:
        await ladder.urged(turn.desk, request)
    handler = turn.office.title(request.assignee, turn.now)
    turn.desk.say(turn.reply_to, "urge_sent", request=request, number=request.number, handler=handler)


async def _add_more(turn: Turn, request: ServiceRequest) -> None:
    turn.conversation.prompt = {"kind": "addition", "request": request.id}
    turn.conversation.last_request, request.touched_at = request.id, turn.now
    turn.desk.say(turn.reply_to, "add_please", number=request.number)


async def _withdraw(turn: Turn, request: ServiceRequest) -> None:
    if request.urgent:
        raise RefusalError("urgent_stays", number=request.number)
    if request.endorsements:
        await together.withdraw(turn.desk, request, turn.home().id)
        turn.desk.say(turn.reply_to, "withdrawn_from", number=request.number)
        return
    await lifecycle.advance(turn.desk, request, Event.WITHDRAW, Actor.RESIDENT, RESIDENT)


def _verdict(event: Event) -> Callable[[Turn, ServiceRequest], Awaitable[None]]:
    async def give(turn: Turn, request: ServiceRequest) -> None:
        """Given once, and changed within a day at most."""
        given = request.verdict_at if request.status is Status.CLOSED else None
        if request.status is Status.CLOSED and (given is None or turn.now - given > CHANGE_WITHIN):
            raise RefusalError("verdict_fixed", number=request.number)
        await lifecycle.advance(turn.desk, request, event, Actor.RESIDENT, RESIDENT)
        request.verdict, request.verdict_at = event.value, given or turn.now
        if given is None:
            ladder.call_back(turn.desk, request)

    return give


async def _not_solved(turn: Turn, request: ServiceRequest) -> None:
    """[没解决]: the request is open again and goes on its way once more."""
    if request.status is Status.CLOSED:
        await _reopen(turn, request)
        return
    lifecycle.check(request, Event.NOT_SOLVED, Actor.RESIDENT)
    request.verdict, request.verdict_at = Event.NOT_SOLVED.value, turn.now
    if request.reopened >= MOST_REOPENED:
        _ask_supervisor(turn, request)
        return
    await lifecycle.advance(turn.desk, request, Event.NOT_SOLVED, Actor.RESIDENT, RESIDENT)
    await ladder.send_again(turn.desk, request)


async def _reopen(turn: Turn, request: ServiceRequest) -> None:
    if request.status is Status.DONE:
        await _not_solved(turn, request)
        return
    if request.closed_at and turn.now - request.closed_at > lifecycle.REOPEN_WITHIN:
        raise RefusalError("reopen_too_late", number=request.number)
    if request.reopened >= MOST_REOPENED:
        _ask_supervisor(turn, request)
        return
    await lifecycle.advance(turn.desk, request, Event.REOPEN, Actor.RESIDENT, RESIDENT)
    await ladder.send_again(turn.desk, request)


def _ask_supervisor(turn: Turn, request: ServiceRequest) -> None:
    """Done twice over and still not solved: only the supervisor opens it again."""
    turn.desk.record(request, "not_solved_again", RESIDENT)
    for member in ladder.supervisors(turn.desk, request):
        turn.desk.say(
            to_member(member),
            "not_solved_again",
            choices=turn.desk.choices("open_again"),
            request=request,
            number=request.number,
        )
    turn.desk.say(turn.reply_to, "supervisor_decides", request=request, number=request.number)


_ACTIONS: dict[str, Callable[[Turn, ServiceRequest], Awaitable[None]]] = {
    "urge": _urge,
    "add_more": _add_more,
    "withdraw": _withdraw,
    "satisfied": _verdict(Event.SATISFIED),
    "partly": _verdict(Event.PARTLY),
    "not_solved": _not_solved,
    "reopen": _reopen,
    "reclass": correcting.ask,
    "reclass_to": correcting.chosen,
}
ACTIONS = frozenset(_ACTIONS)
_DONE = frozenset({Status.DONE, Status.CLOSED})
_MEANT = {"satisfied": _DONE, "partly": _DONE, "not_solved": _DONE, "reopen": frozenset({Status.CLOSED})}
