"""The way out, as tables: a chat is claimed, its head is sent outside, the outcome is marked."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import String, Table, bindparam, exists, func, or_, select, update
from sqlalchemy import cast as cast_to
from sqlalchemy.orm import Session

from storage.tables import Account, Attachment, Chat, ChatQueue, Notification, SendState

STALE = timedelta(days=3)  # what somebody missed longer ago is not sent to them any more


@dataclass(frozen=True, slots=True)
class Address:
    """Where a recipient can be reached; `sealed` is the encrypted address, `owner` its account or chat."""

    channel: str
    sealed: bytes
    account: int | None


@dataclass(frozen=True, slots=True)
class Said:
    """A notification as the way out needs it."""

    id: int
    chat: str
    purpose: str
    request: int | None
    template: str
    args: dict[str, Any]
    choices: list[dict[str, str]]
    attempts: int
    error: str | None
    reply_to: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """One notification that this process now has in hand, with all that sending needs."""

    said: Said
    claim_no: int
    address: Address | None
    edit: str | None
    file: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of a job: the row's new state, and when its chat may be written to again."""

    job: Job
    state: SendState
    next_at: datetime
    sent_at: datetime | None = None
    ref: str | None = None
    error: str | None = None
    lost_account: bool = False


# Statements that thousands of rows a second pass are built once; building costs more than running them.
_said_table, _queue_table = cast("Table", Notification.__table__), cast("Table", ChatQueue.__table__)
_notification, _queue = _said_table.c, _queue_table.c
_READY = (
    select(_queue.chat, _queue.claim_no)
    .where(
        _queue.waiting,
        _queue.next_at <= bindparam("now"),
        (_queue.lease_until.is_(None)) | (_queue.lease_until <= bindparam("now")),
    )
    .order_by(_queue.urgency, _queue.next_at)
    .limit(bindparam("most"))
)
_head = (
    select(_notification.id)
    .where(_notification.chat == _queue.chat, _notification.state < SendState.SENT)
    .order_by(_notification.urgency, _notification.id)
    .limit(1)
    .scalar_subquery()
)
_earlier, _file = _said_table.alias("earlier"), cast("Table", Attachment.__table__)
_HEADS = (
    select(
        _notification.id,
        _notification.chat,
        _notification.purpose,
        _notification.request,
        _notification.template,
        _notification.args,
        _notification.choices,
        _notification.attempts,
        _notification.error,
        _notification.reply_to,
        _earlier.c.ref,
        _earlier.c.state,
        _earlier.c.account,
        _file.c.path,
    )
    .outerjoin(_earlier, _earlier.c.id == _notification.edits)
    .outerjoin(_file, _file.c.id == _notification.attachment)
    .where(_notification.id.in_(select(_head).where(_queue.chat.in_(bindparam("chats", expanding=True)))))
)
_LEASE = (
    _queue_table.update()
    .where(_queue.chat == bindparam("of"))
    .values(lease_until=bindparam("until"), claim_no=_queue.claim_no + 1)
)
_IN_FLIGHT = _said_table.update().where(_notification.id == bindparam("of")).values(state=SendState.IN_FLIGHT)


def claim(session: Session, now: datetime, lease_until: datetime, limit: int) -> list[Job]:
    """Take the chats whose turn it is, urgent ones first, and the head of each: urgent, then oldest."""
    connection = session.connection()
    ready = connection.execute(_READY, {"now": now, "most": limit}).all()
    chats = {chat: claim_no + 1 for chat, claim_no in ready}
    if not chats:
        return []
    heads = connection.execute(_HEADS, {"chats": list(chats)}).all()
    connection.execute(_LEASE, [{"of": chat, "until": lease_until} for chat in sorted(chats)])
    if heads:
        connection.execute(_IN_FLIGHT, [{"of": head.id} for head in heads])
    edited = {f"account:{head.account}" for head in heads if head.account is not None}
    addresses = _addresses(session, [*chats, *edited])
    return [_job(tuple(head), chats[head.chat], addresses) for head in heads]


def _job(head: Sequence[Any], claim_no: int, addresses: Mapping[str, list[Address]]) -> Job:
    """An edit goes to the account that has the message it changes, whosever that is by now.

    Where that cannot be reached, it is a new message to another.
    """
    *fields, ref, state, account, path = head
    said = Said(*fields)
    there = addresses[f"account:{account}"]
    known = there or addresses[said.chat]
    edit = ref if state == SendState.SENT and (there or account is None) else None
    return Job(said, claim_no, known[0] if known else None, edit, path)


_PEOPLE = (
    select(Account.channel, Account.address, Account.id, Account.resident, Account.member)
    .where(
        or_(
            Account.resident.in_(bindparam("residents", expanding=True)),
            Account.member.in_(bindparam("members", expanding=True)),
            Account.id.in_(bindparam("accounts", expanding=True)),
        ),
        Account.unreachable_at.is_(None),
    )
    .order_by(Account.id.desc())
)


_GROUPS = select(Chat.id, Chat.channel, Chat.address).where(
    Chat.id.in_(bindparam("groups", expanding=True)), Chat.unreachable_at.is_(None)
)


def _addresses(session: Session, chats: list[str]) -> defaultdict[str, list[Address]]:
    """The reachable addresses of each recipient, the newest account first."""
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for chat in chats:
        kind, _, key = chat.partition(":")
        keys[kind].append(key)
    found: defaultdict[str, list[Address]] = defaultdict(list)
    owners = {"residents": list(map(int, keys["resident"])), "members": keys["member"]}
    connection = session.connection()
    people = connection.execute(_PEOPLE, {**owners, "accounts": list(map(int, keys["account"]))})
    for channel, sealed, account, resident, member in people:
        for recipient in (f"resident:{resident}", f"member:{member}", f"account:{account}"):
            found[recipient].append(Address(channel, sealed, account))
    groups = list(map(int, keys["chat"]))
    for group, channel, sealed in connection.execute(_GROUPS, {"groups": groups}) if groups else ():
        found[f"chat:{group}"].append(Address(channel, sealed, None))
    return found


def mark(session: Session, marks: Sequence[Mark], now: datetime) -> None:
    """Write what became of the jobs. A chat whose claim has passed to somebody else is left to them."""
    connection = session.connection()
    connection.execute(_MARK_SAID, [_outcome(one) for one in marks])
    connection.execute(
        _MARK_CHAT,
        [{"of": one.job.said.chat, "mine": one.job.claim_no, "next_at": one.next_at} for one in marks],
    )
    _mark_lost(session, [one for one in marks if one.lost_account], now)


def _outcome(mark: Mark) -> dict[str, Any]:
    return {
        "said": mark.job.said.id,
        "state": int(mark.state),
        "attempts": mark.job.said.attempts + 1,
        "sent_at": mark.sent_at,
        "account": mark.job.address.account if mark.job.address else None,
        "ref": mark.ref,
        "error": mark.error,
    }


_MARK_SAID = (
    _said_table.update()
    .where(_notification.id == bindparam("said"))
    .values({name: bindparam(name) for name in ("state", "attempts", "sent_at", "account", "ref", "error")})
)
_waiting = (_notification.chat == _queue.chat, _notification.state < SendState.SENT)
_MARK_CHAT = (
    _queue_table.update()
    .where(_queue.chat == bindparam("of"), _queue.claim_no == bindparam("mine"))
    .values(
        next_at=bindparam("next_at"),
        lease_until=None,
        waiting=exists().where(*_waiting),
        urgency=select(func.coalesce(func.min(_notification.urgency), 1)).where(*_waiting).scalar_subquery(),
    )
)


def _mark_lost(session: Session, marks: Sequence[Mark], now: datetime) -> None:
    """The platform says that nobody is there: remember it until they turn up again."""
    for one in marks:
        address, (kind, _, key) = one.job.address, one.job.said.chat.partition(":")
        if address is not None and address.account is not None:
            session.execute(update(Account).where(Account.id == address.account).values(unreachable_at=now))
        elif kind == "chat":
            session.execute(update(Chat).where(Chat.id == int(key)).values(unreachable_at=now))


def move_chat(session: Session, chat: int, lookup: str, sealed: bytes) -> None:
    """A group has another address from now on; a row that had this address before gives it up."""
    before = session.scalar(select(Chat).where(Chat.lookup == lookup, Chat.id != chat))
    if before is not None:
        before.lookup, before.active = f"old:{before.id}", False
        session.flush()
    session.execute(
        update(Chat).where(Chat.id == chat).values(lookup=lookup, address=sealed, unreachable_at=None)
    )


def try_elsewhere(session: Session, notification: int, chat: str) -> bool:
    """Queue a message again for the recipient's next address; False where there is none."""
    if not _addresses(session, [chat])[chat]:
        return False
    session.execute(
        update(Notification).where(Notification.id == notification).values(state=SendState.WAITING)
    )
    session.execute(update(ChatQueue).where(ChatQueue.chat == chat).values(waiting=True))
    return True


def revive(session: Session, chats: Sequence[str], now: datetime) -> None:
    """Queue again what somebody missed while they were out of reach, of each card its latest state only."""
    of_each = func.coalesce(Notification.subject, cast_to(Notification.id, String))
    missed = select(func.max(Notification.id)).where(
        Notification.chat.in_(chats),
        Notification.state == SendState.UNREACHABLE,
        Notification.created_at > now - STALE,
    )
    ids = list(session.scalars(missed.group_by(Notification.chat, of_each)))
    session.execute(
        update(Notification).where(Notification.id.in_(ids)).values(state=SendState.WAITING, attempts=0)
    )
    back = select(Notification.chat).where(Notification.id.in_(ids))
    session.execute(
        update(ChatQueue)
        .where(ChatQueue.chat.in_(back))
        .values(waiting=True)
        .execution_options(synchronize_session=False)
    )


def release_all(session: Session) -> int:
    """At the start of the only process: whatever a dead one had in hand may be sent again."""
    session.execute(update(ChatQueue).values(lease_until=None))
    freed = session.execute(
        update(Notification).where(Notification.state == SendState.IN_FLIGHT).values(state=SendState.WAITING)
    )
    return int(freed.rowcount)  # type: ignore[attr-defined]  # a CursorResult, always, for UPDATE


_later = func.max(ChatQueue.next_at, func.coalesce(ChatQueue.lease_until, ChatQueue.next_at))
_NEXT = select(func.min(_later)).where(ChatQueue.waiting)


def next_due(session: Session) -> datetime | None:
    """When the next waiting chat may be written to; None where nothing waits."""
    return session.connection().scalar(_NEXT)
