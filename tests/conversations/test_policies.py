"""A question is answered with a policy card at once, and a person comes where no card is right."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.settings import Settings
from storage.tables import Assignment, Note
from tests.conversations.test_report import report_text
from tests.conversations.test_scope import count, to_staff
from tests.town import Town, town

RULES = """
meta:
  title: 小表
  version: '1'
  limits:
    T1: {name: 及时, calendar: 24x7, ack: 30m, resolve: 24h}
    T3: {name: 一般, calendar: 24x7, ack: 2h, resolve: 7d}
    T5: {name: 咨询, calendar: 24x7, ack: 2h, resolve: 1d}
  unclear: PF09
question: {keywords: {5: [怎么, 吗, 呢]}}
danger: {keywords: {5: [冒烟]}}
categories:
- code: PF
  name: 设施
  children:
  - {service_code: PF06, name: 照明, scope: 小事, default_role: grid_member, limit: T3, first_reply: 收到,
     keywords: {9: [路灯不亮]}}
  - {service_code: PF09, name: 其他, scope: 小事, default_role: grid_member, limit: T3, first_reply: 收到,
     keywords: [其他]}
- code: WL
  name: 民生
  children:
  - {service_code: WL03, name: 养老金, scope: 小事, default_role: grid_member, limit: T3, first_reply: 收到,
     keywords: [养老金]}
- code: GS
  name: 办事
  children:
  - {service_code: GS01, name: 证明与证照, scope: 小事, default_role: community, limit: T5, first_reply: 收到,
     keywords: [居住证, 身份证]}
"""


def policy(name: str, title: str, category: str, words: str, until: str = "2027-12-31") -> str:
    return f"""
  - id: {name}
    title: {title}
    categories: [{category}]
    words: [{words}]
    papers: [身份证, 住处证明]
    place: 派出所
    hours: 工作日上班时间
    phone: 热线
    valid_until: {until}
    source: 《办法》
"""


CARDS = (
    'phones: {热线: "12345"}\ntroubles: [没下来]\ncards:'
    + policy("permit", "居住证怎么办", "GS01", "居住证")
    + policy("renewal", "居住证怎么续", "GS01", "住证")
    + policy("pension", "养老金怎么认证", "WL03", "养老金")
    + policy("identity", "身份证怎么补", "GS01", "身份证", "2026-11-22")
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "taxonomy.yaml").write_text(RULES)
    (rules / "cards.yaml").write_text(CARDS)
    return rules


@pytest.fixture
async def here(tmp_path: Path, folder: Path) -> AsyncIterator[Town]:
    (tmp_path / "run").mkdir()
    async with town(tmp_path / "run", Settings(rules_dir=folder)) as found:
        yield found


async def test_a_question_is_answered_at_once(here: Town) -> None:
    resident = await here.at_home()
    await here.says(resident, "居住证怎么办理")
    shown = await here.last(resident)
    lines = [
        "居住证怎么办",
        "· 身份证",
        "· 住处证明",
        "派出所；工作日",
        "热线 12345",
        "2027年12月31日",
        "《办法》",
    ]
    assert [line for line in lines if line not in shown.text] == []
    assert "110/119/120" in shown.text
    assert shown.labels == ["还要人帮忙", "不是这个", "知道了", "有危险"]


@pytest.mark.parametrize("ending", ["知道了", "谢谢", "silence"])
async def test_an_answer_that_is_enough_leaves_a_count_and_stays_to_be_read(here: Town, ending: str) -> None:
    resident = await here.at_home()
    await here.staff(1001, 2001, 2002)
    await here.says(resident, "居住证怎么办理")
    before = await here.last(resident)
    if ending == "silence":
        await here.pass_time(minutes=12)
    else:
        await here.says(resident, ending)
    request = await here.request()
    assert (request.status, request.category, request.area) == ("guided", "GS01", "YS-1-3")
    assert [await count(here, kind) for kind in (Note, Assignment)] == [0, 0]
    assert await to_staff(here) == []
    card = await here.card(resident, "· 身份证")
    assert (card.id, card.labels) == (before.id, [])
    await here.pass_time(hours=73)
    assert (await here.request()).status == "closed"


async def test_not_this_shows_the_next_card_and_then_a_person_has_it(here: Town) -> None:
    resident = await here.at_home()
    (office,) = await here.staff(2002)
    await here.says(resident, "居住证怎么办理")
    first = await here.last(resident)
    await here.taps(resident, "不是这个")
    second = await here.last(resident)
    assert (second.id, "居住证怎么续" in second.text) == (first.id, True)
    await here.says(resident, "不是")
    request = await here.request()
    assert (request.status, request.category, request.assignee) == ("assigned", "GS01", "office")
    assert "居住证怎么办理" in (await here.last(office)).text


async def test_help_is_about_what_the_card_is_about_and_the_card_stays(here: Town) -> None:
    resident = await here.person(9001)
    await here.says(resident, "居住证怎么办理")
    await here.taps(resident, "还要人帮忙")
    assert "在哪儿" in (await here.last(resident)).text
    assert (await here.card(resident, "· 身份证")).labels == []
    await here.says(resident, "3号楼")
    await here.taps(resident, "提交")
    request = await here.request()
    assert (request.status, request.category) == ("assigned", "GS01")


async def test_submitting_in_words_asks_for_a_person(here: Town) -> None:
    resident = await here.at_home()
    await here.says(resident, "居住证怎么办理")
    await here.says(resident, "提交")
    assert ((await here.request()).status, (await here.request()).category) == ("assigned", "GS01")


async def test_two_buttons_for_elders_a_person_first(here: Town) -> None:
    resident = await here.at_home()
    await here.says(resident, "长者版")
    await here.says(resident, "居住证怎么办理")
    shown = await here.last(resident)
    assert shown.labels == ["还要人帮忙", "不是这个"]
    assert "再回复“危险”" in shown.text


@pytest.mark.parametrize("text", ["养老金这个月没到账", "路灯不亮，养老金", "居住证怎么两个月没下来"])
async def test_a_report_with_words_of_a_card_is_a_report(here: Town, text: str) -> None:
    resident = await here.at_home()
    await here.says(resident, text)
    assert "我记下来了" in (await here.last(resident)).text


async def test_a_photo_wants_somebody_to_look(here: Town) -> None:
    resident = await here.at_home()
    await resident.sends_photo("居住证怎么办理")
    await here.settle()
    assert "我记下来了" in (await here.last(resident)).text


async def test_danger_comes_before_any_answer(here: Town) -> None:
    resident = await here.at_home()
    await here.says(resident, "居住证怎么办理，插座冒烟")
    assert (await here.last(resident)).labels == ["有危险", "没有危险"]
    await here.taps(resident, "没有危险")
    assert "· 身份证" in (await here.last(resident)).text
    await here.says(resident, "危险")
    assert (await here.request()).urgent


async def test_at48_an_outdated_card_is_not_shown(here: Town) -> None:
    resident = await here.at_home()
    await here.says(resident, "身份证怎么补")
    assert "我记下来了" in (await here.last(resident)).text


async def test_what_is_reported_after_an_answer_is_not_lost_by_silence(here: Town) -> None:
    resident = await here.at_home()
    await here.says(resident, "居住证怎么办理")
    await here.says(resident, "对了，路灯不亮")
    shown = await here.last(resident)
    assert "我记下来了" in shown.text
    assert (await here.card(resident, "· 身份证")).id < shown.id
    await here.pass_time(minutes=12)
    assert await report_text(here) == "对了，路灯不亮"


@pytest.mark.parametrize("label", ["知道了", "不是这个"])
async def test_an_old_button_does_nothing_to_what_was_reported_since(here: Town, label: str) -> None:
    resident = await here.at_home()
    await here.says(resident, "居住证怎么办理")
    old = await here.last(resident)
    await here.pass_time(minutes=2)
    await here.says(resident, "对了，路灯不亮")
    await resident.taps(label, message=old.id)
    await here.settle()
    assert await here.requests() == []
    await here.pass_time(minutes=12)
    assert await report_text(here) == "对了，路灯不亮"


async def test_another_question_gets_another_card_below(here: Town) -> None:
    resident = await here.at_home()
    await here.says(resident, "居住证怎么办理")
    await here.says(resident, "那养老金怎么领呢")
    assert "养老金怎么认证" in (await here.last(resident)).text
    assert (await here.card(resident, "居住证怎么办")).labels == []


async def test_a_changed_card_counts_at_once_and_a_wrong_one_not_at_all(here: Town, folder: Path) -> None:
    resident = await here.at_home()
    (folder / "cards.yaml").write_text(CARDS.replace("place: 派出所", "place: 便民大厅", 1))
    await here.app.offices.refresh()
    await here.says(resident, "居住证怎么办理")
    assert "便民大厅" in (await here.last(resident)).text
    (folder / "cards.yaml").write_text(CARDS.replace("phone: 热线", "phone: 冷线", 1))
    await here.app.offices.refresh()
    await here.pass_time(minutes=30)
    await here.says(resident, "居住证怎么办理")
    assert "便民大厅" in (await here.last(resident)).text


async def test_a_card_that_vanished_while_it_was_shown_ends_as_quietly(here: Town, folder: Path) -> None:
    resident = await here.at_home()
    await here.says(resident, "居住证怎么办理")
    (folder / "cards.yaml").write_text("cards: []")
    await here.app.offices.refresh()
    await here.pass_time(minutes=12)
    assert (await here.request()).status == "guided"
