"""The residents' page as a channel: its addresses are secret links, its messages the forms of the page.

What is said to a visitor is not sent anywhere: the page shows it when they look.
"""

import asyncio
import base64
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag

from bot.channels.plain_json import reader
from handlers.messages import (
    Envelope,
    InboundMessage,
    Kind,
    MediaRef,
    Outgoing,
    SendResult,
    Sent,
    Traits,
    UnreadableError,
)
from storage.secrets import Vault

NAME = "web"
_VERSION = 1
_KEPT = 60.0  # seconds that a fetched photo stays, longer than all tries of storing it elsewhere take
_OLDEST = 24 * 3600.0  # seconds after which nobody will come for a photo any more
_PHOTO_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


class _Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """A form as it is stored; the visit is sealed, since whoever knows it sees everything."""

    v: int
    id: str
    visit: str
    text: str = ""
    photos: tuple[str, ...] = ()
    start: str | None = None
    tapped: str | None = None


_read = reader(_Body)


class Spool:
    """Uploaded photos, until our own store has fetched them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: str, body: bytes) -> None:
        """Written whole, readable by us only; what nobody came for in a day goes."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        part = self._folder / f"{name}.part"
        part.write_bytes(body)
        os.replace(part, self._folder / name)

    def read(self, name: str) -> bytes | None:
        if not _PHOTO_NAME.fullmatch(name):
            return None
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def drop(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        for one in self._folder.iterdir():
            if time.time() - one.stat().st_mtime > _OLDEST:
                one.unlink(missing_ok=True)


def resealed(vault: Vault, body: bytes) -> bytes:
    """A stored form with its visit sealed under today's key; what is no form of ours stays as it is."""
    try:
        form = _read(body)
        visit = vault.reseal(base64.b64decode(form.visit, validate=True))
    except ValueError:
        return body
    return msgspec.json.encode(msgspec.structs.replace(form, visit=base64.b64encode(visit or b"").decode()))


class WebChannel:
    name = NAME
    traits = Traits(numbered=False, edits=True)

    def __init__(self, vault: Vault, folder: Path) -> None:
        self.spool = Spool(folder)
        self._vault = vault

    def body(
        self,
        visit: str,
        external: str,
        *,
        text: str = "",
        photos: Sequence[str] = (),
        start: str | None = None,
        tapped: str | None = None,
    ) -> bytes:
        """One message of a visitor, as it is stored; `photos` are names in the spool."""
        sealed = base64.b64encode(self._vault.seal(visit)).decode()
        return msgspec.json.encode(_Body(_VERSION, external, sealed, text, tuple(photos), start, tapped))

    def envelope(self, body: bytes) -> Envelope:
        form, visit = self._opened(body)
        return Envelope(form.id, visit, words=form.tapped or form.text)

    def parse(self, body: bytes) -> InboundMessage:
        form, visit = self._opened(body)
        return InboundMessage(
            channel=NAME,
            external=form.id,
            sender=visit,
            chat=visit,
            kind=_kind(form),
            ref=form.id,
            text=form.text,
            media=tuple(MediaRef("photo", name) for name in form.photos),
            start=form.start,
            tapped=form.tapped,
        )

    def _opened(self, body: bytes) -> tuple[_Body, str]:
        form = _read(body)
        try:
            visit = self._vault.open(base64.b64decode(form.visit, validate=True))
        except (ValueError, InvalidTag) as error:
            raise UnreadableError(f"no form of the page: {type(error).__name__}") from None
        if form.v != _VERSION:
            raise UnreadableError(f"a form of version {form.v}")
        return form, visit

    async def acknowledge(self, tap: str) -> None:
        """Nothing spins on a page."""

    async def send(self, address: str, outgoing: Outgoing) -> SendResult:
        """Nothing leaves: the page shows the notification itself."""
        return Sent("")

    async def fetch(self, remote: str) -> bytes | None:
        """An uploaded photo. It goes a minute later: until then storing it may have to be tried again."""
        body = await asyncio.to_thread(self.spool.read, remote)
        if body is not None:
            asyncio.get_running_loop().call_later(_KEPT, self.spool.drop, remote)
        return body


def _kind(form: _Body) -> Kind:
    if form.start is not None:
        return Kind.START
    if form.tapped is not None:
        return Kind.TAP
    return Kind.PHOTO if form.photos else Kind.TEXT
