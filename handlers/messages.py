"""What comes in and what goes out, in our own words, and the port that every channel implements."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Kind(StrEnum):
    TEXT = "text"
    PHOTO = "photo"
    VOICE = "voice"
    LOCATION = "location"
    CONTACT = "contact"
    EDITED = "edited"
    START = "start"
    TAP = "tap"
    MEMBERSHIP = "membership"
    MIGRATED = "migrated"
    IGNORED = "ignored"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The little that is needed to store a message before anybody has read it.

    `tap` is what the platform wants acknowledged at once, so that a pressed button stops spinning.
    """

    external: str
    sender: str
    tap: str | None = None


@dataclass(frozen=True, slots=True)
class MediaRef:
    """Something to fetch from the platform; `remote` is the platform's own name for it."""

    kind: str
    remote: str


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message from a person, whatever the platform.

    `sender` and `chat` are addresses on the channel, the same in a private chat. `ref` names this message
    and `reply_to` the message it answers, on the platform. `present` says whether the bot (or, in a
    private chat, the person) is still there, for MEMBERSHIP.
    """

    channel: str
    external: str
    sender: str
    chat: str
    kind: Kind
    ref: str = ""
    text: str = ""
    media: tuple[MediaRef, ...] = ()
    location: tuple[float, float] | None = None
    contact: str | None = None
    start: str | None = None
    tapped: str | None = None
    reply_to: str | None = None
    present: bool = True
    moved_to: str | None = None

    @property
    def private(self) -> bool:
        return self.sender == self.chat


class UnreadableError(ValueError):
    """The platform signed it, but it is nothing that this channel knows."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the offered answers: its id in our code, its label on the button."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Button:
    data: str
    label: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered message. `edit` is the ref of an own message to change instead of sending a new one."""

    text: str
    buttons: tuple[Button, ...] = ()
    photo: Path | None = None
    reply_to: str | None = None
    edit: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    ref: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Not accepted now. `after` is what the platform asked for, in seconds; None leaves it to us."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """This address will not be reached until its owner does something."""

    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The chat has another address now."""

    address: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The platform will never accept this message."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The bytes left, the answer never came: it may have been delivered."""

    reason: str


SendResult = Sent | Retry | Unreachable | Moved | Refused | Unknown


class Channel(Protocol):
    """A platform. It verifies, parses and hands over; it sends what it is given; it knows nothing else."""

    name: str

    def envelope(self, body: bytes) -> Envelope:
        """What storing needs. Raises UnreadableError."""

    def parse(self, body: bytes) -> InboundMessage:
        """The whole message. Raises UnreadableError."""

    async def acknowledge(self, tap: str) -> None:
        """Stop a pressed button from spinning. Never raises; a late one is harmless."""

    async def send(self, address: str, outgoing: Outgoing) -> SendResult:
        """Never raises for anything the platform or the network does."""

    async def fetch(self, remote: str) -> bytes | None:
        """The bytes of a photo or voice; None where the platform no longer has it.

        Raises OSError where it may work later.
        """
