"""The office's files: every mistake with its line, in words a clerk understands."""

import contextlib
import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from bot.files import FileError, load_document, validate


class Role(StrEnum):
    GRID_MEMBER = "grid_member"
    DUTY_DESK = "duty_desk"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Area(Strict):
    code: str
    name: str


class Member(Strict):
    role: Role
    since: dt.date | None = None
    age: Annotated[int, Field(ge=0)] = 0


class Roster(Strict):
    areas: tuple[Area, ...]
    members: dict[str, Member] = {}
    desk: Member | None = None


GOOD = """\
areas:
  - {code: YS, name: 岳师村}
  - code: YS-1
    name: 第一网格
members:
  m1: {role: grid_member}
"""


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    return tmp_path / "roster.yaml"


def refusal(path: Path, text: str | bytes) -> list[str]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FileError) as caught:
        validate(load_document(path), Roster)
    return [str(problem).removeprefix(f"{path.parent}/") for problem in caught.value.problems]


def test_a_right_file(roster: Path) -> None:
    roster.write_text("\ufeff" + GOOD, encoding="utf-8")
    loaded = validate(load_document(roster), Roster)
    assert [area.code for area in loaded.areas] == ["YS", "YS-1"]
    assert loaded.members["m1"].role is Role.GRID_MEMBER


def test_keys_stay_as_written(roster: Path) -> None:
    roster.write_text(GOOD + "  110: {role: duty_desk}\n  no: {role: duty_desk}\n", encoding="utf-8")
    assert list(validate(load_document(roster), Roster).members) == ["m1", "110", "no"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("areas:\n  - code: YS\n", "roster.yaml:2: areas[0] 缺少 name"),
        ("areas: []\nmembres: {}\n", "roster.yaml:2: 不认识的键 membres,是不是 members?"),
        (
            "areas:\n  - {code: a, name: b,\n     xyz: 1}\n",
            "roster.yaml:3: areas[0] 有不认识的键 xyz,可用：code、name",
        ),
        (
            "areas: []\ndesk: {role: duty_desk, rolle: 1}\n",
            "roster.yaml:2: desk 有不认识的键 rolle,是不是 role?",
        ),
        (
            "areas: []\nmembers:\n  m1:\n    role: x\n",
            'roster.yaml:4: members.m1.role 不能是 "x"，可用：grid_member、duty_desk',
        ),
        (
            "areas: []\nmembers:\n  m1:\n    role: gridmember\n",
            'roster.yaml:4: members.m1.role 不能是 "gridmember"，可用：grid_member、duty_desk',
        ),
        ("areas:\n  - code: 110\n    name: a\n", "roster.yaml:2: areas[0].code 要是文字，请加引号"),
        ("areas: 岳师村\n", "roster.yaml:1: areas 要是一个列表，每项前写“- ”或用 [ ]"),
        ("- 1\n", "roster.yaml:1: 文件 下面要写“键: 值”"),
        ("", "roster.yaml: 文件是空的，需要：areas、members、desk"),
        ("areas: []\ndesk: {role: duty_desk, age: -1}\n", "roster.yaml:2: desk.age 不能小于 0，现在是 -1"),
        ("areas: []\ndesk: {role: duty_desk, age: 1x}\n", "roster.yaml:2: desk.age 要是整数"),
        (
            "areas: []\ndesk:\n  role: duty_desk\n  since: 2026-02-30\n",
            "roster.yaml:4: 2026-02-30 不是有效的日期或数字",
        ),
        ("areas: []\nareas: []\n", "roster.yaml:2: 键 areas 重复了，前一个在第 1 行"),
        ("areas:\n  - code: a\n\tname: b\n", "roster.yaml:3: 有制表符(Tab)，请改用空格"),
        ("areas: &all []\nmembers: *all\n", "roster.yaml:1: 不能用 & 和 * 引用，请把内容写出来"),
        ("areas: !!python/name:os.system x\n", "roster.yaml:1: 不认识的写法，文字请加引号"),
        ("areas: []\n? [a]\n: 1\n", "roster.yaml:2: 冒号前面的键要是一个词"),
        (b"areas: []\n# \xd4\xc0\n", "roster.yaml:2: 不是 UTF-8 编码，请另存为 UTF-8"),
        ("areas: []\n# \x07\n", "roster.yaml:2: 有看不见的控制字符，请删掉"),
    ],
)
def test_a_mistake_is_named_with_its_line(roster: Path, wrong: str | bytes, told: str) -> None:
    assert refusal(roster, wrong) == [told]


def test_all_mistakes_are_told_in_the_order_of_the_file(roster: Path) -> None:
    wrong = "areas:\n  - {name: a}\n  - {code: b}\ncolour: red\nmembers:\n  m1: {role: grid}\n"
    assert [line.split(":")[1] for line in refusal(roster, wrong)] == ["2", "3", "4", "6"]


def test_wrong_yaml_says_where(roster: Path) -> None:
    (told,) = refusal(roster, "areas: []\nmembers: a: b\n")
    assert told.startswith("roster.yaml:2: YAML 写法不对")


@pytest.mark.parametrize("text", ["[" * 5000, "a: b\n---\nc: d\n", "'", "{a", "a: [1, 2\nb: 3"])
def test_broken_yaml_is_refused(roster: Path, text: str) -> None:
    assert refusal(roster, text)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "no.yaml", "找不到这个文件"), (tmp_path, "这是文件夹，不是文件")):
        with pytest.raises(FileError) as caught:
            load_document(path)
        assert str(caught.value) == f"{path}: {told}"


def test_a_reader_adds_its_own_problems(roster: Path) -> None:
    roster.write_text(GOOD, encoding="utf-8")
    document = load_document(roster)
    assert validate(document, Roster).areas[1].name == "第一网格"
    assert document.line_of(("areas", 1, "name")) == 4
    assert document.line_of(("areas", 1, "parent", 0)) == 3
    assert str(document.problem(("areas", 1), "重复")) == f"{roster}:3: 重复"


@settings(deadline=None)  # the disk may be slow
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(raw)
    with contextlib.suppress(FileError):
        validate(load_document(path), Roster)
