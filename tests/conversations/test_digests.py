"""What staff get unasked, at the office's own times: tasks, ledger, summaries; and the patrol."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.reports import as_csv, as_markdown, tables
from bot.sandbox.people import Person
from bot.settings import ConfigError
from handlers.digests import MOST_LINES, cut
from storage.tables import Patrol, ServiceRequest
from tests.town import GROUP, MORNING, Town, assert_figures_agree


async def _until(town: Town, moment: datetime) -> None:
    await town.pass_time(seconds=(moment - town.clock.now()).total_seconds())


def _at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    """A local time of the frozen year, as the clock has it."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC) - timedelta(hours=8)


async def _heard(town: Town, person: Person, words: str) -> list[str]:
    return [one.text for one in await person.sees() if not one.is_me and words in one.text]


async def test_at40_the_ledger_at_the_end_of_the_day_is_all_that_is_open_in_the_grid(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, chief, other = await yueshi.staff(1001, 1101, 1002)
    for text in ("楼道灯坏了", "楼上漏水泡了我家天花板他不认账"):
        await yueshi.filed(resident, text)
        await yueshi.pass_time(minutes=31)
    open_ones = [one for one in await yueshi.requests() if one.area == "YS-1-3"]
    await _until(yueshi, _at(23, 18))
    for reader in (member, chief):
        (ledger,) = await _heard(yueshi, reader, "今天的台账")
        assert f"第一网格今天未收尾 {len(open_ones)} 件" in ledger
        assert all(one.number in ledger for one in open_ones)
        assert "漏水" not in ledger
        assert "纠纷" not in ledger
    assert await _heard(yueshi, other, "今天的台账") == []
    await _until(yueshi, _at(24, 18))
    assert len(await _heard(yueshi, member, "今天的台账")) == 2


async def test_the_morning_names_what_is_in_hand_and_reminds_of_the_patrol(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, chief = await yueshi.staff(1001, 1102)
    request = await yueshi.filed(resident)
    await _until(yueshi, _at(24, 8, 30))
    (tasks,) = await _heard(yueshi, member, "今天的任务")
    assert request.number in tasks
    assert "手上 1 件" in tasks
    assert await _heard(yueshi, chief, "今天的任务") == []  # nothing in hand, nothing to say
    await yueshi.taps(member, "今日无异常")
    await yueshi.says(member, "打卡")
    assert "已经记过了" in (await yueshi.last(member)).text
    (row,) = await yueshi.app.store.read(lambda session: list(session.scalars(select(Patrol))))
    assert (row.area, row.day, row.member) == ("YS-1", "2026-11-24", "g1")


async def test_what_is_found_on_patrol_is_a_request_of_that_source_and_a_day_walked(yueshi: Town) -> None:
    (member,) = await yueshi.staff(1001)
    await yueshi.says(member, "巡查发现3号楼楼道灯坏了")
    await yueshi.taps(member, "提交")
    request = await yueshi.request()
    assert (request.source, request.area) == ("patrol", "YS-1-3")
    (row,) = await yueshi.app.store.read(lambda session: list(session.scalars(select(Patrol))))
    assert (row.area, row.finding) == ("YS-1", request.id)


async def test_a_resident_who_writes_the_words_of_a_patrol_is_a_resident(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.filed(resident, "巡查发现3号楼楼道灯坏了")
    assert (await yueshi.request()).source != "patrol"


async def test_at39_a_missing_patrol_day_is_listed_to_the_community_only(yueshi: Town) -> None:
    await yueshi.at_home()
    member, office, other = await yueshi.staff(1001, 2002, 1002)
    await yueshi.filed(await yueshi.person(9001))
    await yueshi.says(member, "打卡")
    await _until(yueshi, _at(30, 9))
    (summary,) = await _heard(yueshi, office, "上周汇总")
    assert "第一网格：新增 1，办结 0" in summary
    assert "没有巡查记录的日子：11-24、11-25" in summary
    assert "11-23" not in summary
    assert await _heard(yueshi, other, "没有巡查记录的日子") == []
    assert not [one for one in await member.sees(GROUP) if "巡查" in one.text]


async def test_the_first_of_the_month_brings_figures_and_a_draft_for_the_community(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    office, member = await yueshi.staff(2002, 1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "换了灯泡，已经亮了，请放心")
    await yueshi.taps(resident, "已解决，满意")
    await _until(yueshi, _at(1, 9, month=12))
    (summary,) = await _heard(yueshi, office, "月度汇总")
    assert "岳师村11月" in summary
    assert "受理量：1" in summary
    assert "满意率：100%（1/1）" in summary
    assert "请社区看过再发" in summary
    assert "灯泡" not in summary
    assert await _heard(yueshi, member, "月度汇总") == []


async def test_after_an_outage_a_missed_digest_comes_once(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.pass_time(days=4)
    assert len(await _heard(yueshi, member, "今天的台账")) == 1
    assert len(await _heard(yueshi, member, "今天的任务")) == 1


async def test_an_office_without_people_hears_nothing_and_waits_for_its_next_times(yueshi: Town) -> None:
    waiting = await yueshi.app.ticker.next_due()
    assert waiting == _at(23, 18)
    assert yueshi.clock.now() == MORNING


async def test_a_long_list_ends_in_a_number(yueshi: Town) -> None:
    office = yueshi.app.offices.current
    assert cut(office, ["a", "b"]) == "a\nb"
    assert cut(office, [str(number) for number in range(MOST_LINES + 3)]).endswith("9\n还有3件。")


async def test_the_terminal_has_the_figures_of_the_digests(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    office, member = await yueshi.staff(2002, 1001)
    request = await yueshi.filed(resident)
    settings, now = yueshi.app.settings, yueshi.clock.now()
    daily = as_csv(await tables(settings, "daily", "YS-1", now))
    assert f"第一网格 1,{request.number},照明,第一网格 3号楼" in daily
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "换了灯泡，已经亮了，请放心")
    await _until(yueshi, _at(1, 9, month=12))
    (summary,) = await _heard(yueshi, office, "月度汇总")
    monthly = as_markdown(await tables(settings, "monthly", "YS", yueshi.clock.now()))
    shown = [line.strip("| ").split(" | ") for line in monthly.splitlines()[4:]]
    assert len(shown) > 15
    assert all(f"{name}：{value}" in summary for name, value in shown)
    with pytest.raises(ConfigError, match="no area XX"):
        await tables(settings, "daily", "XX", now)


async def test_at76_every_figure_from_the_history_equals_the_stored_one(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.pass_time(hours=1)
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "灯泡已经换新，请再看看")
    await yueshi.taps(resident, "已解决，满意")
    await assert_figures_agree(yueshi)
    request = (await yueshi.request()).id
    await yueshi.app.store.write(_shift_the_end, request, timedelta(days=1))
    with pytest.raises(AssertionError, match="done"):
        await assert_figures_agree(yueshi)
    await yueshi.app.store.write(_shift_the_end, request, timedelta(days=-1))


def _shift_the_end(session: Session, request: int, by: timedelta) -> None:
    found = session.get_one(ServiceRequest, request)
    assert found.done_at is not None
    found.done_at += by
