"""The one way to change a status: check the move, write status, history, deadlines and notifications."""

from datetime import timedelta
from typing import Any

from handlers import cards
from handlers.desk import Desk, RefusalError
from routing.limits import Step
from routing.transitions import Actor, Event, Status, next_status, path_to
from storage.tables import Note, ServiceRequest

VERDICT_REMINDER = timedelta(hours=24)
VERDICT_CLOSE = timedelta(hours=72)
REOPEN_WITHIN = timedelta(days=30)

_ENDED = (Status.CLOSED, Status.CANCELLED)


async def advance(
    desk: Desk,
    request: ServiceRequest,
    event: Event,
    actor: Actor,
    who: str,
    *,
    note: Note | None = None,
    **detail: Any,
) -> None:
    """Carry out `event`, with the moves that lead to it, in the unit of work at hand.

    `who` names the person or part acting ("member:m1", "resident", "system"). Raises RefusalError, with
    nothing changed, where the table has no such move for this status and capacity.
    """
    check(request, event, actor)
    for step in path_to(request.status, event):
        _move(desk, request, step, actor, who, note if step is event else None, detail)
        _set_deadlines(desk, request, step)
    await cards.announce(desk, request, event, who, note)


def start(desk: Desk, request: ServiceRequest, who: str) -> None:
    """The first line of a new request's history."""
    request.status, request.status_since = Status.SUBMITTED, desk.now
    desk.record(request, "submit", who, before="-")


def check(request: ServiceRequest, event: Event, actor: Actor) -> None:
    """Raise RefusalError where `advance` would; for handlers that must write something before the move."""
    status = request.status
    for step in path_to(status, event):
        following = next_status(status, step, actor)
        if following is None:
            raise RefusalError("not_now", number=request.number, status=request.status.value)
        status = following


def _move(
    desk: Desk,
    request: ServiceRequest,
    step: Event,
    actor: Actor,
    who: str,
    note: Note | None,
    detail: dict[str, Any],
) -> None:
    before = request.status
    after = next_status(before, step, actor)
    assert after is not None  # noqa: S101 (checked for all steps before the first)
    request.status, request.status_since = after, desk.now
    if after in _ENDED:
        request.closed_at = desk.now
    if after is Status.REOPENED:
        request.closed_at, request.reopened = None, request.reopened + 1
    if step is Event.RETURN:
        request.returned_by = [*request.returned_by, who.partition(":")[2]]
        request.assignee, request.claimed_by, request.alerted = None, None, []
    desk.record(request, step, who, before=before, note=note, **detail)


def _set_deadlines(desk: Desk, request: ServiceRequest, step: Event) -> None:
    if step in _POINTLESS:
        desk.drop_deadlines(*_POINTLESS[step], request=request)
    if step is Event.ASSIGN:
        _set_limits(desk, request)
    if step is Event.FINISH:
        desk.due_in("verdict_reminder", VERDICT_REMINDER, request=request)
        desk.due_in("verdict_close", VERDICT_CLOSE, request=request)


def _set_limits(desk: Desk, request: ServiceRequest) -> None:
    due = {step: desk.office.limits.due(request.limit_class, step, desk.now) for step in Step}
    request.due_ack, request.due_contact, request.due_result = (
        due[Step.ACK],
        due[Step.CONTACT],
        due[Step.RESULT],
    )
    for step, at in due.items():
        if at is not None:
            desk.due(step, at, request=request)


# Which deadlines an event makes pointless; an empty tuple stands for all of them.
_POINTLESS: dict[Event, tuple[str, ...]] = {
    Event.ACKNOWLEDGE: (Step.ACK,),
    Event.START: (Step.CONTACT,),
    Event.RETURN: (),
    Event.FINISH: (),
    Event.SATISFIED: (),
    Event.PARTLY: (),
    Event.NOT_SOLVED: (),
    Event.EXPIRE: (),
    Event.WITHDRAW: (),
}
