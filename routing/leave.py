"""What a member writes about being away, read into days and the name of a deputy."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from routing.text import normalize

MOST_DAYS = 92  # longer is a mistyped date, or a change of the roster

_WORDS = {"今天": 0, "明天": 1, "后天": 2, "大后天": 3}
_NUMBERS = {sign: number for number, sign in enumerate("一二三四五六七八九十", 1)} | {"两": 2}
_DAY = r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}[日号]?|\d{1,2}[/.月]\d{1,2}[日号]?|大后天|今天|明天|后天"
_MONTH_AND_DAY = 2  # numbers in a date without a year
_TO = r"(?:-|—|–|~|到|至)+"
_RANGE = re.compile(rf"({_DAY})(?:{_TO}({_DAY}|\d{{1,2}}[日号]?))?")
_COUNT = re.compile(r"(\d{1,2}|[一二两三四五六七八九十])天")
_ASKS = re.compile(rf"(?:我|想|要|(?:{_DAY})(?:{_TO}(?:{_DAY}))?)*请假")
_DEPUTY = re.compile(r"([^由请,。、]*)(?:代班|替班|顶班):?([^,。、]*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """The first and the last day away; `deputy` is as it was written."""

    first: date
    last: date
    deputy: str = ""


def asks_for_leave(text: str) -> bool:
    """Whether a member's message begins by asking for leave."""
    return _ASKS.match(normalize(text)) is not None


def read_leave(text: str, today: date) -> Asked | None:
    """The days asked for; None where no days to come, or more than three months, can be read from it."""
    bare = normalize(text)
    days = _days(bare, today)
    if days is None or not days[0] <= days[1] < days[0] + timedelta(days=MOST_DAYS) or days[1] < today:
        return None
    return Asked(*days, _deputy(bare))


def _days(bare: str, today: date) -> tuple[date, date] | None:
    """From when to when; a date without a year is the next such day that is not over."""
    found, counted = _RANGE.search(bare), _COUNT.search(_RANGE.sub("", bare))
    if found is None and counted is None:
        return None
    try:
        first = _day(found[1], today, today) if found else today
        last = _day(found[2], today, first) if found and found[2] else _after(first, counted)
        if last < first and found and len(_numbers(found[2])) == _MONTH_AND_DAY:
            last = last.replace(year=last.year + 1)
        if last < today and found and len(_numbers(found[1])) == _MONTH_AND_DAY:
            first, last = first.replace(year=first.year + 1), last.replace(year=last.year + 1)
    except ValueError:  # no such day
        return None
    return first, last


def _after(first: date, counted: "re.Match[str] | None") -> date:
    """The last of so many days, or of one."""
    number = (_NUMBERS.get(counted[1]) or int(counted[1])) if counted else 1
    return first + timedelta(days=number - 1)


def _day(text: str, today: date, near: date) -> date:
    """One day; the year and month that it leaves out are those of `near`. Raises ValueError for no day."""
    if text in _WORDS:
        return today + timedelta(days=_WORDS[text])
    numbers = _numbers(text)
    year, month, day = [near.year, near.month][: 3 - len(numbers)] + numbers
    return date(year, month, day)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _deputy(bare: str) -> str:
    found = _DEPUTY.search(_COUNT.sub("", _RANGE.sub("", bare)).replace("请假", ""))
    return (found[2] or found[1]) if found else ""
