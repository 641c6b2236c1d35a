"""What Telegram refuses, in its own words, and how fast it lets a bot speak."""

import math
from collections import deque
from datetime import datetime, timedelta
from typing import Any

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
ANSWER_LIMIT = 200
CALLBACK_BYTES = 64
BUTTONS, BUTTONS_IN_ROW = 100, 8
CALLBACK_LIFE = timedelta(seconds=15)
DELETABLE = timedelta(hours=48)
DOWNLOAD_BYTES = 20 * 1024 * 1024

PER_BOT = 30  # messages a second, overall
PER_CHAT_BURST = 3  # of one message a second
PER_GROUP = 20  # messages a minute


class ApiError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


def bad_request(reason: str) -> ApiError:
    return ApiError(400, f"Bad Request: {reason}")


def forbidden(reason: str) -> ApiError:
    return ApiError(403, f"Forbidden: {reason}")


def too_many(seconds: int) -> ApiError:
    return ApiError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
QUERY_TOO_OLD = "query is too old and response timeout expired or query ID is invalid"


def check_inline_keyboard(rows: Any) -> None:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request("can't parse inline keyboard: Expected an Array of Array")
    if sum(map(len, rows)) > BUTTONS or any(len(row) > BUTTONS_IN_ROW for row in rows):
        raise bad_request("reply markup is too long")
    for button in (button for row in rows for button in row):
        _check_button(button)


def _check_button(button: Any) -> None:
    if not isinstance(button, dict) or not button.get("text"):
        raise bad_request("BUTTON_TEXT_INVALID")
    data = button.get("callback_data")
    if data is None and not button.get("url"):
        raise bad_request("Text buttons are unallowed in the inline keyboard")
    if data is not None and not 1 <= len(str(data).encode()) <= CALLBACK_BYTES:
        raise bad_request("BUTTON_DATA_INVALID")


class _Bucket:
    """Refills continuously; `wait` tells how many seconds are missing for one more message."""

    def __init__(self, size: int, per_second: float, now: datetime) -> None:
        self.size, self.per_second = size, per_second
        self.left, self.at = float(size), now

    def wait(self, now: datetime) -> float:
        gained = (now - self.at).total_seconds() * self.per_second
        self.left, self.at = min(self.size, self.left + gained), now
        return max(0.0, 1 - self.left) / self.per_second


class Pace:
    """Real limits of one bot, on the injected clock. Off unless asked for; refusals cost nothing."""

    def __init__(self) -> None:
        self.on = False
        self._overall: _Bucket | None = None
        self._chats: dict[int, _Bucket] = {}
        self._minutes: dict[int, deque[datetime]] = {}

    def check(self, chat: int, messages: int, now: datetime) -> None:
        """Raises the 429 refusal when the bot speaks too fast."""
        if not self.on:
            return
        self._overall = overall = self._overall or _Bucket(PER_BOT, PER_BOT, now)
        bucket = self._chats.setdefault(chat, _Bucket(PER_CHAT_BURST, 1, now))
        minute = self._minutes.setdefault(chat, deque()) if chat < 0 else deque()
        wait = max(overall.wait(now), bucket.wait(now), self._group_wait(minute, now))
        if wait > 0:
            raise too_many(math.ceil(wait))
        overall.left -= messages
        bucket.left -= messages
        minute.extend([now] * messages)

    @staticmethod
    def _group_wait(minute: deque[datetime], now: datetime) -> float:
        while minute and now - minute[0] >= timedelta(minutes=1):
            minute.popleft()
        if len(minute) < PER_GROUP:
            return 0.0
        return (minute[0] + timedelta(minutes=1) - now).total_seconds()
