"""The ledger of assignments: who was responsible for what, and how much work that is for each."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Float,
    Table,
    bindparam,
    case,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.orm import Session

from routing.organisation import CHIEFS
from routing.transitions import WITH_HANDLER, Status
from storage.functions import one_of
from storage.tables import Assignment, Instant, ServiceRequest

USUAL = timedelta(days=30)  # as far back as the usual time to acknowledge is taken from
REMEMBERED = timedelta(days=180)  # as far back as somebody is said to know a place
LEAST_CARDS = 3  # whoever got fewer in `USUAL` cannot be called inactive


@dataclass(frozen=True, slots=True)
class Work:
    """What a member has in hand and was given lately; `seconds` is their median time to acknowledge.

    `today` and `week` leave out what was urgent: nobody's ceiling keeps an emergency from them.
    """

    open: int = 0
    late: int = 0
    today: int = 0
    week: int = 0
    before: bool = False
    seconds: float | None = None


# --- one statement for the choice, built once -------------------------------------------------

_table = cast("Table", Assignment.__table__)
_given, _request = _table.c, cast("Table", ServiceRequest.__table__).c
_no = literal(0)
_never = cast_to(null(), Float)  # with its type: a union takes it from what comes first


def _moment(name: str) -> BindParameter[datetime]:
    return bindparam(name, type_=Instant())


def _sum(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))


_unseen = (_request.status == Status.ASSIGNED) & (_request.due_ack < _moment("now"))
_in_hand = (
    select(
        _request.assignee,
        func.count(),
        _sum(_unseen | (_request.due_result < _moment("now"))),
        _no,
        _no,
        _no,
        _never,
    )
    .where(one_of(_request.assignee, "members"), _request.status.in_(WITH_HANDLER))
    .group_by(_request.assignee)
)
_lately = (
    select(
        _given.member,
        _no,
        _no,
        _sum(~_given.urgent & (_given.at >= _moment("day"))),
        _sum(~_given.urgent & (_given.at >= _moment("week"))),
        _sum((_given.area == bindparam("area")) | (_given.request == bindparam("master"))),
        _never,
    )
    .where(one_of(_given.member, "members"), _given.at >= _moment("remembered"))
    .group_by(_given.member)
)
_waited = (cast_to(_given.acknowledged_at, BigInteger) - cast_to(_given.at, BigInteger)) / 1_000_000.0
_ranked = (
    select(
        _given.member,
        _waited.label("seconds"),
        func.row_number().over(partition_by=_given.member, order_by=_waited).label("place"),
        func.count().over(partition_by=_given.member).label("count"),
    )
    .where(
        one_of(_given.member, "members"),
        _given.at >= _moment("usual"),
        _given.acknowledged_at.is_not(None),
    )
    .subquery()
)
_medians = (
    select(_ranked.c.member, _no, _no, _no, _no, _no, func.avg(_ranked.c.seconds))
    .where(_ranked.c.place * 2 >= _ranked.c.count, _ranked.c.place * 2 <= _ranked.c.count + 2)
    .group_by(_ranked.c.member)
)
_WORK = union_all(_in_hand, _lately, _medians)


def work_of(
    session: Session,
    members: Collection[str],
    now: datetime,
    day: datetime,
    week: datetime,
    area: str | None,
    master: int | None,
) -> dict[str, Work]:
    """The work of each member, as far as they have any; `day` and `week` are when these began.

    `before` says whether they had this place or this matter (`master`) in hand already.
    """
    when = {"now": now, "day": day, "week": week, "usual": now - USUAL, "remembered": now - REMEMBERED}
    asked = {"members": list(members), "area": area, "master": master, **when}
    found: dict[str, Work] = {}
    for member, open_, late, today, this_week, before, seconds in session.connection().execute(_WORK, asked):
        known = found.get(member, Work())
        found[member] = Work(
            known.open + open_,
            known.late + late,
            known.today + today,
            known.week + this_week,
            known.before or bool(before),
            known.seconds if seconds is None else seconds,
        )
    return found


# --- keeping the ledger -----------------------------------------------------------------------

_running = _table.update().where(_given.request == bindparam("of"), _given.until.is_(None))
_RELIEVE = _running.values(until=_moment("moment"))
_TAKEN = _running.where(_given.acknowledged_at.is_(None)).values(acknowledged_at=_moment("moment"))


def relieve(session: Session, requests: Collection[int], now: datetime) -> None:
    """Whoever has these requests is responsible for them no longer."""
    _update(session, _RELIEVE, requests, now)


def taken(session: Session, requests: Collection[int], now: datetime) -> None:
    """Whoever has these requests has acknowledged them."""
    _update(session, _TAKEN, requests, now)


def _update(session: Session, statement: Any, requests: Collection[int], now: datetime) -> None:
    if requests:
        session.connection().execute(statement, [{"of": one, "moment": now} for one in sorted(requests)])


# --- whose it is now ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """An open request and the members who have it, as far as passing it on must know."""

    id: int
    area: str
    assignee: str | None
    claimed_by: str | None
    alerted: list[str]
    since: datetime | None


_HELD = (
    select(
        _request.id,
        func.coalesce(_request.area, _request.community),
        _request.assignee,
        _request.claimed_by,
        _request.alerted,
        _request.assigned_at,
    )
    .where(_request.closed_at.is_(None), _request.status.in_(WITH_HANDLER | {Status.TRIAGE}))
    .order_by(_request.id)
)


def held(session: Session) -> list[Held]:
    """All requests that somebody has or sorts, oldest first, as this unit of work has left them."""
    session.flush()
    return [Held(*row) for row in session.connection().execute(_HELD)]


# --- reading it -------------------------------------------------------------------------------


def inactive_chiefs(session: Session, now: datetime) -> dict[str, int]:
    """Chiefs who acknowledged none of the cards they got in thirty days, with how many these were.

    People decide what follows from it; nothing happens by itself.
    """
    query = (
        select(Assignment.member, func.count())
        .where(Assignment.role.in_(CHIEFS), Assignment.at >= now - USUAL, Assignment.member.is_not(None))
        .group_by(Assignment.member)
        .having(func.count() >= LEAST_CARDS, func.count(Assignment.acknowledged_at) == 0)
        .order_by(Assignment.member)
    )
    return {member: count for member, count in session.execute(query) if member is not None}
