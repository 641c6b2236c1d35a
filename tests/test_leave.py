"""Days of leave in the writings that people use, as a table."""

from datetime import date

import pytest

from routing.leave import asks_for_leave, read_leave

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "first", "last", "deputy"),
    [
        ("请假 12/12-12/15 代班 李四", (2026, 12, 12), (2026, 12, 15), "李四"),
        ("请假12月12日到12月15日，李四代班", (2026, 12, 12), (2026, 12, 15), "李四"),
        ("请假 12月12日至15日 由李四代班", (2026, 12, 12), (2026, 12, 15), "李四"),
        ("请假12.12~12.15", (2026, 12, 12), (2026, 12, 15), ""),
        ("请假12/12-15", (2026, 12, 12), (2026, 12, 15), ""),
        ("请假 2026-12-12 至 2026-12-15 代班：二网格网格员", (2026, 12, 12), (2026, 12, 15), "二网格网格员"),
        ("请假 4/12-4/15 代班 李四", (2027, 4, 12), (2027, 4, 15), "李四"),
        ("请假 12/30-1/2", (2026, 12, 30), (2027, 1, 2), ""),
        ("请假 11月23号", (2026, 11, 23), (2026, 11, 23), ""),
        ("明天请假", (2026, 11, 24), (2026, 11, 24), ""),
        ("我要请假，明天到后天，代班王组长", (2026, 11, 24), (2026, 11, 25), "王组长"),
        ("请假三天", (2026, 11, 23), (2026, 11, 25), ""),
        ("明天请假2天 代班 李四", (2026, 11, 24), (2026, 11, 25), "李四"),
        ("请假三天李四代班", (2026, 11, 23), (2026, 11, 25), "李四"),
        ("请假 １２/１２", (2026, 12, 12), (2026, 12, 12), ""),
    ],
)
def test_days_and_deputy(
    text: str, first: tuple[int, int, int], last: tuple[int, int, int], deputy: str
) -> None:
    assert asks_for_leave(text)
    found = read_leave(text, TODAY)
    assert found is not None
    assert (found.first, found.last, found.deputy) == (date(*first), date(*last), deputy)


@pytest.mark.parametrize(
    "text", ["请假", "请假回老家", "请假 13/45", "请假 2026-01-01", "请假 12/15-12/12", "请假 1/1-12/31"]
)
def test_what_names_no_days_to_come_is_asked_about(text: str) -> None:
    assert asks_for_leave(text)
    assert read_leave(text, TODAY) is None


@pytest.mark.parametrize("text", ["老师请假没人上课", "楼道灯坏了", "网格员请假了吗"])
def test_talk_about_leave_is_not_asking_for_it(text: str) -> None:
    assert not asks_for_leave(text)
