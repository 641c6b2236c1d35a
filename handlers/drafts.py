"""A draft: what a resident has said so far, and which one question to ask next. Pure values."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from routing.classify import Danger, Decision, Outcome
from routing.guidance import Way
from routing.rules import Rules
from routing.text import normalize

JOIN_WITHIN = timedelta(seconds=90)
_PLACE_WORDS = re.compile(
    r"[号楼栋幢院室门口路街巷村里旁边附近对面前后东西南北广场车库店站桥河]|小区|单元|电梯|物业"
)
LEAST_STORY = 5  # characters; fewer that mean nothing to any rule are no report yet, like “喝晕了”
_PLACE_LENGTH = 20  # a longer answer to “在哪儿” is more of the story than a place


class Source(StrEnum):
    """How a request came about, where that changes how it is treated; stored with the request."""

    CHAT = "chat"
    PROXY = "proxy"  # told by somebody else than whom it is about
    VOICE = "voice"
    CHILD = "child"
    PATROL = "patrol"  # found by a member on the way round their grid


class Piece(msgspec.Struct, frozen=True):
    """One thing the resident wrote; `ref` is the platform's name of the message, for later edits."""

    ref: str
    text: str


class Ended(msgspec.Struct, frozen=True):
    """A like matter that was done a moment ago."""

    number: str
    category: str
    at: datetime


class Draft(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known before filing. It lives in the conversation's row; the request row starts with filing.

    `card` is the policy card that answers it, `refused` are those that were not it.
    `agreed` is the category for which help was asked for. `alike` are others' requests that may be the same
    matter, `ended` is one that was just done; `apart` says that it is neither, `anew` that it is not one of
    the resident's own either. `follows` is the number of the ended one where this says it was not solved.
    """

    touched: datetime
    pieces: tuple[Piece, ...] = ()
    attachments: tuple[int, ...] = ()
    contact: str | None = None
    location: str | None = None
    place: str | None = None
    place_text: str | None = None
    room: str | None = None
    place_skipped: bool = False
    asked_place: bool = False
    asked_what: bool = False
    category: str | None = None
    category_refused: bool = False
    danger_denied: bool = False
    card: str | None = None
    refused: tuple[str, ...] = ()
    agreed: str | None = None
    adds_to: int | None = None
    anew: bool = False
    alike: tuple[int, ...] = ()
    ended: Ended | None = None
    apart: bool = False
    follows: str | None = None
    reminded: bool = False
    notice: bool = False
    anonymous: bool = False
    subject: str = ""
    source: Source = Source.CHAT

    @property
    def text(self) -> str:
        return "\n".join(piece.text for piece in self.pieces)

    @property
    def lines(self) -> str:
        """A line for each piece: what is said later may put an earlier place right."""
        return "\n".join(" ".join(piece.text.splitlines()) for piece in self.pieces)

    def with_(self, **changes: object) -> "Draft":
        return msgspec.structs.replace(self, **changes)

    @property
    def placed(self) -> bool:
        return bool(self.place or self.place_text or self.location or self.place_skipped)

    def joins(self, now: datetime) -> bool:
        """Whether a piece that comes now refreshes the card instead of posting a new one."""
        return now - self.touched <= JOIN_WITHIN


class Question(StrEnum):
    """The one thing that a card asks; READY asks nothing but [提交]."""

    ADDITION = "addition"
    GUIDANCE = "guidance"
    CONSENT = "consent"
    POLICY = "policy"
    SAME = "same"
    ENDED = "ended"
    DANGER = "danger"
    PLACE = "place"
    SUBJECT_PLACE = "subject_place"
    CATEGORY = "category"
    WHAT = "what"
    READY = "ready"


_FIRST = {Way.GUIDE: Question.GUIDANCE, Way.CONSENT: Question.CONSENT}


def next_question(draft: Draft, decision: Decision, way: Way = Way.ORDINARY) -> Question:
    """At most two questions, where and then what; danger and the doubt whether it is new come before.

    What needs nobody, or nobody without consent, and what a card answers is settled before a place is asked
    for; what others have reported already, before anything is asked about the category.
    """
    if decision.danger is Danger.ASK and not draft.danger_denied:
        return Question.DANGER
    if draft.adds_to is not None:
        return Question.ADDITION
    if way in _FIRST and draft.agreed != settled_category(draft, decision):
        return _FIRST[way]
    if draft.card is not None:
        return Question.POLICY
    if not draft.placed:
        return Question.SUBJECT_PLACE if draft.source is Source.PROXY else Question.PLACE
    if draft.alike or draft.ended:
        return Question.SAME if draft.alike else Question.ENDED
    if draft.category or draft.category_refused:
        return Question.READY
    if decision.outcome is Outcome.ASK:
        return Question.CATEGORY
    if decision.outcome is Outcome.NONE and not draft.asked_what:
        return Question.WHAT
    return Question.READY


def settled_category(draft: Draft, decision: Decision) -> str | None:
    """The category to file under: the resident's own choice, or a sure decision."""
    if draft.category or draft.category_refused:
        return draft.category
    return decision.category if decision.outcome is Outcome.FILE else None


def tells(draft: Draft, decision: Decision, rules: Rules) -> bool:
    """Whether there is something to file unasked: a file, or words for which somebody would be sent.

    Words that no rule knows count from a certain length on; those that would only be guided do not.
    """
    if decision.candidates:
        return any(not rules.leaves[one.category].guided for one in decision.candidates)
    return bool(draft.attachments) or len(normalize(draft.text)) >= LEAST_STORY


def looks_like_place(text: str) -> bool:
    """Whether an answer to “在哪儿” names a place at all, rather than going on with the story."""
    return len(text) <= _PLACE_LENGTH and bool(_PLACE_WORDS.search(text))


def coordinates(draft: Draft) -> tuple[float, float] | None:
    """Where the location that was sent is: latitude and longitude."""
    if draft.location is None:
        return None
    latitude, _, longitude = draft.location.partition(",")
    return float(latitude), float(longitude)


def join(texts: Sequence[str]) -> str:
    return "\n".join(text for text in texts if text)


def load(stored: object) -> Draft | None:
    return None if stored is None else msgspec.convert(stored, Draft)


def store(draft: Draft) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(draft)
    return plain
