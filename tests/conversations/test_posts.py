"""Posts change hands: leave and deputies, people who come and go, and what happens to what they had."""

from datetime import date

import pytest

from bot.joining import make_codes
from bot.roster import MemberRow, Roster, read_roster
from bot.sandbox.people import Person
from bot.settings import DEFAULTS
from handlers.explain import explain
from routing.organisation import Role
from storage import work
from storage.secrets import Vault
from tests.town import GROUP, Town

SAMPLE = read_roster(DEFAULTS / "roster.yaml")


def without(*codes: str, roster: Roster = SAMPLE) -> Roster:
    """The roster as it is once these members have gone."""
    return roster.model_copy(
        update={"members": tuple(one for one in roster.members if one.code not in codes)}
    )


def having(*more: MemberRow, roster: Roster = SAMPLE) -> Roster:
    """The roster with these members, new or changed."""
    kept = without(*(one.code for one in more), roster=roster)
    return kept.model_copy(update={"members": (*kept.members, *more)})


def member(code: str, name: str, role: Role, area: str, telegram: int, **more: object) -> MemberRow:
    row = {"code": code, "name": name, "role": role, "area": area, "accounts": {"telegram": str(telegram)}}
    return MemberRow.model_validate({**row, **more})


async def loaded(yueshi: Town, roster: Roster) -> None:
    await yueshi.load(roster)
    await yueshi.settle()


async def texts(person: Person, words: str) -> list[str]:
    return [one.text for one in await person.sees() if not one.is_me and words in one.text]


# --- somebody goes ----------------------------------------------------------------------------


async def test_at52_hard_case_handler_left_within_a_minute_everything_has_an_owner(yueshi: Town) -> None:
    """Twelve open items, the member leaves, two emergencies arrive a minute later."""
    gone, office = await yueshi.staff(1001, 2002)
    residents = [await yueshi.at_home(9001 + number) for number in range(12)]
    for resident in residents:
        await yueshi.filed(resident)
    await yueshi.taps(gone, "接单")
    assert {one.assignee for one in await yueshi.requests()} == {"g1"}

    await loaded(yueshi, without("g1"))
    await yueshi.pass_time(minutes=1)
    assert {one.assignee for one in await yueshi.requests()} == {"office"}
    assert "由周社区干部接手" in (await yueshi.last(residents[3])).text
    (handed,) = await texts(office, "交接清单")
    assert handed.count("YS261123-") == 12
    assert all(not one.labels for one in await gone.sees())
    assert not await texts(gone, "楼道灯坏了")

    seen = len(await gone.sees())
    for resident in residents[:2]:
        await yueshi.says(resident, "3号楼着火了")
    emergencies = (await yueshi.requests())[12:]
    assert [one.urgent for one in emergencies] == [True, True]
    assert all(one.assignee and "g1" not in (one.assignee, *one.alerted) for one in emergencies)
    await yueshi.pass_time(minutes=1)
    assert len(await gone.sees()) == seen


async def test_at52_a_post_ends_at_its_date_without_anybody_doing_anything(yueshi: Town) -> None:
    last_day = date(2026, 11, 24)
    await loaded(yueshi, having(member("g1", "李某", Role.GRID_MEMBER, "YS-1", 1001, to=last_day)))
    (gone,) = await yueshi.staff(1001)
    resident = await yueshi.at_home()
    await yueshi.filed(resident)
    await yueshi.taps(gone, "办结")
    await yueshi.pass_time(days=1)
    assert (await yueshi.request()).assignee == "g1"
    await yueshi.pass_time(hours=15)
    assert (await yueshi.request()).assignee == "office"
    await yueshi.says(gone, "已经修好，请放心使用")
    assert "不在本网格名单" in (await yueshi.last(gone)).text
    assert (await yueshi.request()).status == "assigned"


async def test_hard_case_an_emergency_is_passed_on_with_all_who_were_alerted(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "3号楼着火了")
    assert set((await yueshi.request()).alerted) == {"desk", "g1", "l1"}
    await loaded(yueshi, without("g1", "desk", "l1"))
    request = await yueshi.request()
    assert not {"g1", "desk", "l1"} & {request.assignee, *request.alerted}
    assert "z1" in request.alerted
    assert request.assignee == "office"


async def test_what_a_leaver_had_claimed_may_be_claimed_again(yueshi: Town) -> None:
    first, second = await yueshi.staff(1101, 1201)
    await yueshi.filed(await yueshi.at_home())
    await yueshi.taps(first, "我来看看", chat=GROUP)
    await loaded(yueshi, without("z1"))
    assert (await yueshi.request()).assignee == "g1"
    await yueshi.taps(second, "我来看看", chat=GROUP)
    assert (await yueshi.request()).claimed_by == "l1"


# --- somebody is away -------------------------------------------------------------------------


async def test_hard_case_while_the_handler_is_on_leave_the_deputy_handles(yueshi: Town) -> None:
    away, deputy = await yueshi.staff(1001, 1002)
    resident = await yueshi.at_home()
    await yueshi.filed(resident)
    await yueshi.says(away, "请假 今天到明天 代班 二网格网格员")
    assert "等他答应" in (await yueshi.last(away)).text
    assert (await yueshi.request()).assignee == "office"
    assert (await yueshi.last(deputy)).labels == ["同意", "不同意"]
    await yueshi.taps(deputy, "同意")
    assert "由刘网格员代班" in (await yueshi.last(away)).text

    other = await yueshi.at_home(9002)
    await yueshi.filed(other)
    assert (await yueshi.requests())[-1].assignee == "g2"
    assert "已交刘网格员" in (await yueshi.last(other)).text
    await yueshi.load(SAMPLE)
    await yueshi.taps(deputy, "接单")
    await yueshi.says(away, "销假")
    assert "代班到此为止" in (await yueshi.last(deputy)).text
    assert {one.assignee for one in await yueshi.requests()} == {"office", "g1"}
    assert "由李网格员接手" in (await yueshi.last(other)).text


async def test_a_leave_begins_and_ends_by_itself(yueshi: Town) -> None:
    away, deputy = await yueshi.staff(1001, 1002)
    resident = await yueshi.at_home()
    await yueshi.filed(resident)
    await yueshi.says(away, "请假 11/24 代班 刘某")
    await yueshi.taps(deputy, "同意")
    assert (await yueshi.request()).assignee == "g1"
    await yueshi.pass_time(hours=16)
    assert (await yueshi.request()).assignee == "g2"
    assert "交接清单" in (await yueshi.last(deputy)).text
    await yueshi.pass_time(hours=24)
    assert (await yueshi.request()).assignee == "g1"


async def test_hard_case_a_deputy_who_is_silent_for_twelve_hours_is_covered_for(yueshi: Town) -> None:
    away, deputy, chief, office = await yueshi.staff(1001, 1002, 1101, 2002)
    await yueshi.says(away, "明天请假 代班 二网格网格员")
    await yueshi.pass_time(hours=12, minutes=-1)
    assert not await texts(away, "请假，由")
    await yueshi.pass_time(minutes=1)
    for one in (away, deputy, chief, office):
        assert await texts(one, "由王组长代班")
    await yueshi.taps(deputy, "同意")
    assert "已经定下来" in (await yueshi.last(deputy)).text
    await yueshi.pass_time(hours=12)
    await yueshi.filed(await yueshi.at_home())
    assert (await yueshi.request()).assignee == "z1"


async def test_which_of_two_with_one_name_is_asked_with_buttons(yueshi: Town) -> None:
    away, office = await yueshi.staff(1001, 2002)
    await yueshi.says(away, "请假三天 代班 周某")
    assert (await yueshi.last(away)).labels == ["周邻长（第三网格 9号楼）", "周社区干部（岳师村）"]
    await yueshi.taps(away, "周社区干部（岳师村）")
    await yueshi.taps(office, "不同意")
    assert "由王组长代班" in (await yueshi.last(away)).text
    await yueshi.says(away, "请假三天 代班 没这人")
    assert "没找到“没这人”" in (await yueshi.last(away)).text
    await yueshi.says(away, "请假回老家")
    assert "没看懂" in (await yueshi.last(away)).text


async def test_a_resident_who_talks_of_leave_reports_as_ever(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "请假三天")
    assert "我记下来了" in (await yueshi.last(resident)).text


# --- who may be asked -------------------------------------------------------------------------

NOISE = "楼上半夜跑来跑去吵得睡不着"
WITH_AREA_CHIEF = having(member("p1", "方某", Role.AREA_CHIEF, "YS-1", 1301))
WITH_SUPERVISORS = having(
    member("s1", "钱某", Role.SUPERVISOR, "YS", 2101), member("s2", "蒋某", Role.SUPERVISOR, "YS", 2102)
)


async def test_at53_the_eleventh_ask_of_a_volunteer_in_a_week_goes_to_the_group_chief(yueshi: Town) -> None:
    await loaded(yueshi, WITH_AREA_CHIEF)
    (section,) = await yueshi.staff(1301)
    resident = await yueshi.at_home()
    for on_this_day in (3, 3, 3, 1):
        for _ in range(on_this_day):
            await yueshi.pass_time(minutes=31)
            await yueshi.filed(resident, NOISE)
        await yueshi.pass_time(hours=24 - on_this_day * 31 / 60)
    assert [one.assignee for one in await yueshi.requests()] == ["l1"] * 10
    assert not await texts(section, "到了上限")
    await yueshi.filed(resident, NOISE)
    await yueshi.pass_time(minutes=31)
    await yueshi.filed(resident, NOISE)
    assert [one.assignee for one in (await yueshi.requests())[10:]] == ["z1", "z1"]
    (noted,) = await texts(section, "到了上限")
    assert "张邻长" in noted
    assert "不得向邻长摊派" in noted


async def test_at54_what_a_volunteer_must_not_be_asked_is_refused_with_the_rule(yueshi: Town) -> None:
    (office,) = await yueshi.staff(2002)
    request = await yueshi.filed(await yueshi.at_home(), "房产证一直办不下来")
    assert (request.assignee, request.limit_class) == ("office", "T4")
    await yueshi.taps(office, "更多")
    await yueshi.taps(office, "转交")
    await yueshi.taps(office, "张邻长")
    assert "不得向邻长摊派" in (await yueshi.last(office)).text
    assert (await yueshi.request()).assignee == "office"


async def test_hard_case_a_post_that_nobody_holds_is_covered_and_its_chiefs_hear_of_it(yueshi: Town) -> None:
    await loaded(yueshi, without("l1", roster=WITH_AREA_CHIEF))
    section, group = await yueshi.staff(1301, 1101)
    request = await yueshi.filed(await yueshi.at_home(), NOISE)
    assert request.assignee == "z1"
    assert await texts(section, "第一网格的邻长现在没人担任")
    assert await texts(group, "第一网格的邻长现在没人担任")


@pytest.mark.both
async def test_at67_hard_case_complaint_goes_past_whom_it_may_be_about(yueshi: Town) -> None:
    await loaded(yueshi, WITH_SUPERVISORS)
    grid, first, second = await yueshi.staff(1001, 2101, 2102)
    resident = await yueshi.at_home()
    for expected in ("s1", "s2"):
        await yueshi.pass_time(minutes=31)
        request = await yueshi.filed(resident, "投诉网格员推诿，半个月不来")
        assert (request.category, request.assignee) == ("PA04", expected)
    for words in ("工作作风投诉", "推诿"):
        assert not await texts(grid, words)
        assert not [one for one in await grid.sees(GROUP) if words in one.text]
    assert len(await texts(first, "推诿")) == 1
    assert len(await texts(second, "推诿")) == 1


async def test_at17_after_a_second_return_the_supervisor_decides(yueshi: Town) -> None:
    await loaded(yueshi, WITH_SUPERVISORS)
    grid, office, desk, supervisor = await yueshi.staff(1001, 2002, 2001, 2101)
    await yueshi.filed(await yueshi.at_home())
    await send_back(yueshi, grid)
    await yueshi.taps(desk, "派给别人")
    assert (await yueshi.request()).assignee == "office"
    await send_back(yueshi, office)
    assert (await yueshi.card(desk, "楼道灯坏了")).labels == []
    await yueshi.taps(supervisor, "社区自己办")
    assert (await yueshi.request()).assignee == "s1"


async def send_back(yueshi: Town, person: Person) -> None:
    await yueshi.taps(person, "更多")
    await yueshi.taps(person, "退回")
    await yueshi.taps(person, "不属本职责")
    await yueshi.says(person, "这是物业管的灯")


@pytest.mark.both
async def test_at75_a_clerk_reads_the_three_reasons_that_weighed_most(yueshi: Town) -> None:
    night = {"weekdays": [1, 2, 3, 4, 5, 6, 7], "from": "08:00", "to": "20:00"}
    await loaded(
        yueshi, having(member("g7", "沈某", Role.GRID_MEMBER, "YS-1", 1007, duty=[night], expertise=["PF"]))
    )
    request = await yueshi.filed(await yueshi.at_home())
    assert request.assignee == "g7"
    office = yueshi.app.offices.current
    *_, weighed = explain(office, request.reason, yueshi.clock.now())
    assert weighed == "主要看：熟悉这类事+25、离事发地近+16、正在值班+15分"


async def test_a_chief_who_never_acknowledges_is_listed_for_people_to_decide(yueshi: Town) -> None:
    (chief,) = await yueshi.staff(1201)
    resident = await yueshi.at_home()
    for _ in range(3):
        await yueshi.pass_time(minutes=31)
        await yueshi.filed(resident, NOISE)
    assert await yueshi.app.store.read(work.inactive_chiefs, yueshi.clock.now()) == {"l1": 3}
    await yueshi.taps(chief, "接单")
    assert await yueshi.app.store.read(work.inactive_chiefs, yueshi.clock.now()) == {}


# --- somebody comes ---------------------------------------------------------------------------


async def code_for(yueshi: Town, member: str) -> str:
    vault = Vault(yueshi.app.settings.secret_key.get_secret_value())
    (made,) = await yueshi.app.store.write(make_codes, [member], vault, yueshi.clock.now(), "clerk")
    return made.code


async def test_a_code_binds_an_account_once_and_no_roster_takes_it_away(yueshi: Town) -> None:
    code = await code_for(yueshi, "g1")
    newcomer, other = await yueshi.person(7001, "老李"), await yueshi.person(7002, "路人")
    await yueshi.says(newcomer, f"绑定 {code.lower()}")
    assert "李网格员" in (await yueshi.last(newcomer)).text
    await yueshi.says(other, f"绑定 {code}")
    assert "用过了" in (await yueshi.last(other)).text
    await loaded(yueshi, having(member("g2", "刘某", Role.GRID_MEMBER, "YS-2", 7001)))
    await loaded(yueshi, SAMPLE)
    await yueshi.filed(await yueshi.at_home())
    assert "楼道灯坏了" in (await yueshi.last(newcomer)).text
    await yueshi.taps(newcomer, "接单")
    assert (await yueshi.request()).status == "acknowledged"


async def test_a_code_that_a_group_has_read_is_worth_nothing(yueshi: Town) -> None:
    code = await code_for(yueshi, "g1")
    (chief,) = await yueshi.staff(1101)
    await chief.promotes_bot(GROUP)
    await yueshi.says(chief, f"绑定{code}", chat=GROUP)
    assert "私聊" in (await yueshi.last(chief, GROUP)).text
    await yueshi.says(chief, f"绑定{code}")
    assert "请向社区再要一个" in (await yueshi.last(chief)).text


async def test_who_guesses_codes_is_not_answered_for_an_hour(yueshi: Town) -> None:
    code = await code_for(yueshi, "g1")
    stranger = await yueshi.person(7003, "路人")
    for _ in range(6):
        await yueshi.says(stranger, "绑定 ABCDEFGH")
    assert len(await texts(stranger, "这个码不对")) == 5
    await yueshi.says(stranger, f"绑定 {code}")
    assert not await texts(stranger, "绑定好了")
    await yueshi.pass_time(hours=1)
    await yueshi.says(stranger, f"绑定 {code}")
    assert await texts(stranger, "绑定好了")


async def test_a_code_is_valid_for_seven_days(yueshi: Town) -> None:
    code = await code_for(yueshi, "g1")
    late = await yueshi.person(7004, "老李")
    await yueshi.pass_time(days=7)
    await yueshi.says(late, f"绑定 {code}")
    assert "过期" in (await yueshi.last(late)).text
