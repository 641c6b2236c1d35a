"""The platform's own record: who said what where and when, and every update that it had for the bot."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from bot.sandbox.updates import Update, UpdateQueue
from bot.sandbox.world import Changes, World


@dataclass(frozen=True, slots=True)
class Words:
    """A message as it came to stand in a chat; `offers` is what its buttons carry.

    `at` is by the sandbox's clock, `moment` by the machine's, which nobody moves.
    """

    at: datetime
    moment: float
    chat: int
    message: int
    sender: int
    by_bot: bool
    edited: bool
    text: str
    offers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """An update that was for the bot: `external` is the id under which it must be stored."""

    external: str
    sender: int


@dataclass
class Record:
    words: list[Words] = field(default_factory=list)
    updates: dict[str, Sent] = field(default_factory=dict)

    def by_bot(self) -> Iterator[Words]:
        return (one for one in self.words if one.by_bot)

    def by_people(self) -> Iterator[Words]:
        return (one for one in self.words if not one.by_bot)


def keep(world: World) -> Record:
    """From now on everything that happens in this world is recorded."""
    record, bot = Record(), world.bot()
    world.changes = _Recorded(world, record)
    queue = _RecordedQueue(record)
    queue.allowed = bot.queue.allowed
    bot.queue = queue
    return record


class _Recorded(Changes):
    """Hears of every message at the moment when it is posted or changed."""

    def __init__(self, world: World, record: Record) -> None:
        super().__init__()
        self._world, self._record = world, record

    def note(self, chat_id: int | str, message_id: int) -> None:
        super().note(chat_id, message_id)
        chat = (
            self._world.groups.get(int(chat_id))
            or self._world.private[self._world.bot().user.id, int(chat_id)]
        )
        message = chat.messages.get(message_id)
        if message is None:
            return
        offers = tuple(str(button["callback_data"]) for row in message.buttons for button in row)
        self._record.words.append(
            Words(
                self._world.clock.now(),
                time.monotonic(),
                chat.id,
                message.id,
                message.sender.id,
                message.sender.is_bot,
                "edit_date" in message.wire,
                message.text,
                offers,
            )
        )


class _RecordedQueue(UpdateQueue):
    def __init__(self, record: Record) -> None:
        super().__init__()
        self._record = record

    def put(self, update: Update) -> None:
        sent = _sent(msgspec.json.decode(update.body))
        self._record.updates[sent.external] = sent
        super().put(update)


def _sent(update: dict[str, Any]) -> Sent:
    """The same id as the door of the product gives it, found in another way."""
    number = update.pop("update_id")
    ((kind, content),) = update.items()
    inner = content["id"] if kind == "callback_query" else content.get("message_id", 0)
    return Sent(f"{number}.{inner}", content["from"]["id"])
