"""What a platform that calls us back over HTTP must offer, beside being a channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from handlers.messages import Channel, Outgoing


class ForgedError(Exception):
    """The call does not come from the platform, or is too old: nothing of it is read or stored."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A call that was verified and opened.

    `body` is the plain message, which is what gets stored. `key` says which of the current (0) and previous
    (1) keys had sealed it; None where it came open. `nonce` and `timestamp` are those of the call.
    """

    body: bytes
    key: int | None
    timestamp: str
    nonce: str


class CallbackChannel(Channel, Protocol):
    """Pure computation; only `Channel` talks to the network."""

    def verify(self, query: Mapping[str, str]) -> str:
        """What to answer to the platform's check of our address. Raises ForgedError."""

    def unlock(self, query: Mapping[str, str], body: bytes, now: datetime) -> Letter:
        """The message in a call of at most LARGEST_BODY bytes. Raises ForgedError or UnreadableError."""

    def answer(self, letter: Letter, said: Sequence[Outgoing], now: datetime) -> bytes:
        """The HTTP body that says this to whoever wrote, in the platform's form, sealed as the letter was.

        With nothing to say it is what tells the platform that we have the message.
        """

    async def close(self) -> None:
        """Let go of the network."""
