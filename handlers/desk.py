"""The hands of every handler: say something, show a card, set a deadline, all within one unit of work."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from datetime import date, datetime, timedelta
from enum import IntEnum
from functools import partial
from itertools import product
from typing import Any

from sqlalchemy.orm import Session

from handlers.messages import Choice
from handlers.office import Office
from routing.address import hide_rooms
from routing.privacy import redact
from storage import queries, work
from storage.ids import new_id
from storage.queries import Cell, Content, Dropped, Since
from storage.secrets import Vault
from storage.store import Unit
from storage.tables import (
    NOBODY,
    Assignment,
    Deadline,
    Json,
    Note,
    Notification,
    SendState,
    ServiceRequest,
    StatusUpdate,
    day_key,
)


class Urgency(IntEnum):
    """What goes out first where not all can go at once. What is ordinary is STAFF to those who act on it."""

    URGENT = 0
    STAFF = 1
    ORDINARY = 2
    DIGEST = 3


_STAFF = ("member:", "chat:")  # how the recipients among them begin
_CAN_BE_EDITED = (SendState.IN_FLIGHT, SendState.SENT)


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


Whose = tuple[int | None, str | None]  # a deadline's request or the account whose draft it is about
_NOBODY = to_resident(NOBODY)
_GIVEN = ("contact", "location")  # what a resident hands over so that they can be found


class Desk:
    """Works for one batch: what it says and sets is written with the batch, or not at all."""

    def __init__(self, unit: Unit, office: Office, vault: Vault, now: datetime) -> None:
        self.unit = unit
        self.office = office
        self.vault = vault
        self.now = now
        self._said: list[Notification] = []
        self._history: list[Json] = []
        self._due: dict[Whose, list[Json]] = {}
        self._dropped: list[Dropped] = []
        self._given: list[Json] = []
        self._relieved: set[int] = set()
        self._taken: set[int] = set()
        self._cards: dict[str, dict[str, Notification]] = {}
        self._new: set[str] = set()
        self._contents: dict[int, Content] = {}
        self._once: set[str] = set()  # what this batch has said, or found said, once and for all
        self._remarks: dict[str, Callable[[], Notification]] = {}
        self._numbers: dict[str, range] = {}
        self._held: list[ServiceRequest] = []  # the session itself forgets what nobody holds
        self._reported: dict[Cell, list[ServiceRequest]] = {}
        self._filed: dict[tuple[str, str | None], list[ServiceRequest]] = {}
        self._joined: dict[tuple[int, int], bool] = {}
        self._newcomers: set[int] = set()

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
            urgency=Urgency.STAFF if urgency is Urgency.ORDINARY and to.startswith(_STAFF) else urgency,
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
        if to == _NOBODY:
            return said  # whoever reported this has been forgotten
        self.unit.add(said)
        self._said.append(said)
        if request is not None and to == to_resident(request.resident):
            request.told_at = self.now
        if subject in self._cards:
            self._cards[subject][to] = said
        return said

    async def say_once(self, key: str, to: str, template: str, **said: Any) -> None:
        """Say it unless the same was said before under this key."""
        if key in self._once:
            return
        self._once.add(key)
        if not await self.unit.run(queries.already_said, [key]):
            self.say(to, template, dedupe=key, **said)

    def remark_once(self, key: str, to: str, template: str, **said: Any) -> None:
        """The same where nobody waits for it: of the whole batch it is asked at its end what is new."""
        self._remarks.setdefault(key, partial(self.say, to, template, dedupe=key, **said))

    async def _remark(self) -> None:
        known = await self.unit.run(queries.already_said, self._remarks) if self._remarks else ()
        for key, say in self._remarks.items():
            if key not in known:
                say()

    async def show(
        self,
        to: str,
        subject: str,
        template: str,
        *,
        choices: Sequence[Choice] = (),
        urgency: Urgency = Urgency.ORDINARY,
        purpose: str | None = None,
        request: ServiceRequest | None = None,
        **args: Any,
    ) -> None:
        """Bring the card about `subject` in this chat up to date, or post it where there is none yet."""
        card = (await self.cards(subject)).get(to)
        offered = [{"id": choice.id, "label": choice.label} for choice in choices]
        if card is not None and (card.template, card.args, card.choices) == (template, args, offered):
            return
        if card is not None and card.state == SendState.WAITING:
            card.template, card.args, card.choices = template, args, offered
            card.purpose, card.request = purpose or template, request.id if request else None
            return
        self.say(
            to,
            template,
            choices=choices,
            urgency=urgency,
            purpose=purpose,
            subject=subject,
            request=request,
            edits=card.id if card is not None and card.state in _CAN_BE_EDITED else None,
            **args,
        )

    async def cards(self, subject: str) -> Mapping[str, Notification]:
        """The newest card about `subject` in every chat that has one."""
        if subject not in self._cards:
            found = await self.unit.run(queries.cards, subject)
            self._cards[subject] = {card.chat: card for card in found}
        return self._cards[subject]

    def knows(self, cards: Iterable[Notification]) -> None:
        """Take over cards that were loaded together for the whole batch."""
        for card in cards:
            self._cards.setdefault(card.subject or "", {})[card.chat] = card

    async def content(self, request: ServiceRequest) -> Content:
        """What residents said and sent with a request, as it is stored by now."""
        if request.id in self._contents:
            return self._contents[request.id]
        return await self.unit.run(queries.content, request.id)

    async def prepare(self, requests: Sequence[int]) -> None:
        """Load what a batch of requests will need, all at once instead of one by one."""
        known = await self.unit.run(queries.prepared, requests, [f"request:{one}" for one in requests])
        for request in requests:
            self._contents[request] = known.contents.get(request, ([], []))
            self._cards.setdefault(f"request:{request}", {})
        self._held = known.requests
        self.knows(known.cards)

    def opens(self, subject: str) -> None:
        """Say that `subject` is new: nobody can have a card about it, and no deadline of it is stored."""
        self._cards[subject] = {}
        self._new.add(subject)

    async def leaves(self, subject: str, to: str) -> None:
        """The card about `subject` in this chat stays as it is: the next one is a new message."""
        await self.cards(subject)
        self._cards[subject].pop(to, None)

    def spoken(self) -> int:
        """How many messages have been queued so far."""
        return len(self._said)

    def since(self, spoken: int) -> Sequence[Notification]:
        """What was queued after that."""
        return self._said[spoken:]

    def leave_out(self, said: Collection[Notification], spoken: int) -> None:
        """These of what was queued after that are said in another way than through the queue."""
        self._said[spoken:] = [one for one in self._said[spoken:] if one not in said]

    def unsay(self, chats: Collection[str]) -> None:
        """Nothing goes out to these recipients any more; their rows are erased by whoever asks for this."""
        self._said = [said for said in self._said if said.chat not in chats]

    def choices(self, *ids: str) -> list[Choice]:
        return [Choice(one, self.office.texts.label(one)) for one in ids]

    async def finish(self) -> None:
        """Write everything and note in the outbox's queue whom there is something to say to."""
        await self._remark()
        await self.unit.run(self._write)

    def _write(self, session: Session) -> None:
        session.flush()  # first, so that a deadline that has fired is not cancelled as well
        queries.cancel_deadlines(session, self._dropped)
        work.taken(session, self._taken, self.now)
        work.relieve(session, self._relieved, self.now)
        queries.add_rows(session, Assignment, self._given)
        queries.add_rows(session, StatusUpdate, self._history)
        queries.add_rows(session, Deadline, [row for rows in self._due.values() for row in rows])
        queries.enqueue(session, [(said.chat, said.urgency) for said in self._said], self.now)
        unused = {name: (left[-1], left[0] - 1) for name, left in self._numbers.items() if left}
        queries.give_numbers_back(session, unused)

    async def next_number(self, name: str) -> int:
        """The next value of a counter, starting at 1. Gaps are allowed, repeats are not."""
        if not self._numbers.get(name):
            await self._take({name: 1})
        left = self._numbers[name]
        self._numbers[name] = left[1:]
        return left[0]

    async def _take(self, counts: Mapping[str, int]) -> None:
        last = await self.unit.run(queries.take_numbers, counts)
        self._numbers |= {
            name: range(last[name] - count + 1, last[name] + 1) for name, count in counts.items()
        }

    async def request_number(self, community: str) -> str:
        count = await self.next_number(self._counts(community))
        return f"{community}{self._today:%y%m%d}-{count:04d}"

    def _counts(self, community: str) -> str:
        """The name of what counts a community's requests of today."""
        return day_key(community, self._today)

    @property
    def _today(self) -> date:
        return self.now.astimezone(self.office.zone).date()

    # --- what others reported -----------------------------------------------------------------

    async def foresee(
        self, cells: Collection[Cell], requests: Collection[int], people: Set[int], filing: Counter[str]
    ) -> None:
        """Ask once for a whole batch what it is going to ask; the rest is asked when it is needed.

        `filing` says how many requests will perhaps be filed in each community.
        """
        if filing:
            await self._take({self._counts(community): count for community, count in filing.items()})
        self._held += await self.unit.run(queries.requests, requests) if requests else []
        await self._look(cells)
        found = {one.id for there in self._reported.values() for one in there}
        if people and found:
            await self._ask_who_joined(people, found)

    async def reported(self, cells: Sequence[Cell]) -> list[ServiceRequest]:
        """What was reported there before this batch, the newest first."""
        await self._look([cell for cell in cells if cell not in self._reported])
        return queries.newest(one for cell in cells for one in self._reported[cell])

    async def _look(self, cells: Collection[Cell]) -> None:
        if cells:
            found = await self.unit.run(queries.alike_in, cells, self.alike_since)
            self._reported.update({cell: found.get(cell, []) for cell in cells})

    @property
    def alike_since(self) -> Since:
        """From when on others' requests may be the same matter."""
        alike = self.office.together.alike
        return Since(self.now - alike.open_for, self.now - alike.ended_for)

    def files(self, request: ServiceRequest) -> None:
        """Note what is not to be found in the database yet."""
        self._filed.setdefault((request.community, request.category), []).append(request)

    def filed(self, community: str, category: str) -> Sequence[ServiceRequest]:
        """What this batch has filed."""
        return self._filed.get((community, category), ())

    async def joined(self, resident: int, requests: Collection[int]) -> set[int]:
        """Which of the requests the resident has joined."""
        if resident in self._newcomers:
            return set()
        if any((resident, request) not in self._joined for request in requests):
            await self._ask_who_joined({resident}, requests)
        return {request for request in requests if self._joined[resident, request]}

    async def _ask_who_joined(self, residents: Set[int], requests: Collection[int]) -> None:
        pairs = await self.unit.run(queries.endorsed, residents, requests)
        self._joined.update({pair: pair in pairs for pair in product(residents, requests)})

    def meets(self, resident: int) -> None:
        """Say that nobody knew the resident before, so that they cannot have joined anything yet."""
        self._newcomers.add(resident)

    def joins_changed(self, request: ServiceRequest) -> None:
        """Somebody has joined the request, or left it: whoever asks next asks the database."""
        self._newcomers.clear()
        self._joined = {pair: one for pair, one in self._joined.items() if pair[1] != request.id}

    # --- remembering --------------------------------------------------------------------------

    def note(self, request: ServiceRequest, kind: str, body: str, author: str) -> Note:
        """Keep a text that belongs to a request, where it can be erased.

        Of a resident's own words others see the redacted copy without the rooms it names; what that hides
        is sealed beside it, and the rooms once more for those who handle the request.
        """
        note = Note(id=new_id(), request=request.id, kind=kind, body=body, author=author, at=self.now)
        if author == "resident" and kind not in _GIVEN:
            note.body, rooms = hide_rooms(redact(body))
            note.original = self.vault.seal(body) if note.body != body else None
            note.rooms = self.vault.seal(rooms) if rooms else None
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
        line = {
            "id": new_id(),
            "request": request.id,
            "at": self.now,
            "event": event,
            "before": before or request.status,
            "after": request.status,
            "actor": actor,
            "detail": detail,
            "note": note.id if note else None,
        }
        self._history.append(line)

    # --- who is responsible -------------------------------------------------------------------

    def entrust(self, request: ServiceRequest) -> None:
        """Note in the ledger of assignments that the request has a new assignee, or a queue."""
        area = request.area or request.community
        row = {
            "id": new_id(),
            "request": request.id,
            "member": request.assignee,
            "role": self.office.organisation.role_at(request.assignee, area, self.now),
            "area": area,
            "urgent": request.urgent,
            "at": self.now,
            "acknowledged_at": None,
            "until": None,
        }
        self._given.append(row)

    def relieve(self, request: ServiceRequest) -> None:
        """Whoever had the request is responsible no longer."""
        self._note(request, "until", self._relieved)

    def take_on(self, request: ServiceRequest) -> None:
        """The assignee has acknowledged the request."""
        self._note(request, "acknowledged_at", self._taken)

    def _note(self, request: ServiceRequest, what: str, stored: set[int]) -> None:
        """Say it of what this batch has entrusted, else of the row that is stored."""
        given = [row for row in self._given if row["request"] == request.id and row["until"] is None]
        for row in given:
            row[what] = self.now
        if not given:
            stored.add(request.id)

    # --- deadlines ----------------------------------------------------------------------------

    def due(
        self, kind: str, at: datetime, *, request: ServiceRequest | None = None, account: str | None = None
    ) -> None:
        whose = request.id if request else None, account
        row = {"id": new_id(), "request": whose[0], "account": account, "kind": kind, "due_at": at}
        self._due.setdefault(whose, []).append(row)

    def due_in(
        self,
        kind: str,
        delay: timedelta,
        *,
        request: ServiceRequest | None = None,
        account: str | None = None,
    ) -> None:
        self.due(kind, self.now + delay, request=request, account=account)

    def drop_deadlines(
        self, *kinds: str, request: ServiceRequest | None = None, account: str | None = None
    ) -> None:
        """Cancel the waiting deadlines of these kinds, all kinds where none is named.

        Those stored before are cancelled when the batch is written, ahead of the new ones.
        """
        whose = request.id if request else None, account
        if request is None or subject_of(request) not in self._new:
            self._dropped.append(Dropped(*whose, kinds))
        self._due[whose] = [one for one in self._due.get(whose, ()) if kinds and one["kind"] not in kinds]
