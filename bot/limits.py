"""Loads the office's time limits: how long each class of request may take, in which hours."""

import re
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bot.files import FileError, load_document, validate
from routing.limits import Calendar, Hours, Limit, Limits, Step

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _duration(value: object) -> timedelta:
    found = re.fullmatch(r"(\d+)([mhd])", str(value))
    if found is None:
        raise ValueError("时长要写成 30m、2h 或 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"没有叫 {name} 的时区，中国写 Asia/Shanghai") from None
    return name


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Hours(_Model):
    opens: time
    closes: time
    weekdays: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], Field(min_length=1)]


class _Limit(_Model):
    within: Annotated[timedelta, BeforeValidator(_duration)]
    calendar: Calendar = Calendar.ALWAYS


class _File(_Model):
    zone: Annotated[str, AfterValidator(_zone)]
    default_class: str
    hours: dict[Calendar, _Hours]
    classes: Annotated[dict[str, dict[Step, _Limit]], Field(min_length=1)]


def load_limits(path: Path) -> Limits:
    """Raises FileError with every mistake found."""
    document = load_document(path)
    file = validate(document, _File)
    problems = [
        document.problem(("hours", calendar), f"hours.{calendar}:关门时间要晚于开门时间")
        for calendar, hours in file.hours.items()
        if hours.closes <= hours.opens
    ]
    if file.default_class not in file.classes:
        known = "、".join(file.classes)
        problems.append(document.problem(("default_class",), f"default_class 要是这几个之一：{known}"))
    if problems:
        raise FileError(*problems)
    return Limits(
        zone=ZoneInfo(file.zone),
        classes={
            name: {step: Limit(limit.within, limit.calendar) for step, limit in steps.items()}
            for name, steps in file.classes.items()
        },
        hours={
            calendar: Hours(hours.opens, hours.closes, frozenset(day - 1 for day in hours.weekdays))
            for calendar, hours in file.hours.items()
        },
        default_class=file.default_class,
    )
