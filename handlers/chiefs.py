"""The chiefs' group: one tap or a reply claims, acknowledges, handles and closes; strangers are told so."""

from collections.abc import Awaitable, Callable

from handlers import cards, lifecycle, tasks
from handlers.capacity import who
from handlers.desk import Desk, RefusalError
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
    """Where nobody has it any more, the card has changed for everybody: a late tap needs no answer."""
    if request is None:
        return
    if not concerns(turn.desk, turn.member, request):
        await refuse_stranger(turn, f"{turn.account.id}:{request.id}")
    elif request.status in WITH_HANDLER:
        await act(turn, request, action)


def concerns(desk: Desk, member: Member | None, request: ServiceRequest) -> bool:
    """Whether somebody may act on a request of this place, as far as its group goes.

    Raises RefusalError for somebody from there whom a sealed request is closed to.
    """
    if member is None or not desk.office.organisation.serves(member.code, request.area, desk.now):
        return False
    cards.check_may_see(desk, member.code, request)
    return True


async def act(turn: Turn, request: ServiceRequest, action: str) -> None:
    """One of ACTIONS by a member whom the request concerns, while somebody has it.

    Raises RefusalError, with nothing changed, where it is for another member to do.
    """
    assert turn.member is not None  # noqa: S101 (the caller asked whether it concerns them)
    await _ACTIONS[action](turn, request, turn.member)


async def _claim(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """The first claim wins; who comes later sees the changed card."""
    if request.claimed_by is not None:
        return
    request.claimed_by = member.code
    turn.desk.record(request, "claim", who(member), channel=turn.message.channel)
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
    turn.desk.record(request, vote, who(member), channel=turn.message.channel)
    await cards.refresh(turn.desk, request)


async def _start(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """到场, said without a card, from somebody who has not claimed it yet claims it too."""
    lifecycle.check(request, Event.START, Actor.CHIEF)
    await _claim(turn, request, member)
    actor = _capacity(request, member)
    await lifecycle.advance(turn.desk, request, Event.START, actor, who(member))


async def _finish(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """已处理 from somebody who has not claimed it yet claims it too."""
    await _claim(turn, request, member)
    _capacity(request, member)
    tasks.ask_result(turn, request, in_group=turn.seen and turn.card_at_hand)


def _capacity(request: ServiceRequest, member: Member) -> Actor:
    if member.code in cards.handlers_of(request):
        return Actor.HANDLER
    if member.code == request.claimed_by:
        return Actor.CHIEF
    raise RefusalError("claimed_by_other", number=request.number)


async def refuse_stranger(turn: Turn, key: str) -> None:
    """Said once under the key, without naming anybody: the group has its own budget."""
    ref = turn.tap.offer.ref if turn.tap else turn.message.ref
    await turn.desk.say_once(f"stranger:{key}", turn.where, "not_on_roster", reply_to=ref)


_ACTIONS: dict[str, Callable[[Turn, ServiceRequest, Member], Awaitable[None]]] = {
    "claim": _claim,
    "seen": _seen,
    "not_here": _not_here,
    "start": _start,
    "finish": _finish,
}
ACTIONS = frozenset(_ACTIONS)
