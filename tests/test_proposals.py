"""Words that past messages ask for, and how they get into the office's files."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bot.files import FileError
from bot.rules.accepting import accept, check_own, insert
from bot.rules.proposing import Lesson, Proposal, propose
from bot.rules.reading import load_rules
from bot.settings import DEFAULTS, ConfigError
from routing.classify import decide
from routing.rules import Leaf, Lexicon, RulesDocument, Scope, Thresholds

LEXICONS = {
    "LAMP": Lexicon({"灯": 4, "不亮": 3}),
    "POWER": Lexicon({"停电": 6}, exclude=("闸机",)),
    "WATER": Lexicon({"漏水": 6}),
    "FIRE": Lexicon({"着火": 9}),
    "ELSE": Lexicon({"看不懂": 3}),
}


def leaf(code: str) -> Leaf:
    scope = Scope.URGENT if code == "FIRE" else Scope.MINOR
    return Leaf(code, code, code, scope, "grid_member", (), "T3", "收到")


DOCUMENT = RulesDocument("1", tuple(map(leaf, LEXICONS)), LEXICONS, {}, "ELSE", Thresholds())


def lessons(*rows: str) -> list[Lesson]:
    """`text > category`, each by another resident unless it begins with `1:` or the like."""
    found = []
    for at, row in enumerate(rows, 100):
        who, _, rest = row.rpartition(":")
        text, _, right = rest.partition(" > ")
        found.append(Lesson(text, int(who or at), right))
    return found


TRIPS = ("一开空调就跳闸，没灯 > POWER", "家里灯又跳闸 > POWER", "跳闸了，灯全灭 > POWER")
LAMPS = ("路灯不亮 > LAMP", "楼道灯坏了 > LAMP", "灯不亮了 > LAMP")


def words(rows: tuple[str, ...], *names: str) -> list[tuple[str, int, str]]:
    return [(one.word, one.weight, one.category) for one in propose(lessons(*rows), DOCUMENT, names)]


def test_a_word_is_proposed_with_what_it_would_do() -> None:
    rows = (*TRIPS, *LAMPS, "跳闸停电 > POWER", "路灯那边跳闸 > LAMP")
    (found,) = propose(lessons(*rows), DOCUMENT)
    assert (found.word, found.category, found.weight) == ("跳闸", "POWER", 5)
    assert (found.messages, found.before, found.after, found.worse, found.gain) == (5, 2, 4, 1, 2)


@pytest.mark.parametrize(
    ("rows", "names", "found"),
    [
        (("跳闸 > POWER", "又跳闸 > POWER", "总跳闸 > POWER"), (), [("跳闸", 2, "POWER")]),
        (("跳闸 > POWER", "又跳闸 > POWER"), (), []),
        (("7:跳闸 > POWER", "7:又跳闸 > POWER", "7:总跳闸 > POWER", "8:跳闸了 > POWER"), (), []),
        (("关不上门 > WATER", "关不上窗 > WATER", "关不上 > WATER"), (), [("关不上", 2, "WATER")]),
        (("跳闸 > POWER", "跳闸 > WATER", "总跳闸 > POWER", "又跳闸 > POWER", "跳闸 > WATER"), (), []),
        (("呱呱 > NONE",) * 3, (), []),
        (("幸福里 > POWER", "在幸福里 > POWER", "幸福里的 > POWER"), ("幸福里小区",), []),
        (("三号楼二单元501 > WATER",) * 3, (), [("三号楼", 2, "WATER")]),
        (("呱呱 > ELSE",) * 3, (), []),
        (("闸机 > POWER",) * 3, (), []),
        ((*("关不上 > WATER",) * 9, "关不严 > WATER"), (), [("关不上", 2, "WATER")]),
        ((), (), []),
    ],
    ids=[
        "three residents", "two residents", "one resident four times", "the longest in common",
        "as often elsewhere", "a category that is gone", "a place", "no door", "what is only unclear",
        "an excluded phrase", "a whole word", "no past",
    ],
)  # fmt: skip
def test_proposals(rows: tuple[str, ...], names: tuple[str, ...], found: list[tuple[str, int, str]]) -> None:
    assert words(rows, *names) == found


def test_a_word_may_be_proposed_against_a_category() -> None:
    rows = ("灯会漏水 > WATER", "看灯会停电 > POWER", "灯会上停电了 > POWER")
    document = replace(DOCUMENT, lexicons=LEXICONS | {"LAMP": Lexicon({"灯": 8})})
    (found,) = propose(lessons(*rows), document)
    assert (found.word, found.weight, found.category, found.after) == ("灯会", -3, "LAMP", 3)


def test_what_spoils_an_emergency_is_not_proposed() -> None:
    rows = [f"烧烤{thing} > WATER" for thing in ("真呛", "太吵", "摊", "到半夜")]
    document = replace(DOCUMENT, lexicons=LEXICONS | {"FIRE": Lexicon({"冒烟": 1})})
    assert [one.word for one in propose(lessons(*rows), document)] == ["烧烤"]
    assert propose(lessons(*rows, "烧烤冒烟 > FIRE"), document) == []


def test_nothing_speaks_against_an_emergency() -> None:
    rows = ("烟火漏水 > WATER", "看烟火停电 > POWER", "烟火上停电了 > POWER")
    document = replace(DOCUMENT, lexicons=LEXICONS | {"FIRE": Lexicon({"火": 8})})
    assert propose(lessons(*rows), document) == []


def test_a_word_that_the_category_has_keeps_its_weight() -> None:
    rows = ("漏水，火灭了 > WATER", "灶火上漏水 > WATER", "漏水把火浇了 > WATER")
    document = replace(
        DOCUMENT, lexicons=LEXICONS | {"WATER": Lexicon({"漏水": 2}), "FIRE": Lexicon({"火": 4})}
    )
    assert propose(lessons(*rows), document) == []


def test_a_later_proposal_mends_what_the_first_does_not() -> None:
    rows = ("跳闸，空开甲 > POWER", "空开乙跳闸 > POWER", "跳闸丙空开 > POWER", "跳闸 > POWER")
    assert [one[0] for one in words((*rows, "滴水甲 > WATER", "乙滴水 > WATER", "丙滴水 > WATER"))] == [
        "跳闸",
        "滴水",
    ]


def test_an_id_stands_for_one_change() -> None:
    one, same = (propose(lessons(*TRIPS, *more), DOCUMENT)[0] for more in ((), LAMPS))
    assert one.id == same.id
    assert one.id != propose(lessons("滴水甲 > WATER", "乙滴水 > WATER", "丙滴水 > WATER"), DOCUMENT)[0].id


# --- into the files ---------------------------------------------------------------------------

MAIN = """# 我们自己的规则，别动格式
meta:
  title: 小镇   # 标题
  version: '1'
  limits:
    T3: {name: 一般, calendar: calendar days, ack: 2h, resolve: 7d}
categories:
- code: PF
  name: 设施
  children:
  - {service_code: PF02, name: 供电, keywords: [停电], ALIKE}
  - {service_code: PF06, name: 照明, keywords: [路灯], ALIKE}
""".replace("ALIKE", "scope: 小事, default_role: grid_member, limit: T3, first_reply: 收到")


def proposal(word: str, category: str = "PF02", weight: int = 3) -> Proposal:
    return Proposal(word, category, weight, 3, 0, 3, 0, frozenset({0, 1, 2}))


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "taxonomy.yaml"
    path.write_text(MAIN, encoding="utf-8")
    return path


def test_accepted_words_count_and_every_comment_stays(main: Path) -> None:
    accept(main, [proposal("跳闸"), proposal("空开")])
    assert main.read_text() == MAIN.replace("meta:", "include: [corrections.yaml]\nmeta:", 1)
    assert main.with_name("taxonomy.yaml.bak").read_text() == MAIN
    file = main.with_name("corrections.yaml")
    file.write_text(file.read_text().replace("跳闸", "跳闸 # 三月的\n      "))
    accept(main, [proposal("推不上", weight=5), proposal("灯会", "PF06", -2)])
    text = file.read_text()
    assert "# 三月的" in text
    assert yaml.safe_load(text)["lexicon"] == {
        "PF02": {"keywords": {3: ["空开", "跳闸"], 5: ["推不上"]}},
        "PF06": {"keywords": {-2: ["灯会"]}},
    }
    assert "推不上" not in main.with_name("corrections.yaml.bak").read_text()
    assert decide("又跳闸，推不上", load_rules(main)).candidates[0].score == 8


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", "lexicon:\n  A:\n    keywords: {3: [跳闸]}\n"),
        ("lexicon: {}\n", "lexicon: {A: {keywords: {3: [跳闸]}}}\n"),
        ("lexicon:\n  # 灯\n  B: {}\n", "lexicon:\n  # 灯\n  A:\n    keywords: {3: [跳闸]}\n  B: {}\n"),
        ("lexicon:\n  A: {exclude: [x]}\n", "lexicon:\n  A: {keywords: {3: [跳闸]}, exclude: [x]}\n"),
        (
            "lexicon:\n  A:\n    keywords:\n      5: [停]\n",
            "lexicon:\n  A:\n    keywords:\n      3: [跳闸]\n      5: [停]\n",
        ),
        (
            "lexicon:\r\n  A:\r\n    keywords:\r\n      3:\r\n      - 停电 # 常见\r\n",
            "lexicon:\r\n  A:\r\n    keywords:\r\n      3:\r\n      - 跳闸\n      - 停电 # 常见\r\n",
        ),
        ("lexicon: {A: {keywords: {3: 停电 没电}}}", "lexicon: {A: {keywords: {3: 跳闸 停电 没电}}}"),
        (
            "lexicon:\n  A:\n    keywords:\n      3: '停电\n        没电'\n",
            "lexicon:\n  A:\n    keywords:\n      3: '跳闸 停电\n        没电'\n",
        ),
        ("words: {停: [电]}\n", "lexicon:\n  A:\n    keywords: {3: [跳闸]}\nwords: {停: [电]}\n"),
    ],
)
def test_a_word_is_put_between_what_stands_there(text: str, after: str) -> None:
    assert insert(Path("c.yaml"), text, ("lexicon", "A", "keywords", "3"), "跳闸") == after


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lexicon:\n  PF02:\n    keywords: [停电]\n", 3),
        ("lexicon:\n  PF02:\n    keywords: {3: {停电: 1}}\n", 3),
        ("lexicon: [", 2),
        ("lexicon: {PF02: {exclude: [跳闸]}}\n", 1),
        ("lexicon: {PF99: {keywords: [有人]}}\n", 1),
    ],
)
def test_what_would_not_be_right_afterwards_changes_nothing(main: Path, text: str, line: int) -> None:
    file = main.with_name("corrections.yaml")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as refused:
        accept(main, [proposal("跳闸")])
    assert [(one.file, one.line) for one in refused.value.problems] == [(str(file), line)]
    assert (file.read_text(), main.read_text()) == (text, MAIN)
    assert {one.name for one in main.parent.iterdir()} == {"taxonomy.yaml", "corrections.yaml"}


def test_the_programs_own_rules_are_left_alone(main: Path) -> None:
    check_own(main)
    with pytest.raises(ConfigError, match="huiyin init"):
        check_own(DEFAULTS / "rules" / "taxonomy.yaml")
