"""WeCom's numbers, and what runs out: places in a window of time, codes that serve once."""

import secrets
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from bot.sandbox.corp.refusals import Code, RefusedError

TOKEN_LIVES = timedelta(seconds=7200)
CODE_LIVES = timedelta(hours=72)
RESPONSE_URL_LIVES = timedelta(hours=1)
MEDIA_LIVES = timedelta(days=3)
DUPLICATE_INTERVAL, LONGEST_DUPLICATE_INTERVAL = 1800, 4 * 3600
MOST_USERS = 1000
MOST_IN_FLIGHT = 3
CALLBACK_TRIES = 3
VERIFY_WITHIN = 1.0

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PER_MEMBER = ((30, MINUTE), (1000, HOUR))
PER_ROBOT = ((20, MINUTE),)
ROBOT_SILENCE = timedelta(minutes=10)  # third party

TEXT_BYTES = 2048
MARKDOWN_BYTES = {"app": 2048, "robot": 4096}
TITLE_BYTES, DESCRIPTION_BYTES = 128, 512
TASK_ID_BYTES = 128
KEY_BYTES = 1024
MOST_BUTTONS = 6
MOST_LINES = 6
GROUP_SIZE = range(2, 2001)

T = TypeVar("T")


class Window:
    """So many in so much time, for each of some limits."""

    def __init__(self, limits: tuple[tuple[int, timedelta], ...]) -> None:
        self._limits = limits
        self._times: deque[datetime] = deque()

    def takes(self, now: datetime) -> bool:
        """Whether there is a place left, which is then used."""
        longest = max(span for _, span in self._limits)
        while self._times and now - self._times[0] >= longest:
            self._times.popleft()
        if not all(self._within(span, now) < most for most, span in self._limits):
            return False
        self._times.append(now)
        return True

    def _within(self, span: timedelta, now: datetime) -> int:
        return sum(now - at < span for at in self._times)


@dataclass
class _Issued(Generic[T]):
    about: T
    until: datetime


class Codes(Generic[T]):
    """Codes that can be spent once and expire."""

    def __init__(self, lives: timedelta) -> None:
        self._lives = lives
        self._open: dict[str, _Issued[T]] = {}

    def issue(self, about: T, now: datetime) -> str:
        code = secrets.token_urlsafe(24)
        self._open[code] = _Issued(about, now + self._lives)
        return code

    def spend(self, code: str, now: datetime) -> T:
        """Raises RefusedError for a code that was used, has expired or is not ours."""
        issued = self._open.pop(code, None)
        if issued is None or now > issued.until:
            raise RefusedError(Code.SPENT_CODE, "response_code is invalid, expired or used")
        return issued.about


def cut(text: str, most: int) -> str:
    """The beginning that fits into so many bytes of UTF-8, never half a character."""
    return text.encode()[:most].decode(errors="ignore")
