"""Posts change hands: leave and deputies, people who come and go, and what happens to what they had."""

from datetime import date

from bot.roster import MemberRow, Roster, read_roster
from bot.sandbox.people import Person
from bot.settings import DEFAULTS
from routing.organisation import Role
from tests.town import Town

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


async def test_at52_sc13_within_a_minute_everything_of_a_leaver_has_an_owner(yueshi: Town) -> None:
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
