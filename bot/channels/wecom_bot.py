"""WeCom's smart robots (智能机器人): sealed JSON, when called by name in a group or talked to alone."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bot.channels import facts
from bot.channels.callback import ForgedError, Letter
from bot.channels.plain_json import reader
from bot.channels.wecom_cards import Json, card, new_task
from bot.channels.wecom_messages import NAME
from bot.channels.wecom_outcome import outcome
from bot.channels.weixin_api import Http
from bot.channels.weixin_crypto import Crypto, Query
from bot.channels.weixin_text import fit
from bot.clock import Clock
from bot.settings import WecomBot as BotSettings
from handlers.messages import (
    Answers,
    Envelope,
    InboundMessage,
    Kind,
    Outgoing,
    Refused,
    SendResult,
    Traits,
    UnreadableError,
)

_MENTION = re.compile(r"^(?:@\S+\s+)+|\s+@\S+$|^@\S+$")  # the names that call the robot, before or after
_encode = msgspec.json.Encoder().encode


class _Words(msgspec.Struct):
    content: str = ""


class _Item(msgspec.Struct):
    msgtype: str = ""
    text: _Words = msgspec.field(default_factory=_Words)


class _Mixed(msgspec.Struct):
    msg_item: list[_Item] = []


class _Quote(msgspec.Struct):
    text: _Words = msgspec.field(default_factory=_Words)
    mixed: _Mixed = msgspec.field(default_factory=_Mixed)


class _From(msgspec.Struct):
    userid: str


class _Tap(msgspec.Struct):
    event_key: str = ""
    task_id: str = ""


class _Event(msgspec.Struct):
    eventtype: str = ""
    template_card_event: _Tap | None = None


class _Call(msgspec.Struct):
    msgid: str
    msgtype: str
    from_: _From = msgspec.field(name="from")
    chattype: str = "single"
    chatid: str = ""
    response_url: str = ""
    text: _Words = msgspec.field(default_factory=_Words)
    voice: _Words = msgspec.field(default_factory=_Words)
    mixed: _Mixed = msgspec.field(default_factory=_Mixed)
    quote: _Quote | None = None
    event: _Event = msgspec.field(default_factory=_Event)


class _Sealed(msgspec.Struct):
    encrypt: str


_read = reader(_Call)
_read_sealed = reader(_Sealed)


def is_bots(body: bytes) -> bool:
    """Whether this is a message of a smart robot: the app's own are XML."""
    return body.lstrip()[:1] == b"{"


class WecomBot:
    """The robot's side of the channel `wecom`: its people have the same userids.

    A group is `aibot:<chat id>`; whoever is alone with the robot has their own address. What cannot be said
    at once goes to the address that came with the message (`code`): one message, within the hour.
    """

    name = NAME
    traits = Traits(numbered=True, coded=True, cards_for_each=True, answers=Answers.PLAIN)

    def __init__(self, settings: BotSettings, base: str, clock: Clock) -> None:
        keys = (settings.aes_key.get_secret_value(),)
        self._crypto = Crypto(settings.token.get_secret_value(), keys, receiver="")
        self._origin = _origin(base)
        self._http = Http(self._origin, clock)

    # --- in -----------------------------------------------------------------------------------

    def verify(self, query: Query) -> str:
        return verified(self._crypto, query)

    def unlock(self, query: Query, body: bytes, now: datetime) -> Letter:
        try:
            sealed = _read_sealed(body).encrypt
        except UnreadableError:
            raise ForgedError("nothing sealed") from None
        plain, key = self._crypto.open(query, sealed, now)
        return Letter(plain, key, query["timestamp"], query["nonce"])

    def answer(self, letter: Letter, said: Sequence[Outgoing], now: datetime) -> bytes:
        """To a tap the changed card, to anything else all the texts as one; empty with nothing to say."""
        if not said or letter.key is None:
            return b""
        told = _passive(_read(letter.body), said)
        stamp = str(int(now.timestamp()))
        sealed, signature = self._crypto.seal(_encode(told), letter.key, stamp, letter.nonce)
        return _encode(
            {"encrypt": sealed, "msgsignature": signature, "timestamp": int(stamp), "nonce": letter.nonce}
        )

    def envelope(self, body: bytes) -> Envelope:
        call = _read(body)
        return Envelope(f"aibot/{call.msgid}", call.from_.userid.lower())

    def parse(self, body: bytes) -> InboundMessage:
        call, envelope = _read(body), self.envelope(body)
        group = call.chattype == "group"
        common: dict[str, Any] = {
            "channel": self.name,
            "external": envelope.external,
            "sender": envelope.sender,
            "chat": f"aibot:{call.chatid}" if group else envelope.sender,
            "ref": call.msgid,
            "code": call.response_url or None,
        }
        tap = call.event.template_card_event
        if tap is not None:
            return InboundMessage(**common, kind=Kind.TAP, tapped=tap.event_key)
        if call.msgtype in ("event", "stream"):
            return InboundMessage(**common, kind=Kind.IGNORED)
        text = _text(call, group)
        return InboundMessage(**common, kind=Kind.TEXT if text else Kind.UNSUPPORTED, text=text)

    # --- out ----------------------------------------------------------------------------------

    def is_answer(self, outgoing: Outgoing) -> bool:
        """Whether it can go to the address that came with a message."""
        return outgoing.code is not None and "://" in outgoing.code

    async def acknowledge(self, tap: str) -> None:
        """A button of WeCom stops spinning when the call is answered."""

    async def send(self, address: str, outgoing: Outgoing) -> SendResult:
        """One post to `Outgoing.code`, which must be the platform's: no message may aim us elsewhere."""
        url = outgoing.code or ""
        if not url.startswith(f"{self._origin}/"):
            return Refused("a smart robot only answers, and where it was asked")
        return outcome(await self._http.post(url[len(self._origin) + 1 :], _later(outgoing)))

    async def fetch(self, remote: str) -> bytes | None:
        """Nothing that is sent to a robot is fetched: it takes another key, and only minutes are left."""

    async def close(self) -> None:
        await self._http.close()


def verified(crypto: Crypto, query: Query) -> str:
    """The answer to their check of an address. A plus that nobody had escaped arrives as a blank."""
    try:
        return crypto.verify_url({**query, "echostr": query.get("echostr", "").replace(" ", "+")})
    except UnreadableError as error:
        raise ForgedError(str(error)) from None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


# --- what they say ----------------------------------------------------------------------------


def _text(call: _Call, group: bool) -> str:
    """Their words without the robot's name; what they quote follows, since it may have the number."""
    own = {"text": call.text.content, "voice": call.voice.content, "mixed": _mixed(call.mixed)}
    said = own.get(call.msgtype, "").strip()
    said = _MENTION.sub("", said) if group else said
    quoted = (call.quote.text.content or _mixed(call.quote.mixed)).strip() if call.quote else ""
    return "\n".join(filter(None, (said, quoted))).replace("\0", "")


def _mixed(mixed: _Mixed) -> str:
    return " ".join(item.text.content for item in mixed.msg_item if item.msgtype == "text")


# --- what we say ------------------------------------------------------------------------------


def _passive(call: _Call, said: Sequence[Outgoing]) -> Json:
    """Plain text is for a welcome only: a message is answered with a stream that is finished at once."""
    if (tap := call.event.template_card_event) is not None:
        shown = card(said[0].text, said[0].buttons, tap.task_id)
        return {"response_type": "update_template_card", "template_card": shown}
    content = fit("\n\n".join(one.text for one in said), facts.LONGEST_BOT_TEXT)
    if call.msgtype == "event":
        return {"msgtype": "text", "text": {"content": content}}
    return {"msgtype": "stream", "stream": {"id": secrets.token_hex(8), "finish": True, "content": content}}


def _later(outgoing: Outgoing) -> Json:
    if outgoing.buttons:
        shown = card(outgoing.text, outgoing.buttons, new_task(outgoing.key))
        return {"msgtype": "template_card", "template_card": shown}
    return {"msgtype": "markdown", "markdown": {"content": fit(outgoing.text, facts.LONGEST_BOT_TEXT)}}
