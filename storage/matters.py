"""Reads what the figures are made of, in two independent ways: from the columns, and from the history."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.indicators import Matter, Period
from routing.organisation import Role
from routing.replay import Line, replay
from routing.transitions import OPEN
from storage.tables import Assignment, Endorsement, Note, Patrol, ServiceRequest, StatusUpdate

_ANSWERS = ("claim", "seen", "not_here")
# The texts of members that residents read.
_TOLD = ("result", "question", "mediation", "deliberation", "referral", "plan", "basis", "word")


def open_requests(session: Session) -> list[ServiceRequest]:
    """All that is not at its end, the most urgent due time first."""
    query = select(ServiceRequest).where(ServiceRequest.status.in_(OPEN))
    return list(session.scalars(query.order_by(ServiceRequest.due_result, ServiceRequest.id)))


def stored(session: Session, before: datetime) -> list[Matter]:
    """Every request made before a moment, as its columns and the tables beside it tell it."""
    told: dict[int, datetime] = {}
    words = select(Note.request, Note.at).where(Note.kind.in_(_TOLD), Note.author.startswith("member:"))
    for request, at in session.execute(words.order_by(Note.id)):
        told.setdefault(request, at)
    endorsed: defaultdict[int, list[datetime]] = defaultdict(list)
    for request, at in session.execute(select(Endorsement.request, Endorsement.at).order_by(Endorsement.id)):
        endorsed[request].append(at)
    assigned = Counter(session.scalars(select(Assignment.request)))
    query = select(ServiceRequest).where(ServiceRequest.created_at < before).order_by(ServiceRequest.id)
    return [
        _of(one, told.get(one.id), tuple(endorsed[one.id]), assigned[one.id])
        for one in session.scalars(query)
    ]


def _of(
    request: ServiceRequest, told: datetime | None, endorsed: tuple[datetime, ...], assignments: int
) -> Matter:
    return Matter(
        number=request.number,
        area=request.area,
        category=request.category,
        limit_class=request.limit_class,
        urgent=request.urgent,
        created=request.created_at,
        status=request.status,
        due_ack=request.due_ack,
        due_contact=request.due_contact,
        due_result=request.due_result,
        acknowledged=request.acknowledged_at,
        contacted=request.contacted_at,
        told=told,
        done=request.done_at,
        closed=request.closed_at,
        stopped=timedelta(seconds=request.paused_seconds),
        result_code=request.result_code,
        verdict=request.verdict,
        judged=request.verdict_at,
        reopened=request.reopened,
        assignments=assignments,
        returns=len(request.returned_by),
        reds=request.reds,
        urges=request.urges,
        endorsed=endorsed,
    )


def replayed(session: Session, before: datetime) -> list[Matter]:
    """The same, from nothing but the history."""
    lines: defaultdict[int, list[Line]] = defaultdict(list)
    numbers: dict[int, str] = {}
    query = (
        select(StatusUpdate, ServiceRequest.number)
        .join(ServiceRequest, ServiceRequest.id == StatusUpdate.request)
        .where(ServiceRequest.created_at < before)
    )
    for one, number in session.execute(query.order_by(StatusUpdate.request, StatusUpdate.id)):
        numbers[one.request] = number
        lines[one.request].append(
            Line(one.at, one.event, one.before, one.after, one.actor, one.detail, one.note is not None)
        )
    return [replay(numbers[request], found) for request, found in lines.items()]


# --- beside the requests ----------------------------------------------------------------------


def patrols(session: Session, since: datetime) -> frozenset[tuple[str, str]]:
    """The grids and days that were walked."""
    found = session.execute(select(Patrol.area, Patrol.day).where(Patrol.at >= since))
    return frozenset((area, day) for area, day in found)


def answers(session: Session, period: Period) -> list[str]:
    """The members who reacted to a card in a group, as often as they did."""
    query = select(StatusUpdate.actor).where(
        StatusUpdate.event.in_(_ANSWERS), StatusUpdate.at >= period.start, StatusUpdate.at < period.end
    )
    return [actor.partition(":")[2] for actor in session.scalars(query)]


def asked(session: Session, role: Role, period: Period) -> list[str]:
    """The members who were given something in this role, emergencies apart, as often as they were."""
    query = select(Assignment.member).where(
        Assignment.role == role.value,
        Assignment.urgent.is_(False),
        Assignment.at >= period.start,
        Assignment.at < period.end,
    )
    return [member for member in session.scalars(query) if member is not None]
