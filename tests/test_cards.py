"""Policy cards: which one answers what, and what is wrong with the office's file, as tables."""

from datetime import date
from pathlib import Path

import pytest

from bot.cards import cards_notes, load_cards
from bot.files import FileError
from bot.rules import load_rules
from bot.settings import DEFAULTS, Settings
from routing.cards import PolicyCard, choose
from routing.rules import Leaf, Scope

TODAY = date(2026, 11, 23)
SHIPPED = load_cards(DEFAULTS / "rules" / "cards.yaml")


def card(name: str, categories: str, words: str = "", until: date = TODAY) -> PolicyCard:
    return PolicyCard(
        id=name,
        title=name,
        categories=tuple(categories.split()),
        words=tuple(words.split()),
        papers=("身份证",),
        place="社区",
        hours="上班时间",
        phone="12345",
        valid_until=until,
        source="办法",
    )


def leaf(code: str, limit: str) -> Leaf:
    return Leaf(code, code, code[:2], Scope.MINOR, "community", (), limit, "收到")


CARDS = (
    card("permit", "GS01 OR06", "居住证 暂住证"),
    card("identity", "GS01", "身份证丢 补身份证"),
    card("rental", "WL07 GS03", "公租房 廉租房"),
    card("legal", "GS05"),
    card("old", "GS01", "居住证怎么办理最新规定", date(2026, 11, 22)),
)
CERTIFICATES, POLICY, LAW = leaf("GS01", "T5"), leaf("GS03", "T5"), leaf("GS05", "T5")
LIFTS, RENT = leaf("HP03", "T1"), leaf("WL07", "T4")


@pytest.mark.parametrize(
    ("text", "leaves", "chosen"),
    [
        ("居住证怎么办", [CERTIFICATES], "permit"),
        ("居 住 證怎麼辦", [CERTIFICATES], "permit"),
        ("居住证怎么办理最新规定", [CERTIFICATES], "permit"),
        ("身份证丢了，补身份证要居住证吗", [CERTIFICATES], "identity"),
        ("公租房怎么申请", [], "rental"),
        ("公租房怎么申请", [RENT], "rental"),
        ("公租房怎么申请", [LIFTS, RENT], "rental"),
        ("公租房怎么申请", [POLICY], "rental"),
        ("公租房的居住证怎么办", [RENT], "rental"),
        ("公租房电梯坏了怎么办", [LIFTS], None),
        ("押金不退合法吗", [LAW], "legal"),
        ("押金不退合法吗", [], None),
        ("居住证被房东扣了合法吗", [LAW], "permit"),
        ("无犯罪记录证明怎么开", [CERTIFICATES], None),
        ("", [CERTIFICATES], None),
        ("", [], None),
    ],
)
def test_words_choose_among_what_the_category_allows(
    text: str, leaves: list[Leaf], chosen: str | None
) -> None:
    found = choose(CARDS, text, leaves, TODAY)
    assert (found.id if found else None) == chosen


def test_a_refused_card_is_not_offered_again() -> None:
    text = "补身份证要居住证吗"
    assert choose(CARDS, text, [CERTIFICATES], TODAY, ["identity"]) is CARDS[0]
    assert choose(CARDS, text, [CERTIFICATES], TODAY, ["identity", "permit"]) is None


def test_at48_an_outdated_card_is_no_answer() -> None:
    assert choose(CARDS[:1], "居住证怎么办", [CERTIFICATES], date(2026, 11, 24)) is None


@pytest.mark.parametrize(
    ("text", "trouble"),
    [("种粮补贴没到账怎么办", True), ("居住证迟迟 没下來", True), ("种粮补贴怎么领", False), ("", False)],
)
def test_what_has_gone_wrong_is_no_question(text: str, trouble: bool) -> None:
    assert SHIPPED.is_trouble(text) == trouble


# --- the office's file ------------------------------------------------------------------------

GOOD = """phones: {热线: "12345"}
cards:
  - id: permit
    title: 居住证怎么办
    categories: [GS01]
    words: [居住证]
    papers: [身份证]
    place: 派出所
    hours: 工作日
    phone: 热线
    valid_until: 2027-12-31
    source: 条例
"""


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("phone: 热线", "phone: 人社", "10: phones 里没有“人社”，有这些：热线"),
        ("2027-12-31", "2027-02-30", "11: 2027-02-30 不是有效的日期或数字"),
        ("2027-12-31", "年底", "11: cards[0].valid_until 要是日期"),
        ("GS01", "GS1", "5: cards[0].categories[0] 写法不对"),
        ("[GS01]", "[]", "5: cards[0].categories 不能是空的"),
        ("[身份证]", "[]", "7: cards[0].papers 不能是空的"),
        ("[居住证]", "[证]", "6: cards[0].words[0] 至少要两个字"),
        ("[居住证]", "[居住证, 居 住證]", "6: permit 的词“居住证”写了两次"),
        ("id: permit", "id: 居住证", "3: cards[0].id 写法不对"),
        ("place:", "palce:", "是不是 place?"),
        ("    source: 条例\n", "", "cards[0] 缺少 source"),
        ('"12345"', "12345", "1: phones.热线 要是文字，请加引号"),
        ("居住证怎么办", "居住证怎么办" * 6, "4: cards[0].title 最多 30 个字"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, right: str, wrong: str, problem: str) -> None:
    file = tmp_path / "cards.yaml"
    file.write_text(GOOD)
    assert load_cards(file).cards[0].phone == "热线 12345"
    file.write_text(GOOD.replace(right, wrong))
    with pytest.raises(FileError) as refused:
        load_cards(file)
    assert problem in str(refused.value)


def test_the_same_id_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    file = tmp_path / "cards.yaml"
    file.write_text(GOOD + GOOD.partition("cards:\n")[2])
    with pytest.raises(FileError, match="13: id permit 重复了，前一个在第 3 行"):
        load_cards(file)


@pytest.mark.parametrize(
    ("today", "words"),
    [
        (date(2027, 12, 1), "快到期"),
        (date(2027, 12, 31), "快到期"),
        (date(2028, 1, 1), "已过期"),
        (date(2027, 11, 30), None),
    ],
)
def test_at48_the_clerk_is_warned_thirty_days_before_and_after(
    tmp_path: Path, today: date, words: str | None
) -> None:
    file = tmp_path / "cards.yaml"
    file.write_text(GOOD)
    notes = [*cards_notes(load_cards(file), {"GS01"}, today)]
    assert len(notes) == bool(words)
    assert all(words in note and "permit（居住证怎么办）" in note for note in notes if words)


def test_the_clerk_hears_of_samples_and_of_categories_that_do_not_exist(tmp_path: Path) -> None:
    file = tmp_path / "cards.yaml"
    file.write_text("sample: true\n" + GOOD)
    sample, unknown = cards_notes(load_cards(file), {"PF06"}, TODAY)
    assert "样例" in sample
    assert "GS01 在分类表里没有" in unknown


def test_the_shipped_cards_are_samples_of_categories_that_exist() -> None:
    leaves = load_rules(DEFAULTS / "rules" / "taxonomy.yaml").leaves
    assert SHIPPED.sample
    assert [*cards_notes(SHIPPED, leaves, TODAY)][1:] == []


def test_every_shipped_card_is_found_by_each_of_its_own_words() -> None:
    for one in SHIPPED.cards:
        for word in one.words:
            found = choose(SHIPPED.cards, f"{word}怎么弄", [], TODAY)
            assert found is one, f"{word}: {found.id if found else None}, not {one.id}"


def test_an_older_folder_without_cards_uses_those_that_come_along(tmp_path: Path) -> None:
    settings = Settings(rules_dir=tmp_path)
    assert settings.cards_file == DEFAULTS / "rules" / "cards.yaml"
    (tmp_path / "cards.yaml").write_text(GOOD)
    assert settings.cards_file == tmp_path / "cards.yaml"
