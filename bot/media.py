"""Fetches photos and voices from the platform into our own folder, apart from the talk."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session

from bot.clock import Clock
from bot.offices import Offices
from handlers import delivery
from handlers.desk import Desk
from handlers.messages import Channel
from storage.secrets import Vault
from storage.store import Store
from storage.tables import Attachment, MediaState

log = structlog.get_logger()

MOST_ATTEMPTS = 5
_AT_ONCE = 8
_REMOVED_AT_ONCE = 100
_SUFFIX = {"photo": ".jpg", "voice": ".ogg"}


class Media:
    def __init__(
        self,
        store: Store,
        vault: Vault,
        offices: Offices,
        channels: Mapping[str, Channel],
        folder: Path,
        clock: Clock,
    ) -> None:
        self._store = store
        self._vault = vault
        self._offices = offices
        self._channels = channels
        self._folder = folder
        self._clock = clock

    async def step(self) -> int:
        """Fetch what waits and remove what is erased; returns how many that were."""
        waiting = await self._store.read(_waiting, self._clock.now())
        await asyncio.gather(*(self._settle(one) for one in waiting))
        erased = await self._store.read(_erased)
        if erased:
            await asyncio.to_thread(self._remove, erased)
            await self._store.write(_drop, [one.id for one in erased])
        return len(waiting) + len(erased)

    async def next_due(self) -> datetime | None:
        return await self._store.read(_next)

    async def _settle(self, waiting: Attachment) -> None:
        """One try: stored, lost for good, or later again."""
        path: Path | None = None
        try:
            body = await self._channels[waiting.channel].fetch(waiting.remote)
            path = await asyncio.to_thread(self._write, waiting, body) if body is not None else None
            final = True
        except OSError as error:
            final = waiting.attempts + 1 >= MOST_ATTEMPTS
            log.warning("attachment not fetched", attachment=waiting.id, error=str(error))
        office = self._offices.current
        async with self._store.unit() as unit:
            attachment = await unit.get(Attachment, waiting.id)
            if attachment is None or attachment.state is not MediaState.WAITING:
                return  # erased meanwhile: its file goes next
            attachment.attempts += 1
            attachment.next_at = self._clock.now() + timedelta(seconds=2**attachment.attempts)
            if path is not None or final:
                attachment.path = str(path) if path else None
                attachment.state = MediaState.STORED if path else MediaState.MISSING
                desk = Desk(unit, office, self._vault, self._clock.now())
                await delivery.media_settled(desk, attachment)
                await desk.finish()

    def _write(self, attachment: Attachment, body: bytes) -> Path:
        """Written whole under our own id, readable by us only."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(attachment)
        part = path.with_suffix(".part")
        part.write_bytes(body)
        os.replace(part, path)
        return path

    def _path(self, attachment: Attachment) -> Path:
        return self._folder / f"{attachment.id}{_SUFFIX[attachment.kind]}"

    def _remove(self, erased: Sequence[Attachment]) -> None:
        for one in erased:
            self._path(one).unlink(missing_ok=True)


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
