"""The way in, as tables: store what came, hand out what waits, note what was done with it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from storage import queries
from storage.functions import one_of
from storage.tables import (
    Account,
    Chat,
    Conversation,
    Lane,
    Message,
    MessageState,
    Notification,
    Resident,
    ServiceRequest,
    Work,
)

ACCOUNTS_AT_ONCE = 100
MESSAGES_EACH = 8


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it is stored before anybody has read it; without an account it is unreadable."""

    channel: str
    external: str
    account: str | None
    body: bytes
    received_at: datetime
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    message: int
    account: str
    channel: str
    external: str
    body: bytes
    attempts: int
    received_at: datetime


def store(session: Session, arrivals: Sequence[Arrival]) -> dict[tuple[str, str], int]:
    """Store what is new, once per channel and id, with its place in the queue; returns its rows by both."""
    rows = [
        {
            "channel": one.channel,
            "external": one.external,
            "account": one.account,
            "received_at": one.received_at,
            "body": one.body,
            "state": MessageState.WAITING if one.account else MessageState.UNREADABLE,
        }
        for one in arrivals
    ]
    query = (
        insert(Message)
        .on_conflict_do_nothing()
        .returning(Message.id, Message.account, Message.received_at, Message.channel, Message.external)
    )
    connection = session.connection()
    new = connection.execute(query, rows).all()
    waiting = [(message, account, at) for message, account, at, _, _ in new if account is not None]
    if waiting:
        _queue(connection, waiting, {one.account for one in arrivals if one.account and one.urgent})
    return {(channel, external): message for message, _, _, channel, external in new}


_NEW_CONVERSATION = insert(Conversation).on_conflict_do_nothing()
_NEW_WORK = insert(Work)
_LIFT = (
    update(Work).where(one_of(Work.account, "accounts"), Work.lane == Lane.ORDINARY).values(lane=Lane.URGENT)
)


def _queue(
    connection: Connection, waiting: Sequence[tuple[int, str, datetime]], urgent: Collection[str]
) -> None:
    """Each to its lane. Whoever is in danger is not kept waiting by what they wrote before either."""
    accounts = sorted({account for _, account, _ in waiting})
    connection.execute(_NEW_CONVERSATION, [{"account": account} for account in accounts])
    lanes = dict.fromkeys(connection.scalars(_FLOODING, {"accounts": accounts}), Lane.BEHIND)
    lanes |= dict.fromkeys(urgent, Lane.URGENT)
    if urgent:
        connection.execute(_LIFT, {"accounts": sorted(urgent)})
    connection.execute(
        _NEW_WORK,
        [
            {
                "message": message,
                "account": account,
                "not_before": at,
                "attempts": 0,
                "lane": lanes.get(account, Lane.ORDINARY),
            }
            for message, account, at in waiting
        ],
    )


_earlier = aliased(Work)
_waits = Work.not_before <= bindparam("now"), Work.lane < Lane.BEHIND
_before = _earlier.not_before <= bindparam("now"), _earlier.lane < Lane.BEHIND
# An account is claimed by locking its conversation; only then its messages are read, in a new statement:
# what another process did with them before it let go of the lock is seen.
_HEADS = (
    select(Work.account)
    .join(Conversation, Conversation.account == Work.account)
    .where(
        *_waits, ~exists().where(_earlier.account == Work.account, _earlier.message < Work.message, *_before)
    )
    .order_by(Work.lane, Work.message)
    .limit(ACCOUNTS_AT_ONCE)
    .with_for_update(of=Conversation, skip_locked=True)
)
_HELD = (
    select(Conversation.account)
    .where(one_of(Conversation.account, "accounts"))
    .order_by(Conversation.account)
    .with_for_update(skip_locked=True)
)
_place = func.row_number().over(partition_by=Work.account, order_by=Work.message).label("place")
_ranked = select(Work.message, _place).where(one_of(Work.account, "accounts"), *_waits).subquery()
_WAITING = (
    select(
        Work.message,
        Work.account,
        Message.channel,
        Message.external,
        Message.body,
        Work.attempts,
        Message.received_at,
    )
    .join(_ranked, _ranked.c.message == Work.message)
    .join(Message, Message.id == Work.message)
    .where(_ranked.c.place <= MESSAGES_EACH)
    .order_by(Work.message)
)


def claim(session: Session, now: datetime) -> list[Waiting]:
    """The next messages of the accounts whose turn it is, each account's in order, urgent ones first.

    They are this transaction's alone until it ends; accounts that another one has are passed over.
    """
    accounts = session.connection().scalars(_HEADS, {"now": now}).all()
    return _of(session, accounts, now)


def hold(session: Session, messages: Collection[Waiting], now: datetime) -> set[int]:
    """Claim the accounts of these messages once more; which of the messages still wait."""
    wanted = sorted({one.account for one in messages})
    accounts = session.connection().scalars(_HELD, {"accounts": wanted}).all()
    return {one.message for one in _of(session, accounts, now)}


def _of(session: Session, accounts: Sequence[str], now: datetime) -> list[Waiting]:
    if not accounts:
        return []
    found = session.connection().execute(_WAITING, {"accounts": list(accounts), "now": now})
    return [Waiting(*row) for row in found]


# --- those who send more than anybody can read ------------------------------------------------

MOST_WAITING = 30  # messages of one account that wait among the others'; further ones wait behind them
_MOST_FLOODING = 100  # accounts that are looked after at once
_many = select(Work.message).where(Work.account == Conversation.account).offset(MOST_WAITING).limit(1)
_FLOODING = select(Conversation.account).where(one_of(Conversation.account, "accounts"), _many.exists())
_in_front = select(_earlier.message).where(_earlier.account == Work.account, _earlier.lane < Lane.BEHIND)
_BEHIND = (
    select(Work.account)
    .where(Work.lane == Lane.BEHIND, ~_in_front.exists())
    .distinct()
    .order_by(Work.account)
    .limit(_MOST_FLOODING)
)
_NEXT_BEHIND = (
    select(Work.message)
    .where(Work.lane == Lane.BEHIND, Work.account == bindparam("whose"))
    .order_by(Work.message)
    .limit(MOST_WAITING)
)
_FORWARD = update(Work).where(Work.message.in_(_NEXT_BEHIND)).values(lane=Lane.ORDINARY)


def bring_forward(session: Session) -> int:
    """The next messages of those who flood and of whom nothing waits in front any more; how many they are."""
    accounts = session.connection().scalars(_BEHIND).all()
    moved = [session.connection().execute(_FORWARD, {"whose": one}).rowcount for one in accounts]
    return sum(moved)


_DONE = delete(Work).where(one_of(Work.message, "ids"))
_SETTLED = update(Message).where(one_of(Message.id, "ids")).values(state=bindparam("now"))


def done(session: Session, messages: Collection[int], unreadable: Collection[int] = ()) -> None:
    """Take messages out of the queue. Raises LookupError where somebody else already has."""
    connection = session.connection()
    if connection.execute(_DONE, {"ids": list(messages)}).rowcount != len(messages):
        raise LookupError("a message was handled elsewhere in the meantime")
    for state, ids in (
        (MessageState.HANDLED, set(messages) - set(unreadable)),
        (MessageState.UNREADABLE, set(unreadable)),
    ):
        if ids:
            connection.execute(_SETTLED, {"ids": list(ids), "now": state})


def set_aside(session: Session, message: int, attempts: int, not_before: datetime) -> None:
    """Keep a message that failed for a later try."""
    session.execute(
        update(Work).where(Work.message == message).values(attempts=attempts, not_before=not_before)
    )


def park(session: Session, message: int, error: str) -> None:
    """Give up on a message: it stays in the inbox, marked, and leaves the queue."""
    session.execute(delete(Work).where(Work.message == message))
    session.execute(
        update(Message).where(Message.id == message).values(state=MessageState.PARKED, error=error)
    )


# --- what is known about those who wrote ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """Everybody and everything that a batch of messages may be about, by the keys that messages carry."""

    accounts: dict[str, Account]
    conversations: dict[str, Conversation]
    residents: dict[int, Resident]
    groups: dict[str, Chat]
    offers: dict[int, Notification]
    cards: list[Notification]
    requests: dict[int, ServiceRequest]


_ACCOUNTS = select(Account).where(one_of(Account.lookup, "lookups"))
_CONVERSATIONS = select(Conversation).where(one_of(Conversation.account, "lookups"))
_GROUPS = select(Chat).where(one_of(Chat.lookup, "lookups"), Chat.active)
_RESIDENTS = select(Resident).where(one_of(Resident.id, "ids"))
_OFFERS = select(Notification).where(one_of(Notification.id, "ids"))
_REQUESTS = select(ServiceRequest).where(one_of(ServiceRequest.id, "ids"))


def known(
    session: Session, lookups: Collection[str], rooms: Collection[str], offers: Collection[int]
) -> Known:
    """Load, in one go, what the handlers of a batch will ask for first; `rooms` are no private chats."""
    who = {"lookups": list(lookups)}
    accounts = session.scalars(_ACCOUNTS, who).all()
    residents = [one.resident for one in accounts if one.resident is not None]
    offered = session.scalars(_OFFERS, {"ids": list(offers)}).all() if offers else ()
    requests = [one.request for one in offered if one.request is not None]
    subjects = {one.subject for one in offered if one.subject is not None}
    about = session.scalars(_REQUESTS, {"ids": requests}).all() if requests else ()
    return Known(
        accounts={one.lookup: one for one in accounts},
        conversations={one.account: one for one in session.scalars(_CONVERSATIONS, who)},
        residents={one.id: one for one in session.scalars(_RESIDENTS, {"ids": residents})}
        if residents
        else {},
        groups={one.lookup: one for one in session.scalars(_GROUPS, {"lookups": list(rooms)})}
        if rooms
        else {},
        offers={one.id: one for one in offered},
        cards=queries.cards(session, *subjects) if subjects else [],
        requests={one.id: one for one in about},
    )
