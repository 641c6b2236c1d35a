"""Read-only questions behind the trace of a request: how it came to where it is, and who heard of it."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage import queries
from storage.tables import Note, Notification, SendState, ServiceRequest, StatusUpdate

_LOST = (SendState.FAILED, SendState.UNREACHABLE, SendState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Trace:
    """`sent` and `waiting` count messages about the request; `lost` are those that nobody received."""

    request: ServiceRequest
    history: list[StatusUpdate]
    photos: int
    result: Note | None
    sent: int
    waiting: int
    lost: list[Notification]


def newest(session: Session) -> Trace | None:
    """The trace of the request that was filed last."""
    request = session.scalar(select(ServiceRequest).order_by(ServiceRequest.id.desc()).limit(1))
    if request is None:
        return None
    about = Notification.request == request.id
    counted = select(Notification.state, func.count()).where(about).group_by(Notification.state)
    counts = dict(session.execute(counted).all())
    return Trace(
        request=request,
        history=queries.history(session, request.id),
        photos=len(queries.attachments(session, request.id)),
        result=session.get(Note, request.result) if request.result else None,
        sent=counts.get(SendState.SENT, 0),
        waiting=counts.get(SendState.WAITING, 0) + counts.get(SendState.IN_FLIGHT, 0),
        lost=list(session.scalars(select(Notification).where(about, Notification.state.in_(_LOST)))),
    )
