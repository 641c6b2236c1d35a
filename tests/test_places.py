"""Where a matter is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.places import PlaceName, Places, find_place

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


@given(ANY_TEXT)
def test_any_text_is_read(text: str) -> None:
    assert find_place(text, PLACES) == find_place(text, PLACES)


def test_a_long_text_is_read_quickly() -> None:
    assert find_place("3号楼" * 4000, PLACES) == "B3"
