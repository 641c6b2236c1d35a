"""Erasing what is known about people: at once for somebody who asks, in small steps what has grown old."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import takewhile

from sqlalchemy import ColumnElement, Executable, and_, delete, or_, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage import queries
from storage.tables import (
    NOBODY,
    AccessLog,
    Account,
    Attachment,
    ChatQueue,
    Conversation,
    Deadline,
    DeadlineState,
    Endorsement,
    Feedback,
    Json,
    MediaState,
    Message,
    MessageState,
    Note,
    Notification,
    Resident,
    ServiceRequest,
)

MOST_AT_ONCE = 200  # rows of a kind in one transaction, so that nobody waits long for theirs
RETENTION = "retention"

Ids = Sequence[int]

_HANDLED = Message.state != MessageState.WAITING


def make_ready(session: Session, now: datetime) -> None:
    """What erasing relies on: the resident who is nobody, and a next time for looking what has grown old."""
    if session.get(Resident, NOBODY) is None:
        session.add(Resident(id=NOBODY, created_at=now))
    waits = select(Deadline.id).where(
        Deadline.state == DeadlineState.WAITING,
        Deadline.request.is_(None),
        Deadline.account.is_(None),
        Deadline.kind == RETENTION,
    )
    if session.scalar(waits.limit(1)) is None:
        session.add(Deadline(kind=RETENTION, due_at=now))


# --- one person -------------------------------------------------------------------------------


def accounts_of(session: Session, resident: int) -> list[Account]:
    return list(session.scalars(select(Account).where(Account.resident == resident)))


def requests_of(session: Session, resident: int) -> list[ServiceRequest]:
    """All of a resident's requests, oldest first."""
    query = select(ServiceRequest).where(ServiceRequest.resident == resident)
    return list(session.scalars(query.order_by(ServiceRequest.id)))


def erase_content(session: Session, requests: Ids, said: Json) -> None:
    """Erase what was written, photographed and shown about requests; messages about them say `said`.

    Cards in groups stay as they are: there is nothing of anybody in them.
    """
    for statement in (
        update(Note).where(Note.request.in_(requests)).values(body="", original=None, rooms=None),
        update(Attachment).where(Attachment.request.in_(requests)).values(state=MediaState.ERASED),
        update(Notification)
        .where(Notification.request.in_(requests), Notification.chat.not_like("chat:%"))
        .values(args=said),
        delete(Endorsement).where(Endorsement.request.in_(requests)),
        # Whoever guesses a short text can tell from its hash that it was this one.
        update(Feedback).where(Feedback.request.in_(requests)).values(text_hash=""),
    ):
        _run(session, statement)


def erase_echoes(session: Session, requests: Ids) -> None:
    """What members have sent: a tap or an answer repeats the whole card that it belongs to."""
    about = select(Notification.chat).where(
        Notification.request.in_(requests), Notification.chat.like("member:%")
    )
    members = [chat.partition(":")[2] for chat in session.scalars(about.distinct())]
    theirs = Message.account.in_(select(Account.lookup).where(Account.member.in_(members)))
    _run(session, update(Message).where(_unswept(session), theirs, _HANDLED).values(body=b""))


def erase_messages(session: Session, lookups: Sequence[str], until: datetime) -> None:
    """Erase what accounts had sent by then. What is being handled just now is left to a second time."""
    sent = and_(Message.account.in_(lookups), Message.received_at <= until)
    _run(session, update(Message).where(_unswept(session), sent, _HANDLED).values(body=b"", account=None))


def _unswept(session: Session) -> ColumnElement[bool]:
    """Only what retention has not emptied yet has to be looked through: the messages of some days."""
    return Message.id > queries.counter(session, _mark("message"))


def erase_attachments(session: Session, attachments: Ids) -> None:
    _run(session, update(Attachment).where(Attachment.id.in_(attachments)).values(state=MediaState.ERASED))


def erase_chats(session: Session, chats: Sequence[str]) -> None:
    """Erase everything that was said, or waits to be said, to these recipients."""
    _run(session, delete(Notification).where(Notification.chat.in_(chats)))
    _run(session, delete(ChatQueue).where(ChatQueue.chat.in_(chats)))


def erase_resident(session: Session, resident: int) -> None:
    _run(session, delete(Endorsement).where(Endorsement.resident == resident))
    found = session.get(Resident, resident)
    if found is not None:
        session.delete(found)


def erase_account(session: Session, lookup: str) -> None:
    """The last trace of an account: its address, its conversation and their due times."""
    for statement in (
        delete(Account).where(Account.lookup == lookup),
        delete(Conversation).where(Conversation.account == lookup),
        delete(Deadline).where(Deadline.account == lookup),
    ):
        _run(session, statement)


def sealed(
    session: Session, originals: Ids = (), rooms: Ids = (), account: int | None = None
) -> dict[str, list[bytes]]:
    """What a message refers to: the originals of notes, the rooms they name, an account's address."""
    address = select(Account.address).where(Account.id == account)
    return {
        "originals": _of_notes(session, Note.original, originals),
        "rooms": _of_notes(session, Note.rooms, rooms),
        "identity": list(session.scalars(address)) if account is not None else [],
    }


def _of_notes(session: Session, column: InstrumentedAttribute[bytes | None], notes: Ids) -> list[bytes]:
    query = select(column).where(Note.id.in_(notes), column.is_not(None)).order_by(Note.id)
    return [one for one in session.scalars(query) if one is not None] if notes else []


# --- what has grown old -----------------------------------------------------------------------


def sweep_payloads(session: Session, before: datetime) -> bool:
    """Raw messages as the platform sent them. Returns, like all of these, whether there is more."""
    ids = _grown_old(session, "message", Message.id, Message.received_at, before)
    _run(session, update(Message).where(Message.id.in_(ids)).values(body=b"", account=None))
    return _more(ids)


def sweep_originals(session: Session, before: datetime) -> bool:
    ids = _grown_old(session, "note", Note.id, Note.at, before)
    _run(session, update(Note).where(Note.id.in_(ids), Note.original.is_not(None)).values(original=None))
    return _more(ids)


def sweep_voices(session: Session, before: datetime) -> bool:
    """Voices, and what belonged to drafts that nobody filed."""
    ids = _grown_old(session, "attachment", Attachment.id, Attachment.created_at, before)
    unwanted = or_(Attachment.kind == "voice", Attachment.request.is_(None))
    _run(session, update(Attachment).where(Attachment.id.in_(ids), unwanted).values(state=MediaState.ERASED))
    return _more(ids)


def sweep_sent(session: Session, before: datetime) -> bool:
    """What messages were filled with; those about an open request stay, for the next look at their card."""
    ids = _grown_old(session, "notification", Notification.id, Notification.created_at, before)
    ended = select(ServiceRequest.id).where(ServiceRequest.closed_at.is_not(None))
    gone = Notification.request.is_(None) | Notification.request.in_(ended)
    _run(session, update(Notification).where(Notification.id.in_(ids), gone).values(args={}))
    return _more(ids)


def sweep_accesses(session: Session, before: datetime) -> bool:
    ids = _grown_old(session, "access_log", AccessLog.id, AccessLog.at, before)
    _run(session, delete(AccessLog).where(AccessLog.id.in_(ids)))
    return _more(ids)


def sweep_requests(session: Session, before: datetime) -> bool:
    """Requests closed long ago: what remains is where, what, when, and how it ended."""
    of_somebody = text("closed_at > 0 AND resident > 0")  # as the index has it
    query = select(ServiceRequest.id).where(of_somebody, ServiceRequest.closed_at < before)
    ids = list(session.scalars(query.order_by(ServiceRequest.closed_at).limit(MOST_AT_ONCE)))
    erase_content(session, ids, {})
    nobodys = {"resident": NOBODY, "latitude": None, "longitude": None}
    _run(session, update(ServiceRequest).where(ServiceRequest.id.in_(ids)).values(nobodys))
    return _more(ids)


Sweep = Callable[[Session, datetime], bool]


def _more(ids: Ids) -> bool:
    return len(ids) == MOST_AT_ONCE


def _grown_old(
    session: Session,
    name: str,
    key: InstrumentedAttribute[int],
    at: InstrumentedAttribute[datetime],
    before: datetime,
) -> list[int]:
    """The next rows from before that time, in the order of their ids, each handed out once."""
    done = queries.counter(session, _mark(name))
    rows = session.execute(select(key, at).where(key > done).order_by(key).limit(MOST_AT_ONCE))
    ids = [one for one, _ in takewhile(lambda row: row[1] < before, rows)]
    if ids:
        queries.set_counter(session, _mark(name), ids[-1])
    return ids


def _mark(name: str) -> str:
    """The counter that says up to which row a table has been swept."""
    return f"swept:{name}"


def _run(session: Session, statement: Executable) -> None:
    """Loaded objects are not brought up to date: whoever erases does not look at them again."""
    session.execute(statement, execution_options={"synchronize_session": False})
