"""One bot's queue of updates: filled by what people do, emptied by a poll or by the webhook."""

import asyncio
import itertools
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from bot.sandbox.limits import ApiError

OTHER_POLLER = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
)
WEBHOOK_SET = "Conflict: terminated by setWebhook request"
LEFT_OUT_BY_DEFAULT = {"chat_member", "message_reaction", "message_reaction_count"}
REMEMBERED = 1000

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, eq=False)
class Update:
    """`lane` names the updates whose order the platform keeps: one kind in one chat."""

    id: int
    lane: tuple[str, int]
    body: bytes


class Poll:
    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.conflict: str | None = None

    def wake(self, conflict: str | None = None) -> None:
        self.conflict = self.conflict or conflict
        self.woken.set()


class UpdateQueue:
    """`waiting` holds what the bot has not confirmed yet, oldest first."""

    def __init__(self) -> None:
        self.waiting: dict[Update, None] = {}
        self.allowed: Collection[str] = ()
        self.on_put: Callable[[Update], None] | None = None
        self._next_id = 100_000_000 + secrets.randbelow(800_000_000)
        self._sent: deque[Update] = deque(maxlen=REMEMBERED)
        self._poll: Poll | None = None

    def wants(self, kind: str) -> bool:
        return kind in self.allowed if self.allowed else kind not in LEFT_OUT_BY_DEFAULT

    def make(self, kind: str, about: int, content: Any) -> Update:
        update = self.make_raw({"update_id": self._next_id, kind: content}, (kind, about))
        self._next_id += 1
        return update

    def make_raw(self, update: dict[str, Any], lane: tuple[str, int] = ("raw", 0)) -> Update:
        """An update as given; only a missing `update_id` is filled in."""
        if "update_id" not in update:
            update = {"update_id": self._next_id, **update}
            self._next_id += 1
        return Update(update["update_id"], lane, encode(update))

    def put(self, update: Update) -> None:
        self.waiting[update] = None
        self._sent.append(update)
        if self.on_put is not None:
            self.on_put(update)
        if self._poll is not None:
            self._poll.wake()

    def put_again(self, update: Update) -> None:
        self.put(Update(update.id, update.lane, update.body))

    def redeliver(self, count: int) -> int:
        again = list(self._sent)[-count:]
        for update in again:
            self.put_again(update)
        return len(again)

    def confirm(self, before: int) -> None:
        for update in [update for update in self.waiting if update.id < before]:
            del self.waiting[update]

    def keep_last(self, count: int) -> None:
        for update in list(self.waiting)[:-count]:
            del self.waiting[update]

    def end_poll(self, reason: str) -> None:
        if self._poll is not None:
            self._poll.wake(reason)

    async def poll(self, limit: int, wait: Callable[[asyncio.Event], Awaitable[None]]) -> list[Update]:
        """Up to `limit` updates, at once if there are any. The older of two pollers loses."""
        self.end_poll(OTHER_POLLER)
        poll = self._poll = Poll()
        try:
            if not self.waiting:
                await wait(poll.woken)
            if poll.conflict:
                raise ApiError(409, poll.conflict)
            return list(itertools.islice(self.waiting, limit))
        finally:
            if self._poll is poll:
                self._poll = None
