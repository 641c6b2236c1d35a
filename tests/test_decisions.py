"""Pure decisions, as tables: the due time."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from routing.limits import Calendar, Hours, add

SHANGHAI = ZoneInfo("Asia/Shanghai")

DAILY = Hours(time(8), time(20), frozenset(range(7)))
WEEK = Hours(time(9), time(17, 30), frozenset(range(5)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("start", "duration", "calendar", "due"),
    [
        ("2026-11-23 09:00", timedelta(hours=2), Calendar.ALWAYS, "2026-11-23 11:00"),
        ("2026-11-23 19:00", timedelta(hours=2), Calendar.SERVICE_HOURS, "2026-11-24 09:00"),
        ("2026-11-23 23:00", timedelta(minutes=30), Calendar.SERVICE_HOURS, "2026-11-24 08:30"),
        ("2026-11-23 07:00", timedelta(minutes=30), Calendar.SERVICE_HOURS, "2026-11-23 08:30"),
        ("2026-11-27 17:00", timedelta(hours=2), Calendar.WORKING_HOURS, "2026-11-30 10:30"),
        ("2026-11-28 12:00", timedelta(hours=1), Calendar.WORKING_HOURS, "2026-11-30 10:00"),
        ("2026-11-23 18:00", timedelta(hours=2), Calendar.SERVICE_HOURS, "2026-11-23 20:00"),
    ],
)
def test_due_counts_open_hours_only(start: str, duration: timedelta, calendar: Calendar, due: str) -> None:
    hours = {Calendar.SERVICE_HOURS: DAILY, Calendar.WORKING_HOURS: WEEK}.get(calendar)
    assert add(at(start).astimezone(UTC), duration, hours, SHANGHAI) == at(due)
