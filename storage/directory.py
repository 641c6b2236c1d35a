"""Reads the organisation out of its tables into one value."""

from datetime import datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing import organisation
from routing.organisation import BY_HAND, AreaKind, Organisation, Role, StaffChat
from storage import queries
from storage.ids import new_id
from storage.tables import Appointment, Area, Chat, Deadline, DeadlineState, Json, Leave, Member

REVISION = "organisation"
POSTS = "posts"  # the deadline at which it is looked through who is still there for what they have
_MOST_LEAVES = 5_000  # the latest; what ended long ago decides nothing any more


def revision(session: Session) -> int:
    """Rises with every change of the organisation."""
    return queries.counter(session, REVISION)


def changed(session: Session, now: datetime) -> None:
    """Posts or leaves are others than before: everybody reads them anew, and what they had is passed on."""
    queries.next_number(session, REVISION)
    review(session, now)


def review(session: Session, now: datetime) -> None:
    """Have it looked through at once who is still there for what they have."""
    session.add(Deadline(id=new_id(), kind=POSTS, due_at=now, state=DeadlineState.WAITING))


def load(session: Session) -> Organisation:
    areas = session.scalars(select(Area).where(Area.active).order_by(Area.position))
    return Organisation(
        areas={
            one.code: organisation.Area(
                one.code, AreaKind(one.kind), one.name, one.parent, tuple(one.aliases)
            )
            for one in areas
        },
        members={
            one.code: organisation.Member(one.code, one.name, tuple(one.expertise), _duties(one.duty))
            for one in session.scalars(select(Member))
        },
        appointments=tuple(
            organisation.Appointment(one.member, Role(one.role), one.area, one.starts, one.ends)
            for one in session.scalars(select(Appointment).order_by(Appointment.id))
        ),
        chats=tuple(
            StaffChat(one.id, one.area, one.channel == BY_HAND)
            for one in session.scalars(select(Chat).where(Chat.active, Chat.purpose == "staff"))
        ),
        leaves=tuple(
            organisation.Leave(one.member, one.starts, one.ends, one.deputy if one.agreed_at else None)
            for one in session.scalars(select(Leave).order_by(Leave.ends.desc()).limit(_MOST_LEAVES))
        ),
    )


def _duties(stored: list[Json]) -> tuple[organisation.Duty, ...]:
    return tuple(
        organisation.Duty(
            frozenset(one["days"]), time.fromisoformat(one["from"]), time.fromisoformat(one["to"])
        )
        for one in stored
    )
