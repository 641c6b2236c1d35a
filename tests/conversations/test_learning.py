"""What people put right becomes words for the rules: proposed, tried on the past, accepted, in force."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.sandbox.people import Person
from bot.settings import DEFAULTS, Settings
from storage import privacy
from storage.tables import Feedback, ServiceRequest
from tests.process import huiyin
from tests.town import Town, town

LEAF = "scope: 小事, default_role: grid_member, limit: T3, first_reply: 收到"
RULES = f"""# 小镇的规则
meta:
  title: 小镇
  version: '1'
  limits:
    T3: {{name: 一般, calendar: calendar days, ack: 2h, resolve: 7d}}
categories:
- code: PF
  name: 设施
  children:
  - {{service_code: PF02, name: 供电, keywords: {{5: [插座]}}, {LEAF}}}
  - {{service_code: PF06, name: 照明, keywords: {{5: [灯], 1: [灭]}}, {LEAF}}}
  - {{service_code: PA04, name: 作风, keywords: [投诉], {LEAF}}}
  - {{service_code: OS02, name: 指引, keywords: [态度恶劣], {LEAF.replace("grid_member", "bot")}}}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The office's own folder of rules."""
    shutil.copytree(DEFAULTS / "rules", tmp_path / "rules")
    (tmp_path / "rules" / "taxonomy.yaml").write_text(RULES, encoding="utf-8")
    return tmp_path / "rules"


@pytest.fixture
async def here(tmp_path: Path, rules: Path) -> AsyncIterator[Town]:
    (tmp_path / "run").mkdir()
    async with town(tmp_path / "run", Settings(rules_dir=rules)) as found:
        yield found


async def feedback(here: Town) -> list[tuple[str | None, str | None, str]]:
    def said(session: Session) -> list[tuple[str | None, str | None, str]]:
        rows = session.scalars(select(Feedback).order_by(Feedback.id))
        return [(one.before, one.after, one.who) for one in rows]

    return await here.app.store.read(said)


async def hashes(here: Town, request: int) -> set[str]:
    said = select(Feedback.text_hash).where(Feedback.request == request)
    return await here.app.store.read(lambda session: set(session.scalars(said)))


def seal(session: Session, request: int) -> None:
    session.execute(update(ServiceRequest).where(ServiceRequest.id == request).values(sealed=True))


async def reports(here: Town, user: int, *texts: str, category: str = "") -> Person:
    """A resident of building 3 writes and submits; it is not what others reported."""
    resident = await here.at_home(user)
    for text in texts:
        await here.says(resident, text)
    for label in ("不是", category, "不是", "提交"):
        if label in (await here.last(resident)).labels:
            await here.taps(resident, label)
    return resident


async def reclassified_by_resident_and_desk(here: Town, desk: Person) -> ServiceRequest:
    resident = await reports(here, 9001, "一跳闸灯都没了")
    await here.taps(resident, "改分类")
    await here.taps(resident, "都不是")
    await here.says(desk, "改分类 供电", reply_to=(await here.card(desk, "待分诊")).id)
    return (await here.requests())[-1]


async def chosen_on_the_card(here: Town) -> ServiceRequest:
    await reports(here, 9002, "插座一用就跳闸，灯也灭", category="供电")
    return (await here.requests())[-1]


async def reclassified_by_the_handler(here: Town, member: Person) -> ServiceRequest:
    await reports(here, 9003, "楼道灯老跳闸")
    await here.says(member, "改分类 供电", reply_to=(await here.card(member, "老跳闸")).id)
    return (await here.requests())[-1]


async def sorted_by_the_desk(here: Town, desk: Person) -> ServiceRequest:
    await reports(here, 9004, "家里跳闸", "推不上去，电话13812345678")
    await here.says(desk, "供电插座", reply_to=(await here.card(desk, "推不上去")).id)
    return (await here.requests())[-1]


async def satisfied(here: Town, member: Person) -> ServiceRequest:
    resident = await reports(here, 9005, "路灯坏了")
    await here.taps(member, "办结")
    await here.says(member, "灯泡已经换新，请再看看")
    await here.taps(resident, "已解决，满意")
    return (await here.requests())[-1]


async def run(here: Town, folder: Path, *arguments: str) -> str:
    """What a command about the rules prints; nobody's telephone number is ever in it."""
    env = {
        "HUIYIN_DATABASE_URL": here.app.settings.database_url,
        "HUIYIN_RULES_DIR": str(folder / "rules"),
    }
    code, out, err = await huiyin("rules", *arguments, folder=folder, env=env)
    assert code == 0, err
    assert "1381234" not in out + err
    return out


async def test_corrections_become_words_that_a_person_accepts(
    here: Town, rules: Path, tmp_path: Path
) -> None:
    member, desk = await here.staff(1001, 2001)
    first = await reclassified_by_resident_and_desk(here, desk)
    await chosen_on_the_card(here)
    await reclassified_by_the_handler(here, member)
    await sorted_by_the_desk(here, desk)
    lamp = await satisfied(here, member)
    assert await feedback(here) == [
        ("PF06", None, "resident"),
        (None, "PF02", "member:desk"),
        ("PF06", "PF02", "resident"),
        ("PF06", "PF02", "member:g1"),
        (None, "PF02", "member:desk"),
    ]

    (proposed, _how) = (await run(here, tmp_path, "propose")).splitlines()
    assert "add 跳闸 +5 to PF02: 4 of 4 past messages right (0 before), 0 would change" in proposed
    accepted = await run(here, tmp_path, "propose", "--accept", proposed.split()[0])
    assert accepted.strip() == f"{rules}/corrections.yaml: 跳闸 +5 for PF02"
    await here.app.offices.refresh()
    again = await here.at_home(9006)
    await here.says(again, "跳闸")
    assert "【供电】" in (await here.last(again)).text

    await here.app.store.write(privacy.erase_content, [first.id], {})
    await here.app.store.write(seal, lamp.id)
    assert await hashes(here, first.id) == {""}
    told = await run(here, tmp_path, "test", "--history", "--rules", str(rules / "taxonomy.yaml.bak"))
    assert "3 past requests, 3 would be filed differently; 2 skipped" in told
    assert "of 3 whose right category is known: 0 get better, 3 get worse" in told
    assert "跳闸" not in told


async def test_help_with_what_is_only_guided_is_no_correction(here: Town) -> None:
    resident = await here.at_home()
    await here.says(resident, "窗口态度恶劣")
    await here.taps(resident, "是作风问题")
    assert (await here.request()).category == "PA04"
    assert await feedback(here) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--accept", "abcde"), "huiyin init"),
        (("--accept", "abcde", "--rules", "own/taxonomy.yaml"), "there is no proposal abcde"),
    ],
)
async def test_what_cannot_be_accepted_is_refused_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "taxonomy.yaml").write_text(RULES, encoding="utf-8")
    env = {"HUIYIN_DATABASE_URL": f"sqlite:///{tmp_path}/new.db"}
    code, _, err = await huiyin("rules", "propose", *arguments, folder=tmp_path, env=env)
    assert (code, len(err.strip().splitlines())) == (1, 1)
    assert says in err
