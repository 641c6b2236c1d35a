"""Nobody reacts, or late: reminders, the ladder, lights, letters, silence, pauses, outages."""

import asyncio
import itertools
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.sandbox.people import Person
from bot.ticker import Ticker
from storage.store import Store
from storage.tables import Deadline, DeadlineState, Letter, ServiceRequest
from tests.town import Town


async def _texts(person: Person, words: str) -> list[str]:
    return [one.text for one in await person.sees() if words in one.text and not one.is_me]


def _near(moment: datetime | None, expected: datetime) -> bool:
    """Pacing moves the clock by seconds while people are answered."""
    return moment is not None and abs(moment - expected) < timedelta(seconds=30)


async def _waiting(town: Town) -> list[str]:
    def kinds(session: Session) -> list[str]:
        query = select(Deadline.kind).where(Deadline.state == DeadlineState.WAITING)
        return sorted(session.scalars(query))

    return await town.app.store.read(kinds)


async def _done(town: Town, member: Person, resident: Person, text: str = "楼道灯坏了") -> ServiceRequest:
    await town.filed(resident, text)
    await town.taps(member, "办结")
    await town.says(member, "灯泡已经换新，请再看看")
    return (await town.requests())[-1]


# --- nobody reacts ----------------------------------------------------------------------------


async def test_at11_an_emergency_climbs_the_ladder_every_ten_minutes(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    supervisor, street, _, section = await yueshi.officials()
    group, office = await yueshi.staff(1101, 2002)
    await yueshi.says(resident, "三号楼五层厨房着火了")
    assert set((await yueshi.request()).alerted) == {"desk", "g1", "l1"}
    for minutes, who, title in (
        (10, group, "王组长"),
        (20, section, "韩片长"),
        (30, office, "周社区干部"),
        (40, street, "秦街道干部"),
    ):
        await yueshi.pass_time(minutes=10)
        assert "厨房着火" in (await yueshi.card(who, "请您也来看看")).text or await _texts(who, "厨房着火")
        told = (await yueshi.last(resident)).text
        assert title in told, minutes
        assert "还没有人回复" in told
        assert "119" in told
        assert not any(word in told for word in ("正在路上", "马上到", "已出发"))
        assert bool(await _texts(supervisor, "厨房着火")) is (minutes >= 20)
    await yueshi.taps(street, "到场")
    request = await yueshi.request()
    assert request.status == "in_progress"
    assert "秦街道干部已到场" in (await yueshi.last(resident)).text
    count = len(await resident.sees())
    await yueshi.pass_time(minutes=30)
    assert len(await resident.sees()) == count


async def test_whoever_takes_it_stops_the_ladder(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, group = await yueshi.staff(1001, 1101)
    await yueshi.filed(resident)
    await yueshi.taps(member, "接单")
    await yueshi.pass_time(hours=3)
    assert not await _texts(group, "楼道灯坏了")


async def test_an_ordinary_request_goes_up_a_rung_and_the_resident_hears_an_apology(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.officials()
    member, group = await yueshi.staff(1001, 1101)
    await yueshi.filed(resident)
    await yueshi.pass_time(hours=2)
    assert await _texts(group, "请您也来看看")
    assert not await _texts(resident, "对不起")
    await yueshi.pass_time(hours=24)
    assert "已经报给周社区干部" in "".join(await _texts(resident, "对不起"))
    await yueshi.taps(group, "接单")
    request = await yueshi.request()
    assert (request.status, request.assignee) == ("acknowledged", "g1")
    assert request.alerted[0] == "z1"
    assert "已接单" in (await yueshi.card(member, "楼道灯坏了")).text


async def test_reminders_come_at_half_and_four_fifths_of_the_time(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    for minutes, count in ((59, 0), (1, 1), (35, 1), (1, 2), (20, 2)):
        await yueshi.pass_time(minutes=minutes)
        assert len(await _texts(member, "快到时限")) == count


async def test_yellow_then_red_then_a_letter_that_is_answered(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    supervisor, _, _, section = await yueshi.officials()
    member, office = await yueshi.staff(1001, 2002)
    await yueshi.filed(resident)
    await yueshi.taps(member, "到场")
    await yueshi.pass_time(days=7)
    assert await _texts(member, "【黄灯】")
    assert await _texts(section, "【黄灯】")
    assert "最晚" in (await _texts(resident, "已超过给结果的时限"))[-1]
    await yueshi.pass_time(days=3, hours=12)
    request = await yueshi.request()
    assert (request.light, request.reds) == ("red", 1)
    assert "督办〔2026〕YS-1号" in (await _texts(supervisor, "【红灯"))[-1]
    await yueshi.pass_time(days=3, hours=12)
    letter = await yueshi.card(office, "工作提醒函")
    assert "提醒函〔2026〕YS-1号" in letter.text
    await yueshi.says(office, "备件缺货", reply_to=letter.id)
    assert (await _letter(yueshi)).answered_at is None
    await yueshi.says(office, "灯具缺货，已联系厂家，下周一换好", reply_to=letter.id)
    assert (await _letter(yueshi)).answered_at is not None
    events = [line.event for line in await yueshi.history(request)]
    assert [one for one in events if one in ("yellow", "red", "letter")] == ["yellow", "red", "letter"]


async def _letter(town: Town) -> Letter:
    (found,) = await town.app.store.read(lambda session: list(session.scalars(select(Letter))))
    return found


async def test_a_letter_that_nobody_answers_is_shown_to_the_supervisor(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    supervisor, *_ = await yueshi.officials()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "到场")
    await yueshi.pass_time(days=14)
    await yueshi.pass_time(days=5)
    assert await _texts(supervisor, "【未答复】")


async def test_a_second_red_within_thirty_days_is_a_letter_at_once(yueshi: Town) -> None:
    await yueshi.officials()
    member, office = await yueshi.staff(1001, 2002)
    for user in (9001, 9002):
        resident = await yueshi.at_home(user)
        await yueshi.filed(resident, "楼道灯坏了" if user == 9001 else "垃圾没人清运")
        await yueshi.taps(member, "到场")
    await yueshi.pass_time(days=10, hours=12)
    assert len(await _texts(office, "工作提醒函")) == 1


async def test_urging_three_times_is_a_red_light(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    supervisor, *_ = await yueshi.officials()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "到场")
    for _ in range(3):
        await yueshi.says(resident, "催办")
        await yueshi.pass_time(hours=24)
    assert (await yueshi.request()).reds == 1
    assert "居民三次催办" in (await _texts(supervisor, "【红灯"))[0]


async def test_the_desk_is_reminded_of_what_nobody_has_sorted(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    desk, group = await yueshi.staff(2001, 1101)
    await yueshi.says(resident, "那个东西又那样了")
    await yueshi.says(resident, "就是那个嘛")
    await yueshi.taps(resident, "提交")
    assert (await yueshi.request()).status == "triage"
    await yueshi.pass_time(minutes=5)
    assert await _texts(desk, "分诊快到时限")
    await yueshi.pass_time(minutes=25)
    assert (await yueshi.request()).alerted == ["z1"]
    assert await _texts(group, "请您也来看看")


# --- silence ----------------------------------------------------------------------------------


async def test_at23_no_open_request_is_silent_for_longer_than_its_limit(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    request = await yueshi.filed(resident)
    await yueshi.taps(member, "到场")
    heard: list[datetime] = [yueshi.clock.now()]
    seen = len(await resident.sees())
    for _ in range(24 * 12):
        await yueshi.pass_time(hours=1)
        if (now := len(await resident.sees())) != seen:
            seen = now
            heard.append(yueshi.clock.now())
    gaps = [later - earlier for earlier, later in itertools.pairwise(heard)]
    assert max(gaps) <= timedelta(days=3, seconds=1)  # what is sent to others takes its moment too
    assert "说一句进展" in (await _texts(member, "好几天没听到消息"))[0]
    assert "还没有新进展" in (await _texts(resident, request.number))[-2]


async def test_a_word_to_the_resident_and_back_hides_both_accounts(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    task = await yueshi.card(member, "楼道灯坏了")
    await yueshi.says(member, "灯泡已经买好，下午四点来换", reply_to=task.id)
    heard = await yueshi.last(resident)
    assert "李网格员给您回话" in heard.text
    assert "下午四点来换" in heard.text
    assert (await yueshi.request()).contacted_at is not None
    await yueshi.says(resident, "好，我在家等", reply_to=heard.id)
    answer = (await yueshi.last(member)).text
    assert "我在家等" in answer
    assert "9001" not in answer
    assert "1001" not in heard.text
    assert len(await yueshi.requests()) == 1


async def test_a_members_photo_reaches_the_resident_with_the_result(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "办结")
    await member.sends_photo(caption="灯泡已经换新，请看照片")
    await yueshi.settle()
    assert (await yueshi.request()).status == "done"
    assert [one for one in await resident.sees() if one.photo and not one.is_me]


async def test_a_sender_hears_that_the_resident_could_not_be_reached(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await resident.blocks()
    await yueshi.settle()
    task = await yueshi.card(member, "楼道灯坏了")
    await yueshi.says(member, "下午四点来换，请留门", reply_to=task.id)
    assert await _texts(member, "没能送到居民")


# --- asking the resident ----------------------------------------------------------------------


async def _asked(town: Town, member: Person) -> None:
    await town.taps(member, "到场")
    await town.taps(member, "补充提问")
    await town.says(member, "是几单元的灯？")


async def test_at27_the_clock_stands_still_only_while_the_resident_is_asked(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.pass_time(hours=1)
    await _asked(yueshi, member)
    before = (await yueshi.request()).due_result
    assert before is not None
    assert "是几单元的灯" in (await yueshi.last(resident)).text
    await yueshi.pass_time(days=2)
    await yueshi.says(resident, "二单元的")
    request = await yueshi.request()
    assert request.status == "in_progress"
    assert _near(request.due_result, before + timedelta(days=2))
    assert "二单元的" in (await yueshi.last(member)).text
    assert len(await yueshi.requests()) == 1


async def test_a_pause_lasts_seven_days_in_all(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await _asked(yueshi, member)
    before = (await yueshi.request()).due_result
    for _ in range(2):
        await yueshi.pass_time(days=4)
        await yueshi.says(resident, "二单元的")
        if _ == 0:
            await yueshi.taps(member, "补充提问")
            await yueshi.says(member, "是几层的灯？")
    request = await yueshi.request()
    assert before is not None
    assert _near(request.due_result, before + timedelta(days=7))
    assert request.paused_seconds == 7 * 24 * 3600


@pytest.mark.both
async def test_hard_case_resident_silent_to_a_question(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await _asked(yueshi, member)
    for hours, count in ((24, 1), (48, 2)):
        await yueshi.pass_time(hours=hours)
        assert len(await _texts(resident, "还等您补充")) == count
    await yueshi.pass_time(hours=72)
    request = await yueshi.request()
    assert (request.status, request.result_code) == ("done", "no_info")
    assert "信息不足" in (await yueshi.last(resident)).text
    await yueshi.taps(resident, "没解决，重新办")
    assert (await yueshi.request()).status == "assigned"


# --- more time, plans, other bodies -----------------------------------------------------------


async def _more_time(town: Town, member: Person) -> None:
    await town.taps(member, "更多")
    await town.taps(member, "申请延期")


async def test_an_extension_needs_a_reason_and_a_superior_and_is_given_once(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    *_, section = await yueshi.officials()
    (member,) = await yueshi.staff(1001)
    before = (await yueshi.filed(resident)).due_result
    assert before is not None
    await _more_time(yueshi, member)
    await yueshi.taps(member, "延长一倍")
    await yueshi.says(member, "灯具要从厂家订")
    assert "灯具要从厂家订" in (await yueshi.last(section)).text
    await yueshi.taps(section, "同意")
    assert (await yueshi.request()).due_result == before + timedelta(days=7)
    assert "灯具要从厂家订" in (await yueshi.last(resident)).text
    await _more_time(yueshi, member)
    assert "不能再延" in (await yueshi.last(member)).text
    await yueshi.pass_time(days=8)
    assert not await _texts(member, "【黄灯】")


async def test_at18_no_extension_after_the_limit(yueshi: Town, capsys: pytest.CaptureFixture[str]) -> None:
    resident = await yueshi.at_home()
    await yueshi.officials()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "到场")
    await yueshi.pass_time(days=7, hours=1)
    await _more_time(yueshi, member)
    assert "不能再申请延期" in (await yueshi.last(member)).text
    assert "extension_late" in capsys.readouterr().out  # what is refused is logged
    assert (await yueshi.request()).extension is None


async def _community_has_it(town: Town, resident: Person) -> Person:
    """The request is in the hands of the community worker."""
    member, office = await town.staff(1001, 2002)
    await town.filed(resident)
    await town.taps(member, "更多")
    await town.taps(member, "转交")
    await town.taps(member, "周社区干部")
    await town.taps(office, "到场")
    return office


async def test_a_colleague_takes_over_and_the_resident_hears_who(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await _community_has_it(yueshi, resident)
    request = await yueshi.request()
    assert (request.status, request.assignee) == ("in_progress", "office")
    assert await _texts(resident, "由周社区干部接手")
    member = await yueshi.person(1001)
    assert (await yueshi.card(member, "楼道灯坏了")).labels == []


async def test_a_plan_has_a_day_and_comes_back_on_it(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    office = await _community_has_it(yueshi, resident)
    await yueshi.taps(office, "更多")
    await yueshi.taps(office, "更多")
    await yueshi.taps(office, "列入计划")
    await yueshi.says(office, "等维修资金批下来")
    assert "没看到日期" in (await yueshi.last(office)).text
    await yueshi.says(office, "12月10日换，等维修资金批下来")
    assert (await yueshi.request()).status == "scheduled"
    assert "12月10日换" in (await yueshi.last(resident)).text
    await yueshi.pass_time(days=17)
    assert (await yueshi.request()).status == "in_progress"
    assert "接着办" in (await yueshi.last(resident)).text


@pytest.mark.both
async def test_a_referral_is_received_or_comes_back(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    _, street, *_ = await yueshi.officials()
    office = await _community_has_it(yueshi, resident)
    for received, lead in ((False, "office"), (True, "street")):
        for label in ("更多", "更多", "转办"):
            await yueshi.taps(office, label)
        await yueshi.says(office, "转街道城管科，联系办法问街道值班")
        assert (await yueshi.request()).status == "referred"
        if received:
            await yueshi.taps(street, "接收")
        else:
            await yueshi.pass_time(days=2)
        request = await yueshi.request()
        assert (request.status, request.assignee) == ("in_progress", lead)
    assert "秦街道干部办理" in (await yueshi.last(resident)).text


# --- the verdict ------------------------------------------------------------------------------


async def test_at31_reopening_keeps_the_first_clock_and_goes_one_rung_up(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, group = await yueshi.staff(1001, 1101)
    first = await _done(yueshi, member, resident)
    await yueshi.pass_time(hours=30)
    await yueshi.taps(resident, "没解决")
    request = await yueshi.request()
    assert (request.status, request.assignee, request.alerted) == ("assigned", "z1", ["g1"])
    assert request.created_at == first.created_at
    assert request.due_result == first.due_result
    assert "第1次重办，居民从 11月23日09:00 等到现在" in (await yueshi.card(group, "楼道灯坏了")).text


async def test_the_second_reopening_goes_to_the_supervisor_and_the_third_is_his(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    supervisor, *_ = await yueshi.officials()
    member, group = await yueshi.staff(1001, 1101)
    await _done(yueshi, member, resident)
    await yueshi.taps(resident, "没解决")
    for person, lead in ((group, "super"), (supervisor, "super")):
        await yueshi.taps(person, "办结")
        await yueshi.says(person, "整条线路已经重新接好")
        await yueshi.taps(resident, "没解决")
        assert (await yueshi.request()).assignee == lead
    request = await yueshi.request()
    assert (request.status, request.reopened) == ("done", 2)
    assert "由他决定" in (await yueshi.last(resident)).text
    await yueshi.taps(supervisor, "重新打开")
    request = await yueshi.request()
    assert (request.status, request.reopened) == ("assigned", 3)


async def test_at32_a_verdict_may_be_changed_within_a_day_only(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await _done(yueshi, member, resident)
    await yueshi.taps(resident, "已解决，满意")
    await yueshi.says(resident, "不太满意")
    assert (await yueshi.request()).verdict == "partly"
    await yueshi.pass_time(hours=25)
    await yueshi.says(resident, "满意")
    assert (await yueshi.request()).verdict == "partly"
    assert "定下来了" in (await yueshi.last(resident)).text


async def test_what_could_not_be_done_is_closed_with_a_code_and_a_reason(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "办结")
    await yueshi.taps(member, "办不了，已解释")
    await yueshi.says(member, "不行")
    assert (await yueshi.request()).status == "assigned"
    await yueshi.says(member, "这段线路归供电公司，已当面解释清楚")
    request = await yueshi.request()
    assert (request.status, request.result_code) == ("done", "explained")
    assert "这次没能办成" in (await yueshi.last(resident)).text


async def test_an_emergency_that_nobody_rated_is_called_back(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, desk = await yueshi.staff(1001, 2001)
    await yueshi.says(resident, "三号楼着火了")
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "明火已经扑灭，没有人受伤")
    await yueshi.pass_time(hours=72)
    assert (await yueshi.request()).status == "closed"
    assert await _texts(desk, "【回访】")


# --- time itself ------------------------------------------------------------------------------


async def test_at26_service_hours_skip_the_night_and_emergencies_do_not(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.pass_time(hours=10)  # seven in the evening
    request = await yueshi.filed(resident)
    assert _near(request.due_ack, yueshi.clock.now() + timedelta(hours=1 + 12 + 1))
    other = await yueshi.at_home(9002)
    await yueshi.says(other, "三号楼着火了")
    assert _near((await yueshi.requests())[-1].due_ack, yueshi.clock.now() + timedelta(minutes=10))


async def test_at25_after_an_outage_everything_is_caught_up_in_order_without_a_flood(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.officials()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "到场")
    before, heard = len(await member.sees()), len(await resident.sees())
    await yueshi.pass_time(days=11)  # nothing ran meanwhile: one step of the clock
    events = [line.event for line in await yueshi.history(await yueshi.request())]
    assert [one for one in events if one in ("remind", "yellow", "red")] == [
        "remind",
        "remind",
        "yellow",
        "red",
    ]
    assert len(await member.sees()) - before <= 3
    assert len(await resident.sees()) - heard <= 2
    assert "result" in await _waiting(yueshi)


@pytest.mark.both
async def test_at25_due_times_are_stored_and_fire_once_however_many_look(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, group = await yueshi.staff(1001, 1101)
    await yueshi.filed(resident)
    yueshi.clock.advance(timedelta(hours=2))
    app, stores = yueshi.app, [Store(yueshi.app.settings.database_url) for _ in range(2)]
    others = [
        Ticker(store, yueshi.vault, app.offices, app.clock) for store in stores
    ]  # they remember nothing
    while any(await asyncio.gather(*(one.step() for one in (app.ticker, *others)))):
        pass
    for store in stores:
        await store.close()
    await yueshi.settle()
    assert len(await _texts(group, "请您也来看看")) == 1
    events = [line.event for line in await yueshi.history(await yueshi.request())]
    assert events.count("rung") == 1
    assert len(await _texts(member, "请抓紧")) == 0
