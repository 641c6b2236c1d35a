"""Time limits: open hours and adjusted workdays, the clerk's file, and what no first reply may promise."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.files import FileError
from bot.limits import calendar_note, load_limits
from bot.rules import load_rules
from bot.settings import DEFAULTS
from bot.texts import load_texts
from routing.limits import RUNNING, Calendar, Do, Limits, Step
from routing.promises import promised_arrival
from routing.transitions import OPEN, Status

SHIPPED = DEFAULTS / "limits.yaml"
LIMITS = load_limits(SHIPPED)
_MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 20), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LIMITS.zone)


# --- arithmetic -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-09-30 16:30", 2, "2026-10-08 10:00"),  # over the National Day holiday
        ("2026-10-09 17:00", 1, "2026-10-10 09:30"),  # a Saturday that was made a workday
        ("2026-02-13 17:00", 1, "2026-02-14 09:30"),
        ("2026-05-01 12:00", 1, "2026-05-06 10:00"),
    ],
)
def test_at26_working_hours_know_holidays_and_adjusted_workdays(start: str, hours: int, due: str) -> None:
    assert LIMITS.after(at(start), timedelta(hours=hours), Calendar.WORKING_HOURS) == at(due)


@given(_MOMENTS, st.timedeltas(timedelta(0), timedelta(hours=60)), st.sampled_from(Calendar))
def test_what_is_added_is_what_has_passed(start: datetime, length: timedelta, calendar: Calendar) -> None:
    end = LIMITS.after(start, length, calendar)
    assert end >= start
    assert LIMITS.between(start, end, calendar) == length


@given(_MOMENTS, _MOMENTS, _MOMENTS, st.sampled_from(Calendar))
def test_time_passed_adds_up(one: datetime, two: datetime, three: datetime, calendar: Calendar) -> None:
    first, second, third = sorted((one, two, three))
    assert LIMITS.between(first, second, calendar) + LIMITS.between(
        second, third, calendar
    ) == LIMITS.between(first, third, calendar)


# --- the shipped file -------------------------------------------------------------------------


def test_every_open_status_that_lasts_has_a_clock_in_every_class() -> None:
    transient = {Status.SUBMITTED, Status.ACCEPTED, Status.REOPENED}
    for status in OPEN - transient:
        for name in LIMITS.classes:
            assert any(LIMITS.limit(name, step) for step in RUNNING[status]), (status, name)


@pytest.mark.parametrize(
    ("limit_class", "step", "do", "at"),
    [
        ("T0", Step.ACK, Do.RUNG, ["10m", "20m", "30m", "40m"]),
        ("T1", Step.ACK, Do.RUNG, ["30m", "60m", "90m", "120m"]),
        ("T2", Step.ACK, Do.RUNG, ["30m", "150m", "270m"]),
        ("T3", Step.ACK, Do.RUNG, ["120m", "840m", "1560m"]),
        ("T3", Step.RESULT, Do.YELLOW, ["10080m"]),
        ("T3", Step.RESULT, Do.RED, ["15120m"]),
        ("T3", Step.RESULT, Do.LETTER, ["20160m"]),
        ("T4", Step.PLAN, Do.YELLOW, ["10080m"]),
        ("T6", Step.RESULT, Do.YELLOW, ["43200m"]),
    ],
)
def test_the_shipped_ladders(limit_class: str, step: Step, do: Do, at: list[str]) -> None:
    limit = LIMITS.limit(limit_class, step)
    assert limit is not None
    minutes = [f"{stage.at // timedelta(minutes=1)}m" for stage in limit.stages if stage.do is do]
    assert minutes == at


def test_the_operator_hears_in_november_that_next_years_holidays_are_unknown() -> None:
    last = LIMITS.known_until
    assert last is not None
    assert calendar_note(LIMITS, date(last, 10, 31)) is None
    assert str(last + 1) in (calendar_note(LIMITS, date(last, 11, 1)) or "")
    assert str(last + 1) in (calendar_note(LIMITS, date(last + 1, 3, 1)) or "")


# --- a clerk's file ---------------------------------------------------------------------------


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text()
    assert old in text
    file = tmp_path / "limits.yaml"
    file.write_text(text.replace(old, new, 1))
    return file


def test_a_changed_ladder_is_taken(tmp_path: Path) -> None:
    file = changed(tmp_path, "    - {at: 100%, do: rung}\n", "    - {at: 7m, do: rung}\n")
    limit = load_limits(file).limit("T0", Step.ACK)
    assert limit is not None
    assert limit.stages[0].at == timedelta(minutes=7)


def test_a_local_day_off_counts(tmp_path: Path) -> None:
    limits: Limits = load_limits(changed(tmp_path, "days_off: []", "days_off: [2026-11-24]"))
    due = limits.after(at("2026-11-23 17:00"), timedelta(hours=1), Calendar.WORKING_HOURS)
    assert due == at("2026-11-25 09:30")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("{at: 100%, do: rung}", "{at: later, do: rung}", "at: later", "80%"),
        ("{at: 100%, do: rung}", "{at: 100%, do: shout}", "do: shout", "rung"),
        ("steps: urgent_ack}", "steps: nobody}", "steps: nobody", "urgent_ack"),
        ("[street]", "[strete]", "strete", "street"),
        ("  silence: {within: 3d, steps: silence}\n", "", "every:", "silence"),
    ],
)
def test_a_wrong_line_is_named_with_what_would_be_right(
    tmp_path: Path, old: str, new: str, line: str, said: str
) -> None:
    file = changed(tmp_path, old, new)
    lines = file.read_text().splitlines()
    with pytest.raises(FileError) as refused:
        load_limits(file)
    (problem, *_) = refused.value.problems
    assert line in lines[(problem.line or 0) - 1]
    assert said in str(problem)


# --- promises ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "我们马上到，请等一下",
        "消防员正赶来",
        "已派人过去",
        "网格员已经出发",
        "救护车在路上",
        "十分钟内到",
        "我马上赶过去",
        "已安排民警上门",
    ],
)
def test_a_promise_of_arrival_is_found(text: str) -> None:
    assert promised_arrival(text)


def test_no_shipped_first_reply_of_an_emergency_promises_arrival() -> None:
    rules = load_rules(DEFAULTS / "rules" / "taxonomy.yaml")
    urgent = [leaf for leaf in rules.leaves.values() if leaf.scope == "急事"]
    assert urgent
    assert [leaf.code for leaf in urgent if promised_arrival(leaf.first_reply)] == []


def test_rules_that_promise_arrival_are_refused_with_the_line(tmp_path: Path) -> None:
    text = (DEFAULTS / "rules" / "taxonomy.yaml").read_text()
    file = tmp_path / "taxonomy.yaml"
    file.write_text(text.replace("first_reply: 先保命：", "first_reply: 消防员马上就到。先保命：", 1))
    with pytest.raises(FileError, match=r"马上就到.*有人点了按钮才能说") as refused:
        load_rules(file)
    (problem,) = refused.value.problems
    assert "消防员马上就到" in file.read_text().splitlines()[(problem.line or 0) - 1]


@pytest.mark.parametrize(("document", "words"), [("loop.md", "status"), ("loop.zh-CN.md", "label")])
def test_the_office_can_read_about_every_status(document: str, words: str) -> None:
    text = (DEFAULTS.parent.parent / "docs" / document).read_text()
    labels = load_texts(DEFAULTS / "texts" / "zh.yaml").labels
    transient = {Status.MERGED, Status.REOPENED, Status.CANCELLED}
    for status in set(Status) - transient:
        name = status.value.replace("_", " ") if words == "status" else labels[f"status_{status}"]
        assert name.split("，")[0] in text, status
