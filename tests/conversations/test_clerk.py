"""A clerk edits the office's files while the bot runs: what is right takes effect, what is wrong does not."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.settings import DEFAULTS, Settings
from tests.process import huiyin
from tests.town import Town, town


class Desk:
    """The clerk's folder, as `huiyin init` makes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(DEFAULTS, folder)

    def settings(self) -> Settings:
        return Settings(
            rules_dir=self.folder / "rules",
            texts_dir=self.folder / "texts",
            limits_file=self.folder / "limits.yaml",
            roles_file=self.folder / "roles.yaml",
        )

    def edits(self, name: str, old: str, new: str) -> None:
        file = self.folder / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))


@pytest.fixture
def clerk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "office")


@pytest.fixture
async def here(tmp_path: Path, clerk: Desk) -> AsyncIterator[Town]:
    (tmp_path / "run").mkdir()
    async with town(tmp_path / "run", clerk.settings()) as found:
        yield found


async def test_a_limit_a_ladder_a_text_and_a_role_take_effect_without_a_restart(
    here: Town, clerk: Desk
) -> None:
    resident = await here.at_home()
    group, section = await here.staff(1101, 3004)
    usual = "ack: {within: 2h, calendar: service_hours, steps: plain_ack}"
    clerk.edits("limits.yaml", usual, "ack: {within: 20m, steps: plain_ack}")
    clerk.edits("limits.yaml", "  - [group_chief]\n", "")
    clerk.edits("texts/zh.yaml", "已提交，编号 {number}。", "收到啦，编号 {number}。")
    clerk.edits("texts/zh.yaml", "  grid_member: 网格员", "  grid_member: 格长")
    await here.app.offices.refresh()
    await here.filed(resident)
    receipt = (await here.card(resident, "收到啦")).text
    assert "李格长" in receipt
    assert "09:20前回应" in receipt
    await here.pass_time(minutes=20)
    assert (await here.request()).alerted == ["pian"]
    assert not [one for one in await group.sees() if "请您也来看看" in one.text]
    assert [one for one in await section.sees() if "请您也来看看" in one.text]


async def test_a_category_may_want_a_photo_of_the_result(here: Town, clerk: Desk) -> None:
    resident = await here.at_home()
    (member,) = await here.staff(1001)
    clerk.edits("rules/taxonomy.yaml", "    name: 照明\n", "    name: 照明\n    photo_required: true\n")
    await here.app.offices.refresh()
    await here.filed(resident)
    await here.taps(member, "办结")
    await here.says(member, "灯泡已经换新，请再看看")
    assert "要有照片" in (await here.last(member)).text
    assert (await here.request()).status == "assigned"
    await member.sends_photo(caption="灯泡已经换新，请看照片")
    await here.settle()
    assert (await here.request()).status == "done"


async def test_at09_changed_rules_count_at_once_and_each_request_keeps_its_version(
    here: Town, clerk: Desk
) -> None:
    resident = await here.at_home()
    first = await here.filed(resident)
    clerk.edits("rules/taxonomy.yaml", "  version: '0.2'", "  version: '0.3'")
    await here.app.offices.refresh()
    await here.pass_time(hours=1)
    second = await here.filed(resident, "垃圾没人清运")
    assert first.decision["rules_version"].startswith("0.2+")
    assert second.decision["rules_version"].startswith("0.3+")


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("limits.yaml", "do: rung", "do: shout", "shout"),
        ("roles.yaml", "week: 10", "week: ten", "week"),
        ("texts/zh.yaml", "编号 {number}。", "编号 {number。", "花括号"),
        ("rules/taxonomy.yaml", "limit: T0", "limit: T77", "T77"),
    ],
)
async def test_a_wrong_file_is_refused_with_its_line_and_the_old_one_stays(
    here: Town, clerk: Desk, tmp_path: Path, name: str, old: str, new: str, says: str
) -> None:
    before = here.app.offices.current
    clerk.edits(name, old, new)
    wrong = next(n for n, line in enumerate((clerk.folder / name).read_text().splitlines(), 1) if new in line)
    await here.app.offices.refresh()
    assert here.app.offices.current is before
    config = tmp_path / "config.yaml"
    keys = {
        "rules_dir": "rules",
        "texts_dir": "texts",
        "limits_file": "limits.yaml",
        "roles_file": "roles.yaml",
    }
    config.write_text("".join(f"{key}: {clerk.folder / value}\n" for key, value in keys.items()))
    code, out, err = await huiyin("check", "--config", str(config), folder=tmp_path)
    assert code == 1
    (line,) = [one for one in (out + err).splitlines() if f"{name}:{wrong}:" in one]
    assert says in line
