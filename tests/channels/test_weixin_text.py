"""Texts in parts, cut texts, numbered choices and template fields."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.facts import LONGEST_FIELD, LONGEST_SERVICE_TEXT
from bot.channels.weixin_text import fit, fit_field, split, with_choices
from handlers.messages import Button

FAMILY = "👨‍👩‍👧‍👦"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)
BUTTONS = (Button("1:yes", "提交"), Button("1:no", "修改"))


def test_row_08_683_characters_go_in_two_parts() -> None:
    parts = split("路" * 683, LONGEST_SERVICE_TEXT)
    assert [len(part.encode()) for part in parts] == [1998, 51]


def test_row_08_a_part_ends_where_a_sentence_does() -> None:
    sentence = "路灯坏了一个星期，晚上看不见路。"
    parts = split(sentence * 60, LONGEST_SERVICE_TEXT)
    assert all(part.endswith("。") and len(part.encode()) <= LONGEST_SERVICE_TEXT for part in parts)
    assert "".join(parts) == sentence * 60


def test_row_08_an_early_sentence_does_not_make_a_tiny_part() -> None:
    assert split("好。" + "路" * 700, 300)[0] == "好。" + "路" * 98


@given(TEXTS, st.integers(min_value=30, max_value=300))
def test_row_08_parts_fit_and_lose_nothing(text: str, most: int) -> None:
    parts = split(text, most)
    assert all(len(part.encode()) <= most for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_row_08_composed_characters_stay_whole() -> None:
    assert split(FAMILY * 3, 60) == [FAMILY * 2, FAMILY]
    assert split("👍🏽" * 3, 18) == ["👍🏽👍🏽", "👍🏽"]
    assert split("e\u0301" * 4, 5) == ["e\u0301"] * 4
    assert split("1\ufe0f\u20e3" * 2, 9) == ["1\ufe0f\u20e3"] * 2


def test_row_08_even_an_endless_character_ends() -> None:
    assert "".join(split("e" + "\u0301" * 100, 30)) == "e" + "\u0301" * 100


@given(TEXTS, st.integers(min_value=8, max_value=300))
def test_a_cut_text_fits_and_says_that_it_was_cut(text: str, most: int) -> None:
    found = fit(text, most)
    assert len(found.encode()) <= most
    assert found == text or (found.endswith("…") and text.startswith(found[:-1]))


def test_choices_are_numbered_and_outlast_the_text() -> None:
    assert with_choices("提交吗？", BUTTONS, 2000) == "提交吗？\n\n回复数字：1 提交　2 修改"
    cut = with_choices("路" * 1000, BUTTONS, 2000)
    assert len(cut.encode()) <= 2000
    assert cut.endswith("路…\n\n回复数字：1 提交　2 修改")
    assert with_choices("好", (), 2000) == "好"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("1024", "1024"),
        ("正在处理", "正在处理"),
        ("一二三四五六七八九十一二三四五六七八九十", "一二三四五六七八九十一二三四五六七八九十"),
        ("一二三四五六七八九十一二三四五六七八九十一", "一二三四五六七八九十一二三四五六七八九…"),
        ("路灯🔦坏了\n请看\r\n一下", "路灯坏了 请看 一下"),
        (f"{FAMILY}好👍🏽☀️✅", "好"),
        ("🔦", "—"),
        ("", "—"),
        ("  多  空\t格 ", "多 空 格"),
        ("温度23℃ 面积20㎡ →", "温度23℃ 面积20㎡ →"),
        ("您报的事情已经派给网格员了20260001", "您报的事情已经派给网格员了…"),
        ("A" * 30, "A" * 19 + "…"),
        ("您报的事情正在由一网格的网格员王处理 7", "您报的事情正在由一网格的网格员王处理 7"),
        ("a\u200bb\ufeffc\u2028d", "abc d"),
    ],
)
def test_row_09_a_field_is_one_short_line(given: str, wanted: str) -> None:
    assert fit_field(given) == wanted


@given(TEXTS)
def test_row_09_any_text_becomes_a_field(text: str) -> None:
    field = fit_field(text)
    assert 1 <= len(field) <= LONGEST_FIELD
    assert not re.search("[\n\r\U0001f000-\U0001fbff\ufe0f\u200d]", field)
    assert fit_field(field) == field


@given(st.text("路灯 ab12", max_size=60))
def test_row_09_numbers_and_words_stay_whole(text: str) -> None:
    """Whatever run of letters and digits is in the field is one of the text's, unless it alone fills it."""
    whole = set(re.findall("[a-z0-9]+", text))
    runs = re.findall("[a-z0-9]+", fit_field(text))
    assert all(run in whole or len(run) >= LONGEST_FIELD - 1 for run in runs)
