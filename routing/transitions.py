"""The life cycle of a service request as one table: which event leads from which status to which."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    SUBMITTED = "submitted"
    TRIAGE = "triage"
    ACCEPTED = "accepted"
    ASSIGNED = "assigned"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    REOPENED = "reopened"
    CLOSED = "closed"
    CANCELLED = "cancelled"


OPEN = frozenset(
    {
        Status.SUBMITTED,
        Status.TRIAGE,
        Status.ACCEPTED,
        Status.ASSIGNED,
        Status.ACKNOWLEDGED,
        Status.IN_PROGRESS,
        Status.REOPENED,
    }
)
WITH_HANDLER = frozenset({Status.ASSIGNED, Status.ACKNOWLEDGED, Status.IN_PROGRESS})


class Event(StrEnum):
    """What happens to a request. The names are those that its history stores."""

    ACCEPT = "accept"
    TRIAGE = "triage"
    CLASSIFY = "classify"
    ASSIGN = "assign"
    ACKNOWLEDGE = "acknowledge"
    START = "start"
    RETURN = "return"
    FINISH = "finish"
    SATISFIED = "satisfied"
    PARTLY = "partly"
    NOT_SOLVED = "not_solved"
    EXPIRE = "expire"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"


class Actor(StrEnum):
    """In which capacity somebody acts on a request."""

    SYSTEM = "system"
    RESIDENT = "resident"
    HANDLER = "handler"
    CHIEF = "chief"
    DISPATCHER = "dispatcher"


@dataclass(frozen=True, slots=True)
class Move:
    to: Status
    who: frozenset[Actor]


def _move(to: Status, *who: Actor) -> Move:
    return Move(to, frozenset(who))


TRANSITIONS: dict[tuple[Status, Event], Move] = {
    (Status.SUBMITTED, Event.ACCEPT): _move(Status.ACCEPTED, Actor.SYSTEM),
    (Status.SUBMITTED, Event.TRIAGE): _move(Status.TRIAGE, Actor.SYSTEM),
    (Status.TRIAGE, Event.CLASSIFY): _move(Status.ACCEPTED, Actor.DISPATCHER),
    (Status.ACCEPTED, Event.ASSIGN): _move(Status.ASSIGNED, Actor.SYSTEM, Actor.DISPATCHER),
    (Status.ASSIGNED, Event.ACKNOWLEDGE): _move(Status.ACKNOWLEDGED, Actor.HANDLER, Actor.CHIEF),
    (Status.ASSIGNED, Event.RETURN): _move(Status.TRIAGE, Actor.HANDLER),
    (Status.ACKNOWLEDGED, Event.RETURN): _move(Status.TRIAGE, Actor.HANDLER),
    (Status.ACKNOWLEDGED, Event.START): _move(Status.IN_PROGRESS, Actor.HANDLER, Actor.CHIEF),
    (Status.IN_PROGRESS, Event.FINISH): _move(Status.DONE, Actor.HANDLER, Actor.CHIEF),
    (Status.DONE, Event.SATISFIED): _move(Status.CLOSED, Actor.RESIDENT),
    (Status.DONE, Event.PARTLY): _move(Status.CLOSED, Actor.RESIDENT),
    (Status.DONE, Event.NOT_SOLVED): _move(Status.REOPENED, Actor.RESIDENT),
    (Status.DONE, Event.EXPIRE): _move(Status.CLOSED, Actor.SYSTEM),
    (Status.CLOSED, Event.REOPEN): _move(Status.REOPENED, Actor.RESIDENT),
    (Status.REOPENED, Event.ASSIGN): _move(Status.ASSIGNED, Actor.SYSTEM, Actor.DISPATCHER),
} | {(status, Event.WITHDRAW): _move(Status.CANCELLED, Actor.RESIDENT) for status in OPEN}


def next_status(status: Status, event: Event, actor: Actor) -> Status | None:
    """Where `event`, done by `actor`, leads from `status`; None when the table does not allow it."""
    move = TRANSITIONS.get((status, event))
    return move.to if move and actor in move.who else None


# [办结] or [到场] pressed early: the moves in between are recorded too, in the same transaction.
_PATH = (
    (Status.ASSIGNED, Event.ACKNOWLEDGE),
    (Status.ACKNOWLEDGED, Event.START),
    (Status.IN_PROGRESS, Event.FINISH),
)


def path_to(status: Status, event: Event) -> tuple[Event, ...]:
    """The events that lead from `status` up to and including `event`, along the handler's way."""
    statuses = [step[0] for step in _PATH]
    events = [step[1] for step in _PATH]
    if event not in events or status not in statuses:
        return (event,)
    return tuple(events[statuses.index(status) : events.index(event) + 1]) or (event,)
