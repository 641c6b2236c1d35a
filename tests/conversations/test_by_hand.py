"""A personal WeChat group: people post there by hand, chiefs answer us, and the record says just that."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.files import FileError
from bot.roster import ChatRow, Roster, read_roster
from bot.sandbox.people import Person, SeenMessage
from bot.settings import DEFAULTS
from storage.tables import Chat, HandCode, Notification
from tests.town import Town, sample, town

NAME = "三号楼邻里群"


def by_hand(roster: Roster) -> Roster:
    """The first grid's chiefs meet in a group of WeChat."""
    others = tuple(one for one in roster.chats if one.area != "YS-1")
    return roster.model_copy(update={"chats": (*others, ChatRow(channel="byhand", id=NAME, area="YS-1"))})


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path) as found:
        await found.load(by_hand(sample()))
        yield found


async def _to_post(here: Town, member: Person) -> tuple[SeenMessage, str]:
    """The newest text to post, and its code."""
    text = await here.card(member, "给公众号回复")
    found = re.search(r"收到(\d{5})", text.text)
    assert found is not None
    return text, found[1]


async def test_row_33_a_person_posts_a_text_and_the_record_says_so(here: Town) -> None:
    resident = await here.at_home()
    (member,) = await here.staff(1001)
    request = await here.filed(resident, "我叫王小明，电话13800138000，2单元501楼道灯坏了")
    text, _ = await _to_post(here, member)
    assert request.number in text.text
    assert "3号楼" in text.text
    assert not any(secret in text.text for secret in ("王小明", "13800138000", "501", "2单元", "楼道灯坏了"))
    hint = await here.last(member)
    assert NAME in hint.text
    await here.taps(member, "已转发")
    assert "人工转发" in (await here.last(member)).text
    (line,) = [one for one in await here.history(request) if one.event == "posted_by_hand"]
    assert line.actor == "member:g1"
    assert line.note is None
    assert set(line.detail) == {"chat"}


async def test_row_33_the_answer_with_the_code_claims(here: Town) -> None:
    resident = await here.at_home()
    member, chief = await here.staff(1001, 1201)
    await here.filed(resident)
    _, code = await _to_post(here, member)
    await here.says(chief, f"收到{code}")
    request = await here.request()
    assert (request.claimed_by, request.status) == ("l1", "acknowledged")
    assert "已由您确认" in (await here.last(chief)).text
    assert "张邻长" in (await here.last(resident)).text
    await here.says(chief, f"收到 {code}。")
    assert "您已经确认过了" in (await here.last(chief)).text
    assert (await here.request()).version == request.version


async def test_row_28_two_answers_at_once_are_one_claim(here: Town) -> None:
    resident = await here.at_home()
    member, first, second = await here.staff(1001, 1101, 1201)
    await here.filed(resident)
    _, code = await _to_post(here, member)
    await asyncio.gather(first.says(f"收到{code}"), second.says(f"收到{code}"))
    await here.settle()
    request = await here.request()
    assert [line.event for line in await here.history(request)].count("claim") == 1
    loser, title = (second, "王组长") if request.claimed_by == "z1" else (first, "张邻长")
    assert f"已由{title}确认" in (await here.last(loser)).text


async def test_row_33_a_code_lives_for_72_hours(here: Town) -> None:
    resident = await here.at_home()
    member, chief = await here.staff(1001, 1201)
    await here.filed(resident)
    _, code = await _to_post(here, member)
    await here.pass_time(hours=72, seconds=-60)
    await here.says(chief, f"不归我{code}")
    assert (await here.request()).not_here_by == ["l1"]
    await here.pass_time(minutes=2)
    await here.says(chief, f"收到{code}")
    assert f"{code} 已过期" in (await here.last(chief)).text
    assert (await here.request()).claimed_by is None


async def test_row_33_the_wrong_person_learns_nothing(here: Town) -> None:
    resident = await here.at_home()
    member, elsewhere = await here.staff(1001, 1202)
    stranger = await here.person(7777, "路人")
    request = await here.filed(resident)
    _, code = await _to_post(here, member)
    for person in (elsewhere, stranger):
        await here.says(person, f"收到{code}")
        told = (await here.last(person)).text
        assert "不在本网格名单" in told
        assert request.number not in told
    assert (await here.request()).claimed_by is None
    await here.pass_time(hours=73)
    await here.says(stranger, f"收到{code}")
    assert "不在本网格名单" in (await here.last(stranger)).text


async def test_a_second_card_reuses_the_code_until_it_has_been_posted(here: Town) -> None:
    resident = await here.at_home()
    member, office = await here.staff(1001, 2002)
    await here.filed(resident)
    _, code = await _to_post(here, member)
    await _send_back_and_on(here, member, office)
    _, again = await _to_post(here, office)
    assert again == code
    await here.says(office, f"已转发{code}")
    assert "人工转发" in (await here.last(office)).text
    hints = [one for one in await member.sees() if one.labels == ["已转发"]]
    assert hints == []  # whoever was asked before need not post it any more
    stored = await here.app.store.read(lambda session: list(session.query(HandCode)))
    assert [(one.code, one.posted_by) for one in stored] == [(code, "office")]


async def _send_back_and_on(here: Town, member: Person, office: Person) -> None:
    await here.taps(member, "更多")
    await here.taps(member, "退回")
    await here.taps(member, "不属本职责")
    await here.says(member, "这是物业管的灯")
    (desk,) = await here.staff(2001)
    await here.taps(desk, "派给别人")


async def test_nothing_is_ever_sent_to_such_a_group_nor_said_to_have_been_read_there(here: Town) -> None:
    resident = await here.at_home()
    member, chief, desk = await here.staff(1001, 1201, 2001)
    await here.filed(resident)
    _, code = await _to_post(here, member)
    await here.says(chief, f"我去{code}")
    await here.pass_time(days=3)
    group = await here.app.store.read(lambda session: session.query(Chat).filter_by(channel="byhand").one())
    sent = await here.app.store.read(
        lambda session: session.query(Notification).filter_by(chat=f"chat:{group.id}").count()
    )
    assert sent == 0
    assert not [one for one in await desk.sees() if "没能送到" in one.text and "群" in one.text]


async def test_a_grid_without_anybody_asks_the_dispatchers(here: Town) -> None:
    roster = by_hand(sample())
    rest = tuple(one for one in roster.members if one.code not in ("g1", "office"))
    await here.load(roster.model_copy(update={"members": rest}))
    resident = await here.at_home()
    (desk,) = await here.staff(2001)
    await here.filed(resident)
    await _to_post(here, desk)


def test_the_roster_says_what_such_a_channel_is_for(tmp_path: Path) -> None:
    text = (DEFAULTS / "roster.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "roster.yaml"
    wrong.write_text(text.replace('{telegram: "1201"}', '{byhand: "1201"}'), encoding="utf-8")
    with pytest.raises(FileError, match="账号不能用 byhand"):
        read_roster(wrong)
    right = tmp_path / "right.yaml"
    right.write_text(text.replace('{channel: telegram, id: "-501"', f"{{channel: byhand, id: {NAME}"))
    assert read_roster(right).chats[0].channel == "byhand"
