"""Fetches photos and voices from the platform into our own storage, apart from the talk."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session

from bot import metrics
from bot.clock import Clock
from bot.mediakinds import ENDINGS, kept
from bot.mediastore import MediaStore
from bot.offices import Offices
from handlers import delivery
from handlers.desk import Desk
from handlers.messages import Channel
from storage.secrets import Vault
from storage.store import Store
from storage.tables import Attachment, MediaState

log = structlog.get_logger()

MOST_ATTEMPTS = 12  # over two hours: an outage may last, and the platforms keep a file for days
_AT_ONCE = 8
_REMOVED_AT_ONCE = 100


class Media:
    def __init__(
        self,
        store: Store,
        vault: Vault,
        offices: Offices,
        channels: Mapping[str, Channel],
        files: MediaStore,
        clock: Clock,
    ) -> None:
        self._store = store
        self._vault = vault
        self._offices = offices
        self._channels = channels
        self._files = files
        self._clock = clock
        self._drawing = asyncio.Lock()  # one takes a processor for itself, and up to 400 MB

    async def step(self) -> int:
        """Fetch what waits and remove what is erased; returns how many that were."""
        waiting = await self._store.read(_waiting, self._clock.now())
        await asyncio.gather(*(self._settle(one) for one in waiting))
        erased = await self._store.read(_erased)
        if erased:
            await self._files.remove(*(f"{one.id}{ending}" for one in erased for ending in ENDINGS))
            await self._store.write(_drop, [one.id for one in erased])
        return len(waiting) + len(erased)

    async def next_due(self) -> datetime | None:
        return await self._store.read(_next)

    async def _settle(self, waiting: Attachment) -> None:
        """One try: stored, lost for good, or later again."""
        name: str | None = None
        final = True
        try:
            name = await self._stored(waiting)
        except OSError as error:
            final = waiting.attempts + 1 >= MOST_ATTEMPTS
            metrics.failed.labels("attachment").inc()
            log.warning("attachment not fetched", attachment=waiting.id, error=str(error))
        office = self._offices.current
        async with self._store.unit() as unit:
            attachment = await unit.get(Attachment, waiting.id)
            if attachment is None or attachment.state is not MediaState.WAITING:
                return  # erased meanwhile: its file goes next
            attachment.attempts += 1
            attachment.next_at = self._clock.now() + timedelta(seconds=2**attachment.attempts)
            if name is not None or final:
                attachment.path = name
                attachment.state = MediaState.STORED if name else MediaState.MISSING
                desk = Desk(unit, office, self._vault, self._clock.now())
                await delivery.media_settled(desk, attachment)
                await desk.finish()

    async def _stored(self, waiting: Attachment) -> str | None:
        """Its name in our storage; None where nothing can be had. Raises OSError where it may be later."""
        about = log.bind(attachment=waiting.id, channel=waiting.channel, kind=waiting.kind)
        channel = self._channels.get(waiting.channel)
        if channel is None:
            about.warning("attachment lost: its channel is not configured any more")
            return None
        body = await channel.fetch(waiting.remote)
        if body is None:
            about.warning("attachment lost: the platform does not have it")
            return None
        async with self._drawing:
            files = await asyncio.to_thread(kept, waiting.kind, body)
        if not files:
            about.warning("attachment lost: it is not what it should be")
            return None
        for ending, content in files.items():
            await self._files.put(f"{waiting.id}{ending}", content)
        return f"{waiting.id}{next(iter(files))}"


_WAITING = (
    select(Attachment)
    .where(Attachment.state == MediaState.WAITING, Attachment.next_at <= bindparam("now"))
    .order_by(Attachment.next_at)
    .limit(_AT_ONCE)
)
_NEXT = select(func.min(Attachment.next_at)).where(Attachment.state == MediaState.WAITING)


def _waiting(session: Session, now: datetime) -> list[Attachment]:
    return list(session.scalars(_WAITING, {"now": now}))


def _erased(session: Session) -> list[Attachment]:
    query = select(Attachment).where(Attachment.state == MediaState.ERASED)
    return list(session.scalars(query.order_by(Attachment.id).limit(_REMOVED_AT_ONCE)))


def _drop(session: Session, attachments: Sequence[int]) -> None:
    session.execute(delete(Attachment).where(Attachment.id.in_(attachments)))


def _next(session: Session) -> datetime | None:
    return session.connection().scalar(_NEXT)
