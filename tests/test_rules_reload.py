"""A changed rule file takes effect without a restart; a wrong one changes nothing."""

import asyncio
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import bot
from bot.files import FileError, Watched
from bot.rules import RulesFile, load_rules
from routing.classify import decide

TAXONOMY = (Path(bot.__file__).parent / "defaults/rules/taxonomy.yaml").read_text(encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "taxonomy.yaml"
    path.write_text(TAXONOMY, encoding="utf-8")
    return path


def replace(path: Path, text: str) -> None:
    """As editors do it: a new file takes the name."""
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


async def test_right_then_wrong_then_right_again(path: Path) -> None:
    rules = RulesFile(path)
    before = rules.value
    assert not await rules.refresh()
    assert rules.value is before

    replace(path, TAXONOMY.replace("default_role: duty_desk", "default_rolle: duty_desk", 1))
    with capture_logs() as logs:
        assert not await rules.refresh()
        assert not await rules.refresh()
    assert rules.value is before
    assert rules.error
    line = TAXONOMY[: TAXONOMY.index("default_role:")].count("\n") + 1
    assert f"{path}:{line}: categories[0].children[0] 有不认识的键 default_rolle,是不是 default_role?" in str(
        rules.error
    )
    assert [entry["log_level"] for entry in logs] == ["error"]

    replace(path, TAXONOMY.replace("keywords: [着火,", "keywords: [祝融光临, 着火,"))
    assert await rules.refresh()
    assert rules.error is None
    assert rules.value.version != before.version
    assert decide("祝融光临", before).category is None
    assert decide("祝融光临", rules.value).category == "EM01"


async def test_a_file_that_vanishes_leaves_the_rules_in_force(path: Path) -> None:
    rules = RulesFile(path)
    os.unlink(path)
    assert not await rules.refresh()
    assert "找不到这个文件" in str(rules.error)
    replace(path, TAXONOMY)
    assert await rules.refresh()


async def test_refreshing_at_once_loads_once(path: Path) -> None:
    loads: list[Path] = []
    watched = Watched(path, loads.append)
    replace(path, TAXONOMY + "\n")
    assert sorted(await asyncio.gather(*(watched.refresh() for _ in range(5)))) == [False] * 4 + [True]
    assert len(loads) == 2


def test_nothing_starts_on_wrong_rules(path: Path) -> None:
    path.write_text("meta: {}\n", encoding="utf-8")
    with pytest.raises(FileError, match="缺少 categories"):
        RulesFile(path)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("service_code: EM02", "service_code: EM01", "service_code EM01 重复了"),
        ("limit: T0", "limit: T7", 'EM01 的 limit 不能是 "T7"，可用：T0、T1'),
        ("keywords: [着火,", "keywords: [着火, 着火,", "EM01 的关键词“着火”写了 2 次"),
        ("keywords: [着火,", "keywords: [着火, '着 火',", "EM01 的关键词“着火”写了 2 次"),
        ("keywords: [着火,", "keywords: [着火, ' ',", "categories[0].children[0].keywords[1] 不能是空的"),
        (
            "keywords: [着火,",
            "keywords: [着火, 119,",
            "categories[0].children[0].keywords[1] 要是文字，请加引号",
        ),
        (
            "default_role: duty_desk",
            "default_role: Duty Desk",
            "categories[0].children[0].default_role 写法不对",
        ),
        ("scope: 急事", "scope: 无", '不能是 "无"，可用：急事、大事、小事、私事'),
        ("first_reply: 先保命", "first_reply: '{先保命'\n    id2: ", "花括号不成对"),
        ("code: PA01", "code: PA99", "没有 PA99 这个类别"),
        ("first_groups: [EM]", "first_groups: [EN, EMM]", "没有 EMM 这个大类"),
        ("unclear: OS06", "unclear: OS99", "没有 OS99 这个类别"),
    ],
)
def test_wrong_rules_are_refused_with_the_line(path: Path, right: str, wrong: str, told: str) -> None:
    line = TAXONOMY[: TAXONOMY.index(right)].count("\n") + 1
    path.write_text(TAXONOMY.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(FileError) as caught:
        load_rules(path)
    assert any(told in problem.message and problem.line == line for problem in caught.value.problems)
