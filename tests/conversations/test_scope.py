"""Large, small and private matters: who leads, who only guides, who must agree first, what was misjudged."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.roster import read_roster
from bot.sandbox.people import Person
from bot.settings import DEFAULTS
from storage.tables import Assignment, Attachment, Feedback, Note, Notification
from tests.conversations.test_together import heard
from tests.town import Town


async def to_staff(town: Town) -> list[Notification]:
    """Everything that was ever said to members and groups about requests."""

    def said(session: Session) -> list[Notification]:
        return [one for one in session.scalars(select(Notification)) if not one.chat.startswith("resident:")]

    return [one for one in await town.app.store.read(said) if one.request or one.subject]


async def count(town: Town, kind: type) -> int:
    return await town.app.store.read(
        lambda session: session.scalar(select(func.count()).select_from(kind)) or 0
    )


async def test_a_large_matter_is_led_by_the_street(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.filed(resident, "工地夜间施工噪音扰民")
    assert "这件属于大事，由街道（乡镇）牵头，社区跟办" in (await yueshi.card(resident, "已提交")).text


@pytest.mark.parametrize("ending", ["知道了", "silence"])
async def test_at14_hard_case_private_matter_leaves_a_count_only(yueshi: Town, ending: str) -> None:
    resident = await yueshi.at_home()
    await yueshi.staff(1001, 2001, 2002)
    await resident.sends_photo("马桶堵了能帮忙叫师傅吗")
    await yueshi.settle()
    card = await yueshi.last(resident)
    assert "自家维修" in card.text
    assert card.labels == ["请社区帮忙", "知道了", "都不是", "有危险"]
    if ending == "silence":
        await yueshi.pass_time(minutes=12)
    else:
        await yueshi.taps(resident, ending)
    request = await yueshi.request()
    assert (request.status, request.category, request.area) == ("guided", "PV01", "YS-1-3")
    assert "马桶" not in str(request.decision)
    assert [await count(yueshi, kind) for kind in (Note, Assignment, Attachment)] == [0, 0, 0]
    assert await to_staff(yueshi) == []
    messages = len(await resident.sees())
    await yueshi.pass_time(hours=73)
    assert (await yueshi.request()).status == "closed"
    assert len(await resident.sees()) == messages, "there is nothing to rate"


@pytest.mark.parametrize(
    ("text", "label"),
    [("马桶堵了", "请社区帮忙"), ("我80了，马桶堵了没人修", "请志愿者帮忙")],
)
async def test_help_that_is_asked_for_is_an_ordinary_request(yueshi: Town, text: str, label: str) -> None:
    resident = await yueshi.at_home()
    (office,) = await yueshi.staff(2002)
    await yueshi.says(resident, text)
    await yueshi.taps(resident, label)
    request = await yueshi.request()
    assert (request.status, request.assignee, request.limit_class) == ("assigned", "office", "T3")
    assert text in (await yueshi.last(office)).text
    assert "已交周社区干部" in (await yueshi.last(resident)).text


@pytest.mark.parametrize(
    ("text", "words"),
    [("法院判决不公你们管不管", "12348"), ("老家那边的路坏了你们能管吗", "当地12345")],
    ids=["out of scope", "other area"],
)
async def test_hard_case_not_ours(yueshi: Town, text: str, words: str) -> None:
    resident = await yueshi.person(9001)
    await yueshi.says(resident, text)
    assert words in (await yueshi.last(resident)).text
    await yueshi.taps(resident, "知道了")
    request = await yueshi.request()
    assert request.status == "guided"
    assert await to_staff(yueshi) == []


async def test_hard_case_other_area_is_handed_to_the_duty_desk(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "别的小区噪音也归你们吗")
    await yueshi.taps(resident, "转办")
    request = await yueshi.request()
    assert (request.category, request.assignee) == ("OS04", "desk")


@pytest.mark.parametrize("ending", ["先不用", "silence"])
async def test_at15_nobody_sees_a_family_quarrel_before_consent(yueshi: Town, ending: str) -> None:
    resident = await yueshi.at_home()
    await yueshi.staff(1001, 2001, 2002)
    await yueshi.says(resident, "两口子天天闹离婚求帮忙劝劝")
    card = await yueshi.last(resident)
    assert card.labels[:2] == ["要调解", "先不用"]
    assert "现在谁也看不到" in card.text
    assert await yueshi.requests() == []
    if ending == "silence":
        await yueshi.pass_time(minutes=12)
    else:
        await yueshi.taps(resident, ending)
    assert (await yueshi.request()).status == "guided"
    assert await count(yueshi, Note) == 0
    assert await to_staff(yueshi) == []


async def test_at15_after_consent_it_goes_on_its_way(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "两口子天天闹离婚求帮忙劝劝")
    await yueshi.says(resident, "要调解")
    request = await yueshi.request()
    assert (request.category, request.status) == ("DP02", "assigned")


async def test_at15_calling_a_person_does_not_give_away_what_was_confided(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.says(resident, "两口子天天闹离婚求帮忙劝劝")
    await yueshi.says(resident, "叫网格员")
    assert "请网格员联系我" in (await yueshi.last(member)).text
    assert await heard(member, "离婚") == []


async def test_at15_what_only_seems_confided_is_not_filed_by_silence_either(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.staff(1001, 2001, 2002)
    await yueshi.says(resident, "婆婆")
    assert "婚姻家庭纠纷" in (await yueshi.last(resident)).labels
    await yueshi.pass_time(hours=25)
    assert await yueshi.requests() == []
    assert await to_staff(yueshi) == []


async def test_hard_case_quarrel(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.staff(1001, 2001, 2002)
    await yueshi.filed(resident, "楼上漏水泡了我家天花板他不认账，邻里纠纷")
    assert "双方意见我们都会听" in (await yueshi.card(resident, "已提交")).text
    cards = [one for one in await to_staff(yueshi) if one.template == "member_card"]
    assert cards
    assert all("不要透露是谁反映的" in one.args["caution"] for one in cards)


# --- a dispatcher says what becomes of it -----------------------------------------------------


async def unclear(town: Town, resident: Person) -> None:
    await town.says(resident, "呱呱呱")
    await town.says(resident, "就是那样嘛")
    await town.taps(resident, "提交")


async def test_a_dispatcher_guides_with_a_basis_and_the_resident_asks_again(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (desk,) = await yueshi.staff(2001)
    await unclear(yueshi, resident)
    card = await yueshi.card(desk, "待分诊")
    await yueshi.says(desk, "引导 自己修", reply_to=card.id)
    assert "不少于10个字" in (await yueshi.last(desk)).text
    await yueshi.says(desk, "引导 这是您家自用设备，请联系厂家售后维修", reply_to=card.id)
    told = await yueshi.last(resident)
    assert "请联系厂家售后维修" in told.text
    assert (await yueshi.request()).status == "guided"
    await yueshi.taps(resident, "请社区再看看")
    assert (await yueshi.request()).status == "assigned"


REFUSAL = "不受理 已进入诉讼程序，请向法院反映，不属于社区职责"


async def test_the_duty_desk_may_not_refuse(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    (desk,) = await yueshi.staff(2001)
    await unclear(yueshi, resident)
    await yueshi.says(desk, REFUSAL, reply_to=(await yueshi.card(desk, "待分诊")).id)
    assert "不归您办理" in (await yueshi.last(desk)).text
    assert (await yueshi.request()).status == "triage"


async def test_the_community_refuses_with_a_basis_that_the_resident_reads(yueshi: Town) -> None:
    roster = read_roster(DEFAULTS / "roster.yaml")
    members = tuple(one for one in roster.members if one.code != "desk")
    await yueshi.load(roster.model_copy(update={"members": members}))
    resident = await yueshi.at_home()
    (office,) = await yueshi.staff(2002)
    await unclear(yueshi, resident)
    await yueshi.says(office, REFUSAL, reply_to=(await yueshi.card(office, "待分诊")).id)
    assert (await yueshi.request()).status == "rejected"
    assert "已进入诉讼程序" in (await yueshi.last(resident)).text


# --- the wrong class --------------------------------------------------------------------------


async def test_hard_case_wrong_class(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, office = await yueshi.staff(1001, 2002)
    await yueshi.filed(resident, "下水道井盖旁边的路灯不亮，楼道灯坏了")
    receipt = await yueshi.card(resident, "已提交")
    assert receipt.labels == ["改分类", "查进度", "撤回", "有危险"]
    before = await yueshi.request()
    await yueshi.taps(resident, "改分类")
    offered = (await yueshi.last(resident)).labels
    assert offered[-1] == "都不是"
    await yueshi.taps(resident, offered[0])
    after = await yueshi.request()
    assert after.category != before.category
    assert after.status == "assigned"
    assert await heard(resident, "谢谢您指正")
    (feedback,) = await yueshi.app.store.read(lambda session: list(session.scalars(select(Feedback))))
    assert (feedback.before, feedback.after, feedback.who) == (before.category, after.category, "resident")
    assert len(feedback.text_hash) == 64
    assert "路灯" not in feedback.text_hash
    card = await yueshi.card(member, "下水道井盖")
    await yueshi.says(member, "改分类 排水", reply_to=card.id)
    assert (await yueshi.request()).category == "PF05"
    assert "下水道井盖" in (await yueshi.last(office)).text
    assert (await yueshi.card(member, "下水道井盖")).labels == []


async def test_another_category_is_thanked_for_only_where_it_is_taken(yueshi: Town) -> None:
    (member,) = await yueshi.staff(1001)
    resident = await yueshi.at_home()
    await yueshi.filed(resident)
    await yueshi.taps(resident, "改分类")
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "已经换了新的灯泡，试过是亮的")
    await yueshi.taps(resident, "都不是")
    heard = [one.text for one in await resident.sees()]
    assert any("现在不能这样办" in one for one in heard)
    assert not any("谢谢您指正" in one for one in heard)


async def test_none_of_them_goes_to_a_person(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    member, desk = await yueshi.staff(1001, 2001)
    await yueshi.filed(resident, "楼道灯坏了")
    await yueshi.says(resident, "改分类")
    await yueshi.taps(resident, "都不是")
    request = await yueshi.request()
    assert (request.status, request.category, request.assignee) == ("triage", None, None)
    assert "待分诊" in (await yueshi.last(desk)).text
    assert (await yueshi.card(member, "楼道灯坏了")).labels == []


async def test_submitting_in_words_never_stands_for_consent(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.says(resident, "两口子天天闹离婚求帮忙劝劝")
    first = await yueshi.last(resident)
    await yueshi.says(resident, "提交")
    again = await yueshi.last(resident)
    assert (again.id > first.id, again.text) == (True, first.text)
    assert await yueshi.requests() == []


async def test_a_sealed_matter_that_comes_back_is_sorted_by_the_supervisor(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    mediator, supervisor = await yueshi.staff(3003, 3001)
    await yueshi.filed(resident, "楼上漏水泡了我家天花板他不认账")
    assert (await yueshi.request()).assignee == "medi"
    await yueshi.taps(mediator, "更多")
    await yueshi.taps(mediator, "退回")
    await yueshi.taps(mediator, "不属本职责")
    await yueshi.says(mediator, "要请片长先去看看")
    assert (await yueshi.request()).status == "triage"
    assert "待分诊" in (await yueshi.card(supervisor, "漏水")).text
    await yueshi.taps(supervisor, "社区自己办")
    request = await yueshi.request()
    assert (request.status, request.assignee) == ("assigned", "super")
