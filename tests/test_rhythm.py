"""When digests are due, and the file that says so."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.digests import load_digests
from bot.files import FileError
from bot.settings import DEFAULTS
from routing.rhythm import Rhythm

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAILY = Rhythm(time(8, 30))
MONDAYS = Rhythm(time(9), weekday=0)
FIRSTS = Rhythm(time(9), day=1)


def local(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("rhythm", "after", "due"),
    [
        (DAILY, local(2026, 11, 23, 8, 29), local(2026, 11, 23, 8, 30)),
        (DAILY, local(2026, 11, 23, 8, 30), local(2026, 11, 24, 8, 30)),
        (DAILY, local(2026, 12, 31, 20), local(2027, 1, 1, 8, 30)),
        (MONDAYS, local(2026, 11, 23, 9), local(2026, 11, 30, 9)),
        (MONDAYS, local(2026, 11, 29, 23, 59), local(2026, 11, 30, 9)),
        (FIRSTS, local(2026, 11, 23, 9), local(2026, 12, 1, 9)),
    ],
)
def test_the_next_time_is_the_offices_own(rhythm: Rhythm, after: datetime, due: datetime) -> None:
    assert rhythm.next(after.astimezone(UTC), SHANGHAI) == due


@given(st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (zone given beside)
def test_the_next_time_is_always_later_and_never_skips_one(after: datetime) -> None:
    for rhythm, longest in ((DAILY, 1), (MONDAYS, 7), (FIRSTS, 31)):
        due = rhythm.next(after, SHANGHAI)
        assert after < due <= after + timedelta(days=longest)


def test_the_shipped_file_is_right() -> None:
    schedule = load_digests(DEFAULTS / "digests.yaml")
    assert (schedule.tasks.at, schedule.weekly.weekday, schedule.monthly.day) == (time(8, 30), 0, 1)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('at: "18:00"', "at: 18:00", "钟点要加引号"),
        ('at: "18:00"', 'at: "25:00"', "要是钟点"),
        ("weekday: 1", "weekday: 8", "不能大于 7"),
        ("day: 1\n", "day: 1\n  weekday: 1\n", "只能写一个"),
        ("supervisor]", "superviser]", "superviser"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = (DEFAULTS / "digests.yaml").read_text()
    assert text.count(old) >= 1
    path = tmp_path / "digests.yaml"
    path.write_text(text[: text.rindex(old)] + new + text[text.rindex(old) + len(old) :])
    with pytest.raises(FileError) as refused:
        load_digests(path)
    (problem,) = refused.value.problems
    assert problem.line is not None
    assert says in problem.message
