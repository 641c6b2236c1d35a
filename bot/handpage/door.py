"""Taps on the page on their way into the inbox, as words of the account that signed in.

They have a channel name of their own there: the record must not look as if the platform had sent them.
"""

import msgspec

from bot.channels.plain_json import reader
from handlers.messages import (
    Answers,
    Envelope,
    InboundMessage,
    Kind,
    Outgoing,
    Refused,
    SendResult,
    Traits,
)

WECHAT = "wechat"


class Tapped(msgspec.Struct, frozen=True):
    """A tap on the page, as the inbox keeps it."""

    external: str
    openid: str
    text: str


class PageDoor:
    """Reads taps on the page as words of the account that signed in. It has nobody to send to."""

    name = "wechat-page"
    traits = Traits(answers=Answers.PLAIN)

    def envelope(self, body: bytes) -> Envelope:
        tapped = _read(body)
        return Envelope(tapped.external, tapped.openid, channel=WECHAT)

    def parse(self, body: bytes) -> InboundMessage:
        """It opens no window for free messages: nobody has written to the account."""
        tapped = _read(body)
        return InboundMessage(
            channel=WECHAT,
            external=tapped.external,
            sender=tapped.openid,
            chat=tapped.openid,
            kind=Kind.TEXT,
            text=tapped.text,
        )

    async def acknowledge(self, tap: str) -> None:
        """Nothing spins."""

    async def send(self, address: str, outgoing: Outgoing) -> SendResult:
        return Refused("a page cannot be sent to")

    async def fetch(self, remote: str) -> bytes | None:
        return None


_read = reader(Tapped)
