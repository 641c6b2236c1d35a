"""When something that an office does again and again is due next, by the office's own time of day."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from routing.organisation import Role


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Daily at `at`; only on `weekday` (as `date.weekday()`) or on `day` of the month where that is given.

    `roles` are those who get it.
    """

    at: time
    weekday: int | None = None
    day: int | None = None
    roles: tuple[Role, ...] = ()

    def next(self, after: datetime, zone: ZoneInfo) -> datetime:
        """The first due time later than `after`."""
        day = after.astimezone(zone).date()
        while True:
            due = datetime.combine(day, self.at, zone)
            if self._on(day) and due > after:
                return due.astimezone(after.tzinfo)
            day += timedelta(days=1)

    def _on(self, day: date) -> bool:
        return self.weekday in (None, day.weekday()) and self.day in (None, day.day)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When each digest goes out, and to which posts."""

    tasks: Rhythm
    ledger: Rhythm
    weekly: Rhythm
    monthly: Rhythm
