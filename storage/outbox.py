"""The way out, as tables: a chat is claimed, its head is sent outside, the outcome is marked."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnClause,
    String,
    Table,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from routing.windows import Chosen, Ledger, Means
from storage import ledgers, queries
from storage.functions import one_of
from storage.presence import NAMESPACE
from storage.tables import (
    Account,
    Attachment,
    Chat,
    ChatQueue,
    Message,
    Notification,
    Pace,
    SendOutcome,
    SendState,
    ServiceRequest,
    Work,
)

NO_LEDGER = Ledger()
STALE = timedelta(days=3)  # what somebody missed longer ago is not sent to them any more


@dataclass(frozen=True, slots=True)
class Address:
    """Where a recipient can be reached; `sealed` is the encrypted address, `account` None for a group's."""

    channel: str
    sealed: bytes
    account: int | None
    ledger: Ledger = NO_LEDGER


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
    code: str | None
    urgency: int
    message: int | None
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """The message that another one changes: what it said, and the code that allows one change."""

    id: int
    ref: str
    template: str
    args: dict[str, Any]
    code: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """One notification that this process now has in hand, with all that sending needs.

    `address` is the one to use, `others` are further ones of the same recipient. `merged` are cards that
    waited behind it and are said with it in one message.
    """

    said: Said
    claim_no: int
    address: Address | None
    edit: Earlier | None
    file: str | None
    others: tuple[Address, ...] = ()
    merged: tuple[Said, ...] = ()
    channel: str = ""  # whose pace it was claimed at


@dataclass(frozen=True, slots=True)
class Room:
    """What may be claimed for a channel: so many chats; more than so many cards waiting in one are merged."""

    chats: int
    in_group: int
    in_private: int

    def holds(self, chat: str) -> int:
        return self.in_group if chat.startswith("chat:") else self.in_private


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of a job: the row's new state, and when its chat may be written to again.

    `chosen` says by what means it went, or was to go, `template` under which id of the platform's. `shut`:
    the platform said that these means are closed to this person. `code` allows one change of the message.
    `tried` is False where it was only claimed. `missed` are the addresses of a group whom it did not reach.
    """

    job: Job
    state: SendState
    next_at: datetime
    sent_at: datetime | None = None
    ref: str | None = None
    error: str | None = None
    lost_account: bool = False
    chosen: Chosen | None = None
    template: str | None = None
    shut: bool = False
    code: str | None = None
    code_until: datetime | None = None
    tried: bool = True
    missed: tuple[str, ...] = ()


# Statements that thousands of rows a second pass are built once; building costs more than running them.
_said_table, _queue_table = cast("Table", Notification.__table__), cast("Table", ChatQueue.__table__)
_notification, _queue = _said_table.c, _queue_table.c
_READY = (
    select(_queue.chat, _queue.claim_no)
    .where(
        _queue.waiting,
        (_queue.channel == bindparam("channel")) | _queue.channel.is_(None),
        _queue.next_at <= bindparam("now"),
        (_queue.lease_until.is_(None)) | (_queue.lease_until <= bindparam("now")),
    )
    .order_by(_queue.urgency, _queue.next_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
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
        case((_notification.code_until > bindparam("now"), _notification.code)),
        _notification.urgency,
        _notification.message,
        _notification.heard_at,
        _file.c.path,
        _earlier.c.account,
        _earlier.c.state,
        _earlier.c.id,
        _earlier.c.ref,
        _earlier.c.template,
        _earlier.c.args,
        case((_earlier.c.code_until > bindparam("now"), _earlier.c.code)),
    )
    .outerjoin(_earlier, _earlier.c.id == _notification.edits)
    .outerjoin(_file, _file.c.id == _notification.attachment)
    .where(_notification.id.in_(select(_head).where(one_of(_queue.chat, "chats"))))
    # A card that a handler is just changing goes out when it is changed; and nobody waits for the other.
    .with_for_update(of=_said_table, skip_locked=True)
)
_LEASE = (
    _queue_table.update()
    .where(one_of(_queue.chat, "of"))
    .values(lease_until=bindparam("until"), claimed_by=bindparam("by"), claim_no=_queue.claim_no + 1)
)
_IN_FLIGHT = _said_table.update().where(one_of(_notification.id, "of")).values(state=SendState.IN_FLIGHT)


def claim(
    session: Session, now: datetime, lease_until: datetime, room: Room, channel: str, by: int | None = None
) -> list[Job]:
    """Take the chats whose turn it is, urgent ones first, and the head of each: urgent, then oldest.

    Only chats last spoken to on that channel, or never. `by` is the number of the process that takes them.
    """
    connection = session.connection()
    ready = connection.execute(_READY, {"now": now, "most": room.chats, "channel": channel}).all()
    chats = {chat: claim_no + 1 for chat, claim_no in ready}
    heads = connection.execute(_HEADS, {"chats": list(chats), "now": now}).all() if chats else []
    crowded = _crowded(session, {head.chat: head.id for head in heads if head.template in CARDS}, room)
    _nothing_left(session, chats.keys() - {head.chat for head in heads})
    if not heads:
        return []
    taken = {head.id for head in heads} | {said.id for merged in crowded.values() for said in merged}
    connection.execute(_LEASE, {"of": [head.chat for head in heads], "until": lease_until, "by": by})
    connection.execute(_IN_FLIGHT, {"of": list(taken)})
    edited = {f"account:{head.account}" for head in heads if head.account is not None}
    addresses = _addresses(session, [*(head.chat for head in heads), *edited])
    return [
        _job(tuple(head), chats[head.chat], addresses, tuple(crowded.get(head.chat, ())), channel)
        for head in heads
    ]


def _nothing_left(session: Session, chats: Collection[str]) -> None:
    """What these waited with was withdrawn meanwhile, or is just being changed."""
    if chats:
        session.connection().execute(_STILL_WAITING, {"chats": sorted(chats)})


CARDS = ("group_card", "member_card", "triage_card")
_MOST_MERGED = 40
_COUNTS = (
    select(_notification.chat, func.count())
    .where(
        one_of(_notification.chat, "chats"),
        _notification.state < SendState.SENT,
        _notification.urgency > 0,
    )
    .group_by(_notification.chat)
)
_BEHIND = (
    select(*(_notification[field.name] for field in fields(Said)))
    .where(
        _notification.chat == bindparam("of"),
        _notification.state == SendState.WAITING,
        _notification.urgency > 0,
        _notification.template.in_(CARDS),
        _notification.edits.is_(None),
    )
    .order_by(_notification.urgency, _notification.id)
    .limit(_MOST_MERGED)
    .with_for_update(skip_locked=True)
)


def _crowded(session: Session, heads: Mapping[str, int], room: Room) -> dict[str, list[Said]]:
    """The new cards of each chat in which more wait than may soon be said one by one, its head among them."""
    if not heads:
        return {}
    connection = session.connection()
    counts = connection.execute(_COUNTS, {"chats": list(heads)}).all()
    many = [chat for chat, count in counts if count > room.holds(chat)]
    found = {chat: [Said(*row) for row in connection.execute(_BEHIND, {"of": chat})] for chat in many}
    return {
        chat: said
        for chat, said in found.items()
        if len(said) > 1 and heads[chat] in (one.id for one in said)
    }


def _job(
    head: Sequence[Any],
    claim_no: int,
    addresses: Mapping[str, list[Address]],
    merged: tuple[Said, ...],
    channel: str,
) -> Job:
    """An edit goes to the account that has the message it changes, whosever that is by now.

    Where that cannot be reached, it is a new message to another.
    """
    said, (path, account, state, *earlier) = Said(*head[:_SAID]), head[_SAID:]
    there = addresses[f"account:{account}"]
    known = there or addresses[said.chat]
    changes = state == SendState.SENT and earlier[1] is not None and (there or account is None)
    edit = Earlier(*earlier) if changes else None
    return Job(said, claim_no, known[0] if known else None, edit, path, tuple(known[1:]), merged, channel)


_SAID = len(fields(Said))

_PEOPLE = (
    select(Account.channel, Account.address, Account.id, Account.ledger, Account.resident, Account.member)
    .where(
        or_(
            one_of(Account.resident, "residents"),
            one_of(Account.member, "members"),
            one_of(Account.id, "accounts"),
        ),
        Account.unreachable_at.is_(None),
    )
    .order_by(Account.id.desc())
)


_GROUPS = select(Chat.id, Chat.channel, Chat.address).where(
    one_of(Chat.id, "groups"), Chat.unreachable_at.is_(None)
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
    for channel, sealed, account, ledger, resident, member in people:
        address = Address(channel, sealed, account, ledgers.load(ledger) if ledger else NO_LEDGER)
        for recipient in (f"resident:{resident}", f"member:{member}", f"account:{account}"):
            found[recipient].append(address)
    groups = list(map(int, keys["chat"]))
    for group, channel, sealed in connection.execute(_GROUPS, {"groups": groups}) if groups else ():
        found[f"chat:{group}"].append(Address(channel, sealed, None))
    return found


def mark(session: Session, marks: Sequence[Mark], now: datetime) -> list[Mark]:
    """Write what became of the jobs. A chat whose claim has passed to somebody else is left to them.

    Returns the marks, each as the platform has told of it in the meantime.
    """
    connection = session.connection()
    for one in marks:
        if one.chosen is not None and one.chosen.means is not Means.PLAIN:
            _keep_books(session, one)
    marks = [_as_told(session, one) for one in marks]
    connection.execute(_MARK_SAID, [_outcome(one, said) for one in marks for said in _said_by(one)])
    _mark_lost(session, [one for one in marks if one.lost_account], now)
    session.flush()  # what is claimed next looks at the rows
    # What waits is looked at once the chats are ours: else we miss what is queued just now.
    connection.execute(_LOCK_CHATS, {"chats": sorted({one.job.said.chat for one in marks})})
    connection.execute(
        _MARK_CHAT,
        [
            {
                "of": one.job.said.chat,
                "mine": one.job.claim_no,
                "next_at": one.next_at,
                "on": one.job.address.channel if one.job.address else None,
            }
            for one in sorted(marks, key=lambda one: one.job.said.chat)
        ],
    )
    return marks


def _keep_books(session: Session, mark: Mark) -> None:
    """The person's ledger after this send, and what the platform has told of it in the meantime."""
    assert mark.chosen is not None  # noqa: S101 (the caller looked)
    address = mark.job.address
    account = session.get(Account, address.account) if address and address.account else None
    if account is None:
        return
    ledger = ledgers.load(account.ledger)
    if mark.state is SendState.KEPT:
        account.kept = True
    elif mark.shut:
        account.ledger = ledgers.dump(ledger.corrected(mark.chosen.means, mark.template))
    elif mark.state in (SendState.SENT, SendState.UNKNOWN):
        account.ledger = ledgers.dump(ledger.spent(mark.chosen.means, mark.template))


_NOT_SEEN = {"blocked": SendState.UNREACHABLE, "failed": SendState.FAILED}


def _as_told(session: Session, mark: Mark) -> Mark:
    """The platform may tell what became of a message before we have noted that it was sent."""
    templated = mark.chosen is not None and mark.chosen.means is Means.TEMPLATE
    early = session.get(SendOutcome, mark.ref) if templated and mark.ref is not None else None
    if early is None:
        return mark
    session.delete(early)
    state = _NOT_SEEN.get(early.outcome)
    if state is None:
        return mark
    return replace(mark, state=state, error=early.outcome, lost_account=state is SendState.UNREACHABLE)


def _said_by(mark: Mark) -> tuple[Said, ...]:
    return mark.job.merged or (mark.job.said,)


def _outcome(mark: Mark, said: Said) -> dict[str, Any]:
    """A merged card has no message of its own that could be changed later."""
    return {
        "said": said.id,
        "state": int(mark.state),
        "attempts": said.attempts + mark.tried,
        "sent_at": mark.sent_at,
        "account": mark.job.address.account if mark.job.address else None,
        "ref": None if mark.job.merged else mark.ref,
        "error": mark.error,
        "means": mark.chosen.means if mark.chosen else None,
        "reason": mark.chosen.reason if mark.chosen else None,
        "code": mark.code,
        "code_until": mark.code_until,
    }


_OUTCOME = (
    "state",
    "attempts",
    "sent_at",
    "account",
    "ref",
    "error",
    "means",
    "reason",
    "code",
    "code_until",
)
_MARK_SAID = (
    _said_table.update()
    .where(_notification.id == bindparam("said"))
    .values({name: bindparam(name) for name in _OUTCOME})
)
# Written out: for many chats at once a parameter is a column, and no index on what waits could be used.
_SENT: ColumnClause[int] = literal_column(str(int(SendState.SENT)))
_waiting = (_notification.chat == _queue.chat, _notification.state < _SENT)
_LOCK_CHATS = select(_queue.chat).where(one_of(_queue.chat, "chats")).order_by(_queue.chat).with_for_update()
_STILL_WAITING = (
    _queue_table.update().where(one_of(_queue.chat, "chats")).values(waiting=exists().where(*_waiting))
)
_MARK_CHAT = (
    _queue_table.update()
    .where(_queue.chat == bindparam("of"), _queue.claim_no == bindparam("mine"))
    .values(
        next_at=bindparam("next_at"),
        channel=bindparam("on"),
        lease_until=None,
        claimed_by=None,
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
    """Queue again what somebody missed while they could not be told, of each card its latest state only."""
    of_each = func.coalesce(Notification.subject, cast_to(Notification.id, String))
    missed = select(func.max(Notification.id)).where(
        Notification.chat.in_(chats),
        Notification.state.in_((SendState.UNREACHABLE, SendState.KEPT)),
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
    session.execute(update(ChatQueue).values(lease_until=None, claimed_by=None))
    freed = session.execute(
        update(Notification).where(Notification.state == SendState.IN_FLIGHT).values(state=SendState.WAITING)
    )
    return int(freed.rowcount)  # type: ignore[attr-defined]  # a CursorResult, always, for UPDATE


_GONE = text(
    "NOT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = :namespace "
    "AND objid = chat_queue.claimed_by AND granted)"
)
_FREE = (
    update(ChatQueue)
    .where(ChatQueue.claimed_by.is_not(None), _GONE)
    .values(lease_until=None, claimed_by=None)
)


def free_orphans(session: Session) -> int:
    """Where many processes send: what those had in hand that are gone may be sent by others at once."""
    return int(session.execute(_FREE, {"namespace": NAMESPACE}).rowcount)  # type: ignore[attr-defined]


# --- how fast, for all processes together -----------------------------------------------------

_pace = cast("Table", Pace.__table__)
_new_pace = insert(_pace)
_SET_PACE = _new_pace.on_conflict_do_update(
    index_elements=[_pace.c.channel],
    set_={"level": _new_pace.excluded.level, "at": _new_pace.excluded.at},
)
_PACES = select(_pace.c.channel, _pace.c.level, _pace.c.at).order_by(_pace.c.channel).with_for_update()


def paces(session: Session) -> dict[str, tuple[float, datetime]]:
    """How full each channel's bucket was left, and when; nobody else takes from them until the commit."""
    return {channel: (level, at) for channel, level, at in session.connection().execute(_PACES)}


def set_paces(session: Session, levels: Mapping[str, float], now: datetime) -> None:
    rows = [{"channel": channel, "level": levels[channel], "at": now} for channel in sorted(levels)]
    if rows:
        session.connection().execute(_SET_PACE, rows)


_later = case((ChatQueue.lease_until > ChatQueue.next_at, ChatQueue.lease_until), else_=ChatQueue.next_at)
_NEXT = select(ChatQueue.channel, func.min(_later)).where(ChatQueue.waiting).group_by(ChatQueue.channel)


def next_due(session: Session) -> dict[str | None, datetime]:
    """When the next waiting chat may be written to on each channel; of those never spoken to under None."""
    return dict(session.connection().execute(_NEXT).all())


def said_of(row: Notification) -> Said:
    return Said(*(getattr(row, field.name) for field in fields(Said)))


# --- what a webhook says at once --------------------------------------------------------------

_ANSWERS = (
    select(*(_notification[field.name] for field in fields(Said)))
    .where(_notification.answers == bindparam("message"), _notification.means == Means.PASSIVE)
    .order_by(_notification.id)
)


def answered(session: Session, channel: str, external: str) -> list[Said] | None:
    """What a webhook answered to a message; None while that has not been handled yet."""
    message = session.scalar(select(Message).where(Message.channel == channel, Message.external == external))
    if message is None or session.get(Work, message.id) is not None:
        return None
    return [Said(*row) for row in session.connection().execute(_ANSWERS, {"message": message.id})]


def not_answered(session: Session, said: Sequence[int], now: datetime) -> None:
    """The webhook did not wait for these words: they go out like all others."""
    rows = session.scalars(select(Notification).where(Notification.id.in_(said))).all()
    for row in rows:
        row.state, row.means, row.reason, row.sent_at = SendState.WAITING, None, None, None
        row.answers = None
    session.flush()
    queries.enqueue(session, [(row.chat, row.urgency) for row in rows], now)


# --- what platforms tell afterwards -----------------------------------------------------------


def settle_outcome(
    session: Session, account: int, ref: str, outcome: str, now: datetime
) -> Notification | None:
    """The message that a late outcome is about; where we have not noted it yet, the outcome is kept."""
    found = session.scalar(
        select(Notification)
        .where(Notification.account == account, Notification.ref == ref)
        .order_by(Notification.id.desc())
        .limit(1)
    )
    if found is None and session.get(SendOutcome, ref) is None:
        session.add(SendOutcome(ref=ref, outcome=outcome, at=now))
    return found


def of_members(session: Session, members: Sequence[str], channel: str, request: int | None) -> list[bytes]:
    """The sealed addresses of these members on a channel, but for those who have the request."""
    about = session.get(ServiceRequest, request) if request is not None else None
    theirs = {about.assignee, *about.alerted} if about is not None else set()
    query = select(Account.address).where(
        Account.member.in_([one for one in members if one not in theirs]),
        Account.channel == channel,
        Account.unreachable_at.is_(None),
    )
    return list(session.scalars(query.order_by(Account.id)))


def lose(session: Session, lookups: Sequence[str], now: datetime) -> list[str]:
    """These accounts are reached no more until they write; the members they belong to."""
    accounts = session.scalars(select(Account).where(Account.lookup.in_(lookups))).all()
    for account in accounts:
        account.unreachable_at = now
    return sorted({account.member for account in accounts if account.member is not None})
