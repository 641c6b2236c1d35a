"""A resident reports: pieces, questions, emergencies, and things said at the wrong moment."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.codes import token_of
from bot.media import MOST_ATTEMPTS
from bot.sandbox.faults import FaultKind
from storage import queries
from storage.tables import NOBODY, Attachment, Resident
from tests.town import GROUP, Town


async def report_text(town: Town) -> str:
    request = await town.request()
    notes = await town.app.store.read(queries.notes, request.id, "report")
    return notes[0].body


async def test_at01_the_scanned_place_needs_no_question(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "楼道灯坏了")
    assert "地点：第一网格 3号楼" in (await yueshi.last(resident)).text
    await yueshi.taps(resident, "提交")
    assert (await yueshi.request()).area == "YS-1-3"


@pytest.mark.parametrize("token", ["no-such-token", "revoked"])
async def test_at02_a_dead_token_asks_for_the_place_and_still_works(yueshi: Town, token: str) -> None:
    resident = await yueshi.person(9001)
    if token == "revoked":
        token = await yueshi.token("YS-1-3")
        await yueshi.app.store.write(token_of, "YS-1-3", yueshi.clock.now(), renew=True)
    await resident.scans(token)
    await yueshi.settle()
    assert "认不出来" in (await yueshi.last(resident)).text
    await yueshi.says(resident, "路灯不亮了")
    assert "在哪儿" in (await yueshi.last(resident)).text
    await yueshi.says(resident, "五号楼门口")
    assert "5号楼" in (await yueshi.last(resident)).text
    await yueshi.taps(resident, "提交")
    assert (await yueshi.request()).area == "YS-2-5"


@pytest.mark.parametrize("first", ["3号楼楼道灯坏了", "你好", "/start"])
async def test_at03_whatever_comes_first_is_answered_and_consent_is_shown_once(
    yueshi: Town, first: str
) -> None:
    resident = await yueshi.person(9001)
    await yueshi.says(resident, first)
    assert "只用来办这件事" in (await yueshi.last(resident)).text
    await yueshi.says(resident, "取消")
    for later in ("3号楼电梯坏了", "你好", "/start"):
        await yueshi.says(resident, later)
        assert "只用来办这件事" not in (await yueshi.last(resident)).text


async def test_at04_pieces_within_a_minute_and_a_photo_are_one_request(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.says(resident, "楼道灯坏了")
    first = await yueshi.last(resident)
    yueshi.clock.advance(timedelta(seconds=20))
    await yueshi.says(resident, "三楼的")
    yueshi.clock.advance(timedelta(seconds=20))
    await yueshi.says(resident, "好几天了")
    await resident.sends_photo()
    await yueshi.settle()
    assert (await yueshi.last(resident)).id == first.id, "the card is refreshed, not posted again"
    await yueshi.taps(resident, "提交")
    assert await report_text(yueshi) == "楼道灯坏了\n三楼的\n好几天了"
    request = await yueshi.request()
    (photo,) = await yueshi.app.store.read(queries.attachments, request.id)
    assert photo.state == "stored"
    assert [one.kind for one in await member.sees() if not one.is_me][-1] == "photo"


async def test_a_piece_after_90_seconds_posts_a_new_card_of_the_same_draft(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "楼道灯坏了")
    first = await yueshi.last(resident)
    await yueshi.pass_time(seconds=91)
    await yueshi.says(resident, "晚上看不见路")
    second = await yueshi.last(resident)
    assert second.id > first.id
    assert "楼道灯坏了" in second.text
    assert "晚上看不见路" in second.text


async def test_at05_without_a_place_one_reminder_then_dropped_after_a_day(yueshi: Town) -> None:
    resident = await yueshi.person(9001)
    await yueshi.says(resident, "路灯不亮了")
    await yueshi.pass_time(minutes=13)
    await yueshi.pass_time(hours=3)
    reminders = [one for one in await resident.sees() if "还没有提交" in one.text]
    assert len(reminders) == 1
    await yueshi.pass_time(hours=21)
    assert "没有再留着" in (await yueshi.last(resident)).text
    assert await yueshi.requests() == []


async def test_a_few_words_that_mean_nothing_are_asked_about_and_not_filed(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "哔哔哔")
    await yueshi.pass_time(minutes=13)
    assert "出了什么事" in (await yueshi.last(resident)).text
    await yueshi.pass_time(hours=25)
    assert "没有再留着" in (await yueshi.last(resident)).text
    assert await yueshi.requests() == []


async def test_a_complete_draft_files_itself_after_twelve_quiet_minutes(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "楼道灯坏了")
    await yueshi.pass_time(minutes=12)
    assert (await yueshi.request()).status == "assigned"
    assert "已提交，编号" in (await yueshi.last(resident)).text


async def test_at06_the_same_update_three_times_is_one_request(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "楼道灯坏了")
    await resident.taps("提交")
    await yueshi.sandbox.redelivers(3)
    await yueshi.settle()
    await yueshi.sandbox.redelivers(3)
    await yueshi.settle()
    assert len(await yueshi.requests()) == 1
    assert len([one for one in await resident.sees() if "已提交，编号" in one.text]) == 1


async def test_unsure_asks_with_three_categories_and_none_of_them(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "邻居在楼道里占道又很吵")
    labels = (await yueshi.last(resident)).labels
    assert labels[-1] == "都不是"
    assert 2 <= len(labels) <= 4
    await yueshi.taps(resident, labels[0])
    assert f"类别：{labels[0]}" in (await yueshi.last(resident)).text
    await yueshi.taps(resident, "提交")
    request = await yueshi.request()
    assert yueshi.app.offices.current.category_name(request.category) == labels[0]


async def test_not_understood_asks_once_then_a_person_decides(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (desk,) = await yueshi.staff(2001)
    await yueshi.says(resident, "呱呱呱")
    assert "还没听明白" in (await yueshi.last(resident)).text
    await yueshi.says(resident, "就是那样嘛")
    await yueshi.taps(resident, "提交")
    assert (await yueshi.request()).status == "triage"
    assert "拿不准" in (await yueshi.last(resident)).text
    await yueshi.says(desk, "路灯坏了", reply_to=(await yueshi.card(desk, "待分诊")).id)
    request = await yueshi.request()
    assert request.status == "assigned"
    assert request.category == "PF06"
    assert "记为【照明】" in (await yueshi.last(resident)).text


async def test_at10_fire_tells_119_first_and_alerts_three(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    desk, member, chief = await yueshi.staff(2001, 1001, 1201)
    await yueshi.says(resident, "三号楼五层厨房着火了")
    answer = await yueshi.last(resident)
    assert "119" in answer.text
    assert answer.text.index("119") < answer.text.index("\uff1f")
    request = await yueshi.request()
    assert request.urgent
    assert len(request.alerted) == 3
    for person in (desk, member, chief):
        assert "着火" in (await yueshi.card(person, "请在")).text
    await yueshi.says(resident, "有老人没出来")
    assert len(await yueshi.requests()) == 1
    assert "有老人没出来" in (await yueshi.last(member)).text


async def test_the_danger_button_works_in_every_state(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (desk,) = await yueshi.staff(2001)
    await yueshi.says(resident, "楼道灯坏了")
    await yueshi.taps(resident, "有危险")
    assert (await yueshi.request()).urgent
    assert "110" in (await yueshi.last(resident)).text
    assert "有危险" not in (await yueshi.card(desk, "楼道灯坏了")).labels


async def test_a_danger_sign_is_asked_about_and_the_desk_sees_silence(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (desk,) = await yueshi.staff(2001)
    await yueshi.says(resident, "头有点晕")
    card = await yueshi.last(resident)
    assert "119" in card.text
    assert card.labels == ["有危险", "没有危险"]
    await yueshi.pass_time(minutes=2)
    assert "有点晕" in (await yueshi.last(desk)).text
    assert await yueshi.requests() == []


async def test_a_message_after_filing_is_asked_about_and_can_be_added(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.says(resident, "楼道灯坏了")
    await yueshi.taps(resident, "提交")
    await yueshi.says(resident, "是二楼到三楼那一盏")
    assert (await yueshi.last(resident)).labels[:2] == ["补充", "新问题"]
    await yueshi.taps(resident, "补充")
    assert len(await yueshi.requests()) == 1
    assert "二楼到三楼" in (await yueshi.last(member)).text


async def test_an_addition_to_what_has_ended_meanwhile_becomes_a_report_of_its_own(yueshi: Town) -> None:
    (member,) = await yueshi.staff(1001)
    resident = await yueshi.at_home()
    await yueshi.filed(resident)
    await yueshi.says(resident, "单元门口垃圾没人清运")
    assert (await yueshi.last(resident)).labels[:2] == ["补充", "新问题"]
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "已经换了新的灯泡，试过是亮的")
    await yueshi.taps(resident, "已解决，满意")
    await yueshi.taps(resident, "补充")
    assert "提交" in (await yueshi.card(resident, "垃圾")).labels
    await yueshi.taps(resident, "提交")
    assert [one.status for one in await yueshi.requests()] == ["closed", "assigned"]


async def test_an_edited_piece_changes_the_draft(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    message = await yueshi.says(resident, "楼道灯坏了")
    await resident.edits(message, "电梯坏了，关不上门")
    await yueshi.settle()
    assert "电梯" in (await yueshi.last(resident)).text
    await yueshi.taps(resident, "提交")
    assert await report_text(yueshi) == "电梯坏了，关不上门"


async def test_every_kind_of_message_gets_an_answer(yueshi: Town) -> None:
    resident, other = await yueshi.at_home(), await yueshi.person(9002, "别人")
    await resident.sends_sticker()
    await yueshi.settle()
    assert "还看不懂" in (await yueshi.last(resident)).text
    await resident.sends_contact(of=other)
    await yueshi.settle()
    assert "别人的名片" in (await yueshi.last(resident)).text
    await resident.sends_location(35.1, 112.8)
    await yueshi.settle()
    assert "出了什么事" in (await yueshi.last(resident)).text


async def test_an_album_joins_one_draft(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await resident.sends_album(4, "垃圾没人清运")
    await yueshi.settle()
    assert "附件 4 个" in (await yueshi.last(resident)).text
    await yueshi.taps(resident, "提交")
    request = await yueshi.request()
    assert len(await yueshi.app.store.read(queries.attachments, request.id)) == 4


async def test_a_photo_that_cannot_be_fetched_is_reported_to_staff(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.sandbox.fails(FaultKind("502_html"), method="getFile", times=100)
    await resident.sends_photo("楼道灯坏了")
    await yueshi.settle()
    await yueshi.taps(resident, "提交")
    for attempt in range(1, MOST_ATTEMPTS):
        await yueshi.pass_time(seconds=2**attempt)
    assert (await yueshi.request()).status == "assigned"
    assert "附件没能取到" in (await yueshi.last(member)).text


@pytest.mark.parametrize(
    "text",
    ["路灯坏了" * 1250, "😀😀灯坏了😀", "<b>路灯坏了</b> & </b>", "灯坏了]]>", "‮灯坏了‏", "灯坏了\u0000"],
    ids=["5000 characters", "emoji", "html", "cdata", "right-to-left", "nul"],
)
@pytest.mark.both
async def test_strange_texts_are_stored_as_they_are_and_shown_whole(yueshi: Town, text: str) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, text)
    shown = (await yueshi.last(resident)).text
    assert text.replace("\u0000", "")[:3] in shown
    await yueshi.taps(resident, "叫网格员" if "叫网格员" in (await yueshi.last(resident)).labels else "提交")
    kept = await report_text(yueshi)
    assert kept.replace("\n", "") == text.replace("\u0000", "")


@pytest.mark.both
async def test_two_messages_at_once_keep_their_order(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    for number in range(8):
        await resident.says(f"灯坏了第{number}句")
    await yueshi.settle()
    await yueshi.taps(resident, "提交")
    assert await report_text(yueshi) == "\n".join(f"灯坏了第{number}句" for number in range(8))


async def test_elder_mode_shows_two_buttons_and_danger_as_a_word(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "长者版")
    await yueshi.says(resident, "楼道灯坏了")
    card = await yueshi.last(resident)
    assert card.labels == ["叫网格员", "提交"]
    assert "回复“危险”" in card.text
    await yueshi.says(resident, "危险")
    assert (await yueshi.request()).urgent


async def test_words_do_what_buttons_do(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "楼道灯坏了")
    await yueshi.says(resident, "提交")
    assert (await yueshi.request()).status == "assigned"
    await yueshi.says(resident, "/my")
    assert "已派单" in (await yueshi.last(resident)).text


async def test_attachments_do_not_carry_the_platforms_id(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await resident.sends_photo("楼道灯坏了")
    await yueshi.settle()

    def paths(session: Session) -> list[str]:
        return [f"{one.id} {one.path} {one.remote}" for one in session.scalars(select(Attachment))]

    (stored,) = await yueshi.app.store.read(paths)
    number, path, remote = stored.split(" ")
    assert number in path
    assert remote not in path


async def test_a_pin_is_a_place_of_its_own_and_no_words_of_the_resident(yueshi: Town) -> None:
    resident = await yueshi.person(9001)
    await yueshi.says(resident, "路灯坏了")
    await resident.sends_location(35.1, 112.8)
    await yueshi.settle()
    assert "定位" in (await yueshi.last(resident)).text
    await yueshi.taps(resident, "提交")
    assert await report_text(yueshi) == "路灯坏了"


async def test_an_emergency_repeats_the_place_it_knows(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "厨房着火了")
    assert "【第一网格 3号楼】" in (await yueshi.last(resident)).text


async def test_the_reminder_offers_the_same_answers_as_the_card(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "头有点晕")
    await yueshi.pass_time(minutes=13)
    reminder = await yueshi.last(resident)
    assert "还没有提交" in reminder.text
    assert reminder.labels == ["有危险", "没有危险"]
    await yueshi.taps(resident, "没有危险")
    assert "有危险" in (await yueshi.last(resident)).labels


async def test_danger_comes_before_an_addition(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.filed(resident)
    await yueshi.says(resident, "进度")
    await yueshi.taps(resident, "补充")
    await yueshi.says(resident, "三号楼着火了")
    assert [one.urgent for one in await yueshi.requests()] == [False, True]


async def test_an_answer_to_a_message_about_a_request_is_added_to_it(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.pass_time(hours=1)
    receipt = await yueshi.card(resident, "已提交")
    await yueshi.says(resident, "是三楼那一盏", reply_to=receipt.id)
    assert "已补充到" in (await yueshi.last(resident)).text
    assert "是三楼那一盏" in (await yueshi.last(member)).text
    assert len(await yueshi.requests()) == 1


async def test_asked_for_more_the_next_words_are_added(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.filed(resident)
    await yueshi.pass_time(hours=1)
    await yueshi.says(resident, "进度")
    await yueshi.taps(resident, "补充")
    await yueshi.says(resident, "灯罩也破了")
    assert "灯罩也破了" in (await yueshi.last(member)).text
    await yueshi.pass_time(hours=1)
    await yueshi.says(resident, "垃圾没人清运")
    assert "垃圾" in (await yueshi.last(resident)).text
    assert "提交" in (await yueshi.last(resident)).labels


async def test_a_newcomers_messages_in_one_batch_are_one_resident_and_one_draft(yueshi: Town) -> None:
    resident = await yueshi.person(9001)
    for text in ("3号楼的", "楼道灯坏了", "好几天了"):
        await resident.says(text)
    await yueshi.settle()
    await yueshi.taps(resident, "提交")
    assert await report_text(yueshi) == "3号楼的\n楼道灯坏了\n好几天了"
    count = await yueshi.app.store.read(
        lambda session: session.scalar(select(func.count()).where(Resident.id != NOBODY))
    )
    assert count == 1


async def test_the_residents_own_number_reaches_the_handler_and_nobody_else(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, chief = await yueshi.staff(1001, 1101)
    await yueshi.says(resident, "楼道灯坏了")
    await resident.sends_contact(phone="13800138000")
    await yueshi.settle()
    await yueshi.taps(resident, "提交")
    assert "13800138000" in (await yueshi.card(member, "楼道灯坏了")).text
    assert "13800138000" not in "".join(one.text for one in await chief.sees(GROUP))
