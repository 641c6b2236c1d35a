"""A changed rule file takes effect without a restart; a wrong one is refused with its line."""

import asyncio
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from bot.cli import app
from bot.files import FileError, Watched
from bot.rules import RulesFile, load_rules
from routing.classify import Danger, decide

MAIN = """\
meta:
  title: 小镇
  version: '7'
  unclear: OS06
  limits:
    T0: {name: 急情, calendar: 24x7, ack: 10m, resolve: 24h}
    T3: {name: 一般, calendar: 24x7, ack: 2h, resolve: 7d}
include: [more.yaml]
words:
  坏: [坏了, 不亮]
categories:
- code: EM
  name: 突发急情
  children:
  - service_code: EM01
    name: 火情
    scope: 急事
    default_role: duty_desk
    limit: T0
    keywords: [着火, 起火]
    first_reply: 先保命
- code: PF
  name: 公共设施
  children:
  - service_code: PF06
    name: 照明
    scope: 小事
    default_role: grid_member
    limit: T3
    keywords:
      6: <灯><坏>
      2: 路灯 楼道
      -4: 车灯
    combos:
    - {all: [楼梯, 黑 暗], score: 5}
    exclude: 灯具店
    starts: {3: 报修}
    first_reply: 收到，{deadline}前告诉您
  - service_code: OS06
    name: 内容不清
    scope: 小事
    default_role: bot
    limit: T3
    keywords: 那个 坏了
    first_reply: 请再说说
    alone: false
"""
MORE = """\
words:
  灯: 灯 灯泡
danger:
  ask: 4
  alarm: 8
  keywords: {8: 救命, 4: 着火}
nothing:
  combos:
  - {then: [修好, 不用], within: 6, score: 5}
lexicon:
  PF06:
    keywords: {3: 灯杆}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "more.yaml").write_text(MORE, encoding="utf-8")
    path = tmp_path / "taxonomy.yaml"
    path.write_text(MAIN, encoding="utf-8")
    return path


def replace(path: Path, text: str) -> None:
    """As editors do it: a new file takes the name."""
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


# --- what may be written ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("灯泡坏了", {"PF06": 6}),  # every word of one group with every word of another
        ("灯不亮", {"PF06": 6}),
        ("路灯的灯杆", {"PF06": 5}),  # from both files
        ("楼梯太黑", {"PF06": 5}),
        ("灯具店的灯坏了", {"PF06": 6}),
        ("报修车灯", {"PF06": -1}),  # what begins so speaks for it, the word against it
        ("那个", {"OS06": 3}),  # a plain list weighs by length
    ],
)
def test_every_way_to_write_words(path: Path, text: str, scores: dict[str, int]) -> None:
    assert {one.category: one.score for one in decide(text, load_rules(path)).candidates} == scores


def test_senses_are_written_like_categories(path: Path) -> None:
    rules = load_rules(path)
    assert decide("着火", rules).danger is Danger.ASK
    assert decide("救命", rules).danger is Danger.ALARM
    assert decide("路灯的灯泡坏了修好了不用来", rules).category is None


# --- changes ----------------------------------------------------------------------------------


async def test_right_then_wrong_then_right_again(path: Path) -> None:
    rules = RulesFile(path)
    before = rules.value
    assert not await rules.refresh()
    assert rules.value is before

    replace(path, MAIN.replace("default_role: duty_desk", "default_rolle: duty_desk", 1))
    with capture_logs() as logs:
        assert not await rules.refresh()
        assert not await rules.refresh()
    assert rules.value is before
    assert rules.error
    line = MAIN[: MAIN.index("default_role:")].count("\n") + 1
    assert f"{path}:{line}: categories[0].children[0] 有不认识的键 default_rolle,是不是 default_role?" in str(
        rules.error
    )
    assert [entry["log_level"] for entry in logs] == ["error"]

    replace(path, MAIN.replace("keywords: [着火,", "keywords: [祝融光临, 着火,"))
    assert await rules.refresh()
    assert rules.error is None
    assert rules.value.version != before.version
    assert decide("祝融光临", before).category is None
    assert decide("祝融光临", rules.value).category == "EM01"


async def test_a_change_in_an_included_file_takes_effect(path: Path) -> None:
    rules = RulesFile(path)
    replace(path.with_name("more.yaml"), MORE.replace("灯杆", "灯柱"))
    assert await rules.refresh()
    assert decide("灯柱", rules.value).category == "PF06"


async def test_a_file_that_vanishes_leaves_the_rules_in_force(path: Path) -> None:
    rules = RulesFile(path)
    os.unlink(path)
    assert not await rules.refresh()
    assert "找不到这个文件" in str(rules.error)
    replace(path, MAIN)
    assert await rules.refresh()


async def test_refreshing_at_once_loads_once(path: Path) -> None:
    loads: list[Path] = []
    watched = Watched(path, loads.append)
    replace(path, MAIN + "\n")
    assert sorted(await asyncio.gather(*(watched.refresh() for _ in range(5)))) == [False] * 4 + [True]
    assert len(loads) == 2


def test_nothing_starts_on_wrong_rules(path: Path) -> None:
    path.write_text("meta: {}\n", encoding="utf-8")
    with pytest.raises(FileError, match="缺少 categories"):
        RulesFile(path)


# --- mistakes ---------------------------------------------------------------------------------

MISTAKES = [
    ("service_code: PF06", "service_code: EM01", "service_code EM01 重复了"),
    ("limit: T0", "limit: T7", 'EM01 的 limit 不能是 "T7"，可用：T0、T3'),
    ("keywords: [着火,", "keywords: [着火, 着火,", "EM01 的关键词“着火”写了两次"),
    ("keywords: [着火,", "keywords: [着火, '着 火',", "EM01 的关键词“着火”写了两次"),
    ("keywords: [着火,", "keywords: [着火, ' ',", "不能是空的"),
    ("keywords: [着火,", "keywords: [着火, 119,", "要是文字，请加引号"),
    ("2: 路灯 楼道", "2: 路灯 灯杆", "PF06 的关键词“灯杆”有两个分数"),
    ("2: 路灯 楼道", "200: 路灯 楼道", "不能大于 30"),
    ("2: 路灯 楼道", "2: 路灯.*坏", "“.*”像正则表达式，这里只写词"),
    ("2: 路灯 楼道", "2: (路灯|楼道)", "像正则表达式"),
    ("2: 路灯 楼道", "2: <路灯>坏", "没有 <路灯> 这个词组"),
    ("exclude: 灯具店", "exclude: 路灯", "PF06 的“路灯”又是关键词又在 exclude 里，永远不算"),
    ("{all: [楼梯, 黑 暗], score: 5}", "{all: [楼梯], score: 5}", "至少两项"),
    ("{all: [楼梯, 黑 暗], score: 5}", "{all: [楼梯, 黑], unless: 黑, score: 5}", "又要有又在 unless 里"),
    (
        "{all: [楼梯, 黑 暗], score: 5}",
        "{all: [楼梯, 黑 暗], then: [灯, 黑], score: 5}",
        "要么写 all，要么写 then",
    ),
    ("坏: [坏了, 不亮]", "坏: [坏了, <坏>]", "词组 <坏> 绕回了自己"),
    ("2: 路灯 楼道", "30: " + " ".join(f"灯{n}" for n in range(1100)), "加起来有 33039，最多 32767"),
    ("default_role: duty_desk", "default_role: Duty Desk", "categories[0].children[0].default_role 写法不对"),
    ("scope: 急事", "scope: 无", '不能是 "无"，可用：急事、大事、小事、私事'),
    ("first_reply: 先保命", "first_reply: '{先保命'", "花括号不成对"),
    ("first_reply: 先保命", "first_reply: 网格员马上到", "是急事，第一句话不能说“网格员马上到”"),
    ("unclear: OS06", "unclear: OS99", "没有 OS99 这个类别"),
    ("    keywords: 那个 坏了\n", "", "OS06 没有一个词会选中它"),
    ("  坏: [坏了", "\t坏: [坏了", "有制表符"),
]


@pytest.mark.parametrize(("right", "wrong", "told"), MISTAKES)
def test_mistakes_are_refused_with_their_line(path: Path, right: str, wrong: str, told: str) -> None:
    assert right in MAIN
    path.write_text(MAIN.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(FileError) as caught:
        load_rules(path)
    assert told in str(caught.value)
    assert all(problem.line for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("  PF06:", "  PF99:", "more.yaml:11: 没有 PF99 这个类别"),
        ("灯: 灯 灯泡", "坏: 坏掉", "词组 <坏> 写了两次"),
        ("{3: 灯杆}", "{3: 灯杆 路灯}", "more.yaml:12: PF06 的关键词“路灯”有两个分数"),
    ],
)
def test_mistakes_between_files(path: Path, right: str, wrong: str, told: str) -> None:
    path.with_name("more.yaml").write_text(MORE.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(FileError) as caught:
        load_rules(path)
    assert told in str(caught.value)


# --- the commands -----------------------------------------------------------------------------


def huiyin(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["rules", *arguments])
    return result.exit_code, result.output


def test_check(path: Path) -> None:
    assert huiyin("check", "--rules", str(path)) == (
        0,
        f"{path}: 3 categories, 13 keywords, 2 combinations, version {load_rules(path).version}\n",
    )
    path.write_text(MAIN.replace("limit: T0", "limit: T7"), encoding="utf-8")
    code, told = huiyin("check", "--rules", str(path))
    assert (code, "taxonomy.yaml:19:" in told, "T7" in told) == (1, True, True)


def test_explain_shows_words_and_weights(path: Path) -> None:
    code, told = huiyin("explain", "路灯坏了", "--rules", str(path))
    assert code == 0
    assert "PF06 照明" in told
    assert "+6   灯坏了" in told
    assert "+2   路灯" in told


LABELLED = """\
text,label,danger
灯坏了,PF06,no
路灯灯杆,PF06|OS06,no
着火了,EM01,now
今天天气好,-,no
沟堵了,PF06,no
"""


def test_test_prints_the_figures(path: Path, tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text(LABELLED, encoding="utf-8")
    code, told = huiyin("test", str(tmp_path / "set.csv"), "--rules", str(path))
    assert code == 0
    lines = {line[:36].strip(): line[36:].split() for line in told.splitlines()}
    assert lines["best guess right"] == ["0.750", "4"]
    assert lines["no keyword hit"] == ["0.250", "4"]
    assert lines["emergencies: alarm or ask"] == ["1.000", "1"]
    assert lines["nothing to file, but filed"] == ["0.000", "1"]


def test_a_wrong_set_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("words,label\n灯,PF06\n", encoding="utf-8")
    code, told = huiyin("test", str(tmp_path / "set.csv"), "--rules", str(path))
    assert (code, "没有 text 这一列，有：words、label" in told) == (1, True)


def test_mined_rules_can_be_used_and_tested(tmp_path: Path) -> None:
    topics = {
        "水": ["停水了", "水管爆了", "水压太小", "自来水发黄"],
        "电": ["停电了", "跳闸了", "电表坏了", "电压太低"],
    }
    rows = [
        f"{place}{said},{label}"
        for label, told in topics.items()
        for said in told
        for place in ("三楼", "村里")
    ]
    (tmp_path / "train.csv").write_text("\n".join(["message,topic", *rows]), encoding="utf-8")
    columns = ("--text", "message", "--label", "topic")
    mined = tmp_path / "mined.yaml"
    budget = ("--max-keywords", "6", "--out", str(mined))
    code, told = huiyin("mine", "--train", str(tmp_path / "train.csv"), *columns, *budget)
    assert (code, "learned from 16 texts" in told) == (0, True)
    rules = load_rules(mined)
    assert len(rules.patterns) <= 6
    assert decide("五楼又停电", rules).candidates[0].category == "电"
    code, told = huiyin("test", str(tmp_path / "train.csv"), *columns, "--rules", str(mined))
    assert (code, "best guess right" in told) == (0, True)


def test_nothing_to_learn_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n停水,水\n", encoding="utf-8")
    code, told = huiyin("mine", "--train", str(tmp_path / "train.csv"), "--out", str(tmp_path / "mined.yaml"))
    assert (code, "至少要有两种标签" in told) == (1, True)
    assert not (tmp_path / "mined.yaml").exists()
