"""What people do in their own client, and what they see there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from bot.sandbox.entities import to_html, typed_entities, utf16
from bot.sandbox.limits import CAPTION_LIMIT, TEXT_LIMIT
from bot.sandbox.media import tiny_ogg, tiny_png
from bot.sandbox.world import (
    SERVICE,
    Bot,
    Chat,
    Message,
    NotPossibleError,
    Query,
    Standing,
    UnknownError,
    User,
    Wire,
    World,
)


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`chat` of None is the private chat with the bot; `data` travels as base64."""

    user: int
    do: str
    chat: int | None = None
    bot: str | None = None
    text: str = ""
    reply_to: int | None = None
    message: int | None = None
    label: str = ""
    payload: str = ""
    caption: str = ""
    count: int = 2
    data: bytes | None = None
    duration: int = 3
    latitude: float = 30.05
    longitude: float = 103.84
    of: int | None = None
    phone: str | None = None
    emoji: str = "👍"
    new_id: int | None = None
    wait: float = 0.0


@dataclass(frozen=True)
class Outcome:
    messages: tuple[Message, ...] = ()
    query: Query | None = None
    url: str | None = None
    chat: Chat | None = None


class Actor:
    """One person about to do one thing in one chat."""

    def __init__(self, world: World, act: Act) -> None:
        self.world, self.act = world, act
        self.user = world.user(act.user)
        self.bot = world.bot(act.bot)
        self.chat = chat_of(world, self.user, self.bot, act.chat)

    def perform(self) -> Outcome:
        if self.act.do not in ACTS:
            raise UnknownError(f"nobody can {self.act.do!r}; known: {', '.join(ACTS)}")
        return ACTS[self.act.do](self)

    def _post(self, content: Wire, shown: str | None = None) -> Message:
        if not self.chat.standing(self.user.id).present:
            raise NotPossibleError(f"{self.user.id} is not in chat {self.chat.id}")
        if self.chat.migrated_to is not None:
            raise NotPossibleError(f"chat {self.chat.id} has become {self.chat.migrated_to}")
        if self.chat.private and not self.chat.standing(self.bot.user.id).present:
            raise NotPossibleError(f"{self.user.id} has blocked the bot")
        return self.world.post(self.chat, self.user, content, self.act.reply_to, shown)

    def _send(self, content: Wire) -> Outcome:
        return Outcome((self._post(content),))

    # Speaking

    def text(self) -> Outcome:
        """A client splits what is too long for one message."""
        if not self.act.text.strip():
            raise NotPossibleError("an empty message cannot be sent")
        return Outcome(tuple(self._post(text_content(part)) for part in split(self.act.text.strip())))

    def scan(self) -> Outcome:
        """Opening t.me/<bot>?start=<payload> and pressing START, which also unblocks the bot."""
        self.unblock()
        text = f"/start {self.act.payload}".strip()
        return Outcome((self._post(text_content(text), shown="/start"),))

    def photo(self) -> Outcome:
        return self._send(self._picture(self.act.data or tiny_png()) | self._caption())

    def _picture(self, content: bytes) -> Wire:
        return {"photo": self.world.files.add_photo(content)}

    def _caption(self) -> Wire:
        caption = self.act.caption
        if utf16(caption) > CAPTION_LIMIT:
            raise NotPossibleError("the caption is too long")
        entities = {"caption_entities": marks} if (marks := typed_entities(caption)) else {}
        return {"caption": caption, **entities} if caption else {}

    def album(self) -> Outcome:
        """Separate messages that share a group id and nothing else: no count, no end."""
        group = {"media_group_id": self.world.new_id()}
        sent = []
        for number in range(self.act.count):
            caption = {} if number else self._caption()
            sent.append(self._post(self._picture(tiny_png(shade=60 + number * 15)) | caption | group))
        return Outcome(tuple(sent))

    def voice(self) -> Outcome:
        file = self.world.files.add("voice", "oga", self.act.data or tiny_ogg(), "audio/ogg")
        return self._send(
            {"voice": file.wire() | {"duration": self.act.duration, "mime_type": file.mime_type}}
        )

    def location(self) -> Outcome:
        return self._send({"location": {"latitude": self.act.latitude, "longitude": self.act.longitude}})

    def contact(self) -> Outcome:
        """Their own card, or somebody else's with `of`."""
        owner = self.user if self.act.of is None else self.world.user(self.act.of)
        phone = self.act.phone or f"+86138{owner.id % 10**8:08d}"
        card = {"phone_number": phone, "first_name": owner.first_name, "user_id": owner.id}
        return self._send({"contact": card})

    def sticker(self) -> Outcome:
        file = self.world.files.add("stickers", "webp", b"RIFF\x04\x00\x00\x00WEBP", "image/webp")
        looks = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
        return self._send({"sticker": file.wire() | looks | {"emoji": self.act.emoji}})

    def edit(self) -> Outcome:
        message = self._message()
        if message.sender != self.user or "text" not in message.wire:
            raise NotPossibleError("only one's own text can be edited")
        self.world.edit(self.chat, message, {"entities": None} | text_content(self.act.text.strip()))
        message.shown = None
        return Outcome((message,))

    def _message(self) -> Message:
        if self.act.message is None:
            raise UnknownError("which message?")
        return self.chat.message(self.act.message)

    # Buttons

    def tap(self) -> Outcome:
        """The button of the given message, or of the newest one that has it, or of the reply keyboard."""
        if (found := self._button()) is None:
            return self._tap_keyboard()
        message, button = found
        if "url" in button:
            return Outcome((message,), url=button["url"])
        asked = next(bot for bot in self.world.bots.values() if bot.user == message.sender)
        query = self.world.tap(asked, self.chat, self.user, message, button["callback_data"])
        return Outcome((message,), query=query)

    def _button(self) -> tuple[Message, Wire] | None:
        messages = reversed(self.chat.messages.values()) if self.act.message is None else [self._message()]
        for message in messages:
            for button in (button for row in message.buttons for button in row):
                if button["text"] == self.act.label:
                    return message, button
        return None

    def _tap_keyboard(self) -> Outcome:
        buttons = [button for row in self.chat.keyboard for button in row]
        pressed = next((button for button in buttons if button["text"] == self.act.label), None)
        if pressed is None:
            raise UnknownError(f"no button {self.act.label!r} in chat {self.chat.id}")
        if pressed.get("request_contact"):
            return self.contact()
        if pressed.get("request_location"):
            return self.location()
        return self._send(text_content(self.act.label))

    # Coming and going

    def block(self) -> Outcome:
        return self._admit(Standing.KICKED)

    def unblock(self) -> Outcome:
        return self._admit(Standing.MEMBER)

    def add_bot(self) -> Outcome:
        self._group()
        self._admit(Standing.MEMBER)
        return self._send({"new_chat_members": [self.bot.user.wire()]})

    def promote_bot(self) -> Outcome:
        self._group()
        return self._admit(Standing.ADMINISTRATOR)

    def remove_bot(self) -> Outcome:
        self._group()
        return self._admit(Standing.KICKED)

    def _admit(self, standing: Standing) -> Outcome:
        self.world.set_standing(self.chat, self.bot, self.user, standing)
        return Outcome()

    def join(self) -> Outcome:
        self._group().members[self.user.id] = Standing.MEMBER
        return self._send({"new_chat_members": [self.user.wire()]})

    def leave(self) -> Outcome:
        self._group()
        outcome = self._send({"left_chat_member": self.user.wire()})
        self.chat.members[self.user.id] = Standing.LEFT
        return outcome

    def migrate(self) -> Outcome:
        new_id = self.act.new_id or -1_000_000_000_000 + self.chat.id
        return Outcome(chat=self.world.migrate(self._group(), new_id, self.user))

    def _group(self) -> Chat:
        if self.chat.private:
            raise NotPossibleError("this is not a group")
        return self.chat


ACTS: dict[str, Callable[[Actor], Outcome]] = {
    "text": Actor.text,
    "scan": Actor.scan,
    "photo": Actor.photo,
    "album": Actor.album,
    "voice": Actor.voice,
    "location": Actor.location,
    "contact": Actor.contact,
    "sticker": Actor.sticker,
    "edit": Actor.edit,
    "tap": Actor.tap,
    "block": Actor.block,
    "unblock": Actor.unblock,
    "add_bot": Actor.add_bot,
    "promote_bot": Actor.promote_bot,
    "remove_bot": Actor.remove_bot,
    "join": Actor.join,
    "leave": Actor.leave,
    "migrate": Actor.migrate,
}


def chat_of(world: World, user: User, bot: Bot, chat_id: int | None) -> Chat:
    if chat_id is None or chat_id == user.id:
        return world.private_chat(bot, user)
    return world.group(chat_id)


def text_content(text: str) -> Wire:
    marks = typed_entities(text)
    return {"text": text, "entities": marks} if marks else {"text": text}


def split(text: str) -> list[str]:
    """Parts of at most 4096 UTF-16 units that never cut a character in two."""
    if len(text) * 2 <= TEXT_LIMIT:
        return [text]
    parts: list[str] = []
    part: list[str] = []
    length = 0
    for char in text:
        width = utf16(char)
        if length + width > TEXT_LIMIT:
            parts.append("".join(part))
            part, length = [], 0
        part.append(char)
        length += width
    return [*parts, "".join(part)]


# What a person sees

KINDS = ("text", "photo", "voice", "document", "location", "contact", "sticker")


def view(chat: Chat, viewer: User) -> Wire:
    """A chat as the person's own client shows it; a part of an album carries its group's id."""
    return {
        "id": chat.id,
        "kind": chat.kind.value,
        "title": chat.title,
        "messages": [_shown(message, viewer) for message in chat.messages.values()],
        "keyboard": [[button["text"] for button in row] for row in chat.keyboard],
    }


def _shown(message: Message, viewer: User) -> Wire:
    wire = message.wire
    text = message.shown or message.text or _in_words(wire)
    entities = wire.get("entities") or wire.get("caption_entities") or []
    return {
        "id": message.id,
        "from": message.sender.first_name,
        "is_me": message.sender == viewer,
        "kind": next((kind for kind in KINDS if kind in wire), "service"),
        "text": text,
        "html": to_html(text, [] if message.shown else entities),
        "buttons": [[button["text"] for button in row] for row in message.buttons],
        "photo": _photo_url(wire),
        "album": wire.get("media_group_id"),
        "edited": "edit_date" in wire,
        "reply_to": wire.get("reply_to_message", {}).get("message_id"),
        "date": wire["date"],
    }


def _photo_url(wire: Wire) -> str | None:
    sizes = wire.get("photo")
    return f"/control/files/{sizes[-1]['file_unique_id']}" if sizes else None


def _in_words(wire: Wire) -> str:
    if "location" in wire:
        return f"{wire['location']['latitude']}, {wire['location']['longitude']}"
    if "contact" in wire:
        return f"{wire['contact']['first_name']} {wire['contact']['phone_number']}"
    if "sticker" in wire:
        return str(wire["sticker"]["emoji"])
    return next((_service_words(name, wire[name]) for name in SERVICE if name in wire), "")


def _service_words(name: str, value: Any) -> str:
    if name == "new_chat_members":
        return f"{value[0]['first_name']} 加入群组"
    if name == "left_chat_member":
        return f"{value['first_name']} 离开群组"
    return "群组已升级为超级群组"
