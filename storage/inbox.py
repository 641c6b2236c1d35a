"""The way in, as tables: store what came, hand out what waits, note what was done with it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session, aliased

from storage import queries
from storage.tables import (
    Account,
    Chat,
    Conversation,
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


@dataclass(frozen=True, slots=True)
class Waiting:
    message: int
    account: str
    channel: str
    external: str
    body: bytes
    attempts: int


def store(session: Session, arrivals: Sequence[Arrival]) -> set[tuple[str, str]]:
    """Store what is new, once per channel and id, with its place in the queue; returns which were."""
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
        accounts = [{"account": account} for account in sorted({account for _, account, _ in waiting})]
        connection.execute(insert(Conversation).on_conflict_do_nothing(), accounts)
        connection.execute(
            insert(Work),
            [
                {"message": message, "account": account, "not_before": at, "attempts": 0}
                for message, account, at in waiting
            ],
        )
    return {(channel, external) for _, _, _, channel, external in new}


_earlier = aliased(Work)
_heads = (
    select(Work.account)
    .where(
        Work.not_before <= bindparam("now"),
        ~exists().where(
            _earlier.account == Work.account,
            _earlier.message < Work.message,
            _earlier.not_before <= bindparam("now"),
        ),
    )
    .order_by(Work.message)
    .limit(ACCOUNTS_AT_ONCE)
)
_place = func.row_number().over(partition_by=Work.account, order_by=Work.message).label("place")
_ranked = (
    select(Work.message, _place)
    .where(Work.account.in_(_heads), Work.not_before <= bindparam("now"))
    .subquery()
)
_WAITING = (
    select(Work.message, Work.account, Message.channel, Message.external, Message.body, Work.attempts)
    .join(_ranked, _ranked.c.message == Work.message)
    .join(Message, Message.id == Work.message)
    .where(_ranked.c.place <= MESSAGES_EACH)
    .order_by(Work.message)
)


def waiting(session: Session, now: datetime) -> list[Waiting]:
    """The next messages of the accounts that have waited longest, each account's in order."""
    return [Waiting(*row) for row in session.connection().execute(_WAITING, {"now": now})]


_ids: BindParameter[Any] = bindparam("ids", expanding=True)
_DONE = delete(Work).where(Work.message.in_(_ids))
_SETTLED = update(Message).where(Message.id.in_(_ids)).values(state=bindparam("now"))


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


_lookups: BindParameter[Any] = bindparam("lookups", expanding=True)
_ACCOUNTS = select(Account).where(Account.lookup.in_(_lookups))
_CONVERSATIONS = select(Conversation).where(Conversation.account.in_(_lookups))
_GROUPS = select(Chat).where(Chat.lookup.in_(_lookups), Chat.active)
_RESIDENTS = select(Resident).where(Resident.id.in_(_ids))
_OFFERS = select(Notification).where(Notification.id.in_(_ids))
_REQUESTS = select(ServiceRequest).where(ServiceRequest.id.in_(_ids))


def known(session: Session, lookups: Collection[str], offers: Collection[int]) -> Known:
    """Load, in one go, what the handlers of a batch will ask for first."""
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
        residents={one.id: one for one in session.scalars(_RESIDENTS, {"ids": residents})},
        groups={one.lookup: one for one in session.scalars(_GROUPS, who)},
        offers={one.id: one for one in offered},
        cards=queries.cards(session, *subjects) if subjects else [],
        requests={one.id: one for one in about},
    )
