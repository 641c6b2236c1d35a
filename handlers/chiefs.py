"""The chiefs' group: one tap or a reply claims, acknowledges, handles and closes; strangers are told so."""

from collections.abc import Awaitable, Callable

from handlers import cards, lifecycle, tasks
from handlers.capacity import who
from handlers.desk import RefusalError, to_chat
from handlers.turn import Turn
from routing.organisation import Member
from routing.transitions import WITH_HANDLER, Actor, Event, Status
from storage.tables import ServiceRequest


async def tapped(turn: Turn) -> None:
    """A button on a group card."""
    assert turn.tap is not None  # noqa: S101 (the table of handlers matched on it)
    await _act(turn, await turn.request_of(turn.tap.offer), turn.tap.action)


async def replied(turn: Turn) -> None:
    """收到 or 我去 in answer to a card counts as the button; any other reply is left alone."""
    if turn.command in _ACTIONS:
        await _act(turn, await turn.request_of(turn.card), turn.command or "")


async def _act(turn: Turn, request: ServiceRequest | None, action: str) -> None:
    if request is None:
        return
    member = turn.member
    if member is None or not turn.office.organisation.serves(member.code, request.area, turn.now):
        await _refuse_stranger(turn, request)
        return
    cards.check_may_see(turn.desk, member.code, request)
    if request.status not in WITH_HANDLER:
        return  # the card has changed for everybody; a late tap needs no answer
    await _ACTIONS[action](turn, request, member)


async def _claim(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """The first claim wins; who comes later sees the changed card."""
    if request.claimed_by is not None:
        return
    request.claimed_by = member.code
    turn.desk.record(request, "claim", who(member))
    if request.status is Status.ASSIGNED:
        await lifecycle.advance(turn.desk, request, Event.ACKNOWLEDGE, Actor.CHIEF, who(member))
    else:
        await cards.refresh(turn.desk, request)


async def _seen(turn: Turn, request: ServiceRequest, member: Member) -> None:
    if member.code not in request.seen_by:
        request.seen_by = [*request.seen_by, member.code]
        await _vote(turn, request, member, "seen")


async def _not_here(turn: Turn, request: ServiceRequest, member: Member) -> None:
    if member.code not in request.not_here_by:
        request.not_here_by = [*request.not_here_by, member.code]
        await _vote(turn, request, member, "not_here")


async def _vote(turn: Turn, request: ServiceRequest, member: Member, vote: str) -> None:
    turn.desk.record(request, vote, who(member))
    await cards.refresh(turn.desk, request)


async def _start(turn: Turn, request: ServiceRequest, member: Member) -> None:
    actor = _capacity(request, member)
    await lifecycle.advance(turn.desk, request, Event.START, actor, who(member))


async def _finish(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """已处理 from somebody who has not claimed it yet claims it too."""
    await _claim(turn, request, member)
    _capacity(request, member)
    tasks.ask_result(turn, request, to_chat(turn.group.id if turn.group else 0))


def _capacity(request: ServiceRequest, member: Member) -> Actor:
    if member.code in cards.handlers_of(request):
        return Actor.HANDLER
    if member.code == request.claimed_by:
        return Actor.CHIEF
    raise RefusalError("claimed_by_other", number=request.number)


async def _refuse_stranger(turn: Turn, request: ServiceRequest) -> None:
    """Said once per person and request, without naming anybody: the group has its own budget."""
    assert turn.group is not None  # noqa: S101 (the table of handlers matched on it)
    await turn.desk.say_once(
        f"stranger:{turn.account.id}:{request.id}",
        to_chat(turn.group.id),
        "not_on_roster",
        reply_to=turn.tap.offer.ref if turn.tap else turn.message.ref,
    )


_ACTIONS: dict[str, Callable[[Turn, ServiceRequest, Member], Awaitable[None]]] = {
    "claim": _claim,
    "seen": _seen,
    "not_here": _not_here,
    "start": _start,
    "finish": _finish,
}
