"""Questions asked of the database more than once, each under its name."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Table, bindparam, func, select
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


# Statements that every request passes are built once; building costs more than running them.
_counter = cast("Table", Counter.__table__)
_RAISE = (
    insert(_counter)
    .on_conflict_do_update(index_elements=[_counter.c.name], set_={"value": _counter.c.value + 1})
    .returning(_counter.c.value)
)


def next_number(session: Session, name: str) -> int:
    """Raise the counter called `name` by one, starting at 1. Gaps are allowed, repeats are not."""
    return int(session.connection().execute(_RAISE, {"name": name, "value": 1}).scalar_one())


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


_newest_cards = (
    select(func.max(Notification.id))
    .where(Notification.subject.in_(bindparam("subjects", expanding=True)))
    .group_by(Notification.subject, Notification.chat)
)
_CARDS = select(Notification).where(Notification.id.in_(_newest_cards))


def cards(session: Session, *subjects: str) -> list[Notification]:
    """The newest card about each subject in each chat that has one."""
    return list(session.scalars(_CARDS, {"subjects": subjects}))


def notification_by_ref(session: Session, chats: Collection[str], ref: str) -> Notification | None:
    """What we last said in the message that the platform calls `ref`."""
    query = select(Notification).where(Notification.chat.in_(chats), Notification.ref == ref)
    return session.scalar(query.order_by(Notification.id.desc()).limit(1))


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


@dataclass(frozen=True, slots=True)
class Dropped:
    """Deadlines to cancel: of a request or of an account's draft; of these kinds, or of all."""

    request: int | None
    account: str | None
    kinds: tuple[str, ...]

    def covers(self, deadline: Deadline) -> bool:
        same = deadline.request == self.request and deadline.account == self.account
        return same and (not self.kinds or deadline.kind in self.kinds)


_deadline = cast("Table", Deadline.__table__)
_CANCEL = (
    _deadline.update().where(_deadline.c.state == DeadlineState.WAITING).values(state=DeadlineState.CANCELLED)
)
_CANCEL_DRAFT = _CANCEL.where(_deadline.c.account == bindparam("of"))
_CANCEL_REQUEST = _CANCEL.where(_deadline.c.request == bindparam("of"))


def cancel_deadlines(session: Session, dropped: Sequence[Dropped]) -> None:
    """Cancel what is stored and waits."""
    connection = session.connection()
    drafts = [{"of": one.account} for one in dropped if one.account is not None]
    if drafts:
        connection.execute(_CANCEL_DRAFT, drafts)
    for one in dropped:
        if one.request is not None:
            change = _CANCEL_REQUEST.where(_deadline.c.kind.in_(one.kinds)) if one.kinds else _CANCEL_REQUEST
            connection.execute(change, {"of": one.request})


_OPEN_OFFER = (
    select(Notification)
    .where(
        Notification.chat.in_(bindparam("chats", expanding=True)),
        Notification.state.in_((SendState.SENT, SendState.IN_FLIGHT)),
    )
    .order_by(Notification.id.desc())
    .limit(1)
)


def open_offer(session: Session, chats: Collection[str]) -> Notification | None:
    """The latest thing said in a chat, if it offered choices."""
    latest = session.scalar(_OPEN_OFFER, {"chats": list(chats)})
    return latest if latest is not None and latest.choices else None
