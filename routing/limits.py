"""When something is due: limits with the stages on the way to them as data, and the sum of open hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from routing.organisation import Role
from routing.transitions import Status


class Step(StrEnum):
    """What a clock waits for. Each runs in the statuses that RUNNING names."""

    SORT = "sort"
    ACK = "ack"
    CONTACT = "contact"
    PLAN = "plan"
    RESULT = "result"
    SILENCE = "silence"
    ANSWER = "answer"
    RECEIVE = "receive"
    REVIEW = "review"
    VERDICT = "verdict"
    GUIDANCE = "guidance"


# The steps whose time counts from the resident's report on, whoever has the request meanwhile.
FROM_REPORT = frozenset({Step.CONTACT, Step.PLAN, Step.RESULT})
_ALWAYS = frozenset({Step.PLAN, Step.RESULT, Step.SILENCE})

RUNNING: Mapping[Status, frozenset[Step]] = {
    Status.TRIAGE: _ALWAYS | {Step.SORT, Step.CONTACT},
    Status.ASSIGNED: _ALWAYS | {Step.ACK, Step.CONTACT},
    Status.ACKNOWLEDGED: _ALWAYS | {Step.CONTACT},
    Status.IN_PROGRESS: _ALWAYS,
    Status.PENDING_INFO: frozenset({Step.ANSWER}),
    Status.IN_MEDIATION: _ALWAYS,
    Status.IN_DELIBERATION: _ALWAYS,
    Status.REFERRED: _ALWAYS | {Step.RECEIVE},
    Status.SCHEDULED: frozenset({Step.REVIEW}),
    Status.DONE: frozenset({Step.VERDICT}),
    Status.GUIDED: frozenset({Step.GUIDANCE}),
}
PAUSED_BY = frozenset({Status.PENDING_INFO})  # the only status in which a limit stands still
LONGEST_PAUSE = timedelta(days=7)


class Do(StrEnum):
    """What happens at a stage of a clock."""

    REMIND = "remind"
    RUNG = "rung"
    YELLOW = "yellow"
    RED = "red"
    LETTER = "letter"
    ASK_WORD = "ask_word"
    NO_NEWS = "no_news"
    ASK_AGAIN = "ask_again"
    RATE = "rate"
    CLOSE = "close"


class Calendar(StrEnum):
    ALWAYS = "always"
    SERVICE_HOURS = "service_hours"
    WORKING_HOURS = "working_hours"


@dataclass(frozen=True, slots=True)
class Stage:
    """At `at` since the clock began, counted in the limit's calendar: what happens, and who hears besides."""

    at: timedelta
    do: Do
    tell: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """`duration` is counted in the hours of `calendar` only; the stages are in order of time."""

    duration: timedelta
    calendar: Calendar
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class Hours:
    """The daily hours of one calendar; `weekdays` as in `date.weekday()`.

    `days_off` are closed and `extra_days` open whatever their weekday (public holidays, adjusted workdays).
    """

    opens: time
    closes: time
    weekdays: frozenset[int]
    days_off: frozenset[date] = frozenset()
    extra_days: frozenset[date] = frozenset()

    @property
    def length(self) -> timedelta:
        return datetime.combine(date.min, self.closes) - datetime.combine(date.min, self.opens)

    def open_on(self, day: date) -> bool:
        return day in self.extra_days or (day.weekday() in self.weekdays and day not in self.days_off)


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of an office: by class and step, the hours that its calendars mean, and its ladder.

    `ladder` lists the rungs from the lowest up, each with the roles that stand on it.
    `known_until` is the last year whose public holidays are known.
    """

    zone: ZoneInfo
    classes: Mapping[str, Mapping[Step, Limit]]
    hours: Mapping[Calendar, Hours]
    default_class: str
    ladder: Sequence[tuple[Role, ...]] = field(default_factory=tuple)
    known_until: int | None = None

    def limit(self, limit_class: str | None, step: Step) -> Limit | None:
        steps = self.classes.get(limit_class or self.default_class) or self.classes[self.default_class]
        return steps.get(step)

    def due(self, limit_class: str | None, step: Step, start: datetime) -> datetime | None:
        """When the step is due for a clock that began at `start` (aware); None where there is no limit."""
        limit = self.limit(limit_class, step)
        return self.after(start, limit.duration, limit.calendar) if limit else None

    def after(self, start: datetime, duration: timedelta, calendar: Calendar) -> datetime:
        """The moment at which `duration` has passed since `start` on that calendar."""
        return add(start, duration, self.hours.get(calendar), self.zone)

    def after_days(self, start: datetime, days: int, calendar: Calendar) -> datetime:
        """As `after`, for whole days of the calendar's opening hours."""
        hours = self.hours.get(calendar)
        return self.after(start, (hours.length if hours else timedelta(days=1)) * days, calendar)

    def between(self, start: datetime, end: datetime, calendar: Calendar) -> timedelta:
        """How much of the calendar's time lies between two moments."""
        return spent(start, end, self.hours.get(calendar), self.zone)


def add(start: datetime, duration: timedelta, hours: Hours | None, zone: ZoneInfo) -> datetime:
    """The moment at which `duration` has passed since `start`, counting open hours only."""
    if hours is None:
        return start + duration
    left, moment = duration, start.astimezone(zone)
    while True:
        opens, closes = _window(moment.date(), hours, zone)
        if hours.open_on(moment.date()) and moment < closes:
            begin = max(moment, opens)
            if left <= closes - begin:
                return (begin + left).astimezone(start.tzinfo)
            left -= closes - begin
        moment = _next_day(moment, zone)


def spent(start: datetime, end: datetime, hours: Hours | None, zone: ZoneInfo) -> timedelta:
    """The open time between two moments; nothing where the end comes first."""
    if end <= start:
        return timedelta(0)
    if hours is None:
        return end - start
    total, moment, last = timedelta(0), start.astimezone(zone), end.astimezone(zone)
    while moment < last:
        opens, closes = _window(moment.date(), hours, zone)
        if hours.open_on(moment.date()):
            total += max(min(closes, last) - max(moment, opens), timedelta(0))
        moment = _next_day(moment, zone)
    return total


def _next_day(moment: datetime, zone: ZoneInfo) -> datetime:
    return datetime.combine(moment.date() + timedelta(days=1), time.min, zone)


def _window(day: date, hours: Hours, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return datetime.combine(day, hours.opens, zone), datetime.combine(day, hours.closes, zone)
