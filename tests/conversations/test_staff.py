"""Staff do their part: chiefs in the group, members on their cards, people who come and go."""

import asyncio
from datetime import date, timedelta

import pytest

from bot.roster import read_roster
from bot.sandbox.faults import FaultKind
from bot.settings import DEFAULTS
from storage import outbox
from tests.town import GROUP, Town


async def test_at19_two_chiefs_in_the_same_second_are_one_claim(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    first, second = await yueshi.staff(1101, 1201)
    request = await yueshi.filed(resident)
    await asyncio.gather(first.taps("我来看看", chat=GROUP), second.taps("我来看看", chat=GROUP))
    await yueshi.settle()
    request = await yueshi.request()
    assert request.claimed_by in ("z1", "l1")
    events = [line.event for line in await yueshi.history(request)]
    assert events.count("claim") == 1
    assert events.count("acknowledge") == 1
    shown = await yueshi.last(first, GROUP)
    assert shown.text == (await yueshi.last(second, GROUP)).text
    assert "已去看" in shown.text


async def test_at20_the_group_card_holds_nothing_personal(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (chief,) = await yueshi.staff(1101)
    await yueshi.filed(resident, "我叫王小明，电话13800138000,2单元501楼道灯坏了")
    shown = [one.text for one in await chief.sees(GROUP) if not one.is_me]
    assert shown
    for text in shown:
        assert not any(secret in text for secret in ("王小明", "13800138000", "501", "2单元", "居民"))


async def test_at21_a_word_counts_only_as_a_reply_to_the_card(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    chief, other = await yueshi.staff(1101, 1201)
    await yueshi.filed(resident)
    await yueshi.says(chief, "收到", chat=GROUP)
    assert (await yueshi.request()).seen_by == []
    card = (await yueshi.last(chief, GROUP)).id
    await yueshi.says(chief, "收到", chat=GROUP, reply_to=card)
    assert (await yueshi.request()).seen_by == ["z1"]
    assert "1人已知道" in (await yueshi.last(chief, GROUP)).text
    await yueshi.says(other, "我去！", chat=GROUP, reply_to=card)
    assert (await yueshi.request()).claimed_by == "l1"


async def test_at22_somebody_not_on_the_roster_is_told_once_and_changes_nothing(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (chief,) = await yueshi.staff(1101)
    stranger = await yueshi.person(7777, "路人")
    await stranger.joins(GROUP)
    await yueshi.filed(resident)
    before = await yueshi.request()
    await yueshi.taps(stranger, "我来看看", chat=GROUP)
    await yueshi.taps(stranger, "我来看看", chat=GROUP)
    after = await yueshi.request()
    assert (after.status, after.claimed_by, after.version) == (before.status, None, before.version)
    told = [one for one in await chief.sees(GROUP) if "不在本网格名单" in one.text]
    assert len(told) == 1
    assert "路人" not in told[0].text


async def test_not_in_this_area_is_a_vote_that_the_assignee_sees(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, chief = await yueshi.staff(1001, 1101)
    await yueshi.filed(resident)
    await yueshi.taps(chief, "不在本片", chat=GROUP)
    assert "有1人认为不在本片" in (await yueshi.card(member, "楼道灯坏了")).text
    assert (await yueshi.request()).status == "assigned"


async def test_the_group_alone_can_carry_a_request_to_its_end(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (chief,) = await yueshi.staff(1101)
    await yueshi.filed(resident)
    await yueshi.taps(chief, "我来看看", chat=GROUP)
    await yueshi.taps(chief, "到场", chat=GROUP)
    await yueshi.taps(chief, "办结", chat=GROUP)
    asked = await yueshi.card(chief, "办理结果", GROUP)
    await yueshi.says(chief, "修好了", chat=GROUP, reply_to=asked.id)
    assert (await yueshi.request()).status == "in_progress"
    await yueshi.says(chief, "换了新灯泡，楼道已经亮了", chat=GROUP, reply_to=asked.id)
    assert (await yueshi.request()).status == "done"
    assert "换了新灯泡" in (await yueshi.last(resident)).text


async def test_only_who_claimed_may_finish_in_the_group(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    chief, other = await yueshi.staff(1101, 1201)
    await yueshi.filed(resident)
    await yueshi.taps(chief, "我来看看", chat=GROUP)
    await yueshi.taps(other, "办结", chat=GROUP)
    assert "已有人去看" in (await yueshi.last(chief, GROUP)).text
    assert (await yueshi.request()).status == "acknowledged"


async def test_at16_finishing_needs_ten_written_characters(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "修好了")
    assert (await yueshi.request()).status == "assigned"
    await yueshi.says(member, "已经修好，请放心使用")
    request = await yueshi.request()
    assert request.status == "done"
    assert [line.event for line in await yueshi.history(request)][-3:] == ["acknowledge", "start", "finish"]


async def test_a_returned_request_goes_to_the_desk_and_on_to_the_next(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, desk, office = await yueshi.staff(1001, 2001, 2002)
    await yueshi.filed(resident)
    await yueshi.taps(member, "更多")
    await yueshi.taps(member, "退回")
    assert (await yueshi.last(member)).labels == ["不属本网格", "不属本职责", "重复", "信息不足"]
    await yueshi.taps(member, "不属本职责")
    await yueshi.says(member, "嗯")
    assert (await yueshi.request()).status == "assigned"
    await yueshi.says(member, "这是物业管的灯")
    request = await yueshi.request()
    assert (request.status, request.assignee, request.returned_by) == ("triage", None, ["g1"])
    assert (await yueshi.card(member, "楼道灯坏了")).labels == []
    assert "派给别人" in (await yueshi.card(desk, "待分诊")).labels
    await yueshi.taps(desk, "派给别人")
    request = await yueshi.request()
    assert (request.status, request.assignee) == ("assigned", "office")
    assert "楼道灯坏了" in (await yueshi.last(office)).text


async def test_the_desk_can_keep_a_returned_request(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, desk = await yueshi.staff(1001, 2001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "更多")
    await yueshi.taps(member, "退回")
    await yueshi.taps(member, "重复")
    await yueshi.says(member, "昨天已经报修过了")
    await yueshi.taps(desk, "社区自己办")
    assert (await yueshi.request()).assignee == "desk"
    await yueshi.taps(desk, "接单")
    assert (await yueshi.request()).status == "acknowledged"


async def test_not_solved_opens_it_again_and_it_is_done_once_more(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    for verdict in ("没解决", "已解决，满意"):
        await yueshi.taps(member, "办结")
        await yueshi.says(member, "灯泡已经换新，请再看看")
        await yueshi.taps(resident, verdict)
    request = await yueshi.request()
    assert (request.status, request.reopened, request.verdict) == ("closed", 1, "satisfied")


async def test_a_closed_request_can_be_reopened_within_thirty_days_only(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "灯泡已经换新，请再看看")
    await yueshi.taps(resident, "已解决，满意")
    yueshi.clock.advance(timedelta(days=29))
    await yueshi.taps(resident, "没解决，重新办")
    assert (await yueshi.request()).status == "assigned"
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "整条线路已经重新接好")
    await yueshi.taps(resident, "已解决，满意")
    yueshi.clock.advance(timedelta(days=31))
    await yueshi.taps(resident, "没解决，重新办")
    assert (await yueshi.request()).status == "closed"
    assert "超过30天" in (await yueshi.last(resident)).text


async def test_at30_no_verdict_closes_after_three_days_and_is_not_satisfied(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "灯泡已经换新，请再看看")
    await yueshi.pass_time(hours=24)
    assert "还没有评价" in (await yueshi.last(resident)).text
    await yueshi.pass_time(hours=48)
    request = await yueshi.request()
    assert (request.status, request.verdict) == ("closed", None)
    assert "未评价" in (await yueshi.last(resident)).text


async def test_at24_a_stranger_with_the_number_learns_the_stage_only(yueshi: Town) -> None:
    resident, stranger = await yueshi.at_home(), await yueshi.person(9002)
    request = await yueshi.filed(resident)
    await yueshi.says(stranger, request.number.lower())
    told = (await yueshi.last(stranger)).text
    assert "已派单" in told
    assert not any(word in told for word in ("灯", "号楼", "网格员", "照明"))
    await yueshi.says(resident, "1号")
    assert "照明" in (await yueshi.last(resident)).text


async def test_urging_reaches_the_handler_once_a_day(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.says(resident, "催办")
    assert "居民在催" in (await yueshi.last(member)).text
    await yueshi.says(resident, "催办")
    assert "今天已经催过" in (await yueshi.last(resident)).text
    await yueshi.pass_time(hours=25)
    await yueshi.says(resident, "催一催")
    assert len([one for one in await member.sees() if "居民在催" in one.text]) == 2


@pytest.mark.both
async def test_withdrawing_ends_it_for_everybody(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, chief = await yueshi.staff(1001, 1101)
    await yueshi.filed(resident)
    await yueshi.taps(resident, "撤回")
    assert (await yueshi.request()).status == "cancelled"
    assert (await yueshi.card(member, "楼道灯坏了")).labels == []
    assert "已撤回" in (await yueshi.last(chief, GROUP)).text


@pytest.mark.both
async def test_at52_an_ended_appointment_gets_no_card_and_the_next_in_line_does(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, desk, office = await yueshi.staff(1001, 2001, 2002)
    roster = read_roster(DEFAULTS / "roster.yaml")
    rest = tuple(one for one in roster.members if one.code != "g1")
    await yueshi.load(roster.model_copy(update={"members": rest}))
    request = await yueshi.filed(resident)
    assert request.assignee == "office"
    assert "楼道灯坏了" in (await yueshi.last(office)).text
    assert not [one for one in await member.sees() if "楼道灯坏了" in one.text]
    assert "第一网格的网格员现在没人担任" in (await yueshi.card(desk, "缺人")).text


async def test_a_card_of_somebody_who_has_left_no_longer_works(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    roster = read_roster(DEFAULTS / "roster.yaml")
    yesterday = date(2026, 11, 22)
    left = [one.model_copy(update={"to": yesterday}) if one.code == "g1" else one for one in roster.members]
    await yueshi.load(roster.model_copy(update={"members": tuple(left)}))
    await yueshi.taps(member, "接单")
    assert (await yueshi.request()).status == "assigned"
    assert "不在本网格名单" in (await yueshi.last(member)).text


async def test_loading_the_roster_twice_changes_nothing(yueshi: Town) -> None:
    before = yueshi.app.offices.current
    await yueshi.load(read_roster(DEFAULTS / "roster.yaml"))
    assert yueshi.app.offices.current is before


async def test_who_has_blocked_the_bot_is_shown_as_unreachable(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, desk = await yueshi.staff(1001, 2001)
    await member.blocks()
    await yueshi.settle()
    request = await yueshi.filed(resident)
    assert request.assignee == "g1"
    assert "没能送到李网格员" in (await yueshi.last(desk)).text
    await member.unblocks()
    await yueshi.settle()
    await yueshi.says(resident, "催办")
    assert "居民在催" in (await yueshi.last(member)).text


async def test_a_group_that_moves_is_followed(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (chief,) = await yueshi.staff(1101)
    moved = await chief.migrates(GROUP)
    await yueshi.settle()
    await yueshi.filed(resident)
    assert "照明" in (await yueshi.last(chief, moved)).text
    await yueshi.taps(chief, "我来看看", chat=moved)
    assert (await yueshi.request()).claimed_by == "z1"


@pytest.mark.parametrize("kind", ["429", "502_html", "drop"])
async def test_trouble_on_the_way_delays_and_loses_nothing(yueshi: Town, kind: str) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    more = {"retry_after": 35} if kind == "429" else {}
    await yueshi.sandbox.fails(FaultKind(kind), method="sendMessage", chat=1001, times=2, **more)
    await yueshi.filed(resident)
    for _ in range(3):
        await yueshi.pass_time(seconds=40)
    cards = [one for one in await member.sees() if "楼道灯坏了" in one.text]
    assert len(cards) == 1


@pytest.mark.both
async def test_a_lost_answer_is_repeated_once_and_says_so(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.sandbox.fails(FaultKind("accept_then_drop"), method="sendMessage", chat=1001, times=1)
    await yueshi.filed(resident)
    await yueshi.pass_time(seconds=10)
    cards = [one.text for one in await member.sees() if "楼道灯坏了" in one.text]
    assert len(cards) == 2
    assert cards[1].startswith("（可能重复）")


async def test_hard_case_wrong_group_a_resident_is_asked_into_private(yueshi: Town) -> None:
    resident = await yueshi.person(9001)
    await yueshi.sandbox.group(-900, "业主群", [resident])
    await yueshi.settle()
    assert "-900" in (await yueshi.last(resident, -900)).text
    await yueshi.says(resident, "/my", chat=-900)
    assert "私聊" in (await yueshi.last(resident, -900)).text
    assert await yueshi.requests() == []


async def test_an_awaited_text_can_be_called_off(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "取消")
    assert "先不写了" in (await yueshi.last(member)).text
    await yueshi.says(member, "我家门口的路灯也不亮了")
    assert (await yueshi.request()).status == "assigned"


async def test_a_member_is_greeted_as_one_and_can_learn_their_number(yueshi: Town) -> None:
    (member,) = await yueshi.staff(1001)
    assert "【第一网格】的网格员" in (await yueshi.last(member)).text
    await yueshi.says(member, "我的编号")
    assert "1001" in (await yueshi.last(member)).text


async def test_an_emergency_is_not_withdrawn_by_a_tap(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "三号楼着火了")
    await yueshi.says(resident, "撤回")
    assert (await yueshi.request()).status == "assigned"
    assert "值班员核实" in (await yueshi.last(resident)).text


async def test_who_comes_back_gets_the_card_that_was_missed(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await member.blocks()
    await yueshi.settle()
    await yueshi.filed(resident)
    assert not [one for one in await member.sees() if "楼道灯坏了" in one.text]
    await member.unblocks()
    await yueshi.settle()
    cards = [one for one in await member.sees() if "楼道灯坏了" in one.text]
    assert len(cards) == 1
    await yueshi.taps(member, "接单")
    assert (await yueshi.request()).status == "acknowledged"


async def test_the_resident_hears_who_wrote_the_result_and_the_buttons_go(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, chief = await yueshi.staff(1001, 1101)
    await yueshi.filed(resident)
    await yueshi.taps(chief, "我来看看", chat=GROUP)
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "灯泡已经换新，请再看看")
    asked = await yueshi.last(resident)
    assert "李网格员说" in asked.text
    await yueshi.taps(resident, "没解决")
    assert (await yueshi.card(resident, "李网格员说")).labels == []
    assert "重新打开" in (await yueshi.last(resident)).text
    assert "王组长" in (await yueshi.last(resident)).text


async def test_a_result_for_what_was_withdrawn_meanwhile_changes_nothing(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.taps(member, "办结")
    await yueshi.taps(resident, "撤回")
    await yueshi.says(member, "灯泡已经换新，请再看看")
    request = await yueshi.request()
    assert (request.status, request.result) == ("cancelled", None)
    assert "现在不能这样办" in (await yueshi.last(member)).text


async def test_a_roster_with_a_groups_old_address_still_reaches_it(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (chief,) = await yueshi.staff(1101)
    moved = await chief.migrates(GROUP)
    await yueshi.settle()
    await yueshi.load(read_roster(DEFAULTS / "roster.yaml"))
    await yueshi.filed(resident)
    assert "照明" in (await yueshi.last(chief, moved)).text
    await yueshi.taps(chief, "我来看看", chat=moved)
    assert (await yueshi.request()).claimed_by == "z1"


async def test_a_group_that_takes_the_bot_back_gets_what_it_missed(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (chief,) = await yueshi.staff(1101)
    await chief.removes_bot(GROUP)
    await yueshi.settle()
    await yueshi.filed(resident)
    assert not [one for one in await chief.sees(GROUP) if "照明" in one.text]
    await chief.adds_bot(GROUP)
    await yueshi.settle()
    assert "照明" in (await yueshi.last(chief, GROUP)).text


async def test_a_platform_that_is_away_for_hours_delays_and_loses_nothing(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.says(resident, "楼道灯坏了")
    await resident.taps("提交")
    await yueshi.sandbox.fails(FaultKind("502_html"), method="sendMessage", times=10_000)
    await yueshi.settle()
    for _ in range(40):
        await yueshi.pass_time(minutes=6)
    await yueshi.sandbox.heals()
    await yueshi.pass_time(minutes=6)
    assert len([one for one in await member.sees() if "楼道灯坏了" in one.text]) == 1


async def test_what_was_sent_before_the_end_is_not_sent_again(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await resident.says("楼道灯坏了")
    await yueshi.app.intake.settle()
    async with asyncio.timeout(5):
        while not await yueshi.app.dispatcher.step():  # noqa: ASYNC110 (the webhook is another server's)
            await asyncio.sleep(0.005)
    yueshi.clock.advance(timedelta(seconds=2))  # the chat has rested from the welcome
    assert await yueshi.app.outbox.step()
    await yueshi.app.outbox.finish()
    assert await yueshi.app.store.write(outbox.release_all) == 0
    await yueshi.settle()
    assert len([one for one in await resident.sees() if "我记下来了" in one.text]) == 1


async def test_a_chief_who_has_done_it_already_says_so_in_one_reply(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (chief,) = await yueshi.staff(1101)
    await yueshi.filed(resident)
    card = await yueshi.last(chief, GROUP)
    await yueshi.says(chief, "已处理", chat=GROUP, reply_to=card.id)
    assert (await yueshi.request()).claimed_by == "z1"
    asked = await yueshi.card(chief, "办理结果", GROUP)
    await yueshi.says(chief, "路过顺手换了灯泡，已经亮了", chat=GROUP, reply_to=asked.id)
    assert (await yueshi.request()).status == "done"


async def test_a_word_under_an_older_card_means_that_card(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    first = await yueshi.filed(resident)
    older = await yueshi.last(member)
    await yueshi.pass_time(hours=1)
    await yueshi.filed(resident, "小广告贴满墙")
    await yueshi.says(member, "接单", reply_to=older.id)
    statuses = {one.id: one.status for one in await yueshi.requests()}
    assert statuses.pop(first.id) == "acknowledged"
    assert list(statuses.values()) == ["assigned"]
