"""The same matter from many: joining, counting, merging, and everybody who hears how it goes."""

import asyncio

import pytest
from sqlalchemy import select

from bot.sandbox.people import Person
from storage.tables import Endorsement, Note
from tests.town import Town

NO_WATER = "自来水停水了，一上午没水"
JOIN = "是，算我一个"


async def at_home(town: Town, count: int, first: int = 9001, area: str = "YS-1-3") -> list[Person]:
    """Residents of building 3 who have scanned the code there, all at once."""
    token = await town.token(area)
    people = [await town.person(first + one) for one in range(count)]
    await asyncio.gather(*(one.scans(token) for one in people))
    await town.settle()
    return people


async def all_do(town: Town, people: list[Person], *, say: str = "", tap: str = "") -> None:
    await asyncio.gather(*(one.says(say) if say else one.taps(tap) for one in people))
    await town.settle()


async def joined(town: Town) -> list[Endorsement]:
    return await town.app.store.read(lambda session: list(session.scalars(select(Endorsement))))


async def heard(person: Person, words: str) -> list[str]:
    return [one.text for one in await person.sees() if not one.is_me and words in one.text]


async def solve(town: Town, member: Person) -> None:
    await town.taps(member, "办结")
    await town.says(member, "水管已经抢修好，全楼恢复供水")


async def test_at28_hard_case_thirty_neighbours_are_one_request(yueshi: Town) -> None:
    """With five more who report something else (SC11)."""
    (member,) = await yueshi.staff(1001)
    people = await at_home(yueshi, 30)
    others = await at_home(yueshi, 5, first=9101)
    before = len([one for one in await member.sees() if not one.is_me])
    await all_do(yueshi, people[:3], say=NO_WATER)
    await all_do(yueshi, people[:3], tap="提交")  # the same moment: one is first, two are asked
    assert len(await yueshi.requests()) == 1
    for one in people[:3]:
        if JOIN in (await yueshi.last(one)).labels:
            await one.taps(JOIN)
    await yueshi.settle()
    for start in range(3, 30, 9):
        await all_do(yueshi, people[start : start + 9], say="停水了，什么时候来水")
        await all_do(yueshi, people[start : start + 9], tap=JOIN)
        await yueshi.pass_time(minutes=2)
    for one, text in zip(
        others, ("楼道灯坏了", "垃圾没人清运", "小广告贴满墙", "楼道堆满杂物", "下水道堵了"), strict=True
    ):
        await yueshi.says(one, text)
        await yueshi.taps(one, "提交")
    master, *separate = await yueshi.requests()
    assert len(separate) == 5
    assert all(one.endorsements == 0 for one in separate)
    assert master.endorsements == 29
    assert len(await joined(yueshi)) == 29
    about = [one for one in await member.sees() if not one.is_me and master.number in one.text]
    assert len(about) <= 3, [one.text for one in about]
    assert before == 1
    card = await yueshi.card(member, NO_WATER)
    assert "已有30户反映" in card.text
    await yueshi.says(member, "办结", reply_to=card.id)
    await yueshi.says(member, "水管已经抢修好，全楼恢复供水")
    for one in people:
        assert len(await heard(one, "全楼恢复供水")) == 1


async def test_at29_not_the_same_is_a_request_of_its_own(yueshi: Town) -> None:
    first, second = await at_home(yueshi, 2)
    await yueshi.filed(first, NO_WATER)
    await yueshi.says(second, "停水了，我家水表也坏了")
    card = await yueshi.last(second)
    assert card.labels == [JOIN, "不是", "有危险"]
    assert "【供水】第一网格 3号楼" in card.text
    assert "已有1户反映" in card.text
    assert "一上午" not in card.text, "nobody's words are shown to somebody else"
    await yueshi.taps(second, "不是")
    assert [one.endorsements for one in await yueshi.requests()] == [0, 0]
    assert "已提交，编号 YS261123-0002" in (await yueshi.last(second)).text


@pytest.mark.parametrize(
    ("area", "text", "asked"),
    [
        ("YS-1-3", "停水了", True),
        ("YS-1", "停水了", True),
        ("YS-1-1", "停水了", False),
        ("YS", "停水了", False),
        ("YS-1-3", "楼道灯坏了", False),
    ],
    ids=["same building", "the grid around it", "another building", "no place", "another category"],
)
async def test_only_the_same_kind_in_the_same_place_is_asked_about(
    yueshi: Town, area: str, text: str, asked: bool
) -> None:
    (first,) = await at_home(yueshi, 1)
    (second,) = await at_home(yueshi, 1, first=9002, area=area)
    await yueshi.filed(first, NO_WATER)
    await yueshi.says(second, text)
    assert (JOIN in (await yueshi.last(second)).labels) is asked


@pytest.mark.both
async def test_fifty_metres_count_as_one_place(yueshi: Town) -> None:
    first, near, far = [await yueshi.person(9001 + one) for one in range(3)]
    for one, east in ((first, 0.0), (near, 0.0003), (far, 0.0004)):  # 0, 43 and 58 metres
        await one.sends_location(34.5 + east, 113.4 + east)
        await yueshi.says(one, "路面破损，坑坑洼洼")
        await yueshi.settle()
        if one is first:
            await yueshi.taps(one, "提交")
    assert JOIN in (await yueshi.last(near)).labels
    assert JOIN not in (await yueshi.last(far)).labels


async def test_personal_matters_are_never_compared(yueshi: Town) -> None:
    first, second = await at_home(yueshi, 2)
    await yueshi.filed(first, "想办低保，家里没收入")
    await yueshi.says(second, "想办低保，家里没收入")
    assert (await yueshi.last(second)).labels[0] == "提交"


@pytest.mark.both
async def test_ones_own_open_request_is_added_to(yueshi: Town) -> None:
    (resident,) = await at_home(yueshi, 1)
    await yueshi.filed(resident, NO_WATER)
    await yueshi.pass_time(hours=1)
    await yueshi.says(resident, NO_WATER)
    assert (await yueshi.last(resident)).labels == ["补充", "新问题", "取消", "有危险"]
    await yueshi.taps(resident, "新问题")
    assert (await yueshi.last(resident)).labels[0] == "提交"


async def test_who_joined_hears_everything_and_may_leave(yueshi: Town) -> None:
    (member,) = await yueshi.staff(1001)
    first, second, stranger = await at_home(yueshi, 3)
    request = await yueshi.filed(first, NO_WATER)
    await yueshi.says(second, "停水了")
    await yueshi.taps(second, JOIN)
    assert "算上您，共2户" in (await yueshi.last(second)).text
    await yueshi.taps(member, "接单")
    assert await heard(second, "李网格员已接单")
    await yueshi.says(second, request.number)
    assert "地点：第一网格 3号楼" in (await yueshi.last(second)).text
    await yueshi.says(stranger, request.number)
    assert "地点" not in (await yueshi.last(stranger)).text
    await yueshi.says(first, "撤回")
    assert "还有别家在等" in (await yueshi.last(first)).text
    request = await yueshi.request()
    assert (request.status, request.endorsements) == ("acknowledged", 0)
    await solve(yueshi, member)
    assert (await yueshi.last(second)).labels == ["已解决，满意", "解决了，不太满意", "没解决"]


async def test_counts_show_press_and_proclaim(yueshi: Town) -> None:
    member, chief, desk = await yueshi.staff(1001, 1101, 2001)
    people = await at_home(yueshi, 11)
    await yueshi.filed(people[0], "楼道灯坏了")
    for number, one in enumerate(people[1:10], 2):
        await yueshi.says(one, "楼道灯不亮")
        await yueshi.taps(one, JOIN)
        shown = (await yueshi.card(member, "楼道灯坏了")).text
        assert ("户反映" in shown) is (number >= 3)
        request = await yueshi.request()
        assert request.limit_class == ("T2" if number >= 5 else "T3")
    assert len(await heard(member, "已有5户反映，请优先处理")) == 1
    assert len(await heard(chief, "已有5户反映，请优先处理")) == 1
    assert len(await heard(member, "集中诉求")) == len(await heard(desk, "集中诉求")) == 1
    notice = await yueshi.last(people[10])
    assert "已有10户反映【照明】" in notice.text
    assert await heard(people[1], "已有10户反映") == []
    await yueshi.taps(people[10], "我家也是")
    assert (await yueshi.request()).endorsements == 10


async def test_done_a_moment_ago_is_said_and_filed_anew_with_a_link(yueshi: Town) -> None:
    (member,) = await yueshi.staff(1001)
    first, second = await at_home(yueshi, 2)
    request = await yueshi.filed(first, NO_WATER)
    await solve(yueshi, member)
    await yueshi.says(second, "停水了")
    card = await yueshi.last(second)
    assert card.labels[:2] == ["还没好，重新办", "知道了"]
    assert request.number in card.text
    await yueshi.taps(second, "还没好，重新办")
    assert len(await yueshi.requests()) == 2
    assert f"办结过同类 {request.number}" in (await yueshi.last(member)).text


async def test_silence_is_no_yes_and_what_comes_up_meanwhile_is_asked(yueshi: Town) -> None:
    first, second = await at_home(yueshi, 2)
    await yueshi.says(second, "停水了")
    await yueshi.filed(first, NO_WATER)
    await yueshi.pass_time(minutes=12)
    assert JOIN in (await yueshi.last(second)).labels
    await yueshi.pass_time(minutes=12)
    assert [one.endorsements for one in await yueshi.requests()] == [0, 0]


async def two_alike(town: Town) -> list[Person]:
    """Building 3 reported twice, a third household has joined the second report."""
    people = await at_home(town, 3)
    await town.filed(people[0], NO_WATER)
    await town.says(people[1], NO_WATER)
    await town.taps(people[1], "不是")
    await town.says(people[2], "停水了")
    await town.taps(people[2], next(one for one in (await town.last(people[2])).labels if "1." in one))
    return people


async def test_a_dispatcher_merges_and_everybody_is_carried_over(yueshi: Town) -> None:
    desk, member = await yueshi.staff(2001, 1001)
    people = await two_alike(yueshi)
    one, other = await yueshi.requests()
    small, big = (one, other) if other.endorsements else (other, one)
    card = next(seen for seen in await member.sees() if big.number in seen.text)
    await yueshi.says(member, f"并案 {int(small.number[-4:])}号", reply_to=card.id)
    assert "请社区看" in (await yueshi.last(member)).text
    await yueshi.taps(desk, "并入")
    requests = {found.number: found for found in await yueshi.requests()}
    master = requests[small.number]
    assert requests[big.number].status == "merged"
    assert requests[big.number].master == master.id
    assert master.endorsements == 2
    assert {found.request for found in await joined(yueshi)} == {master.id}
    for person in (people[0], people[2]):
        assert await heard(person, "是同一件事")
    await yueshi.says(member, f"并案 {master.number}", reply_to=card.id)
    await yueshi.taps(desk, "并入")
    assert "不能" in (await yueshi.last(desk)).text
    assert (await yueshi.history(requests[big.number]))[-1].event == "merge"


async def test_what_joiners_wrote_is_kept_and_not_shown(yueshi: Town) -> None:
    (member,) = await yueshi.staff(1001)
    first, second = await at_home(yueshi, 2)
    await yueshi.filed(first, NO_WATER)
    await yueshi.says(second, "停水了，我妈卧床急用水")
    await yueshi.taps(second, JOIN)
    assert await heard(member, "卧床") == []
    kinds = await yueshi.app.store.read(lambda session: list(session.scalars(select(Note.kind))))
    assert sorted(kinds) == ["endorsement", "report"]
