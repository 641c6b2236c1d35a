"""What the rules can learn from: what residents wrote, and what people said it is about."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from routing.privacy import redact
from routing.transitions import Event
from storage.tables import Feedback, Json, Note, ServiceRequest


@dataclass(frozen=True, slots=True)
class Past:
    """A request as it was filed. `text` is redacted; None where it was erased, is sealed, or was never kept.

    `right` is the category that a person gave it, or that the resident was satisfied with.
    """

    number: str
    resident: int
    text: str | None
    right: str | None
    decision: Json


def past(session: Session, since: datetime) -> list[Past]:
    """Every request made since then, oldest first."""
    texts = _texts(session, since)
    corrected = _corrected(session, since)
    one = ServiceRequest
    query = (
        select(one.id, one.number, one.resident, one.sealed, one.category, one.verdict, one.decision)
        .where(one.created_at >= since)
        .order_by(one.id)
    )
    return [
        Past(
            number,
            resident,
            None if sealed else texts.get(id_),
            corrected.get(id_, category if verdict == Event.SATISFIED else None),
            decision,
        )
        for id_, number, resident, sealed, category, verdict, decision in session.execute(query)
    ]


def _texts(session: Session, since: datetime) -> dict[int, str]:
    """The words of each report; masked once more, as the masks may have become better since."""
    said = select(Note.request, Note.body).where(Note.kind == "report", Note.at >= since, Note.body != "")
    return {request: redact(body) for request, body in session.execute(said)}


def _corrected(session: Session, since: datetime) -> dict[int, str | None]:
    """What was said last of each request that somebody corrected."""
    said = select(Feedback.request, Feedback.after).where(Feedback.at >= since).order_by(Feedback.id)
    return dict(session.execute(said).tuples().all())
