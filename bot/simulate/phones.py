"""A telephone network in memory: a channel like any other, whose phones keep what was sent to them."""

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.clock import Clock
from handlers.messages import (
    Button,
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

_VOICE = b"OggS"


@dataclass(frozen=True, slots=True)
class Shown:
    """One message on a phone or in a group, in its latest state; `at` is when it last changed."""

    chat: str
    ref: str
    text: str
    buttons: tuple[Button, ...]
    at: datetime
    edited: bool

    def button(self, choice: str) -> str | None:
        """What tapping a choice sends; None where it is not offered."""
        return next((one.data for one in self.buttons if one.data.partition(":")[2] == choice), None)

    @property
    def choices(self) -> list[str]:
        return [one.data.partition(":")[2] for one in self.buttons]


class PhoneChannel:
    """Implements `handlers.messages.Channel`. `news` gathers what was delivered since somebody looked."""

    name = "telegram"
    traits = Traits()

    def __init__(self, clock: Clock) -> None:
        self.screens: defaultdict[str, dict[str, Shown]] = defaultdict(dict)
        self.news: list[Shown] = []
        self._clock = clock
        self._count = 0

    def envelope(self, body: bytes) -> Envelope:
        said = _read(body)
        return Envelope(str(said["external"]), str(said["sender"]))

    def parse(self, body: bytes) -> InboundMessage:
        said = _read(body)
        kind = Kind(said.pop("kind"))
        media = tuple(MediaRef("voice", ref) for ref in said.pop("voices", ()))
        return InboundMessage(channel=self.name, kind=kind, media=media, **said)

    async def acknowledge(self, tap: str) -> None:
        """Nothing spins on these phones."""

    async def send(self, address: str, outgoing: Outgoing) -> SendResult:
        self._count += outgoing.edit is None
        ref = outgoing.edit or f"b{self._count}"
        shown = Shown(
            address, ref, outgoing.text, outgoing.buttons, self._clock.now(), outgoing.edit is not None
        )
        self.screens[address][ref] = shown
        self.news.append(shown)
        return Sent(ref)

    async def fetch(self, remote: str) -> bytes | None:
        return _VOICE


def _read(body: bytes) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(body)
    except ValueError as error:
        raise UnreadableError(str(error)) from None
    return said
