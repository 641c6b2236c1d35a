"""Where a matter is, and what of a text may be shown in a group."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.places import PlaceName, Places, find_place, redact

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)
PLACES = Places(
    (
        PlaceName("YS", ("岳师村",)),
        PlaceName("G1", ("第一网格", "一网格"), within=("YS",)),
        PlaceName("G2", ("第二网格",), within=("YS",)),
        PlaceName("B3", ("3号楼", "老供销社"), within=("G1", "YS")),
        PlaceName("B5", ("五栋",), within=("G1", "YS")),
        PlaceName("B13", ("13号楼",), within=("G1", "YS")),
        PlaceName("E7", ("7号楼",), within=("G1", "YS")),
        PlaceName("W7", ("7号楼",), within=("G2", "YS")),
        PlaceName("T3", ("三组",), within=("YS",)),
        PlaceName("XF", ("幸福里",)),
        PlaceName("XFE", ("幸福里东区",)),
    )
)


@pytest.mark.parametrize(
    "written", ["3号楼", "三号楼", "3栋", "三幢", "3#", "３＃楼", "03栋", "3 号 楼", "老供销社"]
)
def test_one_building_written_in_many_ways(written: str) -> None:
    assert find_place(f"{written}五层停水了", PLACES) == "B3"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("13号楼漏水", "B13"),
        ("十三栋漏水", "B13"),
        ("23号楼漏水", None),
        ("A3栋漏水", None),
        ("不是三号楼,是五号楼", "B5"),
        ("我不在3号楼,在5号楼", "B5"),
        ("是不是三号楼的", "B3"),
        ("3号楼和5号楼之间", None),
        ("岳师村3号楼", "B3"),
        ("岳师村", "YS"),
        ("7号楼停电", None),
        ("第二网格7号楼停电", "W7"),
        ("第2网格7栋停电", "W7"),
        ("整个3组都停电了", "T3"),
        ("幸福里东区的路灯", "XFE"),
        ("幸福里的路灯", "XF"),
        ("路灯坏了", None),
        ("", None),
    ],
)
def test_find_place(text: str, code: str | None) -> None:
    assert find_place(text, PLACES) == code


def test_a_building_is_more_exact_than_an_area_even_when_the_tree_is_not_known() -> None:
    assert (
        find_place("岳师村3号楼", Places((PlaceName("YS", ("岳师村",)), PlaceName("B3", ("3号楼",))))) == "B3"
    )


@given(st.integers(1, 99), st.integers(1, 99))
def test_a_building_is_never_taken_for_another(named: int, known: int) -> None:
    place = Places((PlaceName("B", (f"{known}号楼",)),))
    assert (find_place(f"在{named}栋", place) == "B") == (named == known)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("电话13800138000。", "电话***。"),
        ("138-0013-8000", "***"),
        ("+86 138 0013 8000", "***"),
        ("１３８００１３８０００", "***"),
        ("138\u200b0013\u200b8000", "***"),
        ("①③800138000", "***"),
        ("0851-8765432 找我", "*** 找我"),
        ("(010)8888 7777", "***"),
        ("座机88887777", "座机***"),
        ("身份证11010119900101123x", "身份证***"),
        ("卡号6222 0212 3456 7890 123", "卡号***"),
        ("邮箱a.b@example.com,", "邮箱***,"),
        ("拨打110,119,12345", "拨打110,119,12345"),
        ("2024-05-06 12:30,3号楼501", "2024-05-06 12:30,3号楼501"),
        ("20240506", "20240506"),
        ("欠我50000元……", "欠我50000元……"),
    ],
)
def test_redact(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(ANY_TEXT)
def test_any_text_is_read_and_shown(text: str) -> None:
    assert find_place(text, PLACES) == find_place(text, PLACES)
    redact(text).encode()


@given(ANY_TEXT, st.integers(13_000_000_000, 19_999_999_999))
def test_a_mobile_number_never_shows(text: str, number: int) -> None:
    assert str(number) not in redact(f"{text}{number}{text}")


def test_a_long_text_is_read_quickly() -> None:
    assert find_place("3号楼" * 4000, PLACES) == "B3"
    assert redact("1 2" * 5000) == "***"
