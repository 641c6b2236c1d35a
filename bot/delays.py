"""While the database is away: people hear, once, that answers are late; in danger, not to wait for any."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bot import metrics
from bot.clock import Clock
from bot.offices import Offices
from bot.settings import Pacing
from handlers.messages import Answers, Channel, InboundMessage, Kind, Outgoing, UnreadableError

log = structlog.get_logger()

HICCUP = timedelta(seconds=5)  # what is over by then nobody needs to hear of
_MOST_TOLD = 20_000
_MOST_TELLING = 1000
_SAID = {Kind.START, Kind.TEXT, Kind.PHOTO, Kind.VOICE, Kind.LOCATION, Kind.CONTACT, Kind.UNSUPPORTED}
_LATE, _DANGER = "late", "late_danger"


class Delays:
    """Keeps in memory whom it has told. What it says cannot go through the outbox, which is a table."""

    def __init__(self, offices: Offices, pacing: Mapping[str, Pacing], clock: Clock) -> None:
        self._offices = offices
        self._clock = clock
        self._pacing = pacing
        self._free_at: dict[str, datetime] = {}
        self._told: set[tuple[str, str, str]] = set()
        self._ended = asyncio.Event()
        self._telling: set[asyncio.Task[None]] = set()

    def answer(self, channel: Channel, body: bytes) -> list[Outgoing]:
        """For the webhook's own answer; nothing to taps, to groups, and to whoever knows already."""
        try:
            said = self._said(channel, channel.parse(body))
        except UnreadableError:
            return []
        return [self._outgoing(said[1])] if said else []

    def tell(self, channel: Channel, body: bytes) -> None:
        """By a message of its own, where the outage lasts; of danger at once."""
        if channel.name not in self._pacing or len(self._telling) >= _MOST_TELLING:
            return
        task = asyncio.create_task(self._tell(channel, body))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def end(self) -> None:
        """The database is back, and answers come: nobody is told any more, and the next outage is another."""
        self._told.clear()
        self._ended.set()
        self._ended = asyncio.Event()

    async def close(self) -> None:
        self.end()
        await asyncio.gather(*self._telling)

    async def _tell(self, channel: Channel, body: bytes) -> None:
        ended, now = self._ended, self._clock.now()
        try:  # a process that only takes in has not imported the parser yet
            said = self._said(channel, await asyncio.to_thread(channel.parse, body))
        except UnreadableError:
            return
        if said is None:
            return
        address, words = said
        if words == _LATE:
            await self._clock.wait(ended, now + HICCUP)
        await self._clock.wait(ended, self._turn(channel.name))
        if ended.is_set():
            return
        result = await channel.send(address, self._outgoing(words))
        metrics.sent.labels(channel.name, type(result).__name__).inc()

    def _turn(self, channel: str) -> datetime:
        """One after the other, at the channel's pace; the outbox sends nothing while the database is away."""
        turn = max(self._clock.now(), self._free_at.get(channel, self._clock.now()))
        self._free_at[channel] = turn + timedelta(seconds=1) / self._pacing[channel].per_bot
        return turn

    def may_be_danger(self, words: str) -> bool:
        return self._offices.current.may_be_danger(words)

    def _said(self, channel: Channel, message: InboundMessage) -> tuple[str, str] | None:
        """Whom to tell, and which words."""
        danger = self._in_danger(message, channel)
        if not message.private or not (danger or message.kind in _SAID):
            return None
        words = _DANGER if danger else _LATE
        knows = {(channel.name, message.sender, one) for one in (words, _DANGER)}
        if knows & self._told or len(self._told) >= _MOST_TOLD:
            return None
        self._told.add((channel.name, message.sender, words))
        return message.sender, words

    def _in_danger(self, message: InboundMessage, channel: Channel) -> bool:
        """Whether a text may be about danger, or its button was pressed where words can be said to that."""
        tapped = message.kind is Kind.TAP
        if tapped and channel.traits.answers is Answers.PLAIN:
            return False
        return self.may_be_danger(message.tapped or "" if tapped else message.text)

    def _outgoing(self, words: str) -> Outgoing:
        return Outgoing(self._offices.current.texts.render(words, {}))
