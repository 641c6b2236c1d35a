"""How fast we may speak: a bucket for the whole bot, a pause for each chat, an allowance for each person."""

from collections import deque
from datetime import datetime, timedelta
from itertools import takewhile

from bot.settings import Pacing

_SAVED = 0.1  # of a second's worth: the platform allows a little more than we use, not twice as much


class Bucket:
    """So many sends a second; hardly any are saved up, so that no second sees many more.

    It was left at a `level` at some time, by whichever process took from it last; None: never yet.
    """

    def __init__(self, per_second: float, left: tuple[float, datetime] | None, now: datetime) -> None:
        self._rate = per_second
        self._most = max(per_second * _SAVED, 1.0)
        level, at = left or (self._most, now)
        passed = max((now - at).total_seconds(), 0.0)
        self.level = min(level + passed * per_second, self._most)

    @property
    def available(self) -> int:
        return int(self.level)

    def take(self, count: int) -> None:
        self.level -= count

    @property
    def pause(self) -> timedelta:
        """Until at least one send is available."""
        missing = 1.0 - self.level
        return timedelta(0) if missing <= 0 else timedelta(seconds=missing / self._rate, microseconds=1)


def chat_pause(pacing: Pacing, chat: str) -> timedelta:
    """How long a chat rests after something was said in it."""
    if chat.startswith("chat:"):
        return timedelta(minutes=1) / pacing.per_group_minute
    return timedelta(seconds=1) / pacing.per_chat


_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)


class Allowance:
    """So many messages to one person in any minute and in any hour: the platform silently drops more."""

    def __init__(self, per_minute: int, per_hour: int) -> None:
        self._per_minute = per_minute
        self._per_hour = per_hour
        self._sent: deque[datetime] = deque()  # of the last hour, oldest first

    def left(self, now: datetime) -> int:
        self._forget(now)
        minute = sum(1 for _ in takewhile(lambda at: at > now - _MINUTE, reversed(self._sent)))
        return max(min(self._per_minute - minute, self._per_hour - len(self._sent)), 0)

    def take(self, now: datetime) -> None:
        """Count one message, whether or not it was allowed."""
        self._sent.append(now)

    def ready_at(self, now: datetime) -> datetime:
        """When at least one message is allowed."""
        self._forget(now)
        waits = [
            self._sent[-most] + window
            for most, window in ((self._per_minute, _MINUTE), (self._per_hour, _HOUR))
            if len(self._sent) >= most
        ]
        return max([now, *waits])

    def _forget(self, now: datetime) -> None:
        while self._sent and self._sent[0] <= now - _HOUR:
            self._sent.popleft()
