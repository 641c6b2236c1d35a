"""A member acknowledges in words, wherever they are: 收到 37号 is the button on the card of that request."""

import asyncio

import pytest

from storage.tables import ServiceRequest
from tests.town import GROUP, Town


async def _filed(here: Town) -> ServiceRequest:
    return await here.filed(await here.at_home())


def _short(request: ServiceRequest) -> str:
    return f"{int(request.number.rpartition('-')[2])}号"


async def test_i_go_with_a_number_claims_as_the_button_does(yueshi: Town) -> None:
    (chief,) = await yueshi.staff(1101)
    request = await _filed(yueshi)
    await yueshi.says(chief, f"我去 {_short(request)}")
    told = (await yueshi.last(chief)).text
    assert request.number in told
    assert "已由您确认" in told
    request = await yueshi.request()
    assert (request.claimed_by, request.status) == ("z1", "acknowledged")
    assert "王组长已去看" in (await yueshi.last(chief, GROUP)).text
    claim = next(line for line in await yueshi.history(request) if line.event == "claim")
    assert (claim.actor, claim.detail["channel"]) == ("member:z1", "telegram")


async def test_i_know_with_a_number_is_a_vote_and_claims_nothing(yueshi: Town) -> None:
    (chief,) = await yueshi.staff(1101)
    request = await _filed(yueshi)
    await yueshi.says(chief, f"收到{request.number.lower()}")
    request = await yueshi.request()
    assert (request.seen_by, request.claimed_by, request.status) == (["z1"], None, "assigned")
    assert "已知道" in (await yueshi.last(chief)).text


async def test_row_28_of_two_at_once_the_first_has_it_and_the_other_hears_who(yueshi: Town) -> None:
    first, second = await yueshi.staff(1101, 1201)
    request = await _filed(yueshi)
    word = f"我去{_short(request)}"
    await asyncio.gather(first.says(word), second.says(word))
    await yueshi.settle()
    request = await yueshi.request()
    events = [line.event for line in await yueshi.history(request)]
    assert (events.count("claim"), events.count("acknowledge")) == (1, 1)
    winner, loser = (first, second) if request.claimed_by == "z1" else (second, first)
    title = "王组长" if request.claimed_by == "z1" else "张邻长"
    assert "已由您确认" in (await yueshi.last(winner)).text
    assert f"已由{title}确认" in (await yueshi.last(loser)).text
    await yueshi.says(winner, word)
    assert "您已经确认过了" in (await yueshi.last(winner)).text


async def test_the_whole_loop_in_words_alone(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (chief,) = await yueshi.staff(1201)
    request = await yueshi.filed(resident)
    short = _short(request)
    await yueshi.says(chief, f"到场 {short}")
    assert (await yueshi.request()).status == "in_progress"
    assert (await yueshi.request()).claimed_by == "l1"
    await yueshi.says(chief, f"办结{short}")
    assert "办理结果" in (await yueshi.last(chief)).text
    await yueshi.taps(chief, "部分解决")
    await yueshi.says(chief, "灯泡换好了，线路要等物业")
    request = await yueshi.request()
    assert (request.status, request.result_code) == ("done", "partly")
    assert "灯泡换好了" in (await yueshi.last(resident)).text


async def test_whoever_has_it_says_what_their_own_buttons_do(yueshi: Town) -> None:
    (member,) = await yueshi.staff(1001)
    request = await _filed(yueshi)
    await yueshi.says(member, f"收到 {_short(request)}")
    request = await yueshi.request()
    assert (request.status, request.claimed_by, request.seen_by) == ("acknowledged", None, [])
    await yueshi.says(member, f"不归我{_short(request)}")
    assert "为什么退回" in (await yueshi.last(member)).text


async def test_in_the_group_a_robot_that_is_called_hears_it_and_answers_there(yueshi: Town) -> None:
    chief, other = await yueshi.staff(1101, 1201)
    request = await _filed(yueshi)
    await yueshi.says(chief, f"@huiyin_bot 我去 {_short(request)}", chat=GROUP)
    assert "已由您确认" in (await yueshi.last(chief, GROUP)).text
    await yueshi.says(other, f"@huiyin_bot 收到 {_short(request)}", chat=GROUP)
    assert "已由王组长确认" in (await yueshi.last(other, GROUP)).text
    await yueshi.says(chief, f"@huiyin_bot 办结 {_short(request)}", chat=GROUP)
    assert "私下问您" in (await yueshi.last(chief, GROUP)).text
    await yueshi.says(chief, "换了新灯泡，楼道已经亮了")
    assert (await yueshi.request()).status == "done"


async def test_somebody_of_another_grid_or_of_none_learns_nothing(yueshi: Town) -> None:
    (elsewhere,) = await yueshi.staff(1102)
    stranger = await yueshi.person(7777, "路人")
    request = await _filed(yueshi)
    before = request.version
    for word in (f"收到{_short(request)}", f"我去 {request.number}", "收到 99号"):
        await yueshi.says(stranger, word)
        told = (await yueshi.last(stranger)).text
        assert "不在本网格名单" in told
        assert request.number not in told
    await yueshi.says(elsewhere, f"我去 {request.number}")
    assert "不在本网格名单" in (await yueshi.last(elsewhere)).text
    request = await yueshi.request()
    assert (request.claimed_by, request.seen_by, request.version) == (None, [], before)


async def test_a_stranger_in_the_group_is_told_once(yueshi: Town) -> None:
    (chief,) = await yueshi.staff(1101)
    stranger = await yueshi.person(7777, "路人")
    await stranger.joins(GROUP)
    request = await _filed(yueshi)
    for word in (f"@huiyin_bot 我去{_short(request)}", "@huiyin_bot 收到 99号"):
        await yueshi.says(stranger, word, chat=GROUP)
    assert len([one for one in await chief.sees(GROUP) if "不在本网格名单" in one.text]) == 1


async def test_an_unknown_number_says_so(yueshi: Town) -> None:
    (chief,) = await yueshi.staff(1101)
    await _filed(yueshi)
    await yueshi.says(chief, "收到 99号")
    assert "没有找到编号 99" in (await yueshi.last(chief)).text


async def test_each_day_has_its_own_number_one_and_theirs_comes_first(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (chief,) = await yueshi.staff(1101)
    first = await yueshi.filed(resident)
    await yueshi.says(chief, f"我去{_short(first)}")
    await yueshi.pass_time(days=1)
    second = await yueshi.filed(resident, "小广告贴满墙")
    assert _short(second) == _short(first)
    await yueshi.says(chief, f"到场{_short(first)}")
    statuses = {one.id: one.status for one in await yueshi.requests()}
    assert (statuses[first.id], statuses[second.id]) == ("in_progress", "assigned")


async def test_what_is_over_needs_nobody_any_more(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (chief,) = await yueshi.staff(1101)
    request = await yueshi.filed(resident)
    await yueshi.taps(resident, "撤回")
    await yueshi.says(chief, f"我去 {request.number}")
    assert "已撤回" in (await yueshi.last(chief)).text


@pytest.mark.parametrize("words", ["好的，3号", "我来 3号"])
async def test_amid_a_report_such_words_say_where_somebody_lives(yueshi: Town, words: str) -> None:
    resident = await yueshi.person(9001)
    await resident.scans()
    await yueshi.settle()
    await yueshi.says(resident, "楼道灯坏了")
    await yueshi.says(resident, words)
    assert "名单" not in (await yueshi.last(resident)).text
