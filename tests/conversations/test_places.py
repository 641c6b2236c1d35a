"""Where a matter is, in the loop: read from words, put right, and the room only for those who go there."""

import pytest
from prometheus_client import generate_latest
from sqlalchemy import select

from bot.roster import AreaRow, ChatRow, MemberRow, Roster
from storage.tables import Note, ServiceRequest
from tests.town import GROUP, Town, sample

DESK, SECOND, OTHER = 2001, -502, -601


async def notes(town: Town) -> list[Note]:
    return await town.app.store.read(lambda session: list(session.scalars(select(Note).order_by(Note.id))))


async def test_a_building_goes_to_its_grid_member_and_a_second_message_puts_it_right(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    first, second = await yueshi.staff(1001, 1002)
    await yueshi.says(resident, "一号楼的路灯不亮了")
    assert "地点：第一网格 1号楼" in (await yueshi.last(resident)).text
    await yueshi.says(resident, "不是一号楼，是五号楼")
    assert "地点：第二网格 5号楼" in (await yueshi.last(resident)).text
    await yueshi.taps(resident, "提交")
    request = await yueshi.request()
    assert (request.area, request.assignee) == ("YS-2-5", "g2")
    assert request.number in (await yueshi.last(second)).text
    assert not [one for one in await first.sees() if request.number in one.text]


async def test_a_place_that_is_denied_is_asked_for_again(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "路灯不亮了")
    await yueshi.says(resident, "不是3号楼的")
    assert "在哪儿" in (await yueshi.last(resident)).text


async def test_an_edited_message_changes_the_place(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    message = await yueshi.says(resident, "一号楼路灯不亮了")
    await resident.edits(message, "五号楼路灯不亮了")
    await yueshi.settle()
    assert "5号楼" in (await yueshi.last(resident)).text


async def test_a_landmark_is_place_enough_in_the_only_community(yueshi: Town) -> None:
    resident = await yueshi.person(9001)
    await yueshi.says(resident, "村口的路灯不亮了")
    assert "地点：村口" in (await yueshi.last(resident)).text
    assert "提交" in (await yueshi.last(resident)).labels


async def test_the_room_is_on_the_private_card_and_nowhere_else(
    yueshi: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.says(resident, "三号楼二单元 五零一门口的路灯不亮了")
    assert "地点：第一网格 3号楼 2单元501室" in (await yueshi.last(resident)).text.splitlines()
    await yueshi.taps(resident, "提交")
    number = (await yueshi.request()).number
    card = (await yueshi.card(member, number)).text
    assert "3号楼2单元501室" in card.splitlines()
    assert "三号楼*室门口的路灯不亮了" in card
    assert "查看原文" not in card, "nothing is hidden from whoever handles it"
    assert "我已替您遮住" not in (await yueshi.last(resident)).text
    (note,) = await notes(yueshi)
    assert note.body == "三号楼*室门口的路灯不亮了"
    assert yueshi.vault.open(note.rooms or b"") == "3号楼2单元501室"
    said = capsys.readouterr()
    group = "\n".join(one.text for one in await member.sees(GROUP))
    assert "501" not in group
    for room in ("单元501", "501室", "五零一"):
        assert room not in group + said.out + said.err + generate_latest().decode()
    await yueshi.taps(member, "接单")
    assert "3号楼2单元501室" in (await yueshi.card(member, number)).text, "the card changes, the room stays"


async def test_whoever_only_sorts_learns_no_room_until_they_have_it(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (desk,) = await yueshi.staff(DESK)
    await yueshi.says(resident, "2单元501那个东西又那样了")
    await yueshi.says(resident, "就是那个嘛")
    for label in ("都不是", "提交"):
        if label in (await yueshi.last(resident)).labels:
            await yueshi.taps(resident, label)
    request = await yueshi.request()
    assert request.status == "triage"
    card = (await yueshi.last(desk)).text
    assert "“*室那个东西又那样了" in card
    assert "501" not in card
    await yueshi.taps(desk, "社区自己办")
    assert "2单元501室" in (await yueshi.card(desk, request.number)).text


async def test_a_room_said_later_reaches_the_handler_too(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident, "楼道灯坏了")
    await yueshi.says(resident, "就在1单元302门口")
    await yueshi.taps(resident, "补充")
    assert (await yueshi.last(member)).text.splitlines()[1:] == ["“就在*室门口”", "1单元302室"]


async def test_a_room_is_forgotten_with_who_lives_there(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident, "2单元501门口楼道灯坏了")
    await yueshi.says(resident, "删除我的信息")
    await yueshi.taps(resident, "确认删除")
    assert [(note.body, note.rooms) for note in await notes(yueshi)] == [("", None)]
    assert "501" not in "\n".join(one.text for one in await member.sees())


# --- two communities --------------------------------------------------------------------------


def with_neighbour(roster: Roster) -> Roster:
    """A second community that has a building 3 as well, and a gate that its grid goes by."""
    areas = [
        AreaRow.model_validate(row)
        for row in (
            {"code": "GH", "kind": "community", "name": "桂花社区"},
            {"code": "GH-1", "kind": "grid", "name": "第一网格", "parent": "GH"},
            {
                "code": "GH-1-3",
                "kind": "building",
                "name": "3号楼",
                "parent": "GH-1",
                "aliases": ["桂花园南门"],
            },
        )
    ]
    member = {"code": "gh1", "name": "唐某", "role": "grid_member", "area": "GH-1"}
    members = [MemberRow.model_validate({**member, "accounts": {"telegram": "1601"}})]
    chats = [
        ChatRow.model_validate({"channel": "telegram", "id": str(OTHER), "area": "GH-1", "purpose": "staff"})
    ]
    return roster.model_copy(
        update={
            "areas": (*roster.areas, *areas),
            "members": (*roster.members, *members),
            "chats": (*roster.chats, *chats),
        }
    )


@pytest.mark.parametrize(
    ("scanned", "text", "area"),
    [
        ("YS-2-5", "三号楼的路灯不亮了", "YS-1-3"),
        ("GH-1-3", "3栋的路灯不亮了", "GH-1-3"),
        ("YS-2-5", "桂花园南门的路灯不亮了", "GH-1-3"),
    ],
)
async def test_a_number_that_two_communities_have_is_the_one_where_the_code_was_scanned(
    yueshi: Town, scanned: str, text: str, area: str
) -> None:
    await yueshi.load(with_neighbour(sample()))
    resident = await yueshi.person(9001)
    await resident.scans(await yueshi.token(scanned))
    await yueshi.settle()
    request: ServiceRequest = await yueshi.filed(resident, text)
    assert (request.area, request.community) == (area, area[:2])


async def test_without_a_code_a_number_that_two_communities_have_is_asked_about(yueshi: Town) -> None:
    await yueshi.load(with_neighbour(sample()))
    resident = await yueshi.person(9001)
    await yueshi.says(resident, "三号楼的路灯不亮了")
    assert "在哪儿" in (await yueshi.last(resident)).text
    await yueshi.says(resident, "桂花园南门那边")
    await yueshi.taps(resident, "提交")
    assert (await yueshi.request()).area == "GH-1-3"
