"""Telegram: reads updates into our messages, sends ours, polls or registers the webhook."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from bot.channels.exchange import NoAnswer, NotSent
from bot.channels.plain_json import reader
from bot.channels.telegram_api import Reply, TelegramApi
from handlers.messages import (
    Button,
    Envelope,
    InboundMessage,
    Kind,
    MediaRef,
    Moved,
    Outgoing,
    Refused,
    Retry,
    SendResult,
    Sent,
    Traits,
    Unknown,
    Unreachable,
    UnreadableError,
)

if TYPE_CHECKING:
    from aiogram import types

log = structlog.get_logger()

ALLOWED_UPDATES = ["message", "edited_message", "callback_query", "my_chat_member"]
LONGEST_TEXT = 4096  # UTF-16 units, after entities
LONGEST_CAPTION = 1024
_POLL_SECONDS = 25
_PAUSE_AFTER_ERROR = 3
_BUTTONS_PER_ROW = 2
_VOICE, _ANY_FILE = ("sendVoice", "voice"), ("sendDocument", "document")
# What Telegram plays as it stands (Bot API, sendVoice); WeChat's AMR it does not.
_CARRIERS = {".jpg": ("sendPhoto", "photo"), ".ogg": _VOICE, ".mp3": _VOICE, ".m4a": _VOICE}
_GONE = ("chat not found", "bot was kicked", "bot was blocked", "user is deactivated", "not a member")
_PRESENT = {"member", "administrator", "creator", "restricted"}


# --- what storing needs, read without the slow library ----------------------------------------


class _Peer(msgspec.Struct):
    id: int


class _Post(msgspec.Struct):
    chat: _Peer | None = None
    from_: _Peer | None = msgspec.field(default=None, name="from")
    message_id: int = 0
    text: str = ""
    caption: str = ""


class _Query(msgspec.Struct):
    id: str
    from_: _Peer = msgspec.field(name="from")
    data: str = ""


class _Update(msgspec.Struct):
    update_id: int
    message: _Post | None = None
    edited_message: _Post | None = None
    my_chat_member: _Post | None = None
    callback_query: _Query | None = None


_read = reader(_Update)


@cache
def _update_type() -> "type[types.Update]":
    """aiogram's parser. Importing it takes seconds, so nobody pays before the first message is read."""
    from aiogram.types import Update

    return Update


class TelegramChannel:
    name = "telegram"
    traits = Traits()

    def __init__(self, api: TelegramApi) -> None:
        self.api = api

    async def warm_up(self) -> None:
        """Import the parser beside the event loop, so that the first resident does not wait for it."""
        await asyncio.to_thread(_update_type)

    # --- in -----------------------------------------------------------------------------------

    def envelope(self, body: bytes) -> Envelope:
        update = _read(body)
        if (query := update.callback_query) is not None:
            external = f"{update.update_id}.{query.id}"
            return Envelope(external, str(query.from_.id), tap=query.id, words=query.data)
        post = update.message or update.edited_message or update.my_chat_member
        if post is None or (sender := post.from_ or post.chat) is None:
            raise UnreadableError("an update of a kind that was not asked for")
        # update_id alone may come again after a quiet week (Bot API); with the message it is unique
        external = f"{update.update_id}.{post.message_id}"
        return Envelope(external, str(sender.id), words=post.text or post.caption)

    def parse(self, body: bytes) -> InboundMessage:
        try:
            update = _update_type().model_validate_json(body)
        except ValueError as error:
            raise UnreadableError(type(error).__name__) from None
        external = self.envelope(body).external
        if update.callback_query is not None:
            return _tap(external, update.callback_query)
        if update.my_chat_member is not None:
            return _membership(external, update.my_chat_member)
        if update.edited_message is not None:
            return _edited(external, update.edited_message)
        if update.message is not None:
            return _message(external, update.message)
        raise UnreadableError("an update of a kind that was not asked for")

    # --- out ----------------------------------------------------------------------------------

    async def acknowledge(self, tap: str) -> None:
        await self.api.call("answerCallbackQuery", callback_query_id=tap)

    async def send(self, address: str, outgoing: Outgoing) -> SendResult:
        if outgoing.edit is not None:
            return await self._edit(address, outgoing, outgoing.edit)
        if outgoing.photo is not None:
            caption = fit(outgoing.text, LONGEST_CAPTION)
            method, field = _CARRIERS.get(PurePath(outgoing.photo.name).suffix, _ANY_FILE)
            return _result(
                await self.api.upload(method, field, outgoing.photo, chat_id=address, caption=caption)
            )
        reply_to = outgoing.reply_to
        return _result(
            await self.api.call(
                "sendMessage",
                chat_id=address,
                text=fit(outgoing.text, LONGEST_TEXT),
                reply_markup=_keyboard(outgoing.buttons) if outgoing.buttons else None,
                reply_parameters={"message_id": int(reply_to), "allow_sending_without_reply": True}
                if reply_to
                else None,
            )
        )

    async def _edit(self, address: str, outgoing: Outgoing, ref: str) -> SendResult:
        """Change an own message; one that is gone is sent anew, one that reads so already is fine."""
        answer = await self.api.call(
            "editMessageText",
            chat_id=address,
            message_id=int(ref),
            text=fit(outgoing.text, LONGEST_TEXT),
            reply_markup=_keyboard(outgoing.buttons),
        )
        if isinstance(answer, Reply) and not answer.ok and answer.error_code == 400:
            if "message is not modified" in answer.description:
                return Sent(ref)
            if "message to edit not found" in answer.description or "can't be edited" in answer.description:
                return await self.send(address, Outgoing(outgoing.text, outgoing.buttons))
        if isinstance(answer, NoAnswer):
            return Retry(answer.reason)  # an edit may safely be repeated
        return _result(answer)

    async def fetch(self, remote: str) -> bytes | None:
        answer = await self.api.call("getFile", file_id=remote)
        if not isinstance(answer, Reply) or answer.error_code >= 429:
            raise OSError("the platform did not say where the file is")
        path = answer.result.get("file_path") if answer.ok and isinstance(answer.result, dict) else None
        return await self.api.download(path) if path else None

    # --- polling and webhook ------------------------------------------------------------------

    async def set_webhook(self, url: str, secret: str) -> bool:
        answer = await self.api.call(
            "setWebhook", url=url, secret_token=secret, allowed_updates=ALLOWED_UPDATES, max_connections=40
        )
        return isinstance(answer, Reply) and answer.ok

    async def poll(self, receive: Callable[[bytes], Awaitable[object]]) -> None:
        """Fetch updates for ever; an update is confirmed to the platform only once it is stored."""
        await self.api.call("deleteWebhook")
        offset = None
        while True:
            updates = await self._fetch_updates(offset)
            await asyncio.gather(*(receive(msgspec.json.encode(update)) for update in updates))
            if updates:
                offset = max(int(update["update_id"]) for update in updates) + 1

    async def _fetch_updates(self, offset: int | None) -> list[dict[str, Any]]:
        answer = await self.api.call(
            "getUpdates",
            wait=_POLL_SECONDS,
            offset=offset,
            timeout=_POLL_SECONDS,
            limit=100,
            allowed_updates=ALLOWED_UPDATES,
        )
        if isinstance(answer, Reply) and answer.ok:
            updates: list[dict[str, Any]] = answer.result
            return updates
        reason = answer.description if isinstance(answer, Reply) else answer.reason
        log.warning("polling failed, trying again", channel=self.name, reason=reason)
        after = answer.parameters.retry_after if isinstance(answer, Reply) else None
        await asyncio.sleep(after or _PAUSE_AFTER_ERROR)
        return []

    async def describe(self) -> tuple[bool, str]:
        """Whether the platform knows this bot, and its name or the reason."""
        answer = await self.api.call("getMe")
        if isinstance(answer, Reply):
            return (True, answer.result.get("username", "")) if answer.ok else (False, answer.description)
        return False, answer.reason

    async def publish_commands(self, commands: dict[str, str]) -> None:
        """Show the slash commands in the platform's menu."""
        listed = [{"command": name, "description": text} for name, text in commands.items()]
        await self.api.call("setMyCommands", commands=listed)

    async def close(self) -> None:
        await self.api.close()


# --- one update, read -------------------------------------------------------------------------


def _message(external: str, post: "types.Message") -> InboundMessage:
    common: dict[str, Any] = {
        "channel": TelegramChannel.name,
        "external": external,
        "sender": str(post.from_user.id if post.from_user else post.chat.id),
        "chat": str(post.chat.id),
        "ref": str(post.message_id),
        "reply_to": str(post.reply_to_message.message_id) if post.reply_to_message else None,
    }
    text = _clean(post.text or post.caption)
    if post.migrate_to_chat_id is not None:
        return InboundMessage(**common, kind=Kind.MIGRATED, moved_to=str(post.migrate_to_chat_id))
    if text.startswith("/start"):
        return InboundMessage(**common, kind=Kind.START, start=text.partition(" ")[2].strip())
    if post.photo:
        largest = max(post.photo, key=lambda size: size.width * size.height)
        return InboundMessage(
            **common, kind=Kind.PHOTO, text=text, media=(MediaRef("photo", largest.file_id),)
        )
    if post.voice:
        return InboundMessage(**common, kind=Kind.VOICE, media=(MediaRef("voice", post.voice.file_id),))
    if post.location and not post.location.live_period:
        spot = (post.location.latitude, post.location.longitude)
        if not (abs(spot[0]) <= 90 and abs(spot[1]) <= 180):
            raise UnreadableError("a location that is nowhere")
        return InboundMessage(**common, kind=Kind.LOCATION, location=spot)
    if post.contact:
        own = post.from_user is not None and post.contact.user_id == post.from_user.id
        phone = post.contact.phone_number if own else None
        return InboundMessage(**common, kind=Kind.CONTACT, contact=phone)
    if text:
        return InboundMessage(**common, kind=Kind.TEXT, text=text)
    return InboundMessage(**common, kind=Kind.UNSUPPORTED)


def _clean(text: str | None) -> str:
    """The text without NUL, which not every database stores."""
    return (text or "").replace("\0", "")


def _edited(external: str, post: "types.Message") -> InboundMessage:
    """A corrected text; a live location that moves on is nothing to us."""
    text = _clean(post.text or post.caption)
    return InboundMessage(
        channel=TelegramChannel.name,
        external=external,
        sender=str(post.from_user.id if post.from_user else post.chat.id),
        chat=str(post.chat.id),
        ref=str(post.message_id),
        kind=Kind.EDITED if text else Kind.IGNORED,
        text=text,
    )


def _tap(external: str, query: "types.CallbackQuery") -> InboundMessage:
    chat = query.message.chat.id if query.message else query.from_user.id
    return InboundMessage(
        channel=TelegramChannel.name,
        external=external,
        sender=str(query.from_user.id),
        chat=str(chat),
        kind=Kind.TAP,
        tapped=query.data or "",
    )


def _membership(external: str, change: "types.ChatMemberUpdated") -> InboundMessage:
    return InboundMessage(
        channel=TelegramChannel.name,
        external=external,
        sender=str(change.from_user.id),
        chat=str(change.chat.id),
        kind=Kind.MEMBERSHIP,
        present=change.new_chat_member.status in _PRESENT,
    )


# --- one message, written ---------------------------------------------------------------------


def fit(text: str, longest: int) -> str:
    """The text in at most `longest` UTF-16 units, cut before a whole character, with an ellipsis."""
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 <= longest:
        return text
    units = 0
    for position, character in enumerate(text):
        units += 2 if ord(character) > 0xFFFF else 1
        if units >= longest:
            return text[:position] + "…"
    return text


def _keyboard(buttons: tuple[Button, ...]) -> dict[str, Any]:
    row = [{"text": button.label, "callback_data": button.data} for button in buttons]
    rows = [row[start : start + _BUTTONS_PER_ROW] for start in range(0, len(row), _BUTTONS_PER_ROW)]
    return {"inline_keyboard": rows}


def _result(answer: Reply | NotSent | NoAnswer) -> SendResult:
    """What became of a message, in our words."""
    if isinstance(answer, NotSent):
        return Retry(answer.reason)
    if isinstance(answer, NoAnswer):
        return Unknown(answer.reason)
    if answer.ok:
        return Sent(str(answer.result["message_id"]) if isinstance(answer.result, dict) else "")
    if answer.parameters.migrate_to_chat_id is not None:
        return Moved(str(answer.parameters.migrate_to_chat_id))
    if answer.error_code == 429:
        return Retry("too many requests", after=answer.parameters.retry_after)
    if answer.error_code == 403 or any(sign in answer.description for sign in _GONE):
        return Unreachable(answer.description)
    if answer.error_code in (401, 404) or answer.error_code >= 500:
        return Retry(answer.description)
    return Refused(answer.description)
