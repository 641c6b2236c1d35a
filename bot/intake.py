"""The way in: a message is stored before the platform is told that we have it."""

import asyncio
import hashlib
from collections.abc import Sequence

import structlog

from bot import metrics
from bot.clock import Clock
from bot.halves import in_halves
from handlers.messages import Channel, Envelope, UnreadableError
from storage import inbox
from storage.inbox import Arrival
from storage.secrets import Vault
from storage.store import Store

log = structlog.get_logger()

_MOST_AT_ONCE = 256

Waiting = tuple[Arrival, asyncio.Future[bool]]


class Intake:
    """Stores what arrives; whatever waits while one commit runs is the next commit."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self.stored = asyncio.Event()
        self._store = store
        self._vault = vault
        self._clock = clock
        self._waiting: list[Waiting] = []
        self._storing: asyncio.Task[None] | None = None
        self._acknowledging: set[asyncio.Task[None]] = set()

    async def receive(self, channel: Channel, body: bytes) -> bool:
        """Return once the message is durable; False where it is a repetition.

        What the channel cannot read is kept too, as `unreadable`. Raises what the store raises, with
        nothing stored, so that the platform sends it again.
        """
        arrival, envelope = self._arrival(channel, body)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, done))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_waiting())
        new = await done
        if envelope is not None and envelope.tap is not None:
            self._acknowledge(channel, envelope.tap)
        return new

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
        return Arrival(channel.name, envelope.external, account, body, now), envelope

    async def _store_waiting(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                await in_halves(batch, self._store_batch, self._fail)
                self.stored.set()
        finally:
            self._storing = None

    async def _store_batch(self, batch: Sequence[Waiting]) -> None:
        with metrics.storing.time():
            async with self._store.unit(first=True) as unit:
                new = await unit.run(inbox.store, [arrival for arrival, _ in batch])
        for arrival, done in batch:
            # its repetition may be in the same batch
            message = new.pop((arrival.channel, arrival.external), None)
            if not done.done():
                done.set_result(message is not None)
            _count(arrival, message)

    async def _fail(self, item: Waiting, error: Exception) -> None:
        metrics.failed.labels("intake").inc()
        if not item[1].done():
            item[1].set_exception(error)

    def _acknowledge(self, channel: Channel, tap: str) -> None:
        task = asyncio.create_task(channel.acknowledge(tap))
        self._acknowledging.add(task)
        task.add_done_callback(self._acknowledging.discard)

    async def settle(self) -> None:
        """Wait for what is being stored and acknowledged just now."""
        while self._storing or self._acknowledging:
            await asyncio.gather(*self._acknowledging, *([self._storing] if self._storing else []))


def _count(arrival: Arrival, message: int | None) -> None:
    outcome = "new" if message is not None else "repetition"
    metrics.stored.labels(arrival.channel, outcome).inc()
    log.debug("stored", message=message, channel=arrival.channel, outcome=outcome)
