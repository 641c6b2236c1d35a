"""How something is said: insults and their masks, small talk, a child, a proxy; as tables and properties."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.files import FileError
from bot.manners import load_manners
from bot.rules import load_rules
from bot.settings import DEFAULTS
from handlers.manners import without_insults
from routing.classify import Danger, decide
from routing.manners import MASK, listen, masked, said_again, strikes

FILE = DEFAULTS / "rules/manners.yaml"
MANNERS = load_manners(FILE)
RULES = load_rules(DEFAULTS / "rules/taxonomy.yaml")
NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("你们这些傻逼，灯坏了", "你们这些※※，灯坏了"),
        ("傻 逼", "※※※"),
        ("ＴＭＤ快点", "※※※快点"),
        ("这个SB物业", "这个※※物业"),
        ("usb充电口坏了", "usb充电口坏了"),
        ("我妈的养老金没到账", "我妈的养老金没到账"),
        ("他妈的手机丢了", "他妈的手机丢了"),
        ("你们他妈的管不管", "你们※※※管不管"),
        ("我要去死", "我要去死"),
        ("你去死吧", "你※※吧"),
        ("小区废物回收点满了", "小区废物回收点满了"),
    ],
)
def test_insults_are_masked_and_only_they(text: str, shown: str) -> None:
    heard = listen(text, MANNERS)
    assert heard.text == shown
    assert heard.insulted == (text != shown)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("在吗？", {"small_talk"}),
        ("打打试试", {"small_talk"}),
        ("测试测试！！", {"small_talk"}),
        ("哈" * 5000, {"small_talk"}),
        ("😀👍", {"small_talk"}),
        ("在吗，灯坏了", set()),
        ("试试能不能修", set()),
        ("好的，谢谢您！", {"thanks"}),
        ("谢谢，灯修好了", set()),
        ("我今年10岁，家里停电", {"child"}),
        ("我十二岁", {"child"}),
        ("我 9 岁了", {"child"}),
        ("我14岁", set()),
        ("我10岁的孙子", set()),
        ("我10岁时住这里", set()),
        ("我儿子今年10岁", set()),
        ("我是小学生", {"child"}),
        ("爸妈不在家，就我一个人", {"child"}),
        ("我爸妈不在家，楼上漏水", set()),
        ("替我妈报一下", {"proxy"}),
        ("帮住5号楼的奶奶问", set()),
        ("我邻居王奶奶家停电", {"proxy"}),
        ("请帮我修一下灯", set()),
        ("我是记者，想采访", {"elsewhere"}),
    ],
)
def test_what_a_text_is_besides_its_matter(text: str, kinds: set[str]) -> None:
    heard = listen(text, MANNERS)
    names = ("insulted", "small_talk", "thanks", "child", "proxy", "elsewhere")
    assert {name for name in names if getattr(heard, name)} == kinds


@given(st.text())
def test_any_text_is_heard_and_only_insults_change(text: str) -> None:
    heard = listen(text, MANNERS)
    assert len(heard.text) == len(text)
    assert all(shown in (written, MASK) for shown, written in zip(heard.text, text, strict=True))
    assert heard.insulted or heard.text == text


WORDS = st.sampled_from([*MANNERS.insults.words, *MANNERS.insults.exclude, "灯坏了", "他", "3号楼"])


@given(st.lists(WORDS))
def test_each_insult_is_masked_wherever_it_stands(words: list[str]) -> None:
    insults = {word: MASK * len(word) for word in MANNERS.insults.words}
    shown = "，".join(insults.get(word, word) for word in words)
    assert masked("，".join(words), MANNERS) == shown


@given(
    st.lists(st.sampled_from([*MANNERS.insults.words, "救命", "着火了", "我", "要", "不想活"])).map("".join)
)
def test_a_mask_takes_no_danger_away(text: str) -> None:
    order = list(Danger)
    shown = decide(without_insults(text, listen(text, MANNERS).text, RULES), RULES).danger
    assert order.index(shown) >= order.index(decide(text, RULES).danger)


def test_strikes_last_a_day() -> None:
    first = strikes((), NOW)
    assert len(strikes(first, NOW + timedelta(hours=23))) == 2
    assert len(strikes(first, NOW + timedelta(hours=24))) == 1


def test_the_same_words_are_counted_for_ten_minutes_and_not_kept() -> None:
    first = said_again(None, "灯坏了", NOW)
    again = said_again(first, "灯 坏了", NOW + timedelta(minutes=9))
    assert (first["count"], again["count"]) == (1, 2)
    assert said_again(again, "灯坏了", NOW + timedelta(minutes=10))["count"] == 1
    assert said_again(again, "门坏了", NOW)["count"] == 1
    assert "灯" not in str(again)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("insults:\n  words: [坏蛋, '。']\n", 2, "只有标点"),
        ("insults:\n  wordz: [坏蛋]\n", 2, "words"),
        ("child:\n  below: 40\n", 2, "18"),
        ("small_talk: 在吗\n", 1, "列表"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = tmp_path / "manners.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as caught:
        load_manners(path)
    assert any(problem.line == line and says in problem.message for problem in caught.value.problems)
