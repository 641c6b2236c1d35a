"""The people, groups, bots and messages of the sandbox, as Telegram itself would keep them. No HTTP here."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.clock import Clock
from bot.sandbox.faults import FaultKind, Faults
from bot.sandbox.limits import CALLBACK_LIFE, NOT_MODIFIED, Pace, bad_request
from bot.sandbox.media import Files
from bot.sandbox.updates import Update, UpdateQueue

Wire = dict[str, Any]  # a Bot API object as it travels


class UnknownError(LookupError):
    """Somebody asked the control interface for a person, chat, message or button that is not there."""


class NotPossibleError(Exception):
    """A person tried what their client would not let them do."""


class ChatKind(StrEnum):
    PRIVATE = "private"
    GROUP = "group"
    SUPERGROUP = "supergroup"


class Standing(StrEnum):
    CREATOR = "creator"
    ADMINISTRATOR = "administrator"
    MEMBER = "member"
    LEFT = "left"
    KICKED = "kicked"

    @property
    def present(self) -> bool:
        return self not in (Standing.LEFT, Standing.KICKED)


@dataclass(frozen=True)
class BotSpec:
    """`token` starts with the bot's numeric id and a colon, as the platform's do."""

    token: str
    username: str
    name: str


@dataclass(frozen=True)
class User:
    id: int
    first_name: str
    username: str | None = None
    is_bot: bool = False

    def wire(self) -> Wire:
        named = {"username": self.username} if self.username else {}
        return {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name, **named}


class Bot:
    def __init__(self, spec: BotSpec) -> None:
        self.token = spec.token
        self.user = User(int(spec.token.partition(":")[0]), spec.name, spec.username, is_bot=True)
        self.mention = f"@{spec.username}".lower()
        self.queue = UpdateQueue()
        self.pace = Pace()
        self.commands: dict[str, list[Wire]] = {}


@dataclass
class Message:
    """`wire` is what bots see; `shown`, if set, is what people see in place of the text."""

    id: int
    sender: User
    wire: Wire
    shown: str | None = None

    @property
    def text(self) -> str:
        return str(self.wire.get("text") or self.wire.get("caption") or "")

    @property
    def buttons(self) -> list[list[Wire]]:
        rows: list[list[Wire]] = self.wire.get("reply_markup", {}).get("inline_keyboard", [])
        return rows


@dataclass
class Chat:
    """In a private chat the bot's standing tells whether the person has blocked it."""

    id: int
    kind: ChatKind
    title: str
    members: dict[int, Standing]
    username: str | None = None
    messages: dict[int, Message] = field(default_factory=dict)
    last_id: int = 0
    migrated_to: int | None = None
    keyboard: list[list[Wire]] = field(default_factory=list)

    @property
    def private(self) -> bool:
        return self.kind is ChatKind.PRIVATE

    def standing(self, user_id: int) -> Standing:
        return self.members.get(user_id, Standing.LEFT)

    def wire(self) -> Wire:
        if not self.private:
            return {"id": self.id, "type": self.kind.value, "title": self.title}
        named = {"username": self.username} if self.username else {}
        return {"id": self.id, "type": "private", "first_name": self.title, **named}

    def message(self, message_id: int) -> Message:
        if message_id not in self.messages:
            raise UnknownError(f"no message {message_id} in chat {self.id}")
        return self.messages[message_id]


@dataclass
class Query:
    """A tapped button waiting for the bot's answer."""

    id: str
    bot: Bot
    at: float
    answer: Wire | None = None
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class Changes:
    """Tells whoever listens which messages of which chats are new, edited or gone; bursts are merged."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def note(self, chat_id: int | str, message_id: int) -> None:
        for listener in self._listeners:
            listener.pending[(chat_id, message_id)] = None
            listener.woken.set()

    @contextmanager
    def listen(self) -> "Iterator[Listener]":
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)


class Listener:
    def __init__(self) -> None:
        self.pending: dict[tuple[int | str, int], None] = {}
        self.woken = asyncio.Event()

    def take(self) -> list[tuple[int | str, int]]:
        taken = list(self.pending)
        self.pending.clear()
        self.woken.clear()
        return taken


class World:
    def __init__(self, clock: Clock, bots: Sequence[BotSpec]) -> None:
        self.clock = clock
        self.bots = {spec.token: Bot(spec) for spec in bots}
        self.users: dict[int, User] = {}
        self.groups: dict[int, Chat] = {}
        self.private: dict[tuple[int, int], Chat] = {}
        self.queries: dict[str, Query] = {}
        self.files = Files()
        self.faults = Faults()
        self.changes = Changes()
        self._held: dict[int, list[Update]] = {}
        self._numbers = itertools.count(1)

    def now(self) -> int:
        return int(self.clock.now().timestamp())

    def new_id(self) -> str:
        return str(4_000_000_000_000_000 + next(self._numbers))

    # Who and where

    def bot(self, username: str | None = None) -> Bot:
        for bot in self.bots.values():
            if username in (None, bot.user.username):
                return bot
        raise UnknownError(f"no bot {username}")

    def user(self, user_id: int) -> User:
        if user_id not in self.users:
            raise UnknownError(f"no user {user_id}")
        return self.users[user_id]

    def add_user(self, user: User) -> User:
        self.users[user.id] = user
        return user

    def private_chat(self, bot: Bot, user: User) -> Chat:
        key = (bot.user.id, user.id)
        if key not in self.private:
            members = {user.id: Standing.MEMBER, bot.user.id: Standing.MEMBER}
            self.private[key] = Chat(user.id, ChatKind.PRIVATE, user.first_name, members, user.username)
        return self.private[key]

    def group(self, chat_id: int) -> Chat:
        if chat_id not in self.groups:
            raise UnknownError(f"no group {chat_id}")
        return self.groups[chat_id]

    def chats_of(self, user_id: int) -> list[Chat]:
        groups = [chat for chat in self.groups.values() if chat.standing(user_id).present]
        own = [chat for (_, owner), chat in self.private.items() if owner == user_id]
        return [*own, *(chat for chat in groups if chat.migrated_to is None)]

    # Messages

    def post(
        self, chat: Chat, sender: User, content: Wire, reply_to: int | None = None, shown: str | None = None
    ) -> Message:
        """Put a message into a chat; bots that may see it get an update."""
        chat.last_id += 1
        wire = {"message_id": chat.last_id, "from": sender.wire(), "chat": chat.wire(), "date": self.now()}
        if reply_to in chat.messages:
            answered = chat.messages[reply_to].wire
            wire["reply_to_message"] = {
                name: value for name, value in answered.items() if name != "reply_to_message"
            }
        wire.update(content)
        message = chat.messages[chat.last_id] = Message(chat.last_id, sender, wire, shown)
        self.changes.note(chat.id, message.id)
        if not sender.is_bot:
            self._announce(chat, "message", message)
        return message

    def edit(self, chat: Chat, message: Message, content: Wire) -> None:
        """Replace parts of a message; None removes a part. Raises ApiError if nothing changes."""
        changed = {name: value for name, value in content.items() if message.wire.get(name) != value}
        if not changed:
            raise bad_request(NOT_MODIFIED)
        merged = {**message.wire, **changed, "edit_date": self.now()}
        message.wire = {name: value for name, value in merged.items() if value is not None}
        self.changes.note(chat.id, message.id)
        if not message.sender.is_bot:
            self._announce(chat, "edited_message", message)

    def remove(self, chat: Chat, message_id: int) -> None:
        del chat.messages[message_id]
        self.changes.note(chat.id, message_id)

    def _announce(self, chat: Chat, kind: str, message: Message) -> None:
        for bot in self.bots.values():
            if self._may_see(bot, chat, message):
                self.emit(bot, kind, chat.id, message.wire)

    def _may_see(self, bot: Bot, chat: Chat, message: Message) -> bool:
        """Privacy mode: in a group a bot hears commands, mentions, replies to it and service messages."""
        if chat.private:
            return chat is self.private.get((bot.user.id, chat.id))
        standing = chat.standing(bot.user.id)
        if not standing.present:
            return False
        replied = message.wire.get("reply_to_message", {}).get("from", {}).get("id") == bot.user.id
        service = any(name in message.wire for name in SERVICE)
        return standing is Standing.ADMINISTRATOR or service or replied or _addresses(message, bot)

    # Buttons

    def tap(self, bot: Bot, chat: Chat, person: User, message: Message, data: str) -> Query:
        query = Query(self.new_id(), bot, self.clock.now().timestamp())
        self.queries[query.id] = query
        self.emit(
            bot,
            "callback_query",
            person.id,
            {
                "id": query.id,
                "from": person.wire(),
                "message": message.wire,
                "chat_instance": str(chat.id * 7919),
                "data": data,
            },
        )
        return query

    def open_query(self, bot: Bot, query_id: str) -> Query | None:
        query = self.queries.get(query_id)
        if query is None or query.bot is not bot or query.answer is not None:
            return None
        late = self.clock.now().timestamp() - query.at > CALLBACK_LIFE.total_seconds()
        return None if late else query

    # Membership

    def set_standing(self, chat: Chat, bot: Bot, by: User, standing: Standing) -> None:
        """Change what a bot may do in a chat; it hears of it even when it is thrown out."""
        old, chat.members[bot.user.id] = chat.standing(bot.user.id), standing
        if old is standing:
            return
        change = {
            "chat": chat.wire(),
            "from": by.wire(),
            "date": self.now(),
            "old_chat_member": member_wire(bot.user, old),
            "new_chat_member": member_wire(bot.user, standing),
        }
        self.emit(bot, "my_chat_member", chat.id, change)

    def migrate(self, chat: Chat, new_id: int, by: User) -> Chat:
        """Turn a group into a supergroup: a new id, and a service message on both sides."""
        moved = Chat(new_id, ChatKind.SUPERGROUP, chat.title, dict(chat.members), last_id=chat.last_id)
        moved.messages.update(chat.messages)
        self.groups[new_id] = moved
        self.post(chat, by, {"migrate_to_chat_id": new_id})
        self.post(moved, by, {"migrate_from_chat_id": chat.id})
        chat.migrated_to = new_id
        return moved

    # Updates

    def emit(self, bot: Bot, kind: str, about: int, content: Wire) -> None:
        if bot.queue.wants(kind):
            self.deliver(bot, bot.queue.make(kind, about, content), about)

    def deliver(self, bot: Bot, update: Update, chat_id: int | None = None) -> None:
        """Queue an update, unless a scripted fault doubles it or holds it behind the next one."""
        fault = self.faults.take_update(chat_id)
        if fault is FaultKind.REORDER_UPDATES:
            self._held.setdefault(bot.user.id, []).append(update)
            return
        bot.queue.put(update)
        if fault is FaultKind.DUPLICATE_UPDATE:
            bot.queue.put_again(update)
        self.release_held(bot)

    def release_held(self, bot: Bot) -> None:
        for update in self._held.pop(bot.user.id, []):
            bot.queue.put(update)

    def undelivered(self) -> int:
        return sum(
            len(bot.queue.waiting) + len(self._held.get(bot.user.id, ())) for bot in self.bots.values()
        )


SERVICE = ("new_chat_members", "left_chat_member", "migrate_to_chat_id", "migrate_from_chat_id")

RIGHTS = (
    "can_be_edited",
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_send_welcome_messages",
)


def member_wire(user: User, standing: Standing) -> Wire:
    wire: Wire = {"user": user.wire(), "status": standing.value}
    if standing is Standing.ADMINISTRATOR:
        wire |= {"is_anonymous": False, **dict.fromkeys(RIGHTS, True)}
    if standing is Standing.CREATOR:
        wire["is_anonymous"] = False
    if standing is Standing.KICKED:
        wire["until_date"] = 0
    return wire


def _addresses(message: Message, bot: Bot) -> bool:
    """Whether a group message mentions the bot or holds a command not meant for another one."""
    if bot.mention in message.text.lower():
        return True
    commands = [entity for entity in message.wire.get("entities", ()) if entity["type"] == "bot_command"]
    return any("@" not in cut(message.text, entity) for entity in commands)


def cut(text: str, entity: Wire) -> str:
    """The part of a text that an entity marks."""
    units = text.encode("utf-16-le")
    return units[entity["offset"] * 2 : (entity["offset"] + entity["length"]) * 2].decode("utf-16-le")
