"""The hands of every handler: say something, show a card, set a deadline, all within one unit of work."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from handlers.messages import Choice
from handlers.office import Office
from storage import queries
from storage.ids import new_id
from storage.store import Unit
from storage.tables import (
    Deadline,
    DeadlineState,
    Note,
    Notification,
    SendState,
    ServiceRequest,
    StatusUpdate,
)


class Urgency(IntEnum):
    URGENT = 0
    ORDINARY = 1


class RefusalError(Exception):
    """No, and here is the sentence for the person who asked. Raised before anything was changed."""

    def __init__(self, template: str, **args: Any) -> None:
        super().__init__(template)
        self.template = template
        self.args_ = args


def to_resident(resident: int) -> str:
    return f"resident:{resident}"


def to_member(member: str) -> str:
    return f"member:{member}"


def to_chat(chat: int) -> str:
    return f"chat:{chat}"


def to_account(account: int) -> str:
    """Somebody who is neither resident nor member to us; used to tell strangers so."""
    return f"account:{account}"


def subject_of(request: ServiceRequest) -> str:
    """The subject that all cards about a request share."""
    return f"request:{request.id}"


class Desk:
    """Works for one batch: what it says and sets is written with the batch, or not at all."""

    def __init__(self, unit: Unit, office: Office, now: datetime) -> None:
        self.unit = unit
        self.office = office
        self.now = now
        self._said: list[Notification] = []

    # --- saying -------------------------------------------------------------------------------

    def say(
        self,
        to: str,
        template: str,
        *,
        choices: Sequence[Choice] = (),
        urgency: Urgency = Urgency.ORDINARY,
        purpose: str | None = None,
        subject: str | None = None,
        request: ServiceRequest | None = None,
        attachment: int | None = None,
        reply_to: str | None = None,
        edits: int | None = None,
        dedupe: str | None = None,
        **args: Any,
    ) -> Notification:
        """Queue a new message. Its purpose is the template's name unless given."""
        said = Notification(
            id=new_id(),
            chat=to,
            urgency=urgency,
            state=SendState.WAITING,
            purpose=purpose or template,
            subject=subject,
            request=request.id if request else None,
            template=template,
            args=args,
            choices=[{"id": choice.id, "label": choice.label} for choice in choices],
            attachment=attachment,
            reply_to=reply_to,
            edits=edits,
            dedupe=dedupe,
            created_at=self.now,
            attempts=0,
        )
        self.unit.add(said)
        self._said.append(said)
        return said

    async def say_once(self, key: str, to: str, template: str, **said: Any) -> None:
        """Say it unless the same was said before under this key."""
        if not await self.unit.run(queries.already_said, key):
            self.say(to, template, dedupe=key, **said)

    async def show(
        self,
        to: str,
        subject: str,
        template: str,
        *,
        choices: Sequence[Choice] = (),
        urgency: Urgency = Urgency.ORDINARY,
        request: ServiceRequest | None = None,
        **args: Any,
    ) -> Notification:
        """Bring the card about `subject` in this chat up to date, or post it where there is none yet."""
        current = await self.card(to, subject)
        offered = [{"id": choice.id, "label": choice.label} for choice in choices]
        if current is not None and _same(current, template, args, offered):
            return current
        if current is not None and current.state == SendState.WAITING:
            current.template, current.args, current.choices = template, args, offered
            return current
        sent = current is not None and current.state in (SendState.SENT, SendState.IN_FLIGHT)
        return self.say(
            to,
            template,
            choices=choices,
            urgency=urgency,
            subject=subject,
            request=request,
            edits=current.id if sent and current else None,
            **args,
        )

    async def card(self, to: str, subject: str) -> Notification | None:
        """The newest card about `subject` in this chat."""
        return await self.unit.run(queries.card_in, subject, to)

    def choices(self, *ids: str) -> list[Choice]:
        return [Choice(one, self.office.texts.label(one)) for one in ids]

    async def finish(self) -> None:
        """Write everything and note in the outbox's queue whom there is something to say to."""
        await self.unit.run(lambda session: session.flush())
        waiting = [(said.chat, said.urgency) for said in self._said]
        await self.unit.run(queries.enqueue, waiting, self.now)

    # --- remembering --------------------------------------------------------------------------

    def note(self, request: ServiceRequest, kind: str, body: str, author: str) -> Note:
        """Keep a text that belongs to a request, where it can be erased."""
        note = Note(id=new_id(), request=request.id, kind=kind, body=body, author=author, at=self.now)
        self.unit.add(note)
        return note

    def record(
        self,
        request: ServiceRequest,
        event: str,
        actor: str,
        *,
        before: str | None = None,
        note: Note | None = None,
        **detail: Any,
    ) -> None:
        """Append a line to a request's history: codes and references only."""
        self.unit.add(
            StatusUpdate(
                id=new_id(),
                request=request.id,
                at=self.now,
                event=event,
                before=before or request.status,
                after=request.status,
                actor=actor,
                detail=detail,
                note=note.id if note else None,
            )
        )

    def due(
        self, kind: str, at: datetime, *, request: ServiceRequest | None = None, account: str | None = None
    ) -> None:
        self.unit.add(
            Deadline(
                id=new_id(),
                kind=kind,
                due_at=at,
                request=request.id if request else None,
                account=account,
                state=DeadlineState.WAITING,
            )
        )

    def due_in(
        self,
        kind: str,
        delay: timedelta,
        *,
        request: ServiceRequest | None = None,
        account: str | None = None,
    ) -> None:
        self.due(kind, self.now + delay, request=request, account=account)

    async def drop_deadlines(
        self, *kinds: str, request: ServiceRequest | None = None, account: str | None = None
    ) -> None:
        """Cancel the waiting deadlines of these kinds, all kinds where none is named."""
        await self.unit.run(
            queries.cancel_deadlines, kinds, request=request.id if request else None, account=account
        )


def _same(card: Notification, template: str, args: dict[str, Any], choices: list[dict[str, str]]) -> bool:
    return card.template == template and card.args == args and card.choices == choices
