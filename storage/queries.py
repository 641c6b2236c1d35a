"""Questions asked of the database more than once, each under its name."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from routing.transitions import OPEN, WITH_HANDLER
from storage.tables import (
    Account,
    Attachment,
    ChatQueue,
    Counter,
    Deadline,
    DeadlineState,
    Note,
    Notification,
    QrToken,
    SendState,
    ServiceRequest,
    StatusUpdate,
)


def accounts_by_lookup(session: Session, lookups: Collection[str]) -> dict[str, Account]:
    found = session.scalars(select(Account).where(Account.lookup.in_(lookups)))
    return {account.lookup: account for account in found}


def next_number(session: Session, name: str) -> int:
    """Raise the counter called `name` by one, starting at 1. Gaps are allowed, repeats are not."""
    raised = insert(Counter).values(name=name, value=1)
    upsert = raised.on_conflict_do_update(
        index_elements=[Counter.name], set_={"value": Counter.__table__.c.value + 1}
    )
    return int(session.execute(upsert.returning(Counter.__table__.c.value)).scalar_one())


def counter(session: Session, name: str) -> int:
    return session.scalar(select(Counter.value).where(Counter.name == name)) or 0


def place_of_token(session: Session, token: str) -> str | None:
    """The area behind a QR token; None for an unknown or a revoked one."""
    return session.scalar(select(QrToken.area).where(QrToken.token == token, QrToken.revoked_at.is_(None)))


def requests_of(session: Session, resident: int, limit: int = 5) -> list[ServiceRequest]:
    """A resident's latest requests, newest first."""
    query = select(ServiceRequest).where(ServiceRequest.resident == resident)
    return list(session.scalars(query.order_by(ServiceRequest.id.desc()).limit(limit)))


def request_by_number(session: Session, number: str) -> ServiceRequest | None:
    return session.scalar(select(ServiceRequest).where(ServiceRequest.number == number.upper()))


def request_by_short_number(session: Session, resident: int, short: int) -> ServiceRequest | None:
    """“37号”: the asker's newest request whose number ends so, an open one before a closed one."""
    query = select(ServiceRequest).where(
        ServiceRequest.resident == resident, ServiceRequest.number.like(f"%-{short:04d}")
    )
    found = list(session.scalars(query.order_by(ServiceRequest.id.desc())))
    return next((one for one in found if one.status in OPEN), found[0] if found else None)


def open_items(session: Session, members: Collection[str]) -> dict[str, int]:
    """How many requests each of the members has in hand."""
    query = (
        select(ServiceRequest.assignee, func.count())
        .where(ServiceRequest.assignee.in_(members), ServiceRequest.status.in_(WITH_HANDLER))
        .group_by(ServiceRequest.assignee)
    )
    return {member: count for member, count in session.execute(query) if member}


def notes(session: Session, request: int, *kinds: str) -> list[Note]:
    query = select(Note).where(Note.request == request, Note.kind.in_(kinds))
    return list(session.scalars(query.order_by(Note.id)))


def history(session: Session, request: int) -> list[StatusUpdate]:
    query = select(StatusUpdate).where(StatusUpdate.request == request)
    return list(session.scalars(query.order_by(StatusUpdate.id)))


def attachments(session: Session, request: int) -> list[Attachment]:
    return list(
        session.scalars(select(Attachment).where(Attachment.request == request).order_by(Attachment.id))
    )


def cards(session: Session, subject: str) -> list[Notification]:
    """The newest card about `subject` in each chat that has one."""
    newest = (
        select(func.max(Notification.id))
        .where(Notification.subject == subject, Notification.state != SendState.SUPERSEDED)
        .group_by(Notification.chat)
    )
    return list(session.scalars(select(Notification).where(Notification.id.in_(newest))))


def card_in(session: Session, subject: str, chat: str) -> Notification | None:
    query = select(Notification).where(
        Notification.subject == subject,
        Notification.chat == chat,
        Notification.state != SendState.SUPERSEDED,
    )
    return session.scalar(query.order_by(Notification.id.desc()).limit(1))


def notification_by_ref(session: Session, chats: Collection[str], ref: str) -> Notification | None:
    """What we last said in the message that the platform calls `ref`."""
    query = select(Notification).where(Notification.chat.in_(chats), Notification.ref == ref)
    return session.scalar(query.order_by(Notification.id.desc()).limit(1))


def open_offer(session: Session, chats: Collection[str]) -> Notification | None:
    """The latest thing said in a chat, if it offered choices."""
    query = select(Notification).where(
        Notification.chat.in_(chats), Notification.state.in_((SendState.SENT, SendState.IN_FLIGHT))
    )
    latest = session.scalar(query.order_by(Notification.id.desc()).limit(1))
    return latest if latest is not None and latest.choices else None


def already_said(session: Session, dedupe: str) -> bool:
    return session.scalar(select(Notification.id).where(Notification.dedupe == dedupe)) is not None


def enqueue(session: Session, waiting: Iterable[tuple[str, int]], now: datetime) -> None:
    """Note in the thin queue that these (chat, urgency) have something to say. Pacing already set stays."""
    urgencies: dict[str, int] = {}
    for chat, urgency in waiting:
        urgencies[chat] = min(urgency, urgencies.get(chat, urgency))
    if not urgencies:
        return
    rows = [
        {"chat": chat, "urgency": urgency, "next_at": now, "waiting": True, "claim_no": 0}
        for chat, urgency in sorted(urgencies.items())
    ]
    new = insert(ChatQueue)
    session.execute(
        new.on_conflict_do_update(
            index_elements=[ChatQueue.chat],
            set_={
                "waiting": True,
                "urgency": func.min(ChatQueue.__table__.c.urgency, new.excluded.urgency),
            },
        ),
        rows,
    )


def due_deadlines(session: Session, now: datetime, limit: int) -> list[int]:
    query = select(Deadline.id).where(Deadline.state == DeadlineState.WAITING, Deadline.due_at <= now)
    return list(session.scalars(query.order_by(Deadline.due_at, Deadline.id).limit(limit)))


def next_deadline(session: Session) -> datetime | None:
    return session.scalar(select(func.min(Deadline.due_at)).where(Deadline.state == DeadlineState.WAITING))


def cancel_deadlines(
    session: Session, kinds: Collection[str], *, request: int | None = None, account: str | None = None
) -> None:
    """Cancel what waits for this request or this account's draft; all of it where no kind is named."""
    whose = Deadline.request == request if request is not None else Deadline.account == account
    change = update(Deadline).where(whose, Deadline.state == DeadlineState.WAITING)
    if kinds:
        change = change.where(Deadline.kind.in_(kinds))
    session.execute(change.values(state=DeadlineState.CANCELLED))
