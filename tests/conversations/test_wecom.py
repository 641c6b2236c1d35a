"""Staff on WeCom: cards in the app's own talk, notices in groups, on the platform's real wire."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

import bot.callbacks
from bot.channels import facts
from bot.rehearsal import ROBOT
from bot.roster import ChatRow, Roster
from bot.sandbox.corp.people import Colleague
from bot.sandbox.faults import FaultKind
from bot.sandbox.people import SeenMessage
from bot.settings import ConfigError
from bot.wecom_groups import open_group
from storage.tables import SendState, ServiceRequest
from tests.conversations.test_wechat import notified
from tests.town import Town, sample, town

ON_WECOM = {"g1": "LiMou", "z1": "wang", "l1": "zhang"}  # the platform answers in small letters


def on_wecom(group: str = "cards:一网格") -> Roster:
    """The sample, with the first grid's people and group on WeCom."""
    roster = sample()
    members = tuple(
        one.model_copy(update={"accounts": {"wecom": ON_WECOM[one.code].lower()}})
        if one.code in ON_WECOM
        else one
        for one in roster.members
    )
    here = ChatRow(channel="wecom", id=group, area="YS-1")
    return roster.model_copy(update={"members": members, "chats": (here, *roster.chats[1:])})


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, everywhere=True, roster=on_wecom()) as found:
        yield found


async def colleague(here: Town, code: str) -> Colleague:
    return await Colleague.joins(here.sandbox, ON_WECOM[code], code)


async def everybody(here: Town) -> list[Colleague]:
    return [await colleague(here, code) for code in ON_WECOM]


async def taps(here: Town, person: Colleague, label: str) -> None:
    await person.taps(label)
    await here.settle()


async def card(person: Colleague, words: str) -> str:
    """The newest card with these words: its text and what can be pressed."""
    shown = [one for one in await person.sees() if words in one.text][-1]
    return f"{shown.text}\n{'' if shown.disabled else shown.labels}"


# --- cards ------------------------------------------------------------------------------------


async def test_a_grid_member_handles_a_request_in_the_app(here: Town) -> None:
    member, _, _ = await everybody(here)
    resident = await here.follower()
    await here.writes(resident, "楼道灯坏了")
    await here.writes(resident, "提交")
    number = (await here.request()).number
    assert "接单" in await card(member, number)
    await taps(here, member, "接单")
    assert "已接单" in (await here.newest(resident)).text
    assert "'到场'" in await card(member, number)
    await taps(here, member, "到场")
    await taps(here, member, "办结")
    await member.says("换了新的灯泡，楼道已经亮了")
    await here.settle()
    assert "换了新的灯泡" in (await here.newest(resident)).text
    await here.writes(resident, "1")
    assert (await here.request()).status == "closed"
    log = await here.sandbox.call("GET", "corp/log")
    assert not log["refused"], log


async def test_row_28_the_first_chief_wins_and_the_card_changes_for_all(here: Town) -> None:
    _, one, other = await everybody(here)
    await here.filed(await here.at_home())
    number = (await here.request()).number
    assert "我来看看" in await card(one, number)
    assert "我来看看" in await card(other, number)
    await asyncio.gather(one.taps("我来看看"), other.taps("我来看看"))
    await here.settle()
    request = await here.request()
    assert request.claimed_by in ("z1", "l1")
    events = [line.event for line in await here.history(request)]
    assert events.count("claim") == 1
    for person in (one, other):
        shown = await card(person, number)
        assert here.app.offices.current.title(request.claimed_by, here.clock.now()) in shown
        assert "我来看看" not in shown


async def test_row_29_the_card_of_who_taps_changes_in_the_answer(here: Town) -> None:
    member, *_ = await everybody(here)
    await here.filed(await here.at_home())
    await taps(here, member, "接单")
    changed = (await notified(here, "member_card"))[-1]
    assert changed.means == "passive"
    assert changed.edits is not None


async def test_row_29_a_slow_answer_changes_the_card_afterwards(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.callbacks, "ANSWER_WITHIN", 0.05)
    member, *_ = await everybody(here)
    await here.filed(await here.at_home())
    await member.taps("接单")
    while (await here.sandbox.log())["undelivered"]:  # noqa: ASYNC110 (it is another server's state)
        await asyncio.sleep(0.002)
    await here.settle()
    assert "'到场'" in await card(member, (await here.request()).number)
    changed = (await notified(here, "member_card"))[-1]
    assert changed.means != "passive"


async def test_row_27_when_the_code_has_expired_there_is_a_new_card(here: Town) -> None:
    member, *_ = await everybody(here)
    resident = await here.at_home()
    await here.filed(resident)
    number = (await here.request()).number
    before = len([one for one in await member.sees() if one.kind == "card"])
    here.clock.advance(facts.CARD_CODE_LIVES + timedelta(seconds=1))
    await here.taps(resident, "撤回")
    assert (await here.request()).status == "cancelled"
    cards = [one for one in await member.sees() if number in one.text]
    assert len(cards) > before
    log = await here.sandbox.call("GET", "corp/log")
    assert not log["refused"], "a code that has expired is not even tried"


async def test_row_27_a_code_is_used_for_one_change_only(here: Town) -> None:
    member, *_ = await everybody(here)
    resident = await here.at_home()
    await here.filed(resident)
    number = (await here.request()).number
    await here.taps(resident, "改分类")
    await here.taps(resident, "房屋漏水与公共部位维修")
    cards = [one for one in await member.sees() if number in one.text]
    await here.says(resident, "撤回")
    assert (await here.request()).status == "cancelled"
    assert len([one for one in await member.sees() if number in one.text]) == len(cards) + 1
    log = await here.sandbox.call("GET", "corp/log")
    assert not log["refused"], "a code that was used is not tried again"


# --- limits -----------------------------------------------------------------------------------

BUILDINGS = ("YS-1-1", "YS-1-2", "YS-1-3")
MATTERS = ("楼道灯坏了", "电梯坏了", "垃圾没人清", "下水道堵了")


async def report_all(here: Town, times: int = 1) -> None:
    """Many requests at once; of those that look alike each resident says that theirs is another."""
    residents = []
    for number, (building, matter, _) in enumerate(product(BUILDINGS, MATTERS, range(times))):
        resident = await here.person(9100 + number)
        await resident.scans(await here.token(building))
        await here.says(resident, matter)
        residents.append(resident)
    for label in ("提交", "不是"):
        for resident in residents:
            if label in (await here.last(resident)).labels:
                await resident.taps(label)
        await here.settle()


async def test_row_25_a_flood_of_cards_is_listed_and_none_is_dropped(here: Town) -> None:
    member, chief, _ = await everybody(here)
    await report_all(here, 4)
    await here.pass_time(minutes=2)
    requests = await here.requests()
    assert len(requests) >= 40
    log = await here.sandbox.call("GET", "corp/log")
    assert not log["dropped"], log
    assert missing(requests, await member.sees(), assignee="g1") == []
    assert missing(requests, await chief.sees()) == []
    assert any("列在一起" in one.text for one in await member.sees())


def missing(
    requests: list[ServiceRequest], seen: list[SeenMessage], assignee: str | None = None
) -> list[str]:
    """The numbers that somebody has not been told."""
    told = "\n".join(one.text for one in seen)
    due = [one for one in requests if assignee in (None, one.assignee)]
    return [one.number for one in due if one.number not in told]


async def test_row_26_who_is_not_in_the_company_is_shown_to_staff(here: Town) -> None:
    desk = await here.person(2001)
    await desk.scans()
    await colleague(here, "z1")  # the others never joined the company
    await here.filed(await here.at_home())
    (said,) = await notified(here, "member_card")
    assert said.state == SendState.UNREACHABLE
    assert any("没能送到李" in one.text for one in await desk.sees() if not one.is_me)


async def test_row_26_a_group_card_reaches_those_who_are_there_and_staff_hear_of_the_others(
    here: Town,
) -> None:
    desk, chief = await here.person(2001), await colleague(here, "z1")
    await desk.scans()
    await here.filed(await here.at_home())
    assert "我来看看" in await card(chief, (await here.request()).number)
    missed = here.app.offices.current.title("l1", here.clock.now())
    assert any(f"没能送到{missed}" in one.text for one in await desk.sees() if not one.is_me)


async def test_a_chief_who_is_done_writes_the_result_in_private(here: Town) -> None:
    _, one, _ = await everybody(here)
    resident = await here.at_home()
    await here.filed(resident)
    await taps(here, one, "我来看看")
    await taps(here, one, "办结")
    assert "10个字" in (await here.newest(one)).text
    await here.writes(one, "换了新的灯泡，楼道已经亮了")
    assert "换了新的灯泡" in (await here.last(resident)).text


async def test_who_may_not_act_hears_so_in_private(here: Town) -> None:
    _, one, other = await everybody(here)
    await here.filed(await here.at_home())
    await taps(here, one, "我来看看")
    await taps(here, other, "办结")
    assert "已有人去看" in (await here.newest(other)).text
    assert (await here.newest(other)).kind == "text"
    assert (await here.newest(one)).kind == "card"


async def test_row_30_a_group_robot_tells_sixty_notices_at_its_own_pace(tmp_path: Path) -> None:
    async with town(tmp_path, everywhere=True, roster=on_wecom(f"robot:{ROBOT}")) as here:
        member, *_ = await everybody(here)
        await report_all(here)
        requests = await here.requests()
        assert missing(requests, await member.sees_group(ROBOT)) == []
        log = await here.sandbox.call("GET", "corp/log")
        assert not log["refused"], log


async def test_a_token_that_the_platform_forgot_costs_one_more_call(here: Town) -> None:
    member, *_ = await everybody(here)
    await here.sandbox.fails(FaultKind.ERRCODE, "corp/message/send", errcode=42001)
    await here.filed(await here.at_home())
    assert "接单" in await card(member, (await here.request()).number)


# --- groups -----------------------------------------------------------------------------------


async def test_row_31_a_group_of_the_apps_own_is_opened_for_an_area_and_hears_of_requests(
    here: Town,
) -> None:
    people = await everybody(here)
    address = await open_group(here.app.settings, "YS-1", "一网格群")
    group = address.removeprefix("appchat:")
    assert "建好了" in (await people[0].sees_group(group))[-1].text
    await here.load(on_wecom(address))
    await here.filed(await here.at_home())
    number = (await here.request()).number
    assert number in (await people[1].sees_group(group))[-1].text
    assert "我来看看" in await card(people[1], number)


async def test_row_31_a_group_needs_people(here: Town) -> None:
    with pytest.raises(ConfigError, match="needs 2"):
        await open_group(here.app.settings, "YS-2", "二网格群")
    with pytest.raises(ConfigError, match="no area"):
        await open_group(here.app.settings, "YS-99", "没有的群")


async def test_row_32_a_chief_says_it_to_the_robot_in_an_internal_group(tmp_path: Path) -> None:
    roster = on_wecom()
    talk = ChatRow(channel="wecom", id="aibot:wr-grid-1", area="YS-1")
    with_talk = roster.model_copy(update={"chats": (*roster.chats, talk)})
    async with town(tmp_path, everywhere=True, roster=with_talk) as here:
        _, chief, _ = await everybody(here)
        stranger = await Colleague.joins(here.sandbox, "passer", "路人")
        members = [*ON_WECOM.values(), "passer"]
        group = {"id": "wr-grid-1", "name": "一网格工作群", "members": members}
        await here.sandbox.call("POST", "corp/groups", group)
        await here.filed(await here.at_home())
        request = await here.request()
        short = request.number.rpartition("-")[2].lstrip("0")
        await stranger.says_in("一网格工作群", f"我去 {short}号")
        await here.settle()
        assert (await here.request()).claimed_by is None
        await chief.says_in("一网格工作群", f"我去 {short}号")
        await here.settle()
        assert (await here.request()).claimed_by == "z1"
        assert request.number in (await chief.sees_group("一网格工作群"))[-1].text
        assert "王" in await card(chief, request.number)
