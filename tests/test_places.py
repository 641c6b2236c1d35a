"""Where a matter is."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.address import canonical, hide_rooms
from routing.places import PlaceName, Places, Spot, find_place, find_spot
from routing.text import normalize

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)
PLACES = Places(
    (
        PlaceName("YS", ("岳师村",)),
        PlaceName("G1", ("第一网格", "一网格"), within=("YS",)),
        PlaceName("G2", ("第二网格",), within=("YS",)),
        PlaceName("B3", ("3号楼", "老供销社"), within=("G1", "YS")),
        PlaceName("B5", ("五栋",), within=("G1", "YS")),
        PlaceName("B8", ("8号楼",), within=("G2", "YS")),
        PlaceName("B9", ("9号楼",), within=("G2", "YS")),
        PlaceName("B13", ("13号楼",), within=("G1", "YS")),
        PlaceName("BA", ("A座",), within=("G2", "YS")),
        PlaceName("E7", ("7号楼",), within=("G1", "YS")),
        PlaceName("W7", ("7号楼",), within=("G2", "YS")),
        PlaceName("T3", ("三组",), within=("YS",)),
        PlaceName("SQ", ("文化广场", "东门", "老王超市"), within=("G2", "YS")),
        PlaceName("XF", ("幸福里",)),
        PlaceName("XFE", ("幸福里东区",)),
        PlaceName("JX", ("锦绣苑小区",)),
        PlaceName("V2", ("二村",)),
    )
)


@pytest.mark.parametrize(
    "written",
    [
        *("3号楼", "三号楼", "3栋", "三幢", "3#", "３＃楼", "03栋", "3 号 楼", "3座", "3號樓", "老供销社"),
        *("3 号楼", "三棟", "3栋楼", "岳师村三号楼", "我家3号楼", "③号楼"),
    ],
)
def test_one_building_written_in_many_ways(written: str) -> None:
    assert find_place(f"{written}停水了", PLACES) == "B3"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("13号楼漏水", "B13"),
        ("十三栋漏水", "B13"),
        ("一十三号楼漏水", "B13"),
        ("23号楼漏水", None),
        ("二十三号楼漏水", None),
        ("A3栋漏水", None),
        ("A座停电", "BA"),
        ("a栋停电", "BA"),
        ("Ａ座停电", "BA"),
        ("B座停电", None),
        ("二三号楼都没水", None),
        ("3号楼和5号楼之间", None),
        ("岳师村3号楼", "B3"),
        ("岳师村的3号楼", "B3"),
        ("岳师村", "YS"),
        ("7号楼停电", None),
        ("第二网格7号楼停电", "W7"),
        ("第2网格7栋停电", "W7"),
        ("7号楼停电，是第一网格的", "E7"),
        ("整个3组都停电了", "T3"),
        ("幸福里东区的路灯", "XFE"),
        ("幸福里的路灯", "XF"),
        ("锦绣苑路灯不亮", "JX"),
        ("锦绣苑小区路灯不亮", "JX"),
        ("2村停水", "V2"),
        ("文化广场的灯不亮", "SQ"),
        ("东门路灯不亮", "SQ"),
        ("老王超市门口积水", "SQ"),
        ("路灯坏了", None),
        ("", None),
        # counted, not numbered
        ("两栋楼停电了", None),
        ("这三栋都没水", None),
        ("一栋楼都没水", None),
        ("村里3座桥都裂了", None),
        ("那边有5栋房子", None),
        # something else altogether
        ("11月3号楼道灯就坏了", None),
        ("2026-11-23停水", None),
        ("8:20停水", None),
        ("8-10岁的孩子", None),
        ("打12345没人管", None),
        ("打110了", None),
    ],
)
def test_find_place(text: str, code: str | None) -> None:
    assert find_place(text, PLACES) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("不是三号楼,是五号楼", "B5"),
        ("我不在3号楼,在5号楼", "B5"),
        ("不是岳师村三号楼，是五号楼", "B5"),
        ("是不是三号楼的", "B3"),
        ("不是三号楼", None),
        ("我在八号楼,坏的是九号楼那盏", "B9"),
        ("我住8号楼，9号楼门口的灯坏了", "B9"),
        ("我是8号楼的，9号楼的路灯坏了", "B9"),
        ("9号楼的路灯坏了，我住8号楼", "B9"),
        ("我在8号楼看见9号楼冒烟", "B9"),
        ("我住8号楼，楼道灯坏了", "B8"),
        ("8号楼的业主把车停在9号楼门口", "B9"),
        ("8号楼对面的9号楼漏水", "B9"),
        ("8号楼对面的路灯", "B8"),
        ("8号楼没停电，9号楼停了", "B9"),
        ("9号楼停电，8号楼也停了", "B9"),
        ("9号楼停电，说错了，是8号楼", "B8"),
        ("8号楼灯坏了，不对，应该是9号楼", "B9"),
        ("我住第二网格，3号楼着火", "B3"),
    ],
)
def test_the_place_of_the_matter_not_of_who_speaks(text: str, code: str | None) -> None:
    assert find_place(text, PLACES) == code


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("3号楼路灯坏了", "不是三号楼,是五号楼"), "B5"),
        (("3号楼路灯坏了", "是5号楼"), "B5"),
        (("3号楼路灯坏了", "5号楼也坏了"), "B3"),
        (("3号楼路灯坏了", "我住5号楼"), "B3"),
        (("3号楼路灯坏了", "不是3号楼"), None),
        (("第二网格", "7号楼停电"), "W7"),
        (("7号楼停电", "第二网格的"), "W7"),
        (("不是3号楼", "还是3号楼吧"), "B3"),
    ],
)
def test_what_is_said_later_corrects_what_was_said_before(lines: tuple[str, ...], code: str | None) -> None:
    assert find_place("\n".join(lines), PLACES) == code


def test_what_is_denied_is_told() -> None:
    assert find_spot("不是三号楼", PLACES).denied == {"B3"}


@pytest.mark.parametrize(
    ("text", "spot"),
    [
        ("3号楼2单元501", Spot("B3", "3号楼", "2", "501")),
        ("三号楼二单元五零一", Spot("B3", "3号楼", "2", "501")),
        ("三号楼二单元 五零一", Spot("B3", "3号楼", "2", "501")),
        ("3号楼 2 单元", Spot("B3", "3号楼", "2")),
        ("3 号楼二单元", Spot("B3", "3号楼", "2")),
        ("３號樓２單元５０１室", Spot("B3", "3号楼", "2", "501")),
        ("3-2-501水管爆了", Spot("B3", "3号楼", "2", "501")),
        ("8-2-1502", Spot("B8", "8号楼", "2", "1502")),
        ("八杠二杠幺五零二", Spot("B8", "8号楼", "2", "1502")),
        ("3栋2-501", Spot("B3", "3号楼", "2", "501")),
        ("3#501没水", Spot("B3", "3号楼", None, "501")),
        ("住3-501", Spot("B3", "3号楼", None, "501")),
        ("A座1201", Spot("BA", "A号楼", None, "1201")),
        ("C10栋1单元1109", Spot(None, "C10号楼", "1", "1109")),
        ("3号楼二单元四楼401", Spot("B3", "3号楼", "2", "401")),
        ("二单元楼道灯", Spot(unit="2")),
        ("楼上1202太吵", Spot(room="1202")),
        ("我家501，漏到401", Spot(room="501")),
        ("我住8号楼2单元501，9号楼路灯坏了", Spot("B9", "9号楼")),
        ("23号楼1单元", Spot(None, "23号楼", "1")),
        ("西南角的井盖没了", Spot(details=("西南角",))),
        ("村口路灯不亮", Spot(details=("村口",))),
        ("小区北门堵了", Spot(details=("小区北门",))),
        ("3号楼旁边的停车场", Spot("B3", "3号楼", details=("停车场",))),
        ("西门子冰箱坏了", Spot()),
        ("广场舞太吵", Spot()),
    ],
)
def test_find_spot(text: str, spot: Spot) -> None:
    assert asdict(find_spot(text, PLACES)) == asdict(spot)


# --- rooms ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown", "kept"),
    [
        ("3号楼2单元501漏水", "3号楼*室漏水", "3号楼2单元501室"),
        ("三号楼 二单元 五零一 漏水", "三号楼 *室 漏水", "3号楼2单元501室"),
        ("8-2-1502没电", "8-*室没电", "8号楼2单元1502室"),
        ("我家５０１室，漏到401了", "我家*室，漏到*室了", "501室，401室"),
        ("3号楼2单元501、502都没水", "3号楼*室都没水", "3号楼2单元501、502室"),
        ("2单元12号的狗", "*室的狗", "2单元12室"),
        ("502那家太吵", "*室那家太吵", "502室"),
        ("門牌號３０２", "門牌號*室", "302室"),
        ("A座2单元3楼301", "A座*室", "A号楼2单元301室"),
    ],
)
def test_rooms_are_kept_apart(text: str, shown: str, kept: str) -> None:
    assert hide_rooms(text) == (shown, kept)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-23停水", "2026年11月23日", "8:20停电", "20:30", "8-10岁", "3-5天", "9-12月", "1-2-3"),
        *("12345", "3号楼12345都打了", "打110", "3号楼110来了没", "先打119", "400-800-8820", "0371-66668888"),
        *("欠我501元", "3号楼501块物业费", "3号楼100多户停水", "3号楼300米外", "血压90-115", "每月80-115元"),
        *(
            "3号楼2018年建的",
            "3号楼2018建的",
            "301医院",
            "301路公交",
            "101中学",
            "501胶水",
            "220伏",
            "G107国道",
        ),
        *(
            "3楼301会议室",
            "住了105天",
            "家住了3年",
            "3号楼5层",
            "二单元楼道",
            "1单元电梯",
            "五六十户",
            "7*24小时",
        ),
        *(
            "3号楼和5号楼",
            "110-120",
            "203-204",
            "两室一厅",
            "100平房子",
            "3号楼108户没水",
            "三号楼三个人",
            "给400业主一个说法",
        ),
    ],
)
def test_what_only_looks_like_a_room_stays(text: str) -> None:
    assert hide_rooms(text) == (text, "")
    assert find_spot(text, PLACES).room is None


# --- near -------------------------------------------------------------------------------------

TWINS = Places(
    (
        *(
            PlaceName(f"{home}{grid}{number}", (f"{number}号楼",), (f"{home}{grid}", home), home)
            for home, grid, number in [("A", 1, 3), ("A", 2, 4), ("B", 1, 3), ("B", 1, 6)]
        ),
        PlaceName("A1", ("第一网格",), ("A",), "A"),
        PlaceName("B1", ("第一网格", "桂花园"), ("B",), "B"),
    )
)


@pytest.mark.parametrize(
    ("text", "near", "code"),
    [
        ("3号楼停电", None, None),
        ("3号楼停电", "A", "A13"),
        ("3号楼停电", "A24", "A13"),
        ("3号楼停电", "B16", "B13"),
        ("第一网格3号楼停电", "B", "B13"),
        ("桂花园3号楼停电", "A", "B13"),
        ("桂花园停电", "A", "B1"),
        ("6号楼停电", "A", None),
        ("6号楼停电", None, "B16"),
        ("3号楼停电", "unknown", None),
    ],
)
def test_of_many_buildings_with_a_number_the_one_of_the_scanned_community_is_meant(
    text: str, near: str | None, code: str | None
) -> None:
    assert find_place(text, TWINS, near) == code


def test_a_building_is_more_exact_than_an_area_even_when_the_tree_is_not_known() -> None:
    assert (
        find_place("岳师村3号楼", Places((PlaceName("YS", ("岳师村",)), PlaceName("B3", ("3号楼",))))) == "B3"
    )


# --- any text ---------------------------------------------------------------------------------

HAN = "零一二三四五六七八九"


def in_words(number: int) -> str:
    tens, ones = divmod(number, 10)
    return (("" if tens == 1 else HAN[tens]) + "十" if tens else "") + (HAN[ones] if ones else "")


@given(st.integers(1, 99), st.integers(1, 99))
def test_a_building_is_never_taken_for_another(named: int, known: int) -> None:
    place = Places((PlaceName("B", (f"{known}号楼",)),))
    assert (find_place(f"在{named}栋", place) == "B") == (named == known)
    assert (find_place(f"在{in_words(named)}号楼", place) == "B") == (named == known)


ROOMS = st.tuples(st.integers(1, 99), st.integers(1, 9), st.integers(1, 33), st.integers(1, 12))


@given(ROOMS, st.sampled_from(["{0}号楼{1}单元{2}", "{0}-{1}-{2}", "{0}栋{1}-{2}", "{0} 幢 {1} 单元 {2} 室"]))
def test_a_room_is_read_and_hidden_however_it_is_written(
    numbers: tuple[int, int, int, int], form: str
) -> None:
    building, unit, floor, door = numbers
    room = f"{floor}{door:02}"
    text = f"我家{form.format(building, unit, room)}漏水"
    spot = find_spot(text, PLACES)
    assert (spot.building, spot.unit, spot.room) == (f"{building}号楼", str(unit), room)
    shown, kept = hide_rooms(text)
    assert room not in shown
    assert kept == f"{building}号楼{unit}单元{room}室"


@given(ANY_TEXT)
def test_any_text_is_read(text: str) -> None:
    spot = find_spot(text, PLACES)
    assert spot == find_spot(text, PLACES)
    assert spot.area == find_place(text, PLACES)
    shown, kept = hide_rooms(text)
    assert (shown == text) == (kept == "")


def test_one_spelling_keeps_all_that_was_said() -> None:
    assert canonical("3-2-501、502没水") == "3号楼2单元501、502没水"


@given(ANY_TEXT)
def test_one_spelling_stays(text: str) -> None:
    plain = canonical(normalize(text))
    assert canonical(plain) == plain


@pytest.mark.parametrize("text", ["3号楼", "3-2-", "3号楼2单元", "不是3号楼", "501、", "二", "我家"])
def test_a_long_text_is_read_quickly(text: str) -> None:
    find_spot(text * 4000, PLACES)
    hide_rooms(text * 4000)
