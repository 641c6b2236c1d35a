"""The way out: claim chats whose turn it is, send outside any transaction, mark what became of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePath
from random import Random

import structlog
from sqlalchemy.orm import Session
from structlog.contextvars import bind_contextvars

from bot import metrics
from bot.channels.facts import CARD_CODE_LIVES
from bot.clock import Clock
from bot.mediastore import MediaStore
from bot.offices import Offices
from bot.pacing import Bucket, chat_pause
from bot.settings import Pacing
from handlers import delivery
from handlers.desk import Desk, Urgency, to_member
from handlers.messages import (
    Blob,
    Button,
    Channel,
    Moved,
    Outgoing,
    Refused,
    Retry,
    SendResult,
    Sent,
    Shut,
    Unknown,
    Unreachable,
)
from handlers.texts import Texts
from routing.windows import Chosen, Means, Reason, Worth, choose
from storage import outbox, privacy
from storage.gauges import URGENCIES
from storage.ids import to_base36
from storage.outbox import Address, Job, Mark, Room, Said
from storage.presence import Presence
from storage.secrets import Vault
from storage.store import Store, is_away
from storage.tables import SendState

log = structlog.get_logger()

IN_FLIGHT = 64  # sends at once, and never more than a second's worth: the most that a crash can repeat
LEASE = timedelta(seconds=40)  # longer than any send takes, with its marking
LONGEST_PAUSE = 300.0
MERGE_OVER = timedelta(seconds=20)  # cards that would take longer than that one by one become a list
MOST_ATTEMPTS = 300  # at the longest pause about a day: a platform may be away for long
_REPEATS = 3
_WANTED = "claim"  # what a group's card offers while it needs somebody
_GIST = 30  # characters of what a resident wrote in a line of a list
# Said again after a lost answer, marked as perhaps repeated; the rest waits for the next event.
_PERHAPS = "perhaps delivered"
_REPEATED = {"receipt", "emergency", "ask_verdict", "member_card", "group_card", "triage_card"}

SHUT_FOR = timedelta(hours=6)  # until we ask again whether our account may do it by now
_NO_WORTH = Worth()
_PLAIN = Chosen(Means.PLAIN, Reason.WINDOW_OPEN)


@dataclass(frozen=True, slots=True)
class _Way:
    """On which channel, to which address and by what means something is said."""

    channel: Channel
    address: Address
    chosen: Chosen
    worth: Worth

    @property
    def template(self) -> str | None:
        """The platform's id of the template it goes in."""
        if self.chosen.means is Means.TEMPLATE:
            return self.worth.template
        return self.worth.subscription if self.chosen.means is Means.SUBSCRIPTION else None


class Outbox:
    """Sends on all channels, each at its own `pacing`."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        offices: Offices,
        channels: Mapping[str, Channel],
        files: MediaStore,
        pacing: Mapping[str, Pacing],
        presence: Presence,
        clock: Clock,
    ) -> None:
        self.wake = asyncio.Event()
        self.more = False  # whether all was claimed that might be, so that more may be ready
        self._store = store
        self._vault = vault
        self._offices = offices
        self._channels = channels
        self._files = files
        self._pacing = pacing
        self._presence = presence
        self._clock = clock
        self._at_once = min(IN_FLIGHT, max(int(sum(one.per_bot for one in pacing.values())), 1))
        self._rested: dict[str, datetime] = {}  # when each channel may be spoken on again, as we last saw it
        self._shut: dict[Means, datetime] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._marks: list[Mark] = []
        self._random = Random()  # noqa: S311 (spreads retries, guards nothing)

    async def step(self) -> bool:
        """Mark what came back and claim what may go, in one transaction; whether there was anything."""
        now = self._clock.now()
        marks, self._marks = self._marks, []
        try:
            number = await self._presence.number()
            told, jobs = await self._store.write(self._mark_and_claim, marks, now, number)
        except BaseException:
            self._marks = marks + self._marks
            raise
        texts = self._offices.current.texts
        for job in jobs:
            task = asyncio.create_task(self._send(job, texts))
            self._sending.add(task)
            task.add_done_callback(self._sent)
        await self._tell_failures(told)
        return bool(marks or jobs)

    def _mark_and_claim(
        self, session: Session, marks: list[Mark], now: datetime, by: int
    ) -> tuple[list[Mark], list[Job]]:
        """In one transaction, within what all processes together may say."""
        if marks:
            marks = outbox.mark(session, marks, now)
        jobs: list[Job] = []
        self.more = False
        left, taken = outbox.paces(session), dict[str, float]()
        for channel, pacing in self._pacing.items():
            bucket = Bucket(pacing.per_bot, left.get(channel), now)
            room = min(self._at_once - len(self._sending) - len(jobs), bucket.available)
            if room > 0:
                found = outbox.claim(session, now, now + LEASE, self._room_on(channel, room), channel, by)
                jobs += found
                self.more = self.more or len(found) == room
                bucket.take(len(found))
                taken |= {channel: bucket.level} if found else {}
            self._rested[channel] = now + bucket.pause
        outbox.set_paces(session, taken, now)
        return marks, jobs

    def _room_on(self, channel: str, chats: int) -> Room:
        pacing = self._pacing[channel]
        group, private = chat_pause(pacing, "chat:"), chat_pause(pacing, "member:")
        return Room(chats, int(MERGE_OVER / group), int(MERGE_OVER / private))

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self.wake.set()

    @property
    def busy(self) -> bool:
        return bool(self._sending or self._marks)

    async def settle(self) -> None:
        """Wait for the sends in flight."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def finish(self) -> None:
        """Wait for the sends in flight and write what became of them, so that a restart repeats none."""
        await self.settle()
        marks, self._marks = self._marks, []
        if marks:
            await self._store.write(outbox.mark, marks, self._clock.now())

    async def next_due(self) -> datetime | None:
        """When there may be something to send again; None where nothing waits, or a send must end first."""
        if len(self._sending) >= self._at_once:
            return None
        due = await self._store.read(outbox.next_due)
        return min((max(at, self._ready_at(channel)) for channel, at in due.items()), default=None)

    def _ready_at(self, channel: str | None) -> datetime:
        """Another channel that has rested must not wake us for what waits on a busy one."""
        own = self._rested.get(channel or "")
        return own or min(self._rested.values(), default=self._clock.now())

    # --- in a webhook's answer ----------------------------------------------------------------

    async def in_answer(self, words: Sequence[Said], address: str) -> list[Outgoing]:
        """What was said, rendered for the webhook that waits for it."""
        texts = self._offices.current.texts
        jobs = [Job(said, 0, None, None, None) for said in words]
        secrets = [{"address": address, **await self._looked_up(said)} for said in words]
        return [
            replace(_render(job, texts, known), means=Means.PASSIVE)
            for job, known in zip(jobs, secrets, strict=True)
        ]

    async def answered(self, channel: str, external: str) -> list[Said] | None:
        """What was said in the answer to a message that came before; None where it is not handled yet."""
        return await self._store.read(outbox.answered, channel, external)

    # --- one send -----------------------------------------------------------------------------

    async def _send(self, job: Job, texts: Texts) -> None:
        """Choose the address and the means, say it, and judge what came of it."""
        said = job.said
        # for every line of this task, whoever writes it
        bind_contextvars(notification=said.id, request=said.request, message=said.message)
        way = self._way(job)
        if way is None:
            metrics.sent.labels("", "NoAddress").inc()
            self._marks.append(await self._judge(job, None, Unreachable("no address")))
            return
        if way.address is not job.address:  # and there is nothing of ours to change there
            job = replace(job, address=way.address, edit=None)
        unsent = self._unsent(job, way)
        if unsent is not None:
            self._marks.append(unsent)
            return
        try:
            outgoing = await self._written(job, texts, way)
            with metrics.sending.time():
                result: SendResult = await way.channel.send(self._vault.open(way.address.sealed), outgoing)
        except OSError as error:  # the storage of photos is away for now
            result = Retry(str(error))
        except Exception as error:
            result = _not_sent(error)
        metrics.sent.labels(way.address.channel, type(result).__name__).inc()
        log.debug("sent", channel=way.address.channel, outcome=type(result).__name__)
        self._marks.append(await self._judge(job, way, result))

    def _unsent(self, job: Job, way: _Way) -> Mark | None:
        """What becomes of a message that is not sent now; None for one that is."""
        now = self._clock.now()
        if way.chosen.means is Means.KEPT:
            return Mark(job, SendState.KEPT, now, error=way.chosen.reason, chosen=way.chosen)
        if _is_left_out(job, way.channel):
            return Mark(job, SendState.SUPERSEDED, now)
        if job.channel != way.address.channel:  # whose pace it has to wait for
            return Mark(job, SendState.WAITING, now, error=job.said.error, tried=False)
        return None

    def _way(self, job: Job) -> _Way | None:
        """The first address that can be used now; else the first, where it waits until they write."""
        ways = [self._way_to(job, one) for one in (job.address, *job.others) if one is not None]
        known = [one for one in ways if one is not None]
        return next((one for one in known if one.chosen.means is not Means.KEPT), known[0] if known else None)

    def _way_to(self, job: Job, address: Address) -> _Way | None:
        channel = self._channels.get(address.channel)
        if channel is None:
            return None
        if not channel.traits.windowed:
            return _Way(channel, address, _PLAIN, _NO_WORTH)
        now, worth = self._clock.now(), self._offices.current.notices.worth(job.said.purpose)
        shut = {means for means, until in self._shut.items() if now < until}
        return _Way(channel, address, choose(address.ledger, worth, now, shut), worth)

    async def _written(self, job: Job, texts: Texts, way: _Way) -> Outgoing:
        address = self._vault.open(way.address.sealed)
        secrets = {"address": address, **await self._looked_up(job.said)}
        photo = await self._photo(job)
        outgoing = replace(_render(job, texts, secrets), photo=photo, means=way.chosen.means)
        if way.template is not None:
            notices = self._offices.current.notices
            told = {**job.said.args, "time": self._offices.current.when(self._clock.now())}
            notice = notices.notice(job.said.purpose, way.template, told, texts)
            outgoing = replace(outgoing, notice=notice)
        if way.channel.traits.cards_for_each and job.said.chat.startswith("chat:"):
            outgoing = replace(outgoing, also=await self._people_of(job, way.channel.name))
        return outgoing

    async def _people_of(self, job: Job, channel: str) -> tuple[str, ...]:
        """Whom a group's card goes to where groups have no buttons: everybody with a post in its area.

        Those who have the request have a card of their own.
        """
        _, _, chat = job.said.chat.partition(":")
        members = self._offices.current.organisation.people_of(int(chat), self._clock.now())
        sealed = await self._store.read(outbox.of_members, members, channel, job.said.request)
        return tuple(map(self._vault.open, sealed))

    async def _looked_up(self, said: Said) -> dict[str, str]:
        """What a message only refers to, so that it lies nowhere in clear: opened on its way out."""
        wanted = said.args.get("sealed")
        if wanted is None:
            return {}
        sealed = await self._store.read(privacy.sealed, **wanted)
        return {name: "\n".join(map(self._vault.open, found)) for name, found in sealed.items()}

    async def _photo(self, job: Job) -> Blob | None:
        """What goes with a message; nothing where it is gone by now, and then the words go alone."""
        body = await self._files.get(job.file) if job.file else None
        return Blob(PurePath(job.file).name, body) if job.file and body is not None else None

    async def _judge(self, job: Job, way: _Way | None, result: SendResult) -> Mark:
        """What an outcome means for the row and for the chat's next turn."""
        mark = await self._outcome(job, way, result)
        if way is None or way.chosen is _PLAIN:
            return mark
        return replace(mark, chosen=way.chosen, template=way.template)

    async def _outcome(self, job: Job, way: _Way | None, result: SendResult) -> Mark:
        now = self._clock.now()
        rest = now + self._rest(job)
        if isinstance(result, Sent):
            until = now + CARD_CODE_LIVES if result.code else None
            _time_cards(job, now)
            mark = Mark(job, SendState.SENT, rest, sent_at=now, ref=result.ref, missed=result.missed)
            return replace(mark, code=result.code, code_until=until)
        if isinstance(result, Moved) and job.said.chat.startswith("chat:"):
            await self._move(job, result.address)
            return Mark(job, SendState.WAITING, now)
        log.warning("not delivered", purpose=job.said.purpose, outcome=type(result).__name__)
        if isinstance(result, Refused) and way is not None and way.template is not None:
            result = Shut(result.reason, everywhere=True)  # the office has it wrong: not this message's fault
        if isinstance(result, Shut):
            return self._try_otherwise(job, way, result)
        if isinstance(result, Retry) and job.said.attempts + 1 < MOST_ATTEMPTS:
            return Mark(job, SendState.WAITING, now + self._pause(job, result), error=result.reason)
        if isinstance(result, Unknown) and job.said.purpose in _REPEATED and job.said.attempts < _REPEATS:
            return Mark(job, SendState.WAITING, rest, error=_PERHAPS)
        if isinstance(result, Unreachable | Moved):  # a group of no roster that moved is nobody's any more
            return Mark(job, SendState.UNREACHABLE, now, error=_reason(result), lost_account=True)
        state = SendState.UNKNOWN if isinstance(result, Unknown) else SendState.FAILED
        return Mark(job, state, rest, error=result.reason)

    def _rest(self, job: Job) -> timedelta:
        """How long the chat rests after this."""
        pacing = self._pacing.get(job.address.channel) if job.address else None
        return chat_pause(pacing, job.said.chat) if pacing else timedelta(0)

    def _try_otherwise(self, job: Job, way: _Way | None, shut: Shut) -> Mark:
        """The platform says that these means are closed: to this person, or to our whole account."""
        now = self._clock.now()
        if way is not None and (shut.everywhere or way.chosen.means is Means.TEMPLATE):
            self._shut[way.chosen.means] = now + SHUT_FOR
            log.error("the account may not do this", means=way.chosen.means, reason=shut.reason)
        return Mark(job, SendState.WAITING, now, error=shut.reason, shut=True)

    def _pause(self, job: Job, retry: Retry) -> timedelta:
        """What the platform asked for, else growing pauses with a little chance in them."""
        if retry.after is not None:
            return timedelta(seconds=retry.after)
        grown = min(2.0**job.said.attempts, LONGEST_PAUSE)
        return timedelta(seconds=grown * self._random.uniform(0.8, 1.2))

    async def _move(self, job: Job, address: str) -> None:
        _, _, chat = job.said.chat.partition(":")
        channel = job.address.channel if job.address else ""
        lookup, sealed = self._vault.lookup(channel, address), self._vault.seal(address)
        await self._store.write(outbox.move_chat, int(chat), lookup, sealed)

    async def _tell_failures(self, marks: list[Mark]) -> None:
        """Staff see who was not reached; another address of the same person is tried first."""
        lost = [one for one in marks if _is_lost(one)]
        missed = [one for one in marks if one.missed]
        if not lost and not missed:
            return
        office = self._offices.current
        async with self._store.unit() as unit:
            desk = Desk(unit, office, self._vault, self._clock.now())
            for one in lost:
                elsewhere = one.state is SendState.UNREACHABLE and await unit.run(
                    outbox.try_elsewhere, one.job.said.id, one.job.said.chat
                )
                if not elsewhere:
                    await delivery.undelivered(desk, one.job.said, one.error or "")
            for one in missed:
                await self._tell_missed(desk, one)
            await desk.finish()
        self.wake.set()

    async def _tell_missed(self, desk: Desk, mark: Mark) -> None:
        """Of a card for many some did not get it: whoever keeps the roster should know who."""
        channel = mark.job.address.channel if mark.job.address else ""
        lookups = [self._vault.lookup(channel, one) for one in mark.missed]
        for member in await desk.unit.run(outbox.lose, lookups, desk.now):
            said = replace(mark.job.said, chat=to_member(member))
            await delivery.undelivered(desk, said, "missed")


def _not_sent(error: Exception) -> SendResult:
    if is_away(error):
        return Retry("the database is away")
    # a template, a bug: this message only
    log.error("a message could not be sent", exc_info=error)
    return Refused(type(error).__name__)


def _reason(result: Unreachable | Moved) -> str:
    return result.reason if isinstance(result, Unreachable) else "moved"


_LOST = (SendState.UNREACHABLE, SendState.FAILED, SendState.UNKNOWN)


def _is_left_out(job: Job, channel: Channel) -> bool:
    """A card that cannot be changed but would be sent again, and not for anything new.

    That is one which only loses its buttons; and in a group, one that wants nobody any more.
    """
    edit, traits = job.edit, channel.traits
    if edit is None or (traits.edits and not (traits.coded and edit.code is None)):
        return False
    same = (edit.template, edit.args) == (job.said.template, job.said.args)
    wanted = any(choice["id"] == _WANTED for choice in job.said.choices)
    return same or (job.said.chat.startswith("chat:") and not wanted)


def _is_lost(mark: Mark) -> bool:
    """Whether staff must know: not where the next event will say it anyway, nor where it can wait."""
    if mark.state is SendState.KEPT:
        return mark.job.said.urgency == Urgency.URGENT
    waits_for_next = mark.state is SendState.UNKNOWN and mark.job.said.purpose not in _REPEATED
    return mark.state in _LOST and not waits_for_next


def _time_cards(job: Job, now: datetime) -> None:
    """How long it took from a message to the staff's new card about it."""
    for said in job.merged or (job.said,):
        if said.heard_at is not None and said.template in outbox.CARDS and job.edit is None:
            urgency, took = URGENCIES[said.urgency], now - said.heard_at
            metrics.card_seconds.labels(urgency).observe(took.total_seconds())


def _render(job: Job, texts: Texts, secrets: Mapping[str, str]) -> Outgoing:
    """The sentence with its buttons. A button carries the offer's id and the choice, within 64 bytes.

    The secrets, like {address}, are filled in only here, so that they are never stored in clear.
    """
    said = job.said
    if job.merged:
        return Outgoing(_merged(job, texts), key=to_base36(said.id))
    text = texts.render(said.template, {**secrets, **said.args})
    if said.error == _PERHAPS:
        text = texts.render("repeated", {"text": text})
    offer = to_base36(said.id)
    buttons = tuple(Button(f"{offer}:{choice['id']}", choice["label"]) for choice in said.choices)
    edit, code = (job.edit.ref, job.edit.code) if job.edit else (None, said.code)
    return Outgoing(text, buttons, reply_to=said.reply_to, edit=edit, key=offer, code=code)


def _merged(job: Job, texts: Texts) -> str:
    """Many cards as a list; each can be answered in words with its number."""
    group = job.said.chat.startswith("chat:")
    where = "_group" if group else ""
    lines = [
        texts.render(f"merged_line{where}", {**one.args, "text": one.args.get("text", "")[:_GIST]})
        for one in job.merged
    ]
    return texts.render(f"merged_cards{where}", {"count": len(lines), "lines": "\n".join(lines)})
