"""Hands every stored message to its handler, account by account in order, a batch in one transaction."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any, NamedTuple

import structlog

from bot import metrics
from bot.channels.facts import BRIEF, CARD_CODE_LIVES, RESPONSE_URL_LIVES, TALK
from bot.clock import Clock
from bot.halves import in_halves
from bot.offices import Offices
from bot.passive import Passive
from handlers import handle, report
from handlers.desk import Desk, to_account, to_chat, to_member, to_resident
from handlers.messages import Answers, Channel, InboundMessage, Kind, Opens, Traits, UnreadableError
from handlers.turn import Tap, Turn
from routing.text import normalize
from routing.windows import Means, Reason
from storage import inbox, ledgers, outbox, queries
from storage.ids import from_base36, new_id
from storage.inbox import Known, Waiting
from storage.queries import Cell
from storage.secrets import Vault
from storage.store import Store, Unit, is_away, is_conflict
from storage.tables import Account, Conversation, Notification, SendState

log = structlog.get_logger()

MOST_ATTEMPTS = 5
_LONGEST_WORD = 16  # characters; longer texts are never looked up as the label of a button


class _Answer(NamedTuple):
    """What became of a message: what is said to it at once, and what its log line says."""

    message: InboundMessage
    words: list[Notification]
    line: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Item:
    """A waiting message, read; None where the channel cannot make anything of it."""

    waiting: Waiting
    message: InboundMessage | None


class Dispatcher:
    def __init__(
        self,
        store: Store,
        vault: Vault,
        offices: Offices,
        channels: Mapping[str, Channel],
        passive: Passive,
        clock: Clock,
    ) -> None:
        self.pictured = asyncio.Event()
        self.full = False
        self._passive = passive
        self._store = store
        self._vault = vault
        self._offices = offices
        self._channels = channels
        self._clock = clock

    async def step(self) -> int:
        """Handle what waits, at most one batch; returns how many messages that was.

        Only after a batch that was `full` more may be waiting that nobody has been woken for.
        """
        items: list[_Item] = []
        began = perf_counter()
        try:
            async with self._store.unit() as unit:
                waiting = await unit.run(inbox.claim, self._clock.now())
                items = [_Item(one, self._read(one)) for one in waiting]
                answers = await self._handle(unit, items) if items else []
        except Exception:
            if not items:
                raise
            await in_halves(items, self._again, self._set_aside)
            self.full = True
            return len(items)
        if items:
            metrics.batching.observe(perf_counter() - began)
        await self._tell(items, answers)
        each = Counter(item.waiting.account for item in items)
        self.full = len(each) == inbox.ACCOUNTS_AT_ONCE or inbox.MESSAGES_EACH in each.values()
        return len(items)

    async def bring_forward(self) -> int:
        """The next messages of those who flood join the others'; returns how many."""
        return await self._store.write(inbox.bring_forward)

    async def _again(self, items: Sequence[_Item]) -> None:
        """The same in a transaction of its own, but for what another process has meanwhile."""
        async with self._store.unit() as unit:
            mine = await unit.run(inbox.hold, [one.waiting for one in items], self._clock.now())
            items = [one for one in items if one.waiting.message in mine]
            answers = await self._handle(unit, items) if items else []
        await self._tell(items, answers)

    def _read(self, waiting: Waiting) -> InboundMessage | None:
        """None also where the parser itself breaks: one message must not stop all the others."""
        try:
            return self._channels[waiting.channel].parse(waiting.body)
        except UnreadableError as error:
            log.warning("unreadable message kept", message=waiting.message, error=str(error))
        except Exception as error:
            log.error("a parser broke, message kept", message=waiting.message, error=type(error).__name__)
        return None

    async def _handle(self, unit: Unit, items: Sequence[_Item]) -> list[_Answer]:
        """One transaction: everything that these messages bring about, or nothing of it."""
        desk = Desk(unit, self._offices.current, self._vault, self._clock.now())
        readable = [(item.waiting, item.message) for item in items if item.message is not None]
        known = await self._known(unit, [message for _, message in readable])
        unit.holds(
            known.conversations[one.account] for one, _ in readable if one.account in known.conversations
        )
        desk.knows(known.cards)
        await self._foresee(desk, [message for _, message in readable], known)
        answers: list[_Answer] = []
        for waiting, message in readable:
            turn = await self._turn(desk, waiting.message, message, known)
            before = desk.spoken()
            about = await handle(turn)
            said = desk.since(before)
            for one in said:
                one.message, one.heard_at = waiting.message, waiting.received_at
            words = await self._answer(turn, before, self._channels[waiting.channel].traits)
            answers.append(_Answer(message, words, _line(turn, about, said)))
            if turn.resident is not None:  # perhaps only since this message
                known.residents[turn.resident.id] = turn.resident
        await desk.finish()
        ids = [item.waiting.message for item in items]
        unreadable = [item.waiting.message for item in items if item.message is None]
        await unit.run(inbox.done, ids, unreadable)
        return answers

    async def _tell(self, items: Sequence[_Item], answers: Sequence[_Answer]) -> None:
        """Once all is committed: the log, whoever waits for words, and whoever fetches pictures."""
        for one in answers:
            metrics.handled.labels(one.line["about"]).inc()
            log.info("handled", **one.line)
        await self._hand_over(answers)
        if any(item.message is not None and item.message.media for item in items):
            self.pictured.set()

    # --- what a webhook waits for -------------------------------------------------------------

    async def _answer(self, turn: Turn, before: int, traits: Traits) -> list[Notification]:
        """What was said to a message: in the answer to the webhook that waits for it, where one does.

        It counts as sent with this batch, so that the platform's repetition of the message gets it again.
        """
        message, desk = turn.message, turn.desk
        said = [one for one in desk.since(before) if one.chat in _heard_in(turn)]
        if message.code is not None and message.tapped is None:
            for one in said:
                one.code, one.code_until = message.code, turn.now + RESPONSE_URL_LIVES
        words: list[Notification] = []
        if self._passive.expected(message.channel, message.external) and message.private:
            words = [one for one in said if await self._goes_at_once(turn, one, traits)]
        for one in words:
            one.state, one.sent_at, one.account = SendState.SENT, turn.now, turn.account.id
            one.means, one.reason, one.answers = Means.PASSIVE, Reason.ASKED_FOR, turn.message_id
        desk.leave_out(words, before)
        return words

    async def _goes_at_once(self, turn: Turn, said: Notification, traits: Traits) -> bool:
        """Whether what the message came by takes it in its answer, and it is worth saying there."""
        tap = turn.tap
        if said.attachment is not None or traits.answers is Answers.NONE:
            return False
        if traits.answers is Answers.PLAIN:
            return not said.choices if tap is None else said.edits == tap.offer.id
        earlier = await turn.desk.unit.get(Notification, said.edits) if said.edits else None
        return earlier is None or (earlier.template, earlier.args) != (said.template, said.args)

    async def _hand_over(self, answers: Sequence[_Answer]) -> None:
        """Once committed: to whoever waits; out through the queue where nobody does any more."""
        unheard: list[int] = []
        for message, words, _ in answers:
            said = [outbox.said_of(one) for one in words]
            if not self._passive.settle(message.channel, message.external, said):
                unheard += [one.id for one in words]
            elif words:
                metrics.sent.labels(message.channel, "InAnswer").inc(len(words))
        if unheard:
            await self._store.write(outbox.not_answered, unheard, self._clock.now())

    async def _known(self, unit: Unit, messages: Sequence[InboundMessage]) -> Known:
        lookups = {
            self._vault.lookup(one.channel, address) for one in messages for address in (one.sender, one.chat)
        }
        offers = {offer for one in messages if (offer := _offer_id(one.tapped)) is not None}
        rooms = {self._vault.lookup(one.channel, one.chat) for one in messages if not one.private}
        return await unit.run(inbox.known, lookups, rooms, offers)

    async def _foresee(self, desk: Desk, messages: Sequence[InboundMessage], known: Known) -> None:
        """Ask once for all what the drafts of this batch will be compared with."""
        cells: set[Cell] = set()
        requests: set[int] = set()
        filing: Counter[str] = Counter()
        for message in messages:
            if message.private and message.kind in (Kind.TEXT, Kind.TAP):
                lookup = self._vault.lookup(message.channel, message.sender)
                account, talk = known.accounts.get(lookup), known.conversations.get(lookup)
                resident = known.residents.get(account.resident or 0) if account else None
                guess = report.foreseen(message, talk or Conversation(), resident, desk.office)
                cells.update(guess.cells)
                requests.update(guess.requests)
                filing.update([guess.community] if guess.community else [])
        await desk.foresee(cells, requests, known.residents.keys(), filing)

    # --- one message's turn -------------------------------------------------------------------

    async def _turn(self, desk: Desk, message_id: int, message: InboundMessage, known: Known) -> Turn:
        lookup = self._vault.lookup(message.channel, message.sender)
        account = self._account(desk, message.channel, message.sender, known)
        turn = Turn(
            desk=desk,
            message=message,
            message_id=message_id,
            account=account,
            conversation=known.conversations.get(lookup) or Conversation(account=lookup),
            resident=known.residents.get(account.resident) if account.resident else None,
        )
        if not message.private:
            await self._place(turn, known)
        self._keep_books(turn)
        await self._welcome_back(turn)
        if message.kind is Kind.TEXT:
            turn.command = desk.office.texts.command(message.text)
        await self._resolve(turn, known)
        return turn

    async def _welcome_back(self, turn: Turn) -> None:
        """Whoever writes can be reached again, and hears what was missed."""
        lost = turn.account if turn.message.private else turn.group
        if lost is None or not turn.message.present or turn.message.kind in (Kind.LEFT, Kind.OUTCOME):
            return
        if lost.unreachable_at is not None or (lost is turn.account and _may_be_told(turn)):
            lost.unreachable_at, turn.account.kept = None, False
            await turn.desk.unit.run(outbox.revive, _chats_of(turn), turn.now)

    def _keep_books(self, turn: Turn) -> None:
        """What the platform lets us say to them since this message."""
        message, account = turn.message, turn.account
        if message.opens is None and not message.granted:
            return
        ledger = ledgers.load(account.ledger).granted(message.granted)
        if message.opens is Opens.TALK:
            ledger = ledger.talked(turn.now, TALK)
        elif message.opens is Opens.BRIEF:
            ledger = ledger.touched(turn.now, BRIEF)
        account.ledger = ledgers.dump(ledger)

    def _account(self, desk: Desk, channel: str, address: str, known: Known) -> Account:
        lookup = self._vault.lookup(channel, address)
        account = known.accounts.get(lookup)
        if account is None:
            account = Account(
                id=new_id(),
                channel=channel,
                lookup=lookup,
                address=self._vault.seal(address),
                source="message",
                created_at=desk.now,
            )
            desk.unit.add(account)
            known.accounts[lookup] = account
        return account

    async def _place(self, turn: Turn, known: Known) -> None:
        """The staff group that the message came from; a group we do not know can only be answered."""
        message = turn.message
        lookup = self._vault.lookup(message.channel, message.chat)
        turn.group = known.groups.get(lookup)
        if turn.group is None:
            turn.room = self._account(turn.desk, message.channel, message.chat, known)
        elif message.moved_to is not None:
            new = self._vault.lookup(message.channel, message.moved_to)
            await turn.desk.unit.run(outbox.move_chat, turn.group.id, new, self._vault.seal(message.moved_to))

    async def _resolve(self, turn: Turn, known: Known) -> None:
        """Which of our messages this one replies to, and which offer a tap or a word answers."""
        message, chats = turn.message, _chats_of(turn)
        if message.reply_to is not None:
            turn.card = await turn.desk.unit.run(queries.notification_by_ref, chats, message.reply_to)
        if message.tapped is not None:
            offer = known.offers.get(_offer_id(message.tapped) or 0)
            turn.tap = _tap(offer, message.tapped.partition(":")[2], chats)
            if offer is not None and turn.tap is not None and message.code is not None:
                offer.code, offer.code_until = message.code, turn.now + CARD_CODE_LIVES
        elif _may_be_choice(turn):
            offer = turn.card or await turn.desk.unit.run(queries.open_offer, chats)
            numbered = self._channels[message.channel].traits.numbered
            turn.tap = _tap(offer, _meant(offer, message.text, turn.command, numbered), chats)

    # --- what fails by itself -----------------------------------------------------------------

    async def _set_aside(self, item: _Item, error: Exception) -> None:
        """Keep it for later, apologise once, give up after a few tries; the others go on meanwhile.

        Raises the error where the database is away: everything waits where it is, and nobody hears of it.
        Nor do they hear where others were at the same rows again and again; it is tried again all the same.
        """
        if is_away(error):
            raise error
        attempts = item.waiting.attempts + 1
        log.error("message failed", message=item.waiting.message, attempts=attempts, exc_info=error)
        metrics.handled.labels("failed").inc()
        metrics.failed.labels("message").inc()
        self._passive.settle(item.waiting.channel, item.waiting.external, ())
        office = self._offices.current
        async with self._store.unit() as unit:
            if attempts >= MOST_ATTEMPTS:
                metrics.failed.labels("parked").inc()
                await unit.run(inbox.park, item.waiting.message, type(error).__name__)
                return
            later = self._clock.now() + timedelta(seconds=4**attempts)
            await unit.run(inbox.set_aside, item.waiting.message, attempts, later)
            if item.message is not None and item.message.private and not is_conflict(error):
                desk = Desk(unit, office, self._vault, self._clock.now())
                known = await self._known(unit, [item.message])
                account = self._account(desk, item.message.channel, item.message.sender, known)
                await desk.say_once(f"apology:{item.waiting.message}", to_account(account.id), "apology")
                await desk.finish()


def _line(turn: Turn, about: str, said: Sequence[Notification]) -> dict[str, Any]:
    """What a log line says of a message: ids, by which its requests and what was said can be found."""
    requests = sorted({one.request for one in said if one.request is not None})
    line = {"message": turn.message_id, "channel": turn.message.channel, "about": about, "requests": requests}
    return line | ({"refused": turn.refused} if turn.refused else {})


def _chats_of(turn: Turn) -> list[str]:
    """The recipients that this chat stands for: only what was said to them may be answered here."""
    if turn.group is not None:
        return [to_chat(turn.group.id)]
    if not turn.message.private:
        return []
    account = turn.account
    chats = [to_account(account.id)]
    if account.resident is not None:
        chats.append(to_resident(account.resident))
    if account.member is not None:
        chats.append(to_member(account.member))
    return chats


def _heard_in(turn: Turn) -> list[str]:
    """The recipients who read what is said where the message came from."""
    return _chats_of(turn) or ([to_account(turn.room.id)] if turn.room else [])


def _may_be_choice(turn: Turn) -> bool:
    """Whether a text may be the label of a button: short, private, from somebody we have talked to."""
    message, account = turn.message, turn.account
    known = account.resident is not None or account.member is not None
    return message.kind is Kind.TEXT and message.private and known and len(message.text) <= _LONGEST_WORD


def _offer_id(tapped: str | None) -> int | None:
    try:
        return from_base36((tapped or "").partition(":")[0])
    except ValueError:
        return None


def _tap(offer: Notification | None, choice: str | None, chats: list[str]) -> Tap | None:
    """The answer, where it is one that was really offered in this chat."""
    if offer is None or choice is None or offer.chat not in chats:
        return None
    offered = any(one["id"] == choice for one in offer.choices)
    return Tap(offer, choice) if offered else None


def _meant(offer: Notification | None, text: str, command: str | None, numbered: bool) -> str | None:
    """The choice whose label or word somebody typed, or whose number, where choices are shown with one."""
    typed = normalize(text)
    for number, choice in enumerate(offer.choices if offer else (), start=1):
        if choice["id"] == command or normalize(choice["label"]) == typed:
            return str(choice["id"])
        if numbered and typed == str(number):
            return str(choice["id"])
    return None


def _may_be_told(turn: Turn) -> bool:
    """Whether something was kept until they write, and they just have."""
    return turn.account.kept and turn.message.opens is Opens.TALK
