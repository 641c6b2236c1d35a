"""How much waits in each queue and since when, from indexes alone: cheap enough to ask every few seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, literal, select
from sqlalchemy.orm import Session

from storage.tables import (
    Attachment,
    ChatQueue,
    Deadline,
    DeadlineState,
    Lane,
    MediaState,
    Notification,
    SendState,
    Work,
)

URGENCIES = ("urgent", "staff", "ordinary", "digest")


@dataclass(frozen=True, slots=True)
class Queue:
    """How many wait, and since when the oldest does; None where nothing waits or its age says nothing."""

    count: int
    oldest: datetime | None = None


Queues = dict[str, Queue]

# Written as literals, or SQLite looks into every row for what its partial index says already.
_UNSENT = Notification.state < literal(int(SendState.SENT), literal_execute=True)
_UNFIRED = Deadline.state == literal(int(DeadlineState.WAITING), literal_execute=True)
_NOTIFICATIONS = select(
    *(
        column
        for urgency in range(len(URGENCIES))
        for column in (
            func.count(case((Notification.urgency == urgency, 1))),
            func.min(case((Notification.urgency == urgency, Notification.id))),
        )
    )
).where(_UNSENT)


def measure(session: Session, now: datetime) -> Queues:
    """Every queue by its name. The names are a closed set: they become labels of metrics."""
    return {
        **dict(_messages(session)),
        **dict(_notifications(session)),
        "chats": _chats(session, now),
        "deadlines_late": _deadlines(session, now),
        "attachments": _attachments(session),
    }


def _messages(session: Session) -> Iterator[tuple[str, Queue]]:
    """By lane. What failed and waits for another try is apart: its age says nothing about how fast we are."""
    fresh, aside = Work.attempts == 0, 0
    since = func.min(case((fresh, Work.not_before)))
    query = select(Work.lane, func.count(), func.count(case((fresh, 1))), since).group_by(Work.lane)
    found = {lane: row for lane, *row in session.execute(query)}
    for lane in Lane:
        everything, count, oldest = found.get(lane, (0, 0, None))
        aside += everything - count
        yield f"messages_{lane.name.lower()}", Queue(count, oldest)
    yield "messages_set_aside", Queue(aside)


def _notifications(session: Session) -> Iterator[tuple[str, Queue]]:
    """By urgency. The oldest has the smallest id, which the index knows; when it was made, only its row."""
    counts = session.execute(_NOTIFICATIONS).one()
    made = select(Notification.id, Notification.created_at).where(
        Notification.id.in_(filter(None, counts[1::2]))
    )
    since = {row.id: row.created_at for row in session.execute(made)}
    for name, count, oldest in zip(URGENCIES, counts[::2], counts[1::2], strict=True):
        yield f"notifications_{name}", Queue(count, since.get(oldest))


def _chats(session: Session, now: datetime) -> Queue:
    """Chats with something to say to, and since when the first of them might have been written to."""
    due = func.min(case((ChatQueue.next_at <= now, ChatQueue.next_at)))
    count, oldest = session.execute(select(func.count(), due).where(ChatQueue.waiting)).one()
    return Queue(count, oldest)


def _deadlines(session: Session, now: datetime) -> Queue:
    query = select(func.count(), func.min(Deadline.due_at)).where(_UNFIRED, Deadline.due_at < now)
    return Queue(*session.execute(query).one())


def _attachments(session: Session) -> Queue:
    query = select(func.count()).where(Attachment.state == MediaState.WAITING)
    return Queue(session.scalar(query) or 0)
