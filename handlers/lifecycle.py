"""The one way to change a status: check the move, write status, history, clocks and notifications."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from handlers import clocks, replies
from handlers.desk import Desk, RefusalError
from routing.limits import Step
from routing.transitions import WITH_HANDLER, Actor, Event, Status, next_status, path_to
from storage.tables import Note, ServiceRequest

REOPEN_WITHIN = timedelta(days=30)


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
    await replies.announce(desk, request, event, who, note)


def start(desk: Desk, request: ServiceRequest, who: str) -> None:
    """The first line of a new request's history."""
    request.status, request.status_since = Status.SUBMITTED, desk.now
    desk.record(request, "submit", who, before="-", **facts(request))


def facts(request: ServiceRequest) -> dict[str, Any]:
    """What the figures of a request go by, for a line of its history."""
    return {name: getattr(request, name) for name in ("area", "category", "limit_class", "urgent")}


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
    request.status = after
    if after is not before:
        request.status_since = desk.now
    if step in _MARKS:
        _MARKS[step](request, desk.now, who)
    _keep_ledger(desk, request, step, before, who)
    earlier = clocks.dues(request)
    clocks.follow(desk, request, before)
    if step in _SORTED:
        detail = {**detail, **facts(request)}
    if (due := clocks.dues(request)) != earlier:
        detail = {**detail, "due": due}
    desk.record(request, step, who, before=before, note=note, **detail)


# From then on the request may be something else, or somewhere else, than it was filed as.
_SORTED = frozenset({Event.TRIAGE, Event.CLASSIFY, Event.RECLASSIFY, Event.ASSIGN, Event.GUIDE})


def _keep_ledger(desk: Desk, request: ServiceRequest, step: Event, before: Status, who: str) -> None:
    """Who is responsible from when to when, and since when they know."""
    if before in WITH_HANDLER and (request.status not in WITH_HANDLER or step in _PASSED_ON):
        desk.relieve(request)
    if step is Event.ASSIGN or step in _PASSED_ON:
        desk.entrust(request)
    if step is Event.ACKNOWLEDGE and who == f"member:{request.assignee}":
        desk.take_on(request)


_PASSED_ON = (Event.HAND_OVER, Event.TAKE_OVER)


def _assigned(request: ServiceRequest, now: datetime, _who: str) -> None:
    request.assigned_at, request.acknowledged_at = now, None


def _acknowledged(request: ServiceRequest, now: datetime, _who: str) -> None:
    request.acknowledged_at = now


def _contacted(request: ServiceRequest, now: datetime, _who: str) -> None:
    request.contacted_at = request.contacted_at or now


def _returned(request: ServiceRequest, _now: datetime, who: str) -> None:
    request.returned_by = [*request.returned_by, who.partition(":")[2]]
    _released(request, _now, who)


def _released(request: ServiceRequest, _now: datetime, _who: str) -> None:
    """Nobody has it any more, and whoever was brought in has done their part."""
    request.assignee, request.claimed_by, request.alerted, request.rung = None, None, [], 0


def _done(request: ServiceRequest, now: datetime, _who: str) -> None:
    request.done_at = now


def _closed(request: ServiceRequest, now: datetime, _who: str) -> None:
    request.closed_at = request.closed_at or now


def _reopened(request: ServiceRequest, _now: datetime, _who: str) -> None:
    """The first clock goes on; only the resident waits for a person's word anew."""
    request.reopened += 1
    request.closed_at = request.done_at = request.contacted_at = request.light = None
    request.clocks = {step: one for step, one in request.clocks.items() if step != Step.CONTACT}


_MARKS: dict[Event, Callable[[ServiceRequest, datetime, str], None]] = {
    Event.ASSIGN: _assigned,
    Event.HAND_OVER: _assigned,
    Event.ACKNOWLEDGE: _acknowledged,
    Event.START: _contacted,
    Event.ASK: _contacted,
    Event.RETURN: _returned,
    Event.DECLINE: _released,
    Event.RECLASSIFY: _released,
    Event.TRIAGE: _released,
    Event.FINISH: _done,
    Event.SILENT: _done,
    Event.NOT_SOLVED: _reopened,
    Event.REOPEN: _reopened,
    **dict.fromkeys(
        (
            Event.SATISFIED,
            Event.PARTLY,
            Event.EXPIRE,
            Event.WITHDRAW,
            Event.MERGE,
            Event.REFUSE,
            Event.FALSE_ALARM,
        ),
        _closed,
    ),
}
