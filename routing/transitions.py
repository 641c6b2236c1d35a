"""The life cycle of a service request as one table: which event leads from which status to which."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    SUBMITTED = "submitted"
    TRIAGE = "triage"
    ACCEPTED = "accepted"
    ASSIGNED = "assigned"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in_progress"
    PENDING_INFO = "pending_info"
    IN_MEDIATION = "in_mediation"
    IN_DELIBERATION = "in_deliberation"
    REFERRED = "referred"
    SCHEDULED = "scheduled"
    DONE = "done"
    REOPENED = "reopened"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    MERGED = "merged"
    GUIDED = "guided"
    REJECTED = "rejected"


WORKING = frozenset(
    {
        Status.ASSIGNED,
        Status.ACKNOWLEDGED,
        Status.IN_PROGRESS,
    }
)
RESTING = frozenset(
    {
        Status.PENDING_INFO,
        Status.IN_MEDIATION,
        Status.IN_DELIBERATION,
        Status.REFERRED,
        Status.SCHEDULED,
    }
)
WITH_HANDLER = WORKING | RESTING
OPEN = WITH_HANDLER | {Status.SUBMITTED, Status.TRIAGE, Status.ACCEPTED, Status.REOPENED}


class Event(StrEnum):
    """What happens to a request. The names are those that its history stores."""

    ACCEPT = "accept"
    TRIAGE = "triage"
    CLASSIFY = "classify"
    RECLASSIFY = "reclassify"
    GUIDE = "guide"
    REFUSE = "refuse"
    ASSIGN = "assign"
    HAND_OVER = "hand_over"
    ACKNOWLEDGE = "acknowledge"
    START = "start"
    RETURN = "return"
    ASK = "ask"
    REPLY = "reply"
    SILENT = "silent"
    MEDIATE = "mediate"
    DELIBERATE = "deliberate"
    REFER = "refer"
    TAKE_OVER = "take_over"
    DECLINE = "decline"
    COME_BACK = "come_back"
    PLAN = "plan"
    RESUME = "resume"
    MERGE = "merge"
    FINISH = "finish"
    SATISFIED = "satisfied"
    PARTLY = "partly"
    NOT_SOLVED = "not_solved"
    EXPIRE = "expire"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"
    FALSE_ALARM = "false_alarm"
    SEAL = "seal"
    UNSEAL = "unseal"


class Actor(StrEnum):
    """In which capacity somebody acts on a request.

    A handler is responsible or was brought in by the ladder; a chief has claimed it; a dispatcher sorts;
    leading is the community's or the street's part; a receiver is whom it was referred to.
    """

    SYSTEM = "system"
    RESIDENT = "resident"
    HANDLER = "handler"
    CHIEF = "chief"
    DISPATCHER = "dispatcher"
    LEADER = "leader"
    RECEIVER = "receiver"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class Move:
    to: Status
    who: frozenset[Actor]


def _moves(
    event: Event, before: Status | Iterable[Status], to: Status | None, *who: Actor
) -> dict[tuple[Status, Event], Move]:
    """The rows of one event; `to` None leaves the status as it is."""
    statuses = [before] if isinstance(before, Status) else before
    return {(status, event): Move(to or status, frozenset(who)) for status in statuses}


S, E, A = Status, Event, Actor
_NEW = (S.SUBMITTED, S.TRIAGE)
_UNSTARTED = (S.ASSIGNED, S.ACKNOWLEDGED)
_FINISHABLE = (S.IN_PROGRESS, S.IN_MEDIATION, S.IN_DELIBERATION)

TRANSITIONS: dict[tuple[Status, Event], Move] = {
    **_moves(E.ACCEPT, S.SUBMITTED, S.ACCEPTED, A.SYSTEM),
    **_moves(E.TRIAGE, S.SUBMITTED, S.TRIAGE, A.SYSTEM),
    **_moves(E.TRIAGE, WORKING, S.TRIAGE, A.RESIDENT),
    **_moves(E.CLASSIFY, S.TRIAGE, S.ACCEPTED, A.DISPATCHER),
    **_moves(E.RECLASSIFY, WORKING, S.ACCEPTED, A.RESIDENT, A.HANDLER, A.DISPATCHER),
    **_moves(E.GUIDE, _NEW, S.GUIDED, A.SYSTEM, A.DISPATCHER),
    **_moves(E.REFUSE, _NEW, S.REJECTED, A.LEADER),
    **_moves(E.ASSIGN, (S.ACCEPTED, S.REOPENED), S.ASSIGNED, A.SYSTEM, A.DISPATCHER),
    **_moves(E.HAND_OVER, WORKING, S.ASSIGNED, A.SYSTEM, A.HANDLER, A.DISPATCHER),
    **_moves(E.HAND_OVER, RESTING, None, A.SYSTEM, A.DISPATCHER),
    **_moves(E.ACKNOWLEDGE, S.ASSIGNED, S.ACKNOWLEDGED, A.HANDLER, A.CHIEF),
    **_moves(E.RETURN, _UNSTARTED, S.TRIAGE, A.HANDLER),
    **_moves(E.START, S.ACKNOWLEDGED, S.IN_PROGRESS, A.HANDLER, A.CHIEF),
    **_moves(E.ASK, S.IN_PROGRESS, S.PENDING_INFO, A.HANDLER),
    **_moves(E.REPLY, S.PENDING_INFO, S.IN_PROGRESS, A.RESIDENT),
    **_moves(E.SILENT, S.PENDING_INFO, S.DONE, A.SYSTEM),
    **_moves(E.MEDIATE, S.IN_PROGRESS, S.IN_MEDIATION, A.HANDLER),
    **_moves(E.DELIBERATE, S.IN_PROGRESS, S.IN_DELIBERATION, A.LEADER),
    **_moves(E.REFER, S.IN_PROGRESS, S.REFERRED, A.LEADER),
    **_moves(E.TAKE_OVER, S.REFERRED, S.IN_PROGRESS, A.RECEIVER, A.LEADER),
    **_moves(E.DECLINE, S.REFERRED, S.TRIAGE, A.RECEIVER, A.LEADER),
    **_moves(E.COME_BACK, S.REFERRED, S.IN_PROGRESS, A.SYSTEM),
    **_moves(E.PLAN, S.IN_PROGRESS, S.SCHEDULED, A.LEADER),
    **_moves(E.RESUME, S.SCHEDULED, S.IN_PROGRESS, A.SYSTEM, A.HANDLER, A.LEADER),
    **_moves(E.MERGE, OPEN, S.MERGED, A.DISPATCHER, A.SYSTEM),
    **_moves(E.FINISH, _FINISHABLE, S.DONE, A.HANDLER, A.CHIEF),
    **_moves(E.SATISFIED, (S.DONE, S.CLOSED), S.CLOSED, A.RESIDENT),
    **_moves(E.PARTLY, (S.DONE, S.CLOSED), S.CLOSED, A.RESIDENT),
    **_moves(E.NOT_SOLVED, S.DONE, S.REOPENED, A.RESIDENT, A.SUPERVISOR),
    **_moves(E.EXPIRE, (S.DONE, S.GUIDED), S.CLOSED, A.SYSTEM),
    **_moves(E.REOPEN, (S.CLOSED, S.GUIDED), S.REOPENED, A.RESIDENT, A.SUPERVISOR),
    **_moves(E.WITHDRAW, OPEN, S.CANCELLED, A.RESIDENT),
    **_moves(E.FALSE_ALARM, OPEN, S.CLOSED, A.DISPATCHER, A.HANDLER),
    **_moves(E.SEAL, S, None, A.SYSTEM, A.SUPERVISOR),
    **_moves(E.UNSEAL, S, None, A.SUPERVISOR),
}


def next_status(status: Status, event: Event, actor: Actor) -> Status | None:
    """Where `event`, done by `actor`, leads from `status`; None when the table does not allow it."""
    move = TRANSITIONS.get((status, event))
    return move.to if move and actor in move.who else None


# [办结] or [到场] pressed early: the moves in between are recorded too, in the same transaction.
_PATH = ((S.ASSIGNED, E.ACKNOWLEDGE), (S.ACKNOWLEDGED, E.START))
_AT_WORK = {event for status, event in TRANSITIONS if status is S.IN_PROGRESS}


def path_to(status: Status, event: Event) -> tuple[Event, ...]:
    """The events that lead from `status` up to and including `event`, along the handler's way."""
    if (status, event) in TRANSITIONS or event not in _AT_WORK | {E.START}:
        return (event,)
    statuses = [step[0] for step in _PATH]
    if status not in statuses:
        return (event,)
    before = tuple(step[1] for step in _PATH[statuses.index(status) :] if step[1] is not event)
    return (*before, event)
