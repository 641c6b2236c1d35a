"""Emergencies: the first words save, false alarms end kindly; and what only sounds like one."""

import pytest

from tests.town import Town


@pytest.mark.parametrize(
    ("text", "first", "category"),
    [
        ("五楼着火了", "119", "EM01"),
        ("一股煤气味", "别开关任何电器", "EM02"),
        ("老人叫不醒", "120", "EM03"),
    ],
    ids=["fire", "gas", "medical"],
)
@pytest.mark.both
async def test_hard_case_fire_gas_medical_the_first_words_save(
    yueshi: Town, text: str, first: str, category: str
) -> None:
    resident = await yueshi.at_home()
    people = await yueshi.staff(2001, 1001, 1201)
    await yueshi.says(resident, text)
    answer = (await yueshi.last(resident)).text
    assert first in answer.splitlines()[0]
    assert answer.index(first) < answer.index("？")
    assert "还没有人回复" in answer
    request = await yueshi.request()
    assert (request.category, request.limit_class, request.urgent) == (category, "T0", True)
    for person in people:
        assert text in (await yueshi.last(person)).text


async def test_at12_a_hot_pot_restaurant_is_no_fire(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "火锅店油烟太大")
    card = await yueshi.last(resident)
    assert "119" not in card.text.splitlines()[0]
    assert "没有危险" not in card.labels
    assert await yueshi.requests() == []


async def test_at13_a_false_alarm_is_closed_with_what_was_found_and_blames_nobody(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    desk, member = await yueshi.staff(2001, 1001)
    await yueshi.says(resident, "三号楼着火了")
    await yueshi.taps(member, "更多")
    assert "误报" not in (await yueshi.last(member)).labels, "nobody has been there yet"
    await yueshi.taps(desk, "更多")
    await yueshi.taps(desk, "误报")
    await yueshi.says(desk, "无")
    assert "不少于" in (await yueshi.last(desk)).text
    await yueshi.says(desk, "是烧纸的烟，已经灭了")
    request = await yueshi.request()
    assert (request.status, request.result_code) == ("closed", "not_found")
    heard = await yueshi.last(resident)
    assert "请放心" in heard.text
    assert "谢谢您及时说" in heard.text
    assert heard.labels == ["没解决，重新办"]


async def test_at67_hard_case_complaint_about_the_handler_is_not_shown_to_them(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, supervisor = await yueshi.staff(1001, 3001)
    await yueshi.says(resident, "网格员推诿不作为，态度差")
    await yueshi.taps(resident, "提交")
    request = await yueshi.request()
    assert (request.category, request.assignee, request.sealed) == ("PA04", "super", True)
    assert "推诿" in (await yueshi.card(supervisor, request.number)).text
    assert not [one for one in await member.sees() if request.number in one.text]
