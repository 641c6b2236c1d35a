"""What the service account's platform refuses, and the windows in which it lets us speak freely.

Codes and words are the platform's own; where no official number is known, it says so.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")  # daily quotas start anew at its midnight
TEXT_BYTES = 2048  # measured by others; there is no official number
FIELD_CHARACTERS = 20  # of a template; what is longer is cut
UNSHOWN_FIELDS = ("first", "remark")  # of a template: accepted, and dropped since May 2023
EMOJI = re.compile("[\u2600-\u27bf\ufe0f\u200d\U0001f000-\U0001ffff]")
PERMANENT_SCENES = 100_000
SCENE_CHARACTERS = 64
SCENE_SECONDS, SCENE_DEFAULT_SECONDS = 2_592_000, 60
MEDIA_LIFE = timedelta(days=3)
CODE_LIFE = timedelta(minutes=5)
STATE_BYTES = 128
MENU_BUTTONS, SUB_BUTTONS = 3, 5

WORDS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40004: "invalid media type",
    40005: "invalid file type",
    40007: "invalid media_id",
    40008: "invalid message type",
    40013: "invalid appid",
    40014: "invalid access_token",
    40016: "invalid button size",
    40017: "invalid button type",
    40018: "invalid button name size",
    40019: "invalid button key size",
    40020: "invalid button url size",
    40023: "invalid sub button size",
    40029: "invalid code",
    40037: "invalid template_id",
    40052: "invalid action name",
    40053: "invalid action info",
    40066: "invalid url",
    40097: "invalid args",
    40125: "invalid appsecret",
    40163: "code been used",
    41001: "access_token missing",
    41005: "media data missing",
    42001: "access_token expired",
    43001: "require GET method",
    43002: "require POST method",
    43004: "require subscribe",
    43101: "user refuse to accept the msg",
    44004: "empty content",
    45002: "content size out of limit",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    45015: "response out of time limit or subscription is canceled",
    45029: "qrcode count out of limit",
    45047: "out of response count limit",
    46003: "menu no exist",
    47001: "data format error",
    47003: "argument invalid",
    48001: "api unauthorized",
}


class RefusedError(Exception):
    """An answer with this `errcode`."""

    def __init__(self, errcode: int, errmsg: str | None = None) -> None:
        super().__init__(errcode)
        self.errcode = errcode
        self.errmsg = errmsg or WORDS.get(errcode, "refused")


@dataclass(frozen=True)
class Term:
    lasts: timedelta
    messages: int


TALK = Term(timedelta(hours=48), 5)  # after a message
BRIEF = Term(timedelta(minutes=1), 3)  # after a click, a scan, a subscription


class Windows:
    """One person's: what is sent counts in every open one, so that they never add up."""

    def __init__(self) -> None:
        self._open: dict[Term, tuple[datetime, int]] = {}

    def open(self, term: Term, now: datetime) -> None:
        self._open[term] = (now + term.lasts, term.messages)

    def shut(self) -> None:
        self._open.clear()

    def check(self, now: datetime) -> None:
        """Raises RefusedError where a free message may not go now."""
        left = [left for until, left in self._open.values() if now < until]
        if not left:
            raise RefusedError(45015)
        if max(left) == 0:
            raise RefusedError(45047)

    def spend(self) -> None:
        self._open = {term: (until, max(left - 1, 0)) for term, (until, left) in self._open.items()}


def as_shown(field: str) -> str:
    """A template's field as the phone shows it: no line breaks, no emoji, cut after twenty characters."""
    line = " ".join(EMOJI.sub("", field).split())
    return line if len(line) <= FIELD_CHARACTERS else line[:FIELD_CHARACTERS] + "…"
