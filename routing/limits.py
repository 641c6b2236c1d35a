"""When something is due: limits as data (class, step, calendar) and the arithmetic of service hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class Step(StrEnum):
    ACK = "ack"
    CONTACT = "contact"
    RESULT = "result"


class Calendar(StrEnum):
    ALWAYS = "always"
    SERVICE_HOURS = "service_hours"
    WORKING_HOURS = "working_hours"


@dataclass(frozen=True, slots=True)
class Limit:
    """`duration` is counted in the hours of `calendar` only."""

    duration: timedelta
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Hours:
    """The daily hours of one calendar; `weekdays` as in `date.weekday()`."""

    opens: time
    closes: time
    weekdays: frozenset[int]


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of an office: by class and step, with the hours that its calendars mean."""

    zone: ZoneInfo
    classes: Mapping[str, Mapping[Step, Limit]]
    hours: Mapping[Calendar, Hours]
    default_class: str

    def due(self, limit_class: str | None, step: Step, start: datetime) -> datetime | None:
        """When the step is due for a request that began at `start` (aware); None where there is no limit."""
        steps = self.classes.get(limit_class or self.default_class) or self.classes[self.default_class]
        limit = steps.get(step)
        return add(start, limit, self.hours.get(limit.calendar), self.zone) if limit else None


def add(start: datetime, limit: Limit, hours: Hours | None, zone: ZoneInfo) -> datetime:
    """The moment at which `limit.duration` has passed since `start`, counting open hours only."""
    if limit.calendar is Calendar.ALWAYS or hours is None:
        return start + limit.duration
    left, moment = limit.duration, start.astimezone(zone)
    while True:
        opens, closes = _window(moment.date(), hours, zone)
        if hours.weekdays and moment.weekday() in hours.weekdays and moment < closes:
            begin = max(moment, opens)
            if left <= closes - begin:
                return (begin + left).astimezone(start.tzinfo)
            left -= closes - begin
        moment = datetime.combine(moment.date() + timedelta(days=1), time.min, zone)


def _window(day: date, hours: Hours, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return datetime.combine(day, hours.opens, zone), datetime.combine(day, hours.closes, zone)
