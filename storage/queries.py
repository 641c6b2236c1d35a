"""Questions asked of the database more than once, each under its name."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, cast

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Session

from routing.transitions import OPEN, Status
from storage.functions import elements, one_of
from storage.tables import (
    Account,
    Assignment,
    Attachment,
    Base,
    ChatQueue,
    Conversation,
    Counter,
    Deadline,
    DeadlineState,
    Endorsement,
    HandCode,
    Json,
    Leave,
    Letter,
    Note,
    Notification,
    Patrol,
    QrToken,
    Resident,
    SendState,
    ServiceRequest,
    StatusUpdate,
)


def accounts_by_lookup(session: Session, lookups: Collection[str]) -> dict[str, Account]:
    found = session.scalars(select(Account).where(Account.lookup.in_(lookups)))
    return {account.lookup: account for account in found}


# Statements that every request passes are built once; building costs more than running them.
_counter = cast("Table", Counter.__table__)
_new_count = insert(_counter)
_COUNT = _new_count.on_conflict_do_update(
    index_elements=[_counter.c.name], set_={"value": _counter.c.value + _new_count.excluded.value}
).returning(_counter.c.name, _counter.c.value)
_SET_COUNT = _new_count.on_conflict_do_update(
    index_elements=[_counter.c.name], set_={"value": _new_count.excluded.value}
)
_COUNTED = select(_counter.c.value).where(_counter.c.name == bindparam("name"))


def counter(session: Session, name: str) -> int:
    """How far the counter called `name` has come; 0 where it was never used."""
    return session.connection().scalar(_COUNTED, {"name": name}) or 0


def set_counter(session: Session, name: str, value: int) -> None:
    """Set a counter that one process at a time works with."""
    session.connection().execute(_SET_COUNT, {"name": name, "value": value})


def next_number(session: Session, name: str) -> int:
    """Raise the counter by one, in a transaction that writes; others wait for its end to do the same."""
    return _raise(session.connection(), name, 1)


def _raise(connection: Connection, name: str, by: int) -> int:
    return int(connection.execute(_COUNT, {"name": name, "value": by}).one().value)


_GIVEN_BACK = (
    _counter.update()
    .where(_counter.c.name == bindparam("of"), _counter.c.value == bindparam("last"))
    .values(value=bindparam("before"))
)


def take_numbers(session: Session, counts: Mapping[str, int]) -> dict[str, int]:
    """For each counter the last of so many numbers in a row that nobody else has or will have.

    Where many write at once they are taken at once, so that nobody waits for another's end: if this
    transaction fails there is a gap.
    """
    rows = [{"name": name, "value": count} for name, count in sorted(counts.items())]
    with _aside(session) as connection:
        return {row.name: row.value for row in connection.execute(_COUNT, rows)} if rows else {}


def give_numbers_back(session: Session, unused: Mapping[str, tuple[int, int]]) -> None:
    """Of each counter the last that was taken, and the last that was used: where nobody has gone on."""
    rows = [{"of": name, "last": last, "before": used} for name, (last, used) in sorted(unused.items())]
    if rows:
        with _aside(session) as connection:
            connection.execute(_GIVEN_BACK, rows)


@contextmanager
def _aside(session: Session) -> Iterator[Connection]:
    """A connection that keeps no lock, where others write at the same time."""
    engine = session.get_bind().engine
    if engine.dialect.name == "sqlite":
        yield session.connection()
        return
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as aside:
        yield aside


def bound_members(session: Session) -> list[str]:
    """The members who can be reached on some account."""
    query = select(Account.member).where(Account.member.is_not(None), Account.unreachable_at.is_(None))
    return [member for member in session.scalars(query.distinct().order_by(Account.member)) if member]


def patrolled_on(session: Session, day: str) -> set[str]:
    """The grids that somebody has walked on a day."""
    return set(session.scalars(select(Patrol.area).where(Patrol.day == day)))


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
    """“37号”: the newest request whose number ends so that the asker filed or joined, open before closed."""
    query = select(ServiceRequest).where(_concerns(resident), ServiceRequest.number.like(f"%-{short:04d}"))
    found = list(session.scalars(query.order_by(ServiceRequest.id.desc())))
    return next((one for one in found if one.status in OPEN), found[0] if found else None)


# --- the same matter from many -----------------------------------------------------------------

_MOST_ALIKE = 20  # requests that are looked at; more of one kind in one place are the same matter anyway
_request = cast("Table", ServiceRequest.__table__)


def _one_of(*statuses: Status) -> ColumnElement[bool]:
    """Written into the statement, as parameters of such lists are filled in anew at every execution."""
    return _request.c.status.in_([literal_column(f"'{status}'") for status in sorted(statuses)])


_SHARED = (
    _request.c.created_at >= bindparam("opened_since"),
    _request.c.urgent.is_(False),
    _request.c.sealed.is_(False),
    or_(
        _one_of(*OPEN),
        and_(_one_of(Status.DONE, Status.CLOSED), _request.c.status_since >= bindparam("ended_since")),
    ),
)
_REQUESTS = select(ServiceRequest).where(one_of(ServiceRequest.id, "ids")).execution_options(autoflush=False)


class Cell(NamedTuple):
    """Where reports may be about the same matter: a category in an area of a community."""

    community: str
    category: str
    area: str


class Since(NamedTuple):
    """From when on open requests count, and those that have ended."""

    opened: datetime
    ended: datetime


_cell = elements(bindparam("cells", type_=JSON)).table_valued("value").alias("cell")
_cell_of = (_request.c.community, _request.c.category, _request.c.area)
_newest_first = func.row_number().over(partition_by=_cell_of, order_by=_request.c.created_at.desc())
_in_cells = (
    select(_request.c.id, *_cell_of, _newest_first.label("place"))
    .select_from(_cell)
    .join(_request, and_(*(one == _cell.c.value.op("->>")(at) for at, one in enumerate(_cell_of))))
    .where(*_SHARED)
    .subquery()
)
_ALIKE_IN = select(_in_cells).where(_in_cells.c.place <= _MOST_ALIKE)
_ALIKE_AROUND = (
    select(_request.c.id)
    .where(
        _request.c.community == bindparam("community"),
        _request.c.category == bindparam("category"),
        _request.c.latitude.between(bindparam("south"), bindparam("north")),
        _request.c.longitude.between(bindparam("west"), bindparam("east")),
        *_SHARED,
    )
    .order_by(_request.c.created_at.desc())
    .limit(_MOST_ALIKE)
)


def alike_in(session: Session, cells: Collection[Cell], since: Since) -> dict[Cell, list[ServiceRequest]]:
    """The newest requests of each cell that has any; without those that this batch has just made."""
    asked = {"cells": sorted(cells), "opened_since": since.opened, "ended_since": since.ended}
    rows = session.connection().execute(_ALIKE_IN, asked).all()
    loaded = {one.id: one for one in requests(session, [row.id for row in rows])}
    found: dict[Cell, list[ServiceRequest]] = {}
    for row in rows:
        found.setdefault(Cell(row.community, row.category, row.area), []).append(loaded[row.id])
    return found


def alike_around(
    session: Session,
    community: str,
    category: str,
    since: Since,
    south: float,
    north: float,
    west: float,
    east: float,
) -> list[ServiceRequest]:
    """The newest requests of a category within a rectangle of coordinates."""
    bounds = {"south": south, "north": north, "west": west, "east": east}
    asked = {"community": community, "category": category, **bounds}
    when = {"opened_since": since.opened, "ended_since": since.ended}
    return requests(session, list(session.connection().scalars(_ALIKE_AROUND, {**asked, **when})))


def newest(found: Iterable[ServiceRequest]) -> list[ServiceRequest]:
    """Of what was found in several cells as many as are looked at."""
    return sorted(found, key=lambda one: one.created_at, reverse=True)[:_MOST_ALIKE]


def requests(session: Session, ids: Collection[int]) -> list[ServiceRequest]:
    """These requests, as objects of the session. Almost always there are none, and then nothing is asked."""
    return list(session.scalars(_REQUESTS, {"ids": list(ids)})) if ids else []


def said_in(session: Session, requests: Collection[int]) -> dict[int, str]:
    """What the reporters of these requests wrote."""
    query = select(Note.request, Note.body).where(Note.request.in_(requests), Note.kind == "report")
    return {row.request: row.body for row in session.execute(query)}


def endorsements(session: Session, request: int) -> list[Endorsement]:
    """Those who joined a request, in the order in which they did."""
    query = select(Endorsement).where(Endorsement.request == request)
    return list(session.scalars(query.order_by(Endorsement.id)))


def forget_endorsements(session: Session, request: int) -> None:
    """Those who joined a request join another one instead."""
    for one in endorsements(session, request):
        session.delete(one)


def forget_endorsement(session: Session, endorsement: Endorsement) -> None:
    session.delete(endorsement)


_ENDORSED = select(Endorsement.resident, Endorsement.request).where(
    one_of(Endorsement.resident, "residents"),
    one_of(Endorsement.request, "requests"),
)


def endorsed(session: Session, residents: Collection[int], requests: Collection[int]) -> set[tuple[int, int]]:
    """Which of the residents has joined which of the requests."""
    asked = {"residents": list(residents), "requests": list(requests)}
    return {(resident, request) for resident, request in session.execute(_ENDORSED, asked)}


def neighbours(session: Session, areas: Collection[str], request: ServiceRequest) -> list[int]:
    """The residents who live in these areas and have not reported the matter."""
    joined = select(Endorsement.resident).where(Endorsement.request == request.id)
    query = select(Resident.id).where(
        Resident.home_area.in_(areas), Resident.id != request.resident, Resident.id.not_in(joined)
    )
    return list(session.scalars(query.order_by(Resident.id)))


def concerning(session: Session, resident: int, limit: int = 5) -> list[ServiceRequest]:
    """The latest requests that a resident filed or joined, newest first."""
    query = select(ServiceRequest).where(_concerns(resident)).order_by(ServiceRequest.id.desc())
    return list(session.scalars(query.limit(limit)))


def _concerns(resident: int) -> ColumnElement[bool]:
    joined = select(Endorsement.request).where(Endorsement.resident == resident)
    return or_(ServiceRequest.resident == resident, ServiceRequest.id.in_(joined))


def open_by_short_number(session: Session, community: str, short: int) -> ServiceRequest | None:
    """“37号” in a member's mouth: the community's newest open request whose number ends so."""
    return next(iter(all_open_by_short_number(session, [community], short)), None)


def all_open_by_short_number(
    session: Session, communities: Collection[str], short: int
) -> list[ServiceRequest]:
    """Every open request whose number ends so, newest first: each day has its own 37."""
    query = select(ServiceRequest).where(
        ServiceRequest.community.in_(communities),
        ServiceRequest.status.in_(OPEN),
        ServiceRequest.number.like(f"%-{short:04d}"),
    )
    return list(session.scalars(query.order_by(ServiceRequest.id.desc())))


def hand_code(session: Session, request: int, chat: int, now: datetime) -> HandCode | None:
    """The code that stands for the request in a group where people post by hand, while it can be used."""
    query = select(HandCode).where(
        HandCode.request == request, HandCode.chat == chat, HandCode.expires_at > now
    )
    return session.scalar(query.limit(1))


def is_hand_code(session: Session, code: str, now: datetime) -> bool:
    """Whether somebody can be answering with this code now."""
    found = session.get(HandCode, code)
    return found is not None and now < found.expires_at


def forget_hand_code(session: Session, code: HandCode) -> None:
    session.delete(code)
    session.flush()


def notes(session: Session, request: int, *kinds: str) -> list[Note]:
    query = select(Note).where(Note.request == request, Note.kind.in_(kinds))
    return list(session.scalars(query.order_by(Note.id)))


def history(session: Session, request: int) -> list[StatusUpdate]:
    query = select(StatusUpdate).where(StatusUpdate.request == request)
    return list(session.scalars(query.order_by(StatusUpdate.id)))


def endorsers(session: Session, request: int) -> list[int]:
    """The residents who said that the request is theirs too."""
    query = select(Endorsement.resident).where(Endorsement.request == request)
    return list(session.scalars(query.order_by(Endorsement.id)))


def reds_of(session: Session, member: str | None, since: datetime) -> int:
    """How many supervisions were opened since then on what the member has in hand."""
    query = (
        select(func.count())
        .select_from(StatusUpdate)
        .join(ServiceRequest, ServiceRequest.id == StatusUpdate.request)
        .where(
            ServiceRequest.assignee == member,
            StatusUpdate.event == "supervise",
            StatusUpdate.at >= since,
        )
    )
    return session.scalar(query) or 0


def letters(session: Session, request: int) -> list[Letter]:
    return list(session.scalars(select(Letter).where(Letter.request == request).order_by(Letter.at)))


def conversations_of(session: Session, resident: int) -> list[Conversation]:
    """The private talks with a resident, on whatever channels."""
    query = select(Conversation).join(Account, Account.lookup == Conversation.account)
    return list(session.scalars(query.where(Account.resident == resident)))


def attachments(session: Session, request: int) -> list[Attachment]:
    return list(
        session.scalars(select(Attachment).where(Attachment.request == request).order_by(Attachment.id))
    )


def forget_attachments(session: Session, ids: Collection[int]) -> None:
    """Drop photos that belong to no request: they were sent with words that are not kept."""
    for one in session.scalars(
        select(Attachment).where(Attachment.id.in_(ids), Attachment.request.is_(None))
    ):
        session.delete(one)


_newest_cards = (
    select(func.max(Notification.id))
    .where(
        one_of(Notification.subject, "subjects"),
        Notification.state != SendState.SUPERSEDED,  # never shown: what stands there is the one before
    )
    .group_by(Notification.subject, Notification.chat)
)
_CARDS = select(Notification).where(Notification.id.in_(_newest_cards))


def cards(session: Session, *subjects: str) -> list[Notification]:
    """The newest card about each subject in each chat that has one."""
    return list(session.scalars(_CARDS, {"subjects": subjects}))


Content = tuple[list[Note], list[Attachment]]
_SAID = ("report", "addition", "contact", "location", "earlier")  # the notes that carry a request's content


def content(session: Session, request: int) -> Content:
    """What residents said and sent with a request."""
    return notes(session, request, *_SAID), attachments(session, request)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Requests loaded together, with what they say and the cards about them."""

    requests: list[ServiceRequest]
    contents: dict[int, Content]
    cards: list[Notification]


def prepared(session: Session, requests: Sequence[int], subjects: Sequence[str]) -> Prepared:
    """What a batch needs of its requests; the objects stay loaded in the session."""
    contents: dict[int, Content] = {request: ([], []) for request in requests}
    said = select(Note).where(Note.request.in_(requests), Note.kind.in_(_SAID)).order_by(Note.id)
    for note in session.scalars(said):
        contents[note.request][0].append(note)
    sent = select(Attachment).where(Attachment.request.in_(requests)).order_by(Attachment.id)
    for attachment in session.scalars(sent):
        contents[attachment.request or 0][1].append(attachment)
    found = session.scalars(select(ServiceRequest).where(ServiceRequest.id.in_(requests)))
    return Prepared(list(found), contents, cards(session, *subjects))


def deadlines(session: Session, ids: Sequence[int]) -> list[Deadline]:
    """The deadlines of these ids, in the order in which they are due."""
    query = select(Deadline).where(Deadline.id.in_(ids))
    return list(session.scalars(query.order_by(Deadline.due_at, Deadline.id)))


def notification_by_ref(session: Session, chats: Collection[str], ref: str) -> Notification | None:
    """What we last said in the message that the platform calls `ref`."""
    query = select(Notification).where(Notification.chat.in_(chats), Notification.ref == ref)
    return session.scalar(query.order_by(Notification.id.desc()).limit(1))


def said_at(session: Session, chat: str, template: str, most: int) -> list[datetime]:
    """When something was last said to somebody, newest first."""
    query = select(Notification.created_at).where(
        Notification.chat == chat, Notification.template == template
    )
    return list(session.scalars(query.order_by(Notification.id.desc()).limit(most)))


_ALREADY_SAID = select(Notification.dedupe).where(one_of(Notification.dedupe, "keys"))


def already_said(session: Session, keys: Collection[str]) -> set[str]:
    """Under which of these keys something was said before this batch."""
    return {key for key in session.connection().scalars(_ALREADY_SAID, {"keys": list(keys)}) if key}


_queue = cast("Table", ChatQueue.__table__)
_new_chat = insert(_queue)
_more_urgent = _new_chat.excluded.urgency
_ENQUEUE = _new_chat.on_conflict_do_update(
    index_elements=[_queue.c.chat],
    set_={
        "waiting": _new_chat.excluded.waiting,
        "urgency": case((_queue.c.urgency < _more_urgent, _queue.c.urgency), else_=_more_urgent),
    },
)


def enqueue(session: Session, waiting: Iterable[tuple[str, int]], now: datetime) -> None:
    """Note in the thin queue that these (chat, urgency) have something to say. Pacing already set stays."""
    urgencies: dict[str, int] = {}
    for chat, urgency in waiting:
        urgencies[chat] = min(urgency, urgencies.get(chat, urgency))
    rows = [
        {"chat": chat, "urgency": urgency, "next_at": now, "waiting": True, "claim_no": 0}
        for chat, urgency in sorted(urgencies.items())
    ]
    if rows:
        session.connection().execute(_ENQUEUE, rows)


def add_rows(session: Session, kind: type[Base], rows: Sequence[Json]) -> None:
    """Write many rows that nobody needs as objects; what is left out takes the column's default."""
    if rows:
        session.connection().execute(_INSERTS[kind], rows)


_INSERTS: dict[type[Base], Insert] = {
    kind: insert(cast("Table", kind.__table__)) for kind in (StatusUpdate, Deadline, Assignment)
}


# The loops ask these again and again, mostly in vain.
_DUE = (
    select(Deadline.id)
    .where(Deadline.state == DeadlineState.WAITING, Deadline.due_at <= bindparam("now"))
    .order_by(Deadline.due_at, Deadline.id)
    .limit(bindparam("most"))
)
_NEXT_DUE = select(func.min(Deadline.due_at)).where(Deadline.state == DeadlineState.WAITING)


def due_deadlines(session: Session, now: datetime, limit: int) -> list[int]:
    return list(session.connection().scalars(_DUE, {"now": now, "most": limit}))


def next_deadline(session: Session) -> datetime | None:
    return session.connection().scalar(_NEXT_DUE)


def office_deadlines(session: Session) -> dict[str, Deadline]:
    """What waits that belongs to the office as a whole, by its kind."""
    query = select(Deadline).where(
        Deadline.state == DeadlineState.WAITING, Deadline.request.is_(None), Deadline.account.is_(None)
    )
    return {one.kind: one for one in session.scalars(query)}


def waiting(session: Session, kind: str) -> list[Deadline]:
    """The waiting deadlines of one kind."""
    query = select(Deadline).where(Deadline.state == DeadlineState.WAITING, Deadline.kind == kind)
    return list(session.scalars(query))


def leaves_of(session: Session, member: str, now: datetime) -> list[Leave]:
    """The member's leaves that are running or to come."""
    query = select(Leave).where(Leave.member == member, Leave.ends > now, Leave.ends > Leave.starts)
    return list(session.scalars(query.order_by(Leave.starts)))


def unanswered_leaves(session: Session, before: datetime) -> list[Leave]:
    """Leaves whose deputy was asked before then and has not answered."""
    query = select(Leave).where(
        Leave.deputy.is_not(None),
        Leave.agreed_at.is_(None),
        Leave.declined_at.is_(None),
        Leave.asked_at <= before,
    )
    return list(session.scalars(query))


@dataclass(frozen=True, slots=True)
class Dropped:
    """Deadlines to cancel: of a request or of an account's draft; of these kinds, or of all."""

    request: int | None
    account: str | None
    kinds: tuple[str, ...]


_deadline = cast("Table", Deadline.__table__)
_CANCEL = (
    _deadline.update()
    .where(_deadline.c.state == literal_column(str(int(DeadlineState.WAITING))))
    .values(state=DeadlineState.CANCELLED)
)
_CANCEL_DRAFT = _CANCEL.where(_deadline.c.account == bindparam("of"))
_CANCEL_REQUEST = _CANCEL.where(_deadline.c.request == bindparam("of"))
_CANCEL_KIND = _CANCEL_REQUEST.where(_deadline.c.kind == bindparam("which"))


def cancel_deadlines(session: Session, dropped: Sequence[Dropped]) -> None:
    """Cancel what is stored and waits."""
    requests = [one for one in dropped if one.request is not None]
    for statement, rows in (
        (_CANCEL_DRAFT, [{"of": one.account} for one in dropped if one.account is not None]),
        (_CANCEL_REQUEST, [{"of": one.request} for one in requests if not one.kinds]),
        (_CANCEL_KIND, [{"of": one.request, "which": kind} for one in requests for kind in one.kinds]),
    ):
        if rows:
            session.connection().execute(statement, rows)


_OPEN_OFFER = (
    select(Notification)
    .where(
        one_of(Notification.chat, "chats"),
        Notification.state.in_((SendState.SENT, SendState.IN_FLIGHT)),
    )
    .order_by(Notification.id.desc())
    .limit(1)
)


def open_offer(session: Session, chats: Collection[str]) -> Notification | None:
    """The latest thing said in a chat, if it offered choices."""
    latest = session.scalar(_OPEN_OFFER, {"chats": list(chats)})
    return latest if latest is not None and latest.choices else None
