"""How something is said, apart from what it is about: insults, small talk, a child, what is not ours."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from ahocorasick_rs import AhoCorasick

from routing.rules import Words
from routing.text import normalize

MASK = "※"
_NUMERALS = ("零", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十")
_YOUNGEST = 4
# “我8岁的孙子” and “我10岁时” are not about the age of who writes.
_NOT_MINE = "的时那以开就起前后多左大小老儿孙外侄孩娃女男宝弟妹"
_BETWEEN = 4  # characters between “替” and “妈”: 替住三号楼的妈


class Lexicon:
    """Words to find in a text, except inside the excluded phrases; prepared for one pass."""

    def __init__(self, words: Words) -> None:
        self._wanted = len(words.words)
        self._matcher = AhoCorasick([normalize(one) for one in (*words.words, *words.exclude)])

    def spans(self, plain: str) -> list[tuple[int, int]]:
        """Where the words stand in a normalized text."""
        hits = self._matcher.find_matches_as_indexes(plain, overlapping=True)
        excluded = [(start, end) for index, start, end in hits if index >= self._wanted]
        return [
            (start, end)
            for index, start, end in hits
            if index < self._wanted
            and _is_whole(plain, start, end)
            and not any(first <= start and end <= last for first, last in excluded)
        ]


def _is_whole(plain: str, start: int, end: int) -> bool:
    """The “sb” in “usb” is part of another word."""
    before = start > 0 and _is_latin(plain[start - 1]) and _is_latin(plain[start])
    after = end < len(plain) and _is_latin(plain[end - 1]) and _is_latin(plain[end])
    return not before and not after


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


@dataclass(frozen=True)
class Manners:
    """The office's words. Small talk and thanks count only where a message consists of nothing else."""

    insults: Words
    small_talk: tuple[str, ...]
    thanks: tuple[str, ...]
    child: Words
    child_below: int
    speaks_for: tuple[str, ...]
    kin: tuple[str, ...]
    elsewhere: Words

    @cached_property
    def insult_words(self) -> Lexicon:
        return Lexicon(self.insults)

    @cached_property
    def child_words(self) -> Lexicon:
        return Lexicon(self.child)

    @cached_property
    def elsewhere_words(self) -> Lexicon:
        return Lexicon(self.elsewhere)

    @cached_property
    def only_small_talk(self) -> re.Pattern[str]:
        return _nothing_but(self.small_talk)

    @cached_property
    def only_thanks(self) -> re.Pattern[str]:
        return _nothing_but(self.thanks)

    @cached_property
    def age(self) -> re.Pattern[str]:
        ages = "|".join(f"{age}|{_numeral(age)}" for age in range(_YOUNGEST, self.child_below))
        return re.compile(f"我(?:今年|才|刚|已经)*满?(?:{ages or '(?!)'})岁(?![{_NOT_MINE}])")

    @cached_property
    def proxy(self) -> re.Pattern[str]:
        return re.compile(f"(?:{_any(self.speaks_for)}).{{0,{_BETWEEN}}}?(?:{_any(self.kin)})")


def _nothing_but(words: tuple[str, ...]) -> re.Pattern[str]:
    """Possessive, so that “哈” a thousand times over and then something else costs no more than once."""
    return re.compile(f"(?:{_any(words)})++")


def _any(words: tuple[str, ...]) -> str:
    plain = sorted({letters(normalize(one)) for one in words} - {""}, key=len, reverse=True)
    return "|".join(map(re.escape, plain)) or "(?!)"


def _numeral(age: int) -> str:
    return _NUMERALS[age] if age <= 10 else f"十{_NUMERALS[age - 10]}"


def letters(text: str) -> str:
    """The text without punctuation, masks and pictures."""
    return "".join(filter(str.isalnum, text))


@dataclass(frozen=True, slots=True)
class Heard:
    """What a text is besides its matter. `text` is what others may read, `left` its letters."""

    text: str = ""
    left: str = ""
    insulted: bool = False
    small_talk: bool = False
    thanks: bool = False
    child: bool = False
    proxy: bool = False
    elsewhere: bool = False


UNHEARD = Heard()


def listen(text: str, manners: Manners) -> Heard:
    """Never raises; a text without an insult is passed on as it is."""
    plain = normalize(text)
    insulted = bool(manners.insult_words.spans(plain))
    shown = masked(text, manners) if insulted else text
    left = letters(normalize(shown) if insulted else plain)
    return Heard(
        text=shown,
        left=left,
        insulted=insulted,
        small_talk=not insulted and (not left or bool(manners.only_small_talk.fullmatch(left))),
        thanks=bool(manners.only_thanks.fullmatch(left)),
        child=bool(manners.age.search(plain) or manners.child_words.spans(plain)),
        proxy=bool(manners.proxy.search(plain)),
        elsewhere=bool(manners.elsewhere_words.spans(plain)),
    )


def masked(text: str, manners: Manners) -> str:
    """The text with a ※ for every character of an insult, also of one written with spaces in between."""
    pieces = [normalize(character) for character in text]
    origin = [index for index, piece in enumerate(pieces) for _ in piece]
    hidden = {
        index
        for start, end in manners.insult_words.spans("".join(pieces))
        for index in range(origin[start], origin[end - 1] + 1)
    }
    return "".join(MASK if index in hidden else character for index, character in enumerate(text))


# --- how often --------------------------------------------------------------------------------

COUNTED_FOR = timedelta(hours=24)
MUTE_FROM = 3
MUTED_FOR = timedelta(minutes=30)
MODERATOR_AT = 5

SAME_WITHIN = timedelta(minutes=10)
SAME_AT_MOST = 3


def strikes(earlier: Sequence[str], now: datetime) -> list[str]:
    """The times of insults that still count, with this one."""
    return [*(one for one in earlier if now - datetime.fromisoformat(one) < COUNTED_FOR), now.isoformat()]


def said_again(before: Mapping[str, object] | None, text: str, now: datetime) -> dict[str, object]:
    """How often this text was said within ten minutes of the first time; the text itself is not kept."""
    digest = hashlib.blake2b(normalize(text).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    if before and before["digest"] == digest and now - _time(before["since"]) < SAME_WITHIN:
        return {**before, "count": int(str(before["count"])) + 1}
    return {"digest": digest, "since": now.isoformat(), "count": 1}


def _time(written: object) -> datetime:
    return datetime.fromisoformat(str(written))
