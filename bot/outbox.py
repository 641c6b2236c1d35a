"""The way out: claim chats whose turn it is, send outside any transaction, mark what became of it."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import structlog
from sqlalchemy.orm import Session

from bot import metrics
from bot.clock import Clock
from bot.offices import Offices
from bot.pacing import Bucket, chat_pause
from bot.settings import Pacing
from handlers import delivery
from handlers.desk import Desk
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
    Unknown,
    Unreachable,
)
from handlers.texts import Texts
from storage import outbox, privacy
from storage.ids import to_base36
from storage.outbox import Job, Mark
from storage.secrets import Vault
from storage.store import Store
from storage.tables import SendState

log = structlog.get_logger()

IN_FLIGHT = 64  # sends at once, and never more than a second's worth: the most that a crash can repeat
LEASE = timedelta(seconds=40)  # longer than any send takes, with its marking
LONGEST_PAUSE = 300.0
MOST_ATTEMPTS = 300  # at the longest pause about a day: a platform may be away for long
_REPEATS = 3
# Said again after a lost answer, marked as perhaps repeated; the rest waits for the next event.
_PERHAPS = "perhaps delivered"
_REPEATED = {"receipt", "emergency", "ask_verdict", "member_card", "group_card", "triage_card"}


class Outbox:
    def __init__(
        self,
        store: Store,
        vault: Vault,
        offices: Offices,
        channels: Mapping[str, Channel],
        pacing: Pacing,
        clock: Clock,
    ) -> None:
        self.wake = asyncio.Event()
        self._store = store
        self._vault = vault
        self._offices = offices
        self._channels = channels
        self._pacing = pacing
        self._clock = clock
        self._at_once = min(IN_FLIGHT, max(int(pacing.per_bot), 1))
        self._bucket = Bucket(pacing.per_bot, clock.now())
        self._sending: set[asyncio.Task[None]] = set()
        self._marks: list[Mark] = []
        self._random = Random()  # noqa: S311 (spreads retries, guards nothing)

    async def step(self) -> bool:
        """Mark what came back and claim what may go, in one transaction; whether there was anything."""
        now = self._clock.now()
        marks, self._marks = self._marks, []
        room = min(self._at_once - len(self._sending), self._bucket.available(now))
        try:
            jobs = await self._store.write(_mark_and_claim, marks, now, now + LEASE, room)
        except BaseException:
            self._marks = marks + self._marks
            raise
        self._bucket.take(len(jobs))
        texts = self._offices.current.texts
        for job in jobs:
            task = asyncio.create_task(self._send(job, texts))
            self._sending.add(task)
            task.add_done_callback(self._sent)
        await self._tell_failures(marks)
        return bool(marks or jobs)

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
        """When there may be something to send again; None where nothing waits."""
        due = await self._store.read(outbox.next_due)
        return None if due is None else max(due, self._bucket.ready_at(self._clock.now()))

    # --- one send -----------------------------------------------------------------------------

    async def _send(self, job: Job, texts: Texts) -> None:
        if job.address is None:
            result: SendResult = Unreachable("no address")
        else:
            try:
                channel = self._channels[job.address.channel]
                address = self._vault.open(job.address.sealed)
                secrets = {"address": address, **await self._looked_up(job)}
                result = await channel.send(address, _render(job, texts, secrets))
            except Exception as error:  # a template, a missing file, a bug: this message only
                log.exception("a message could not be sent", notification=job.said.id)
                result = Refused(type(error).__name__)
            metrics.sent.labels(job.address.channel, type(result).__name__).inc()
        self._marks.append(await self._judge(job, result))

    async def _looked_up(self, job: Job) -> dict[str, str]:
        """What a message only refers to, so that it lies nowhere in clear: opened on its way out."""
        wanted = job.said.args.get("sealed")
        if wanted is None:
            return {}
        sealed = await self._store.read(privacy.sealed, **wanted)
        return {name: "\n".join(map(self._vault.open, found)) for name, found in sealed.items()}

    async def _judge(self, job: Job, result: SendResult) -> Mark:
        """What an outcome means for the row and for the chat's next turn."""
        now = self._clock.now()
        rest = now + chat_pause(self._pacing, job.said.chat)
        if isinstance(result, Sent):
            return Mark(job, SendState.SENT, rest, sent_at=now, ref=result.ref)
        if isinstance(result, Moved) and job.said.chat.startswith("chat:"):
            await self._move(job, result.address)
            return Mark(job, SendState.WAITING, now)
        log.warning(
            "not delivered", notification=job.said.id, purpose=job.said.purpose, outcome=type(result).__name__
        )
        if isinstance(result, Retry) and job.said.attempts + 1 < MOST_ATTEMPTS:
            return Mark(job, SendState.WAITING, now + self._pause(job, result), error=result.reason)
        if isinstance(result, Unknown) and job.said.purpose in _REPEATED and job.said.attempts < _REPEATS:
            return Mark(job, SendState.WAITING, rest, error=_PERHAPS)
        if isinstance(result, Unreachable | Moved):  # a group of no roster that moved is nobody's any more
            return Mark(job, SendState.UNREACHABLE, now, error=_reason(result), lost_account=True)
        state = SendState.UNKNOWN if isinstance(result, Unknown) else SendState.FAILED
        return Mark(job, state, rest, error=result.reason)

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
        lost = [one for one in marks if one.state in _LOST and not _waits_for_next(one)]
        if not lost:
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
            await desk.finish()
        self.wake.set()


def _reason(result: Unreachable | Moved) -> str:
    return result.reason if isinstance(result, Unreachable) else "moved"


_LOST = (SendState.UNREACHABLE, SendState.FAILED, SendState.UNKNOWN)


def _waits_for_next(mark: Mark) -> bool:
    """A lost answer about something that the next event will say anyway."""
    return mark.state is SendState.UNKNOWN and mark.job.said.purpose not in _REPEATED


def _mark_and_claim(
    session: Session, marks: list[Mark], now: datetime, lease: datetime, room: int
) -> list[Job]:
    if marks:
        outbox.mark(session, marks, now)
    return outbox.claim(session, now, lease, room) if room > 0 else []


def _render(job: Job, texts: Texts, secrets: Mapping[str, str]) -> Outgoing:
    """The sentence with its buttons. A button carries the offer's id and the choice, within 64 bytes.

    The secrets, like {address}, are filled in only here, so that they are never stored in clear.
    """
    said = job.said
    text = texts.render(said.template, {**secrets, **said.args})
    if said.error == _PERHAPS:
        text = texts.render("repeated", {"text": text})
    offer = to_base36(said.id)
    buttons = tuple(Button(f"{offer}:{choice['id']}", choice["label"]) for choice in said.choices)
    photo = Blob(Path(job.file).name, Path(job.file).read_bytes()) if job.file else None
    return Outgoing(text, buttons, photo, reply_to=said.reply_to, edit=job.edit, key=offer)
