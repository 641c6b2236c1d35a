"""Formatted text, in and out, for any text."""

from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.acts import split
from bot.sandbox.entities import Entity, parse_html, to_html, typed_entities, utf16

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(ANY_TEXT)
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    assert parse_html(escape(text, quote=False)) == (text, [])


@given(ANY_TEXT, ANY_TEXT)
def test_offsets_count_utf16_units(before: str, bold: str) -> None:
    plain, entities = parse_html(f"{escape(before)}<b>{escape(bold)}</b>")
    expected = [{"type": "bold", "offset": utf16(before), "length": utf16(bold)}] if bold else []
    assert (plain, entities) == (before + bold, expected)
    assert parse_html(to_html(plain, entities)) == (plain, entities)


@given(st.lists(st.tuples(st.sampled_from("字😀"), st.integers(1, 5000)), min_size=1, max_size=5))
def test_splitting_loses_nothing(runs: list[tuple[str, int]]) -> None:
    text = "".join(char * count for char, count in runs)
    parts = split(text)
    assert "".join(parts) == text
    assert all(0 < utf16(part) <= 4096 for part in parts)


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("<b>一<i>二</i></b>三", "<b>一<i>二</i></b>三"),
        ("<strong>一</strong><em>二</em>", "<b>一</b><i>二</i>"),
        ('<a href="https://a.cn/?x=1&amp;y">图</a>', '<a href="https://a.cn/?x=1&amp;y">图</a>'),
        ('<a href="javascript:alert(1)">图</a>', "图"),
        ("<b>x</>", "<b>x</b>"),
        ("&#20320;&#x597d;&quot;", "你好&quot;"),
    ],
)
def test_html_is_read_and_written_safely(source: str, html: str) -> None:
    assert to_html(*parse_html(source)) == html


def test_commands_and_mentions_are_marked() -> None:
    marks: list[Entity] = [
        {"type": "bot_command", "offset": 0, "length": 6},
        {"type": "mention", "offset": 10, "length": 11},
        {"type": "bot_command", "offset": 22, "length": 15},
    ]
    assert typed_entities("/start 😀 @huiyin_bot /help@other_bot a/b x@yz.cn") == marks
