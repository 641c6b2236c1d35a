"""Personal data in any writing is masked; what only looks like it stays."""

import unicodedata
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.files import FileError
from bot.roles import load_roles
from bot.settings import DEFAULTS
from routing.organisation import Role
from routing.privacy import Retention, is_masked, redact, redact_for_group, wants_no_name
from routing.text import readable

ANY_TEXT = st.text(max_size=60)  # lone surrogates never pass the channel

# --- generated people -------------------------------------------------------------------------

_SCRIPTS = (
    "0123456789",
    "０１２３４５６７８９",
    "零一二三四五六七八九",
    "〇壹贰叁肆伍陆柒捌玖",
    "⓪①②③④⑤⑥⑦⑧⑨",
    "洞幺两三四五六拐八勾",
)
_GAPS = ("", " ", "-", ".", "·", " - ", "\u200b", "－", "\u3000")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def _digits(least: int, most: int | None = None) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=least, max_size=most or least)


@st.composite
def mobiles(draw: st.DrawFn) -> str:
    return "1" + draw(st.sampled_from("3456789")) + draw(_digits(9))


@st.composite
def identity_cards(draw: st.DrawFn) -> str:
    born = draw(st.dates(min_value=date(1920, 1, 1), max_value=date(2026, 1, 1)))
    short = f"{draw(st.integers(110000, 659999))}{born:%Y%m%d}"[:14] + draw(_digits(3))
    if draw(st.booleans()):
        return short[:6] + short[8:]
    check = sum(int(one) * weight for one, weight in zip(short, _WEIGHTS, strict=True)) % 11
    return short + "10X98765432"[check]


@st.composite
def bank_cards(draw: st.DrawFn) -> str:
    number = "62" + draw(_digits(13, 16))
    doubled = "".join(str(int(one) * 2) for one in number[::-2])
    return number + str(-sum(map(int, doubled + number[-2::-2])) % 10)


@st.composite
def landlines(draw: st.DrawFn) -> str:
    return (
        draw(st.sampled_from(["010", "0851", "021"])) + draw(st.sampled_from("2345678")) + draw(_digits(6, 7))
    )


@st.composite
def written(draw: st.DrawFn, number: str) -> str:
    """The number as somebody may write it: in one script, with one kind of gap at some places."""
    script, gap = draw(st.sampled_from(_SCRIPTS)), draw(st.sampled_from(_GAPS))
    every = draw(st.integers(1, 6))
    figures = [script[int(one)] if one.isdecimal() else one for one in number]
    return gap.join("".join(figures[at : at + every]) for at in range(0, len(figures), every))


NUMBERS = st.one_of(mobiles(), identity_cards(), bank_cards(), landlines())


def _plain_digits(text: str) -> str:
    """All digits of a text, whatever the script, as one string."""
    spoken = {"两": 2, "洞": 0, "拐": 7, "勾": 9}
    values = (spoken.get(one, unicodedata.numeric(one, -1)) for one in unicodedata.normalize("NFKC", text))
    return "".join(str(int(value)) for value in values if value in range(10))


@given(st.data(), NUMBERS)
def test_no_number_of_a_person_survives_in_any_writing(data: st.DataObject, number: str) -> None:
    text = f"3号楼的灯坏了，找我{data.draw(written(number))}，谢谢"
    shown = redact(text)
    assert _plain_digits(shown) == "3", shown
    assert shown == "3号楼的灯坏了，找我***，谢谢"
    assert is_masked(text)


@given(
    st.sampled_from("川京粤"),
    st.sampled_from("ABCDEFG"),
    st.from_regex(r"[0-9][A-HJ-NP-Z0-9]{4,5}", fullmatch=True),
)
def test_no_number_plate_survives(province: str, city: str, rest: str) -> None:
    assert redact(f"{province}{city}·{rest}堵住了门") == "***堵住了门"


_HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=2)
_LABELS = st.sampled_from(["我叫{}，", "姓名：{}。", "我是{}，", "本人{}，", "联系人：{}\n", "我名叫{}，"])


@given(_LABELS, st.sampled_from(["王", "李", "张", "欧阳"]), _HAN)
def test_no_name_that_somebody_gives_of_themselves_survives(label: str, surname: str, given_: str) -> None:
    shown = redact(label.format(surname + given_) + "楼道灯坏了")
    assert surname + readable(given_) not in shown
    assert shown.endswith("楼道灯坏了")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("我的电话是13800138000", "我的电话是***"),
        ("+86 138 0013 8000", "***"),
        ("①③800138000", "***"),
        ("(010)8888 7777", "***"),
        ("座机88887777", "座机***"),
        ("身份证11010119900101123x", "身份证***"),
        ("卡号6222 0212 3456 7890 123", "卡号***"),  # no bank has it, but somebody mistyped theirs
        ("邮箱a.b@example.com,", "邮箱***,"),
        ("加微信号：abc_12345", "加微信号：***"),
        ("QQ 123456789", "QQ ***"),
        ("3号楼 13800138000 501室", "3号楼 *** 501室"),
        ("我叫阿依古丽·买买提，", "我叫***，"),
        ("我叫张伟住在3号楼", "我叫***住在3号楼"),
    ],
)
def test_what_remains_can_still_be_read(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "NG260412-0037",
        "编号 YS261123-00125 怎么样了",
        "3号楼2单元1302室",
        "十三栋五零一",
        "欠我50000元,水费1234567元",
        "2024-05-06 12:30",
        "2026.11.23-2026.12.24停水",
        "20240506",
        "2019-2026年",
        "拨打110、119、120、12345、12356",
        "110 119 120 12345",
        "我叫了物业三次",
        "我叫网格员来",
        "本人于昨天反映",
        "我是三号楼的",
        "微信群里说过",
        "一二三四，上山打老虎",
        "川A栋没有灯",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert redact(text) == text
    assert not is_masked(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("3号楼2单元501漏水", "3号楼漏水"),
        ("三号楼二单元五零一室漏水", "三号楼漏水"),
        ("3-2-501水管爆了", "3号楼水管爆了"),
        ("3号楼501停电", "3号楼停电"),
        ("5栋1201，电话13800138000", "5栋，电话***"),
        ("第一网格 3号楼", "第一网格 3号楼"),
        ("NG260412-0037 2026-11-23", "NG260412-0037 2026-11-23"),
    ],
)
def test_a_group_learns_the_building_and_no_more(text: str, shown: str) -> None:
    assert redact_for_group(text) == shown


@pytest.mark.parametrize(
    ("text", "unnamed"),
    [("匿名反映噪音", True), ("别说是我", True), ("不要透露我的身份", True), ("楼道灯坏了", False)],
)
def test_who_does_not_want_to_be_named(text: str, unnamed: bool) -> None:
    assert wants_no_name(text) is unnamed


@given(ANY_TEXT)
def test_any_text_can_be_shown(text: str) -> None:
    redact(text).encode()
    redact_for_group(text).encode()


@pytest.mark.parametrize("text", ["1 2" * 5000, "1" * 9000, "a" * 9000, "我叫" * 4000, "川A1" * 3000])
def test_a_long_text_is_read_quickly(text: str) -> None:
    assert len(redact(text)) < 2 * len(text)


# --- what the office decides ------------------------------------------------------------------


def test_the_shipped_file_says_who_may_look_and_how_long_things_are_kept() -> None:
    roles = load_roles(DEFAULTS / "roles.yaml")
    assert roles.reveal == {Role.COMMUNITY, Role.SUPERVISOR}
    assert roles.retention == Retention()


@pytest.mark.parametrize(
    ("written", "says"),
    [("originals: 6h", "至少保存 1d"), ("voices: long", "时长要写成"), ("photos: 3d", "photos")],
)
def test_a_wrong_period_is_named_with_its_line(tmp_path: Path, written: str, says: str) -> None:
    path = tmp_path / "roles.yaml"
    path.write_text(f"reveal: [community]\nretention:\n  {written}\n")
    with pytest.raises(FileError) as refused:
        load_roles(path)
    assert "roles.yaml:3: " in str(refused.value)
    assert says in str(refused.value)
