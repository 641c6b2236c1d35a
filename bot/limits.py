"""Loads the office's time limits: how long each class may take, when, and what happens on the way."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import chinese_calendar.constants as official  # type: ignore[import-untyped]
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bot.files import Document, FileError, Problem, load_document, validate
from routing.limits import Calendar, Do, Hours, Limit, Limits, Stage, Step
from routing.organisation import Role

_ANNOUNCED = 11  # the month in which the next year's holidays are usually announced
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _duration(value: object) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([mhd])", str(value))
    if found is None:
        raise ValueError("时长要写成 30m、2h 或 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _moment(value: object) -> timedelta | Fraction:
    """“80%” of a limit, or a time like “14h” since the clock began."""
    share = re.fullmatch(r"(\d{1,3})%", str(value))
    if share is not None:
        return Fraction(int(share[1]), 100)
    try:
        return _duration(value)
    except ValueError:
        raise ValueError("at 要写成 80% 这样的比例，或 30m、2h、7d 这样的时长") from None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"没有叫 {name} 的时区，中国写 Asia/Shanghai") from None
    return name


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class _Hours(_Model):
    opens: time
    closes: time
    weekdays: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], Field(min_length=1)]
    holidays: bool = False


class _Stage(_Model):
    at: Annotated[timedelta | Fraction, BeforeValidator(_moment)]
    do: Do
    tell: tuple[Role, ...] = ()

    def after(self, within: timedelta) -> timedelta:
        if isinstance(self.at, timedelta):
            return self.at
        return within * self.at.numerator / self.at.denominator


class _Limit(_Model):
    within: Duration
    calendar: Calendar = Calendar.ALWAYS
    steps: str


class _File(_Model):
    zone: Annotated[str, AfterValidator(_zone)]
    default_class: str
    hours: dict[Calendar, _Hours]
    days_off: tuple[date, ...] = ()
    workdays: tuple[date, ...] = ()
    ladder: Annotated[tuple[Annotated[tuple[Role, ...], Field(min_length=1)], ...], Field(min_length=1)]
    steps: dict[str, Annotated[tuple[_Stage, ...], Field(min_length=1)]]
    every: dict[Step, _Limit] = {}
    classes: Annotated[dict[str, dict[Step, _Limit]], Field(min_length=1)]


def load_limits(path: Path) -> Limits:
    """Raises FileError with every mistake found."""
    document = load_document(path)
    file = validate(document, _File)
    if problems := [*_hour_problems(document, file), *_step_problems(document, file)]:
        raise FileError(*problems)
    return Limits(
        zone=ZoneInfo(file.zone),
        classes={name: _compiled(file, {**file.every, **steps}) for name, steps in file.classes.items()},
        hours={calendar: _opening(hours, file) for calendar, hours in file.hours.items()},
        default_class=file.default_class,
        ladder=file.ladder,
        known_until=max([last_official_year(), *(day.year for day in (*file.days_off, *file.workdays))]),
    )


def calendar_note(limits: Limits, today: date) -> str | None:
    """What to tell the operator where a year's public holidays are not known; asked for from November on."""
    needed = today.year + (today.month >= _ANNOUNCED)
    if limits.known_until is None or limits.known_until >= needed:
        return None
    return (
        f"{needed}年的节假日和调休还不知道，先按平常的星期算；"
        f"公布后请升级程序，或写进时限文件的 days_off 和 workdays"
    )


def last_official_year() -> int:
    """The last year whose public holidays and adjusted workdays are known to the program."""
    last: date = max(official.holidays)
    return last.year


def _compiled(file: _File, limits: Mapping[Step, _Limit]) -> dict[Step, Limit]:
    return {step: _limit(limit, file.steps[limit.steps]) for step, limit in limits.items()}


def _limit(limit: _Limit, stages: tuple[_Stage, ...]) -> Limit:
    timed = [Stage(stage.after(limit.within), stage.do, stage.tell) for stage in stages]
    return Limit(limit.within, limit.calendar, tuple(sorted(timed, key=lambda stage: stage.at)))


def _opening(hours: _Hours, file: _File) -> Hours:
    days_off, extra = frozenset(file.days_off), frozenset(file.workdays)
    if hours.holidays:
        days_off |= frozenset(official.holidays) - extra
        extra |= frozenset(official.workdays) - days_off
    weekdays = frozenset(day - 1 for day in hours.weekdays)
    return Hours(hours.opens, hours.closes, weekdays, days_off, extra if hours.holidays else frozenset())


# --- what a line cannot know by itself --------------------------------------------------------


def _hour_problems(document: Document, file: _File) -> Iterator[Problem]:
    for calendar, hours in file.hours.items():
        if hours.closes <= hours.opens:
            yield document.problem(("hours", calendar), f"hours.{calendar}：关门时间要晚于开门时间")
    if file.default_class not in file.classes:
        known = "、".join(file.classes)
        yield document.problem(("default_class",), f"default_class 要是这几个之一：{known}")


def _step_problems(document: Document, file: _File) -> Iterator[Problem]:
    sections = [
        ("every", file.every),
        *((f"classes.{name}", limits) for name, limits in file.classes.items()),
    ]
    for section, limits in sections:
        for step, limit in limits.items():
            where = (*section.split("."), step.value)
            if limit.steps not in file.steps:
                known = "、".join(file.steps)
                yield document.problem(where, f"steps 里没有叫 {limit.steps} 的，有这些：{known}")
            if limit.calendar is not Calendar.ALWAYS and limit.calendar not in file.hours:
                yield document.problem(where, f"hours 里没有写 {limit.calendar} 的时间")
    for step in _NEEDED:
        if step not in file.every and step not in file.classes.get(file.default_class, {}):
            yield document.problem(("every",), f"every 里缺少 {step}：没有它，有些诉求就没人催了")


# Without these some open request would have no clock at all.
_NEEDED = (Step.SORT, Step.SILENCE, Step.ANSWER, Step.RECEIVE, Step.REVIEW, Step.VERDICT, Step.GUIDANCE)
