"""Read-only questions of the residents' page: what one visitor sent, was told, and has under way."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, or_, select, text
from sqlalchemy.orm import Session

from storage import queries
from storage.tables import (
    Account,
    Attachment,
    Conversation,
    MediaState,
    Message,
    MessageState,
    Notification,
    ServiceRequest,
    Work,
)

_OF_A_VISIT = text("channel = 'web'")  # as the index has it


@dataclass(frozen=True, slots=True)
class Visit:
    """Everything newest first. `photos` are those that the visitor may see, by their ids."""

    waiting: bool
    sent: list[Message]
    said: list[Notification]
    requests: list[ServiceRequest]
    photos: dict[int, Attachment]


def is_known(session: Session, lookup: str) -> bool:
    """Whether a visitor has ever sent anything, and has not been forgotten since."""
    return session.get(Conversation, lookup) is not None


def visit(session: Session, lookup: str, most: int) -> Visit | None:
    """None where nobody has this address."""
    conversation = session.get(Conversation, lookup)
    if conversation is None:
        return None
    account = session.scalar(select(Account).where(Account.lookup == lookup))
    requests = _requests(session, account)
    said = _said(session, account, most)
    return Visit(
        waiting=bool(session.scalar(select(exists().where(Work.account == lookup)))),
        sent=_sent(session, lookup, most),
        said=said,
        requests=requests,
        photos=_photos(session, account, conversation, requests, said),
    )


def _sent(session: Session, lookup: str, most: int) -> list[Message]:
    query = select(Message).where(_OF_A_VISIT, Message.account == lookup)
    return list(session.scalars(query.order_by(Message.id.desc()).limit(most)))


def _said(session: Session, account: Account | None, most: int) -> list[Notification]:
    """What was said to the visitor; what is said to them as a member of staff is for other channels."""
    if account is None:
        return []
    chats = [f"account:{account.id}", *([f"resident:{account.resident}"] if account.resident else [])]
    query = select(Notification).where(Notification.chat.in_(chats))
    return list(session.scalars(query.order_by(Notification.id.desc()).limit(most)))


def _requests(session: Session, account: Account | None) -> list[ServiceRequest]:
    if account is None or account.resident is None:
        return []
    return queries.concerning(session, account.resident)


def _photos(
    session: Session,
    account: Account | None,
    conversation: Conversation,
    requests: Sequence[ServiceRequest],
    said: Sequence[Notification],
) -> dict[int, Attachment]:
    """The visitor's own, filed or not yet, and those that were sent to them."""
    own = [one.id for one in requests if account is not None and one.resident == account.resident]
    loose = [*(conversation.draft or {}).get("attachments", ()), *(one.attachment for one in said)]
    query = select(Attachment).where(
        Attachment.kind == "photo",
        Attachment.state.in_((MediaState.WAITING, MediaState.STORED)),
        or_(
            (Attachment.request.in_(own)) & Attachment.author.is_(None),
            Attachment.id.in_([one for one in loose if one is not None]),
        ),
    )
    return {one.id: one for one in session.scalars(query)}


def state_of(session: Session, external: str) -> MessageState | None:
    """What has become of a form; None where it was never stored."""
    query = select(Message.state).where(Message.channel == "web", Message.external == external)
    return session.scalar(query)
