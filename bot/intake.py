"""The way in: a message is stored, or at least spooled, before the platform is told that we have it."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import metrics
from bot.clock import Clock
from bot.delays import Delays
from bot.halves import in_halves
from bot.health import Health
from bot.spool import Part, Spool
from handlers.messages import Answers, Channel, Envelope, UnreadableError
from storage import inbox
from storage.database import AwayError
from storage.inbox import Arrival
from storage.secrets import Vault
from storage.store import Store, is_away

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

MOST_WAITING = 2000  # messages in memory: the platform keeps and repeats the others better than we would
PATIENCE = 2.0  # seconds for one transaction; WeChat and WeCom hang up after five
_MOST_AT_ONCE = 256


class Taken(Enum):
    """What became of a message at the door; durable it is in any case."""

    NEW = "new"
    AGAIN = "again"
    SPOOLED = "spooled"  # new or a repetition: the database will tell when it is back


class NotTakenError(Exception):
    """Neither the database nor the spool has it: whoever sent it must send it again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """`spools`: it may wait for the database, since nobody is looking at a page that could tell of it."""

    arrival: Arrival
    spools: bool
    done: asyncio.Future[Taken]

    def take(self, taken: Taken) -> None:
        if not self.done.done():
            self.done.set_result(taken)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            metrics.refused.labels(self.arrival.channel).inc()
            metrics.failed.labels("intake").inc()
            self.done.set_exception(error)


class Intake:
    """Stores what arrives; whatever waits while one commit runs is the next commit.

    While the database is away everything goes into the spool, and behind it until it is empty again.
    """

    def __init__(
        self, store: Store, vault: Vault, clock: Clock, spool: Spool, delays: Delays, health: Health
    ) -> None:
        self.stored = asyncio.Event()
        self.spooled = asyncio.Event()
        self._troubles: dict[str, str] = {}
        self._store = store
        self._vault = vault
        self._clock = clock
        self._spool = spool
        self._delays = delays
        self._health = health
        self._waiting: list[_Waiting] = []
        self._storing: asyncio.Task[None] | None = None
        self._hanging: asyncio.Task[Any] | None = None
        self._acknowledging: set[asyncio.Task[None]] = set()

    async def receive(self, channel: Channel, body: bytes, *, spools: bool = True) -> Taken:
        """Return once the message is durable: in the database, or if it `spools` at least on this disk.

        What the channel cannot read is kept too, as `unreadable`. Raises NotTakenError, or what else the
        store raises, with nothing stored, so that the platform sends it again.
        """
        if len(self._waiting) >= MOST_WAITING:
            metrics.refused.labels(channel.name).inc()
            self._note("queue", "full")
            raise NotTakenError("too many wait already")
        arrival, envelope = self._arrival(channel, body)
        waiting = _Waiting(arrival, spools, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._storing is None:
            self._storing = asyncio.create_task(self._take_waiting())
        taken = await waiting.done
        if envelope is not None and envelope.tap is not None:
            self._acknowledge(channel, envelope.tap)
        if taken is Taken.SPOOLED and channel.traits.answers is Answers.NONE:
            self._delays.tell(channel, body)
        return taken

    def _arrival(self, channel: Channel, body: bytes) -> tuple[Arrival, Envelope | None]:
        now = self._clock.now()
        try:
            envelope = channel.envelope(body)
        except UnreadableError as error:
            log.warning("unreadable message kept", channel=channel.name, error=str(error))
            metrics.received.labels(channel.name, "unreadable").inc()
            return Arrival(channel.name, hashlib.sha256(body).hexdigest(), None, body, now), None
        metrics.received.labels(channel.name, "readable").inc()
        account = self._vault.lookup(envelope.channel or channel.name, envelope.sender)
        urgent = self._delays.may_be_danger(envelope.words)
        return Arrival(channel.name, envelope.external, account, body, now, urgent), envelope

    async def _take_waiting(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                await self._take(batch)
                self.stored.set()
            self._note("queue", None)
        finally:
            self._storing = None

    async def _take(self, batch: Sequence[_Waiting]) -> None:
        """Into the database; from the first that finds it away on, behind what is in the spool."""
        late: list[_Waiting] = [] if self._spool.empty else list(batch)

        async def store(items: Sequence[_Waiting]) -> None:
            if late:
                raise AwayError("what came before these could not be stored")
            await self._store_batch(items)

        async def alone(item: _Waiting, error: Exception) -> None:
            if is_away(error):
                late.append(item)
            else:
                item.fail(error)

        if not late:
            await in_halves(batch, store, alone)
        if late:
            await self._put_behind(late)

    async def _store_batch(self, batch: Sequence[_Waiting]) -> None:
        new = await self._write(inbox.store, [one.arrival for one in batch])
        for one in batch:
            # its repetition may be in the same batch
            message = new.pop((one.arrival.channel, one.arrival.external), None)
            one.take(Taken.AGAIN if message is None else Taken.NEW)
            _count(one.arrival, message)

    def _acknowledge(self, channel: Channel, tap: str) -> None:
        task = asyncio.create_task(channel.acknowledge(tap))
        self._acknowledging.add(task)
        task.add_done_callback(self._acknowledging.discard)

    async def settle(self) -> None:
        """Wait for what is being stored and acknowledged just now."""
        while self._storing or self._acknowledging:
            await asyncio.gather(*self._acknowledging, *([self._storing] if self._storing else []))

    async def finish(self) -> None:
        """Wait for all that still uses the store."""
        await self.settle()
        if self._hanging is not None:
            await asyncio.wait({self._hanging})

    # --- the database, with little patience ---------------------------------------------------

    async def _write(
        self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """A transaction that passes all others. Raises AwayError where it takes too long.

        Then it may come about nevertheless; what is stored by it is not stored again.
        """
        try:
            with metrics.storing.time():
                found = await self._in_time(self._transaction(query, *args, **kwargs))
        except Exception as error:
            if is_away(error):
                self._note("database", "away")
            raise
        self._note("database", None)
        return found

    async def _transaction(
        self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        async with self._store.unit(first=True) as unit:
            return await unit.run(query, *args, **kwargs)

    async def _in_time(self, writing: Coroutine[Any, Any, T]) -> T:
        """Never two at once that hang: the database has only so many connections."""
        if self._hanging is not None and not self._hanging.done():
            writing.close()
            raise AwayError("the transaction before has not ended yet")
        task = asyncio.create_task(writing)
        try:
            done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        finally:
            if not task.done():
                self._hanging = task
                task.cancel()
        if not done:
            raise AwayError(f"no answer within {PATIENCE} seconds")
        return task.result()

    # --- the spool ----------------------------------------------------------------------------

    async def _put_behind(self, items: Sequence[_Waiting]) -> None:
        """On this disk instead, behind what waits there; what does not fit is refused."""
        spooling = [one for one in items if one.spools]
        kept = await self._kept([one.arrival for one in spooling]) if spooling else 0
        for one in spooling[:kept]:
            one.take(Taken.SPOOLED)
        for one in [*spooling[kept:], *(one for one in items if not one.spools)]:
            one.fail(NotTakenError("the database is away"))
        self.spooled.set()

    async def _kept(self, arrivals: Sequence[Arrival]) -> int:
        try:
            kept = await asyncio.to_thread(self._spool.append, arrivals)
        except OSError as error:
            self._note("spool", f"cannot be written: {error.strerror}")
            return 0
        self._note("spool", None if kept == len(arrivals) else "full")
        return kept

    async def drain(self) -> int:
        """Store the oldest part of the spool; returns how many messages that were.

        Raises what the store raises, and OSError: then it is still there, and storing it again is harmless.
        """
        part = None if self._spool.empty else await asyncio.to_thread(self._spool.oldest)
        if part is not None:
            await self._drain(part)
            return len(part.arrivals)
        if "database" in self._troubles:
            await self._write(_touch)
        return 0

    async def _drain(self, part: Part) -> None:
        refused: list[Arrival] = []

        async def store(arrivals: Sequence[Arrival]) -> None:
            new = await self._write(inbox.store, arrivals)
            for one in arrivals:
                _count(one, new.pop((one.channel, one.external), None))

        async def alone(arrival: Arrival, error: Exception) -> None:
            if is_away(error):
                raise error
            log.error("a spooled message cannot be stored and is set aside", error=type(error).__name__)
            refused.append(arrival)

        for start in range(0, len(part.arrivals), _MOST_AT_ONCE):
            await in_halves(part.arrivals[start : start + _MOST_AT_ONCE], store, alone)
            self.stored.set()
        await asyncio.to_thread(self._spool.remove, part, refused)
        log.info("drained from the spool", messages=len(part.arrivals), left=self._spool.records)
        if self._spool.empty:
            self._note("spool", None)
            self._delays.end()

    def _note(self, what: str, problem: str | None) -> None:
        """Say a change once: a flood of messages must not become a flood of lines."""
        if problem == self._troubles.get(what):
            return
        if problem is None:
            del self._troubles[what]
            self._health.well(what)
            log.info("the door is in order again", what=what)
        else:
            self._troubles[what] = problem
            self._health.fails(what, problem)
            log.error("the door is in trouble", what=what, problem=problem, spooled=self._spool.records)


def _touch(session: Session) -> None:
    session.execute(select(1))


def _count(arrival: Arrival, message: int | None) -> None:
    outcome = "new" if message is not None else "repetition"
    metrics.stored.labels(arrival.channel, outcome).inc()
    log.debug("stored", message=message, channel=arrival.channel, outcome=outcome)
