"""Personal data in the loop: masked, sealed, unnamed, shown for a purpose, forgotten on request."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from sqlalchemy import select

from bot import trace
from bot.roster import MemberRow, read_roster
from bot.settings import DEFAULTS
from storage import trace as traces
from storage.tables import AccessLog, Account, Attachment, Message, Note, Notification
from tests import databases
from tests.test_privacy import identity_cards, mobiles, written
from tests.town import GROUP, Town, town

SUPERVISOR, OFFICER, OFFICE, DESK, POLICE = 3001, 3002, 2002, 2001, 3003
ID_CARD, PHONE = "110101199003076579", "13900139000"
SECRETS = f"楼道灯坏了，我叫赵铁柱，打{PHONE}，证号{ID_CARD}"


@pytest.fixture
async def guarded(yueshi: Town) -> Town:
    """岳师村 with those who watch over what is sealed."""
    roster = read_roster(DEFAULTS / "roster.yaml")
    more = [
        MemberRow.model_validate(
            {"code": code, "name": name, "role": role, "area": "YS", "accounts": {"telegram": str(user)}}
        )
        for code, name, role, user in (
            ("sup", "钱某", "supervisor", SUPERVISOR),
            ("po", "沈某", "privacy_officer", OFFICER),
            ("police", "韩某", "community_police", POLICE),
        )
    ]
    others = [one for one in roster.members if one.code not in ("super", "privacy", "street")]
    await yueshi.load(roster.model_copy(update={"members": (*others, *more)}))
    return yueshi


async def notes(town: Town) -> list[Note]:
    return await town.app.store.read(lambda session: list(session.scalars(select(Note).order_by(Note.id))))


async def looks(town: Town) -> list[AccessLog]:
    return await town.app.store.read(lambda session: list(session.scalars(select(AccessLog))))


async def said_to(town: Town, *people: Any) -> str:
    """Everything that the bot has shown these people, privately or in the group."""
    shown = [one for person in people for chat in (None, GROUP) for one in await person.sees(chat)]
    return "\n".join(one.text for one in shown if not one.is_me)


def everything(town: Town, folder: Path) -> str:
    """Every column of every table, and every file, as one text."""
    found = [path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file()]
    return "\n".join([*found, *databases.values(town.app.settings.database_url)])


# --- masked -----------------------------------------------------------------------------------


async def test_hard_case_personal_data_in_text(guarded: Town, tmp_path: Path) -> None:
    resident = await guarded.at_home()
    (member,) = await guarded.staff(1001)
    request = await guarded.filed(resident, SECRETS)
    shown = "楼道灯坏了，我叫***，打***，证号***"
    assert shown in (await guarded.card(member, request.number)).text
    assert (await guarded.last(resident)).text.count("我已替您遮住") == 1
    (note,) = await notes(guarded)
    assert note.body == shown
    assert guarded.vault.open(note.original or b"") == SECRETS
    await guarded.pass_time(days=8)
    (note,) = await notes(guarded)
    assert (note.body, note.original) == (shown, None)
    stored = everything(guarded, tmp_path)
    assert not [secret for secret in (PHONE, ID_CARD, "赵铁柱") if secret in stored]


async def test_an_addition_is_masked_as_well(guarded: Town) -> None:
    resident = await guarded.at_home()
    (member,) = await guarded.staff(1001)
    await guarded.filed(resident)
    await guarded.says(resident, f"电话 {PHONE}")
    await guarded.taps(resident, "补充")
    assert "电话 ***" in (await guarded.last(member)).text


WRITTEN = st.one_of(mobiles(), identity_cards()).flatmap(
    lambda number: st.tuples(st.just(number), written(number))
)


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WRITTEN, min_size=8, max_size=8))
def test_at70b_nothing_personal_is_in_any_group_card_log_line_or_metric(
    capsys: pytest.CaptureFixture[str], numbers: list[tuple[str, str]]
) -> None:
    async def lived() -> str:
        with tempfile.TemporaryDirectory() as folder:
            async with town(Path(folder)) as here:
                (member,) = await here.staff(1001)
                for user, (_, number) in enumerate(numbers, 9001):
                    resident = await here.at_home(user)
                    await here.filed(resident, f"2单元501楼道灯坏了，找我{number}")
                return "\n".join(one.text for one in await member.sees(GROUP))

    group = asyncio.run(lived())
    said = capsys.readouterr()
    assert group.count("楼道") >= len(numbers) or group.count("第一网格 3号楼") >= len(numbers)
    shown = group + said.out + said.err + generate_latest().decode()
    assert "501" not in group
    assert not [one for number, as_written in numbers for one in (number, as_written) if one in shown]


# --- unnamed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["word", "text"])
async def test_at66_nobody_learns_who_an_unnamed_reporter_is(
    guarded: Town, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await guarded.person(90017731, "赵小燕")
    resident = await guarded.at_home(90017731)
    staff = await guarded.staff(1001, 1101, DESK, OFFICE)
    await resident.sends_contact(phone=PHONE)
    await guarded.settle()
    await guarded.says(resident, "楼道灯坏了" + ("，匿名反映" if way == "text" else ""))
    if way == "word":
        await guarded.says(resident, "匿名")
        assert "按匿名处理" in (await guarded.last(resident)).text
    await guarded.taps(resident, "提交")
    request = await guarded.request()
    assert request.anonymous
    assert "匿名居民" in (await guarded.card(staff[0], request.number)).text
    found = await guarded.app.store.read(traces.newest)
    assert found is not None
    shown = await said_to(guarded, *staff) + capsys.readouterr().out
    shown += json.dumps(trace.in_words(guarded.app.offices.current, found, guarded.clock.now()))
    account = await guarded.app.store.read(
        lambda session: session.scalar(select(Account).where(Account.resident == request.resident))
    )
    assert account is not None
    for identity in (90017731, account.id, account.lookup, request.resident, PHONE, resident.name):
        assert str(identity) not in shown.replace(request.number, "")


async def test_hard_case_anonymous_gets_a_number_and_is_asked_no_name(guarded: Town) -> None:
    resident = await guarded.at_home()
    await guarded.says(resident, "匿名")
    assert "先说是什么事" in (await guarded.last(resident)).text
    request = await guarded.filed(resident, "匿名：有人在楼道里堆杂物")
    heard = await said_to(guarded, resident)
    assert request.number in heard
    assert "姓名" not in heard.replace("证件号、姓名", "")
    assert [note.kind for note in await notes(guarded)] == ["report"]


# --- sealed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hotline", "leads"), [("我老公又打我", "12110", "police"), ("我真的不想活了", "12356", "desk")]
)
async def test_hard_case_violence_and_suicide_words_are_sealed(
    guarded: Town, text: str, hotline: str, leads: str
) -> None:
    resident = await guarded.at_home()
    outside = await guarded.staff(1001, 1101, 1201, OFFICE)
    inside = await guarded.staff(DESK, POLICE if leads == "police" else SUPERVISOR)
    await guarded.says(resident, text)
    request = await guarded.request()
    assert (request.sealed, request.urgent) == (True, True)
    assert hotline in (await guarded.last(resident)).text
    assert [line.event for line in await guarded.history(request)][:3] == ["submit", "accept", "seal"]
    assert not set(request.alerted) & {"g1", "z1", "l1", "office"}
    assert "desk" in request.alerted
    for one in inside:
        assert text in await said_to(guarded, one)
    assert request.number not in await said_to(guarded, *outside)
    await guarded.pass_time(hours=1)
    await guarded.says(resident, "在家里")
    assert text not in await said_to(guarded, *outside)


async def test_what_nobody_may_see_asks_for_a_supervisor_without_a_word_of_it(yueshi: Town) -> None:
    roster = read_roster(DEFAULTS / "roster.yaml")
    others = tuple(one for one in roster.members if one.code not in ("super", "street"))
    await yueshi.load(roster.model_copy(update={"members": others}))
    resident = await yueshi.at_home()
    member, desk = await yueshi.staff(1001, DESK)
    request = await yueshi.filed(resident, "有人私搭乱建，占绿地盖违建")
    assert (request.category, request.sealed) == ("HP05", True)
    card = await yueshi.card(desk, f"{request.number} 按规定")
    assert "保密" in card.text
    assert "督导员" in card.text
    assert "违建" not in card.text
    assert card.labels == []
    await yueshi.says(desk, "接单", reply_to=card.id)
    assert "不能查看或办理" in (await yueshi.last(desk)).text
    assert request.number not in await said_to(yueshi, member)


# --- looking with a purpose -------------------------------------------------------------------


async def test_at72_an_original_without_a_purpose_is_refused(guarded: Town) -> None:
    resident = await guarded.at_home()
    member, office = await guarded.staff(1001, OFFICE)
    request = await guarded.filed(resident, SECRETS)
    await guarded.says(office, f"查看原文 {request.number}")
    assert "做什么用" in (await guarded.last(office)).text
    await guarded.says(office, "看")
    assert "没有写明用途" in (await guarded.last(office)).text
    assert await looks(guarded) == []
    assert PHONE not in await said_to(guarded, office)
    card = await guarded.card(member, request.number)
    await guarded.says(member, "查看原文 核实情况", reply_to=card.id)
    assert "职务不能" in (await guarded.last(member)).text
    assert await looks(guarded) == []


async def test_an_original_with_a_purpose_is_shown_logged_and_told(guarded: Town, tmp_path: Path) -> None:
    resident = await guarded.at_home()
    (supervisor,) = await guarded.staff(SUPERVISOR)
    request = await guarded.filed(resident, SECRETS)
    await guarded.says(supervisor, f"查看原文 {request.number} 上门核实地址")
    assert SECRETS in (await guarded.last(supervisor)).text
    (look,) = await looks(guarded)
    assert (look.who, look.request, look.subject) == ("member:sup", request.id, "original")
    assert look.purpose == "上门核实地址"
    assert "上门核实地址" in (await guarded.last(resident)).text
    rows = await guarded.app.store.read(lambda session: list(session.scalars(select(Notification))))
    assert not [row for row in rows if PHONE in str(row.args)]
    await guarded.says(supervisor, f"查看原文 {request.number}")
    told = (await guarded.last(resident)).id
    await guarded.taps(supervisor, "配合公安")
    assert len(await looks(guarded)) == 2
    assert (await guarded.last(resident)).id == told  # the law may forbid to tell


async def test_who_an_unnamed_reporter_is_takes_two_people_and_is_told(guarded: Town) -> None:
    resident = await guarded.at_home(90017731)
    supervisor, officer, member = await guarded.staff(SUPERVISOR, OFFICER, 1001)
    request = await guarded.filed(resident, f"楼道灯坏了，匿名，电话{PHONE}")
    await guarded.says(supervisor, f"查看原文 {request.number} 想知道是谁")
    assert "需要督导员写明理由、隐私专员同意" in (await guarded.last(supervisor)).text
    await guarded.says(supervisor, f"查看身份 {request.number}")
    assert "没有写明用途" in (await guarded.last(supervisor)).text
    await guarded.says(officer, f"查看身份 {request.number} 我自己想知道")
    assert "职务不能" in (await guarded.last(officer)).text
    await guarded.says(supervisor, f"查看身份 {request.number} 报告人可能有危险")
    assert "90017731" not in await said_to(guarded, supervisor, officer)
    await guarded.taps(officer, "同意")
    assert "90017731" in (await guarded.last(supervisor)).text
    assert "知道了" in (await guarded.last(resident)).text
    assert [look.who for look in await looks(guarded)] == ["member:sup", "member:po"]
    assert (await guarded.history(request))[-1].event == "unseal"
    assert "90017731" not in await said_to(guarded, member, officer)
    assert "同意" not in (await guarded.last(officer)).labels


async def test_unsealing_takes_two_people_and_then_shows_what_it_is(guarded: Town) -> None:
    resident = await guarded.at_home()
    supervisor, officer, office = await guarded.staff(SUPERVISOR, OFFICER, OFFICE)
    request = await guarded.filed(resident, "有人私搭乱建，占绿地盖违建")
    assert "违建" in (await guarded.card(supervisor, f"{request.number} 【")).text
    await guarded.says(supervisor, f"解除保密 {request.number} 居民同意公开处理")
    await guarded.taps(officer, "不同意")
    assert "没有同意" in (await guarded.last(supervisor)).text
    assert (await guarded.request()).sealed
    await guarded.says(supervisor, f"解除保密 {request.number} 居民书面同意公开处理")
    await guarded.taps(officer, "同意")
    assert not (await guarded.request()).sealed
    assert "书面同意" in (await guarded.last(resident)).text
    assert "违建" not in await said_to(guarded, office, officer)


# --- forgotten --------------------------------------------------------------------------------


@pytest.mark.both
async def test_at71_after_deletion_nothing_of_a_person_is_found_anywhere(
    guarded: Town, tmp_path: Path
) -> None:
    resident = await guarded.at_home(90017731)
    (member,) = await guarded.staff(1001)
    await resident.sends_photo("路灯的照片赵铁柱")
    await guarded.settle()
    first = await guarded.filed(resident, SECRETS)
    await guarded.taps(member, "接单")
    await guarded.pass_time(hours=1)
    await guarded.says(resident, "二单元的水管也漏了赵铁柱")
    await guarded.says(resident, "删除我的信息")
    await guarded.taps(resident, "不删了")
    assert PHONE in everything(guarded, tmp_path)
    assert list((tmp_path / "attachments").iterdir())
    await guarded.says(resident, "删除我的信息")
    await guarded.taps(resident, "确认删除")
    assert "全部删除" in (await guarded.last(resident)).text
    await guarded.pass_time(minutes=11)
    stored = everything(guarded, tmp_path)
    found = [one for one in ("90017731", PHONE, ID_CARD, "赵铁柱", "楼道灯坏了", "漏了") if one in stored]
    assert found == []
    assert list((tmp_path / "attachments").iterdir()) == []
    request = await guarded.request()
    assert (request.number, request.status, request.resident) == (first.number, "cancelled", 0)
    card = await guarded.card(member, f"{first.number} 【")
    assert "居民已删除" in card.text
    assert "灯坏" not in card.text
    await guarded.says(resident, "进度")
    assert "还没有提交过" in (await guarded.last(resident)).text


async def test_an_open_emergency_delays_deletion_and_says_why(guarded: Town) -> None:
    resident = await guarded.at_home()
    await guarded.says(resident, "五楼着火了")
    request = await guarded.request()
    await guarded.says(resident, "删除我的信息")
    await guarded.taps(resident, "确认删除")
    assert f"急事 {request.number} 还没办完" in (await guarded.last(resident)).text
    assert len(await notes(guarded)) == 1
    assert (await guarded.request()).resident == request.resident


async def test_staff_who_report_keep_their_account_and_blocking_erases_nothing(guarded: Town) -> None:
    (member,) = await guarded.staff(1001)
    await guarded.filed(member, "3号楼楼道灯坏了")
    await member.blocks()
    await guarded.settle()
    assert [note.body for note in await notes(guarded)] == ["3号楼楼道灯坏了"]
    await member.unblocks()
    await guarded.says(member, "删除我的信息")
    await guarded.taps(member, "确认删除")
    await guarded.pass_time(minutes=11)
    assert [note.body for note in await notes(guarded)] == [""]
    other = await guarded.at_home()
    request = await guarded.filed(other)
    assert request.number in (await guarded.last(member)).text


async def test_my_data_lists_what_was_said_and_what_came_of_it(guarded: Town) -> None:
    resident = await guarded.at_home()
    (member,) = await guarded.staff(1001)
    request = await guarded.filed(resident)
    await guarded.taps(member, "办结")
    await guarded.says(member, "已经换好了新的灯泡，晚上能亮")
    await guarded.says(resident, "我的数据")
    told = (await guarded.last(resident)).text
    for words in (request.number, "楼道灯坏了", "已经换好了新的灯泡", "已办结"):
        assert words in told


# --- in time ----------------------------------------------------------------------------------


@pytest.mark.both
async def test_what_is_closed_for_half_a_year_is_nobodys_any_more(guarded: Town, tmp_path: Path) -> None:
    resident = await guarded.at_home(90017731)
    await resident.sends_photo("照片")
    await guarded.settle()
    request = await guarded.filed(resident, "楼道灯坏了很多天")
    await guarded.taps(resident, "撤回")
    await guarded.pass_time(days=179)
    assert "楼道灯坏了很多天" in everything(guarded, tmp_path)
    await guarded.pass_time(days=3)
    await guarded.pass_time(hours=1)
    stored = everything(guarded, tmp_path)
    assert [one for one in ("楼道灯坏了很多天", "90017731") if one in stored] == []
    assert list((tmp_path / "attachments").iterdir()) == []
    closed = await guarded.request()
    assert (closed.number, closed.resident, closed.category) == (request.number, 0, request.category)


async def test_a_voice_goes_after_a_month_and_much_is_erased_in_small_steps(
    guarded: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.privacy.MOST_AT_ONCE", 2)
    resident = await guarded.at_home()
    await guarded.filed(resident, f"电话{PHONE}，楼道灯坏了")
    await resident.sends_voice()
    await guarded.settle()
    await guarded.pass_time(days=31)
    await guarded.pass_time(minutes=1)
    left = await guarded.app.store.read(lambda session: list(session.scalars(select(Attachment))))
    bodies = await guarded.app.store.read(
        lambda session: list(session.scalars(select(Message.body).where(Message.body != b"")))
    )
    assert (left, bodies) == ([], [])
