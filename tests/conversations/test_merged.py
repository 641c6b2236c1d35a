"""A burst of cards: what a chat cannot take one by one in time is one message, and nothing is lost."""

from itertools import product

from bot.sandbox.people import Person
from tests.town import GROUP, Town

BUILDINGS = ("YS-1-1", "YS-1-2", "YS-1-3")
MATTERS = (
    "楼道灯坏了",
    "电梯坏了",
    "垃圾没人清",
    "下水道堵了",
)  # each once in a building, so none is another's


async def all_report_at_once(town: Town) -> None:
    residents: list[Person] = []
    for number, (building, matter) in enumerate(product(BUILDINGS, MATTERS)):
        resident = await town.person(9100 + number)
        await resident.scans(await town.token(building))
        await town.says(resident, matter)
        residents.append(resident)
    for resident in residents:
        await resident.taps("提交")
    await town.settle()


async def test_a_burst_in_a_group_is_one_list_and_each_card_can_still_be_opened(yueshi: Town) -> None:
    member, chief = await yueshi.staff(1001, 1101)
    await all_report_at_once(yueshi)
    requests = await yueshi.requests()
    assert len(requests) == len(BUILDINGS) * len(MATTERS)
    seen = [one.text for one in await chief.sees(GROUP) if not one.is_me]
    lists = [text for text in seen if "列在一起" in text]
    assert len(lists) == 1
    assert len(seen) < len(requests)
    told = "\n".join(seen)
    assert all(request.number in told for request in requests)
    assert "楼道灯" not in "\n".join(lists), "what residents wrote is not for the group"
    listed = next(one for one in requests if one.number in lists[0])
    await yueshi.says(member, listed.number)
    shown = await yueshi.last(member)
    assert listed.number in shown.text
    assert shown.labels
