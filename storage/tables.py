"""Everything that is remembered, table by table: people and places, requests, and the two queues."""

from datetime import UTC, date, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from routing.transitions import Status
from storage.ids import new_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as whole microseconds since 1970 UTC: one meaning on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND


class Named(TypeDecorator[StrEnum]):
    """A member of a closed set, stored by its value."""

    impl = String(32)
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.kind(value)


Json = dict[str, Any]


def _to(column: str) -> ForeignKey:
    """A reference that is checked when the batch is committed: its rows may be written in any order."""
    return ForeignKey(column, deferrable=True, initially="DEFERRED")


def _only(condition: str, postgresql: str = "") -> dict[str, Any]:
    """An index on these rows alone; the two databases write truth in different ways."""
    return {"sqlite_where": text(condition), "postgresql_where": text(postgresql or condition)}


_ROWID = BigInteger().with_variant(Integer(), "sqlite")  # SQLite's own row id is cheaper than an index
Id = Annotated[int, mapped_column(_ROWID, primary_key=True, default=new_id)]


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Instant,
        Status: Named(Status),
        Json: JSON,
        list[str]: JSON,
        list[Json]: JSON,
        int: BigInteger,
    }


# --- the organisation -------------------------------------------------------------------------


class Area(Base):
    __tablename__ = "area"
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    parent: Mapped[str | None]
    aliases: Mapped[list[str]] = mapped_column(default=list)
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)


class Member(Base):
    __tablename__ = "member"
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str]
    expertise: Mapped[list[str]] = mapped_column(default=list)
    duty: Mapped[list[Json]] = mapped_column(default=list)


class Appointment(Base):
    """A dated post. Those of the roster are ended, never deleted, when a later roster leaves them out."""

    __tablename__ = "appointment"
    id: Mapped[Id]
    member: Mapped[str] = mapped_column(_to("member.code"), index=True)
    role: Mapped[str]
    area: Mapped[str] = mapped_column(_to("area.code"))
    starts: Mapped[datetime | None]
    ends: Mapped[datetime | None]
    source: Mapped[str] = mapped_column(default="roster")


NOBODY = 0  # the resident whose requests are those of nobody any more: erased, or closed long ago


class Resident(Base):
    """The one root above a resident's accounts; their deletion starts here.

    `consented_to` is the version of the texts whose notice they were shown.
    """

    __tablename__ = "resident"
    id: Mapped[Id]
    created_at: Mapped[datetime]
    consented_at: Mapped[datetime | None]
    consented_to: Mapped[str | None]
    elder: Mapped[bool] = mapped_column(default=False)
    home_area: Mapped[str | None]
    strikes: Mapped[list[str]] = mapped_column(default=list)
    muted_until: Mapped[datetime | None]


class Leave(Base):
    """A member is away from `starts` to `ends`; the deputy counts once `agreed_at` is set."""

    __tablename__ = "leave"
    id: Mapped[Id]
    member: Mapped[str] = mapped_column(_to("member.code"), index=True)
    starts: Mapped[datetime]
    ends: Mapped[datetime]
    deputy: Mapped[str | None]
    asked_at: Mapped[datetime]
    agreed_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]


class JoinCode(Base):
    """A one-time code with which a member binds their account; only its keyed hash is kept."""

    __tablename__ = "join_code"
    lookup: Mapped[str] = mapped_column(String(40), primary_key=True)
    member: Mapped[str] = mapped_column(_to("member.code"), index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Account(Base):
    """Somebody on a channel. `lookup` finds it, `address` (sealed) is where messages go.

    `ledger` is what a platform with windows lets us say to them (routing/windows.py); `kept` that something
    waits until they write.
    """

    __tablename__ = "account"
    id: Mapped[Id]
    channel: Mapped[str]
    lookup: Mapped[str] = mapped_column(String(40), unique=True)
    address: Mapped[bytes]
    resident: Mapped[int | None] = mapped_column(_to("resident.id"), index=True)
    member: Mapped[str | None] = mapped_column(_to("member.code"), index=True)
    source: Mapped[str] = mapped_column(default="message")
    unreachable_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    ledger: Mapped[Json | None]
    kept: Mapped[bool] = mapped_column(default=False)


class Chat(Base):
    """A staff group on a channel."""

    __tablename__ = "chat"
    id: Mapped[Id]
    channel: Mapped[str]
    lookup: Mapped[str] = mapped_column(String(40), unique=True)
    address: Mapped[bytes]
    area: Mapped[str] = mapped_column(_to("area.code"))
    purpose: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    unreachable_at: Mapped[datetime | None]


class QrToken(Base):
    """A random, revocable token that stands for a place in a QR code."""

    __tablename__ = "qr_token"
    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    area: Mapped[str] = mapped_column(_to("area.code"), index=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Scene(Base):
    """A permanent parametric code of a service account for a QR token: they are few and cannot be deleted."""

    __tablename__ = "scene"
    token: Mapped[str] = mapped_column(_to("qr_token.token"), primary_key=True)
    account: Mapped[str] = mapped_column(String(40), primary_key=True)
    url: Mapped[str]
    created_at: Mapped[datetime]


class HandCode(Base):
    """A short code in a text that a person posts in a group of their own; who answers with it means that."""

    __tablename__ = "hand_code"
    code: Mapped[str] = mapped_column(String(16), primary_key=True)
    request: Mapped[int] = mapped_column(_to("service_request.id"), index=True)
    chat: Mapped[int] = mapped_column(_to("chat.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    posted_by: Mapped[str | None]
    posted_at: Mapped[datetime | None]


class SendOutcome(Base):
    """What a platform said of a message before we had noted that it was sent."""

    __tablename__ = "send_outcome"
    ref: Mapped[str] = mapped_column(String(80), primary_key=True)
    outcome: Mapped[str]
    at: Mapped[datetime]


class Audit(Base):
    """Who loaded which file when, and what it changed."""

    __tablename__ = "audit"
    id: Mapped[Id]
    at: Mapped[datetime]
    who: Mapped[str]
    subject: Mapped[str]
    digest: Mapped[str]
    difference: Mapped[Json]


class AccessLog(Base):
    """Who saw a personal or sealed field, of which request, and for what purpose."""

    __tablename__ = "access_log"
    id: Mapped[Id]
    at: Mapped[datetime]
    who: Mapped[str]
    request: Mapped[int | None] = mapped_column(index=True)
    subject: Mapped[str]
    purpose: Mapped[str]


class Counter(Base):
    """A number that only rises: request numbers by community and day, the organisation's revision."""

    __tablename__ = "counter"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    value: Mapped[int]


# --- requests ---------------------------------------------------------------------------------


class Conversation(Base):
    """Where a talk with one account stands. Its row is the account's lock; a draft is its data."""

    __tablename__ = "conversation"
    account: Mapped[str] = mapped_column(String(40), primary_key=True)
    draft: Mapped[Json | None]
    prompt: Mapped[Json | None]
    place: Mapped[str | None]
    touched_at: Mapped[datetime | None]
    last_request: Mapped[int | None]
    repeated: Mapped[Json | None]


class ServiceRequest(Base):
    """A filed request. `version` rises with every change: a claim is a compare-and-set on it.

    `alerted` are those who may act beside the assignee: reached in an emergency, or by a rung of the ladder.
    `clocks` says for each running limit since when it counts and how much of it was used before that.
    """

    __tablename__ = "service_request"
    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(40), unique=True)
    community: Mapped[str] = mapped_column(index=True)
    area: Mapped[str | None]
    resident: Mapped[int] = mapped_column(_to("resident.id"), index=True)
    channel: Mapped[str]
    source: Mapped[str] = mapped_column(default="chat")
    anonymous: Mapped[bool] = mapped_column(default=False)
    sealed: Mapped[bool] = mapped_column(default=False)
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    endorsements: Mapped[int] = mapped_column(default=0)
    master: Mapped[int | None] = mapped_column(index=True)
    status: Mapped[Status]
    status_since: Mapped[datetime]
    category: Mapped[str | None]
    scope: Mapped[str | None]
    limit_class: Mapped[str | None]
    urgent: Mapped[bool] = mapped_column(default=False)
    decision: Mapped[Json]
    assignee: Mapped[str | None] = mapped_column(index=True)
    reason: Mapped[Json] = mapped_column(default=dict)
    alerted: Mapped[list[str]] = mapped_column(default=list)
    claimed_by: Mapped[str | None]
    seen_by: Mapped[list[str]] = mapped_column(default=list)
    not_here_by: Mapped[list[str]] = mapped_column(default=list)
    returned_by: Mapped[list[str]] = mapped_column(default=list)
    rung: Mapped[int] = mapped_column(default=0)
    light: Mapped[str | None]
    reds: Mapped[int] = mapped_column(default=0)
    due_ack: Mapped[datetime | None]
    due_contact: Mapped[datetime | None]
    due_plan: Mapped[datetime | None]
    due_result: Mapped[datetime | None]
    clocks: Mapped[Json] = mapped_column(default=dict)
    paused_at: Mapped[datetime | None]
    paused_seconds: Mapped[int] = mapped_column(default=0)
    extension: Mapped[Json | None]
    referral: Mapped[Json | None]
    planned_for: Mapped[datetime | None]
    assigned_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    contacted_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    result: Mapped[int | None]
    result_code: Mapped[str | None]
    verdict: Mapped[str | None]
    verdict_at: Mapped[datetime | None]
    reopened: Mapped[int] = mapped_column(default=0)
    urged_at: Mapped[datetime | None]
    urges: Mapped[int] = mapped_column(default=0)
    touched_at: Mapped[datetime]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (declared so by SQLAlchemy)
    __table_args__ = (
        Index("service_request_alike", "community", "category", "area", "created_at"),
        Index("service_request_of_somebody", "closed_at", **_only("closed_at > 0 AND resident > 0")),
        Index("service_request_unclosed", "id", **_only("closed_at IS NULL")),
    )


class Endorsement(Base):
    """A resident says that a request is theirs too; each counts once."""

    __tablename__ = "endorsement"
    id: Mapped[Id]
    request: Mapped[int] = mapped_column(_to("service_request.id"))
    resident: Mapped[int] = mapped_column(_to("resident.id"), index=True)
    at: Mapped[datetime]

    __table_args__ = (Index("endorsement_once", "request", "resident", unique=True),)


class Assignment(Base):
    """Who was responsible for a request from when to when; no member stands for the community's queue."""

    __tablename__ = "assignment"
    id: Mapped[Id]
    request: Mapped[int] = mapped_column(_to("service_request.id"), index=True)
    member: Mapped[str | None]
    role: Mapped[str | None]
    area: Mapped[str | None]
    urgent: Mapped[bool] = mapped_column(default=False)
    at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    until: Mapped[datetime | None]

    __table_args__ = (Index("assignment_member", "member", "at"),)


class Letter(Base):
    """A numbered 提醒函 to a unit that let a limit pass twice over."""

    __tablename__ = "letter"
    number: Mapped[str] = mapped_column(String(40), primary_key=True)
    request: Mapped[int] = mapped_column(_to("service_request.id"), index=True)
    area: Mapped[str]
    to: Mapped[list[str]] = mapped_column(default=list)
    at: Mapped[datetime]
    due_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answer: Mapped[int | None]


class Feedback(Base):
    """A person said what a request is about, and not what the rules thought; the text only as a hash."""

    __tablename__ = "feedback"
    id: Mapped[Id]
    request: Mapped[int] = mapped_column(_to("service_request.id"), index=True)
    before: Mapped[str | None]
    after: Mapped[str | None]
    who: Mapped[str]
    text_hash: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class Patrol(Base):
    """A member has been round their grid on a day; each grid and day counts once."""

    __tablename__ = "patrol"
    id: Mapped[Id]
    area: Mapped[str]
    day: Mapped[str] = mapped_column(String(10))
    member: Mapped[str]
    at: Mapped[datetime]
    finding: Mapped[int | None]

    __table_args__ = (Index("patrol_once", "area", "day", unique=True),)


class Note(Base):
    """A text that belongs to a request, in an erasable column; history refers to it by id.

    `body` is what staff may see; `original`, sealed, is what was written, where that is more. `rooms`, sealed
    too, are the rooms it names, for those who handle the request.
    """

    __tablename__ = "note"
    id: Mapped[Id]
    request: Mapped[int] = mapped_column(_to("service_request.id"), index=True)
    kind: Mapped[str]
    body: Mapped[str] = mapped_column(Text)
    original: Mapped[bytes | None] = mapped_column(LargeBinary)
    rooms: Mapped[bytes | None] = mapped_column(LargeBinary)
    author: Mapped[str]
    at: Mapped[datetime]


class StatusUpdate(Base):
    """One line of a request's append-only history: codes and references, never free text."""

    __tablename__ = "status_update"
    id: Mapped[Id]
    request: Mapped[int] = mapped_column(_to("service_request.id"), index=True)
    at: Mapped[datetime]
    event: Mapped[str]
    before: Mapped[str | None]
    after: Mapped[str]
    actor: Mapped[str]
    detail: Mapped[Json] = mapped_column(default=dict)
    note: Mapped[int | None]


class MediaState(StrEnum):
    """ERASED waits for its file to be removed; the row goes after it."""

    WAITING = "waiting"
    STORED = "stored"
    MISSING = "missing"
    ERASED = "erased"


class Attachment(Base):
    """A photo or voice; ours once it has been fetched from the platform. No author is the resident.

    `path` is its name in the storage of such files.
    """

    __tablename__ = "attachment"
    id: Mapped[Id]
    request: Mapped[int | None] = mapped_column(index=True)
    author: Mapped[str | None]
    kind: Mapped[str]
    channel: Mapped[str]
    remote: Mapped[str]
    state: Mapped[MediaState] = mapped_column(Named(MediaState), default=MediaState.WAITING)
    path: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("attachment_waiting", "next_at", **_only("state = 'waiting'")),
        Index("attachment_erased", "id", **_only("state = 'erased'")),
    )


class DeadlineState(IntEnum):
    WAITING = 0
    FIRED = 1
    CANCELLED = 2


class Deadline(Base):
    """A stored due time of a request, of a conversation's draft, or with neither of the office's own work."""

    __tablename__ = "deadline"
    id: Mapped[Id]
    request: Mapped[int | None] = mapped_column(index=True)
    account: Mapped[str | None] = mapped_column(String(40), index=True)
    kind: Mapped[str]
    due_at: Mapped[datetime]
    state: Mapped[int] = mapped_column(default=DeadlineState.WAITING)
    fired_at: Mapped[datetime | None]

    __table_args__ = (Index("deadline_due", "due_at", **_only("state = 0")),)


# --- the way in -------------------------------------------------------------------------------


class MessageState(StrEnum):
    WAITING = "waiting"
    HANDLED = "handled"
    UNREADABLE = "unreadable"
    PARKED = "parked"


class Message(Base):
    """The permanent inbox: the raw bytes as they came, once per channel and platform id."""

    __tablename__ = "message"
    id: Mapped[int] = mapped_column(_ROWID, primary_key=True, autoincrement=True)
    channel: Mapped[str]
    external: Mapped[str] = mapped_column(String(80))
    account: Mapped[str | None] = mapped_column(String(40))
    received_at: Mapped[datetime]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[MessageState] = mapped_column(Named(MessageState))
    error: Mapped[str | None]

    __table_args__ = (
        Index("message_once", "channel", "external", unique=True),
        Index("message_of_visit", "account", "id", **_only("channel = 'web'")),
    )


class Lane(IntEnum):
    """What of the waiting messages comes first. BEHIND is not looked at while anything else waits of the same
    account: somebody sends more than anybody can read."""

    URGENT = 0
    ORDINARY = 1
    BEHIND = 2


class Work(Base):
    """The thin queue of messages that wait to be handled; rows are deleted when done."""

    __tablename__ = "work"
    message: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account: Mapped[str] = mapped_column(String(40))
    not_before: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    lane: Mapped[int] = mapped_column(SmallInteger, default=Lane.ORDINARY, server_default="1")

    __table_args__ = (
        Index("work_account", "account", "message"),
        Index("work_next", "lane", "message", **_only("lane < 2")),
        Index("work_behind", "account", "message", **_only("lane = 2")),
    )


# --- the way out ------------------------------------------------------------------------------


class SendState(IntEnum):
    """Below CLOSED a notification still wants attention of the outbox."""

    WAITING = 0
    IN_FLIGHT = 1
    SENT = 2
    FAILED = 3
    UNREACHABLE = 4
    UNKNOWN = 5
    SUPERSEDED = 6
    KEPT = 7


class Notification(Base):
    """Something to be said: to whom, why, in which words, with which choices.

    `chat` names the recipient ("resident:7", "member:m1", "chat:3"); the account and channel are chosen
    when it is sent. `edits` is the earlier notification whose message this one changes, `answers` the inbound
    message whose webhook said it in its answer. `means` says how it went and why so. `code` is what the
    platform handed out for one answer or one change of this message, until `code_until`. `message` is the
    inbound message whose handling said it, `heard_at` when that arrived; neither for what a clock says.
    """

    __tablename__ = "notification"
    id: Mapped[Id]
    chat: Mapped[str] = mapped_column(String(80))
    urgency: Mapped[int]
    state: Mapped[int] = mapped_column(default=SendState.WAITING)
    purpose: Mapped[str]
    subject: Mapped[str | None] = mapped_column(String(80))
    request: Mapped[int | None]
    template: Mapped[str]
    args: Mapped[Json] = mapped_column(default=dict)
    choices: Mapped[list[Json]] = mapped_column(default=list)
    attachment: Mapped[int | None]
    edits: Mapped[int | None]
    reply_to: Mapped[str | None]
    dedupe: Mapped[str | None] = mapped_column(String(120), unique=True)
    created_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    account: Mapped[int | None]
    ref: Mapped[str | None] = mapped_column(String(80))
    error: Mapped[str | None]
    answers: Mapped[int | None]
    means: Mapped[str | None]
    reason: Mapped[str | None]
    code: Mapped[str | None] = mapped_column(Text)
    code_until: Mapped[datetime | None]
    message: Mapped[int | None]
    heard_at: Mapped[datetime | None]

    __table_args__ = (
        Index("notification_answers", "answers", **_only("answers IS NOT NULL")),
        Index("notification_waiting", "chat", "urgency", "id", **_only("state < 2")),
        Index("notification_subject", "subject", "chat", "id"),
        Index("notification_ref", "chat", "ref"),
        Index("notification_request", "request", **_only("request IS NOT NULL")),
    )


class ChatQueue(Base):
    """One small row per recipient: when it may be written to next, on which channel it last was, and which
    process is just doing so."""

    __tablename__ = "chat_queue"
    chat: Mapped[str] = mapped_column(String(80), primary_key=True)
    urgency: Mapped[int]
    next_at: Mapped[datetime]
    waiting: Mapped[bool]
    lease_until: Mapped[datetime | None]
    claim_no: Mapped[int] = mapped_column(default=0)
    channel: Mapped[str | None]
    claimed_by: Mapped[int | None]

    __table_args__ = (
        Index("chat_queue_next", "urgency", "next_at", **_only("waiting = 1", "waiting")),
        Index("chat_queue_claimed", "claimed_by", **_only("claimed_by IS NOT NULL")),
    )


class Pace(Base):
    """How many messages might go out on a channel at some time: a bucket that all processes take from."""

    __tablename__ = "pace"
    channel: Mapped[str] = mapped_column(String(40), primary_key=True)
    level: Mapped[float] = mapped_column(Float)
    at: Mapped[datetime]


def day_key(community: str, day: date) -> str:
    return f"number:{community}:{day:%y%m%d}"
