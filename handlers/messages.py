"""What comes in and what goes out, in our own words, and the port that every channel implements."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from routing.windows import Means

LONGEST_ID = 200  # characters; no platform gives longer ones, and an index of PostgreSQL would not take them


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
    LEFT = "left"  # they want nothing of us any more: what we know of them goes
    OUTCOME = "outcome"  # the platform says what became of a message that it had accepted
    GRANTED = "granted"  # somebody allowed notices
    IGNORED = "ignored"
    UNSUPPORTED = "unsupported"


class Opens(StrEnum):
    """Which window for free messages something that a person did opens, where a platform has such."""

    TALK = "talk"
    BRIEF = "brief"


class Outcome(StrEnum):
    DELIVERED = "delivered"
    BLOCKED = "blocked"
    FAILED = "failed"


class Answers(StrEnum):
    """What may be said in the HTTP answer to a message, at once and for nothing.

    PLAIN: words without buttons, and to a tap only a change of the tapped card.
    """

    NONE = "none"
    WORDS = "words"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a platform can and cannot do, as far as others must know.

    `numbered`: an offered choice may be answered with its number. `windowed`: free messages only for a while
    after somebody wrote. `edits`: a message of ours can be changed; if `coded`, only with a code that the
    platform hands out. `cards_for_each`: its groups have no buttons, so that a group's card goes to each of
    its people, and is changed for all of them at once.
    """

    numbered: bool = False
    windowed: bool = False
    edits: bool = True
    coded: bool = False
    cards_for_each: bool = False
    answers: Answers = Answers.NONE


@dataclass(frozen=True, slots=True)
class Envelope:
    """The little that is needed to store a message before anybody has read it.

    `tap` is what the platform wants acknowledged at once, so that a pressed button stops spinning. `noise` is
    what phones send by themselves and nobody has said: it is answered and not even stored. `channel`
    is the one whose account the sender is, where that is another than the one it came by. `words` are what
    was written, or the data of the pressed button: whoever is in danger passes the queue.
    """

    external: str
    sender: str
    tap: str | None = None
    noise: bool = False
    channel: str | None = None
    words: str = ""

    def __post_init__(self) -> None:
        """Raises UnreadableError for an id under which nothing could be stored."""
        if len(self.external) > LONGEST_ID or "\0" in self.external:
            raise UnreadableError("an id that no platform gives")


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
    private chat, the person) is still there, for MEMBERSHIP. `code` is what the platform handed out for one
    answer, or for one change of the card that was tapped. `outcome` is that of our message `ref`, `granted`
    are the templates that may be used once more. `apart`: they acted on a group's card where
    only they see it.
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
    opens: Opens | None = None
    code: str | None = None
    outcome: Outcome | None = None
    granted: tuple[str, ...] = ()
    apart: bool = False

    def __post_init__(self) -> None:
        """Raises UnreadableError where something in it could not be stored in every database."""
        if not all(_storable(getattr(self, name)) for name in self.__slots__):
            raise UnreadableError("NUL, which no platform sends")

    @property
    def private(self) -> bool:
        return self.sender == self.chat


def _storable(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, tuple):
        return all(map(_storable, value))
    return not isinstance(value, MediaRef) or "\0" not in value.remote


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
class Blob:
    """A photo or voice of ours on its way out; the name ends as its type does."""

    name: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Notice:
    """A message in a template of the platform: its id there, its fields, the page behind it."""

    template: str
    fields: Mapping[str, str]
    url: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered message. `edit` is the ref of an own message to change instead of sending a new one.

    `key` names it among all messages. `means` is how it is to go, with its `notice` where that is a template.
    `code` is what the platform handed out for this one answer or change. `also` are the addresses of those
    whom a group's card goes to, where groups have no buttons.
    """

    text: str
    buttons: tuple[Button, ...] = ()
    photo: Blob | None = None
    reply_to: str | None = None
    edit: str | None = None
    key: str = ""
    means: Means = Means.PLAIN
    notice: Notice | None = None
    code: str | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """`code`, where the platform gives one, allows one change of the message.

    `missed` are those of several addresses whom it did not reach.
    """

    ref: str
    code: str | None = None
    missed: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Shut:
    """These means are closed to this person for now (to everybody, if `everywhere`): others may be open."""

    reason: str
    everywhere: bool = False


SendResult = Sent | Retry | Unreachable | Moved | Refused | Unknown | Shut


class Channel(Protocol):
    """A platform. It verifies, parses and hands over; it sends what it is given; it knows nothing else."""

    name: str
    traits: Traits

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
