"""How buildings, units and rooms are written: one spelling for places, and rooms found to be kept apart."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from routing.text import normalize

ROOM_MASK = "*室"

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")}
_DIGITS |= {"两": 2, "〇": 0, "幺": 1, "十": 10, "百": 100}
_HAN = "[零〇幺一二三四五六七八九]"
_COUNT = rf"(?:{_HAN}|[十百]){{1,5}}|两(?=号楼|单元|网格|组)|(?<![0-9])[0-9]{{1,4}}"
_SEPARATOR = r"[-\u2010-\u2015\u2212杠]"


# --- one spelling -----------------------------------------------------------------------------

# “这三栋” and “一栋楼都” count buildings.
_SO_MANY = "(?<![这那几有共整好每])"
_NOT_COUNTED = "(?![桥塔庙坟墓山房的大小新旧老空危公垃厕])"
_BUILDING_NAME = rf"""
    (?P<wing> (?<![0-9a-z])[a-z] )? (?: (?P<number> {_COUNT} ) (?: 号楼 | 号栋 | \#楼? )
    | {_SO_MANY} (?! 一[栋幢座]楼(?![道梯下上顶门里前后长口]) ) (?P<counted> {_COUNT} )
      (?: [栋幢]楼? | 座{_NOT_COUNTED} ) )
    | (?<![0-9a-z]) (?P<letter> [a-z] ) (?: 号楼 | [栋幢座] )
"""
_BUILDING = re.compile(_BUILDING_NAME, re.VERBOSE)
_BUILT = re.compile("[楼栋幢座#]")  # most texts have neither this nor that: looking first is cheaper
_DAY = re.compile("(?<=月[0-9])号|(?<=月[0-9]{2})号")  # 11月3号楼道灯
_SEPARATED = re.compile(_SEPARATOR)
_NUMBERED = re.compile(rf"({_COUNT})(?=号楼|单元|网格|组|片|邻|队|期|区|村|排|弄|号院)")


def plain_lines(text: str) -> str:
    """The text as it is compared, line by line: what is said later may correct what was said before."""
    return "\n".join(map(normalize, text.split("\n")))


def canonical(plain: str) -> str:
    """Buildings, units and other numbered places of a normalized text, spelled in one way: 3号楼2单元501."""
    if _SEPARATED.search(plain):
        plain = _WHOLE.sub(r"\g<building>号楼\g<unit>单元\g<room>\g<more>", plain)
        plain = _SHORT.sub(r"\g<building>号楼\g<room>\g<more>", plain)
    if "月" in plain:
        plain = _DAY.sub("日", plain)
    if _BUILT.search(plain):
        plain = _BUILDING.sub(lambda match: f"{_building(match)}号楼", plain)
    return _NUMBERED.sub(lambda match: arabic(match[1]), plain)


def _building(match: re.Match[str]) -> str:
    return match["letter"] or (match["wing"] or "") + arabic(match["number"] or match["counted"])


@lru_cache(maxsize=1000)
def arabic(numeral: str) -> str:
    """三, 03, 十三, 一百零二 and 幺零二 in figures; “二三” are two buildings, and stay as they are."""
    if numeral.isdecimal():
        return numeral.lstrip("0") or "0"
    digits = [_DIGITS[character] for character in numeral]
    if 10 in digits or 100 in digits:
        return str(_value(digits))
    if len(digits) == 1 or 0 in digits or "幺" in numeral:
        return "".join(map(str, digits))
    return numeral


def _value(digits: list[int]) -> int:
    total, ones = 0, 0
    for digit in digits:
        if digit < 10:
            ones = digit
        else:
            total, ones = total + (ones or 1) * digit, 0
    return total + ones


# --- rooms ------------------------------------------------------------------------------------

# What makes a number something else: money, lengths, people, times, years, roads.
_MEASURED = rf"""(?! [0-9a-z%:.℃] | /[0-9] | {_SEPARATOR}
    | [元块毛米户人个斤吨度岁瓦伏路辆名页厘公毫次月日秒胶]
    | 多(?!次) | 年(?!年) | 平(?!时) | 天(?!天) | 时(?!不时|常) | 点(?!外卖) | 分(?!明) | 小时 | 医院
    | 号[线楼] | [国省]道 | [栋幢] )"""
_NO_HOTLINE = "(?! 1(?:10|12|14|19|20|22) (?![0-9]) )"
_NO_YEAR = "(?! (?:19|20)[0-9]{2} [建装修交入底初春夏秋冬上下] )"
_ANY_ROOM = rf"(?: [1-9][0-9]{{2,3}} | {_HAN}{{3,4}} )"
_ROOM = "(?: 室 | 号房 | 房(?![间子租屋价东产管客]) )"
_LIKELY_ROOM = rf"""(?: {_NO_HOTLINE} {_NO_YEAR}
    (?: [1-9][0-9]?(?:0[1-9]|1[0-9]|2[0-4]) | {_HAN}{{3,4}} ) {_MEASURED} )"""
_IN_UNIT = rf"""(?: {_ANY_ROOM} (?: {_ROOM} | 户 | 号(?!楼|线) | {_MEASURED} )
    | [0-9]{{1,2}} (?: [室户] | 号(?!楼|线) ) )"""
_MORE = rf"(?P<more> (?: [、,和跟与及] {_LIKELY_ROOM} {_ROOM}? )* )"
_FLOOR = rf"(?: (?:{_COUNT}) [楼层] )?"
_UNIT = rf"(?P<unit> {_COUNT} | [a-z甲乙丙丁] )"
_ALONE = rf"(?<![0-9a-z.:/]) (?<!{_SEPARATOR})"

_WHOLE = re.compile(  # 3-2-501
    rf"""{_ALONE} (?P<building> [0-9]{{1,3}} | {_HAN}?十{_HAN}? | {_HAN} ) {_SEPARATOR}
    (?P<inner> (?P<unit> [0-9]{{1,2}} | {_HAN} ) {_SEPARATOR} (?P<room> {_ANY_ROOM} ) {_MORE} )
    {_MEASURED}""",
    re.VERBOSE,
)
_SHORT = re.compile(  # 3-501, where no amount or pressure can be meant
    rf"""(?: (?<=[住在家是到楼区苑里园村,。;:、!?\n(]) | \A ) (?P<building> [1-9][0-9]? ) {_SEPARATOR}
    (?P<inner> (?P<room> {_LIKELY_ROOM} ) {_MORE} )""",
    re.VERBOSE,
)
_AFTER_BUILDING = re.compile(
    rf"""(?: {_BUILDING_NAME} ) [,的]? {_SEPARATOR}?
    (?P<inner> (?: {_UNIT} (?: 单元[,的]? {_FLOOR} {_SEPARATOR}? | {_SEPARATOR} ) (?P<room> {_IN_UNIT} )
                 | {_FLOOR} (?P<bare> {_ANY_ROOM} {_ROOM} | {_LIKELY_ROOM} ) ) {_ROOM}? {_MORE} )""",
    re.VERBOSE,
)
_IN_A_UNIT = re.compile(
    rf"(?P<inner> {_UNIT} 单元[,的]? {_FLOOR} {_SEPARATOR}? (?P<room> {_IN_UNIT} ) {_ROOM}? {_MORE} )",
    re.VERBOSE,
)
_NAMED = re.compile(rf"{_ALONE} (?P<inner> (?P<room> {_ANY_ROOM} ) {_ROOM} {_MORE} )", re.VERBOSE)
_SOMEBODYS = re.compile(
    rf"""(?: [我他她你]家[在是]? | 家?住在? | 楼[上下][的是]? | 隔壁 | 对门 | 邻居
           | 门牌号?[:是]? | 房号[:是]? | [漏渗流淹滴]水?到了?(?:楼下)? )
    (?P<inner> (?P<room> {_LIKELY_ROOM} ) {_ROOM}? {_MORE} )""",
    re.VERBOSE,
)
_THEIRS = re.compile(
    rf"""{_ALONE} (?P<inner> (?P<room> {_LIKELY_ROOM} ) )
    (?= [那这]家 | 家(?:[的里漏太]|厨|卫) | 业主 | 住户 | 邻居 )""",
    re.VERBOSE,
)
_PATTERNS = (_WHOLE, _SHORT, _AFTER_BUILDING, _IN_A_UNIT, _NAMED, _SOMEBODYS, _THEIRS)
_FIGURES = re.compile("[0-9零〇幺一二三四五六七八九]{3}|单元")
_NUMBER = re.compile(rf"[0-9]+|{_HAN}+")


class Room(NamedTuple):
    """Rooms as a text names them: where that stands, which building and unit they are said to be in."""

    start: int
    end: int
    building: str | None
    unit: str | None
    numbers: tuple[str, ...]

    @property
    def name(self) -> str:
        building = f"{self.building.upper()}号楼" if self.building else ""
        return f"{building}{f'{self.unit}单元' if self.unit else ''}{'、'.join(self.numbers)}室"


def rooms(plain: str) -> list[Room]:
    """The rooms that a normalized text names, in their order."""
    if not _FIGURES.search(plain):
        return []
    found = [_room(match) for pattern in _PATTERNS for match in pattern.finditer(plain)]
    return list(_apart(sorted(found, key=lambda room: (room.start, -room.end))))


def _room(match: re.Match[str]) -> Room:
    said = match.groupdict()
    numbers = _NUMBER.findall((said["room"] or said["bare"]) + (said.get("more") or ""))
    return Room(
        *match.span("inner"),
        _building(match) if "number" in said else said.get("building") and arabic(said["building"]),
        _figures(said["unit"]) if said.get("unit") else None,
        tuple(map(_figures, numbers)),
    )


def _figures(numeral: str) -> str:
    """A room is read digit by digit, a unit is counted."""
    if len(numeral) > 2:
        return "".join(str(_DIGITS.get(character, character)) for character in numeral)
    return arabic(numeral) if _NUMBER.fullmatch(numeral) or "十" in numeral else numeral


def _apart(found: list[Room]) -> Iterator[Room]:
    """Of what was found twice the first and longest."""
    end = 0
    for room in found:
        if room.start >= end:
            end = room.end
            yield room


def hide_rooms(text: str) -> tuple[str, str]:
    """The text without its rooms, and the rooms; all else stays as it was written."""
    plain, origins = _shadow(text)
    found = rooms(plain)
    shown, at = [], 0
    for room in found:
        shown += [text[at : origins[room.start]], ROOM_MASK]
        at = origins[room.end - 1] + 1
    return "".join([*shown, text[at:]]), "，".join(dict.fromkeys(room.name for room in found))


class _Plain(dict[str, str]):
    """What becomes of each character when a text is normalized; the end of a line stays one."""

    def __missing__(self, character: str) -> str:
        return self.setdefault(character, character if character == "\n" else normalize(character))


_PLAIN = _Plain()


def _shadow(text: str) -> tuple[str, list[int]]:
    """The text as it is compared, and where each of its characters comes from."""
    signs = [(sign, at) for at, character in enumerate(text) for sign in _PLAIN[character]]
    return "".join(sign for sign, _ in signs), [at for _, at in signs]
