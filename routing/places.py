"""Where a matter is, read from a resident's words."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from routing.address import Room, canonical, plain_lines, rooms

_ESTATE = "小区"  # which people leave out


@dataclass(frozen=True, slots=True)
class PlaceName:
    """An area, what people call it, the codes of the areas around it, and the community it belongs to."""

    code: str
    names: tuple[str, ...]
    within: tuple[str, ...] = ()
    community: str | None = None


@dataclass(frozen=True)
class Places:
    """All the areas that a text may name, prepared for finding them in one pass."""

    all: tuple[PlaceName, ...]

    @cached_property
    def by_code(self) -> Mapping[str, PlaceName]:
        return {place.code: place for place in self.all}

    @cached_property
    def codes(self) -> tuple[tuple[str, ...], ...]:
        """The areas that each of the matcher's names may mean."""
        return tuple(tuple(codes) for codes in self._named.values())

    @cached_property
    def matcher(self) -> AhoCorasick:
        return AhoCorasick(list(self._named))

    @cached_property
    def _named(self) -> Mapping[str, list[str]]:
        named: dict[str, list[str]] = {}
        for place in self.all:
            for spelling in set().union(*map(_spellings, place.names)):
                named.setdefault(spelling, []).append(place.code)
        return named

    def chain(self, code: str | None) -> tuple[str, ...]:
        """The area and those around it; of one that no text may name, such as a community, itself alone."""
        place = self.by_code.get(code or "")
        return (place.code, *place.within) if place else (code,) if code else ()

    def community(self, code: str | None) -> str | None:
        place = self.by_code.get(code or "")
        return place.community if place else code


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a text says that something is; `area` where it is one that the office knows.

    `details` are landmarks such as 东门 or 村口; `doubtful` says that several areas are named or called so,
    `denied` which areas it is not.
    """

    area: str | None = None
    building: str | None = None
    unit: str | None = None
    room: str | None = None
    details: tuple[str, ...] = ()
    doubtful: bool = False
    denied: frozenset[str] = frozenset()

    @property
    def inside(self) -> str | None:
        """The unit and room within the building."""
        unit, room = self.unit and f"{self.unit}单元", self.room and f"{self.room}室"
        return f"{unit or ''}{room or ''}" or None

    @property
    def landmark(self) -> str | None:
        """The place in words where no area is called so; without the room."""
        said = (*((self.building,) if self.building else ()), *self.details)
        return None if self.area or self.doubtful else " ".join(said) or None


def find_place(text: str, places: Places, near: str | None = None) -> str | None:
    """The one area that is meant; the name of an area around it only makes that more certain.

    `near` is where the resident is known to be: among areas of the same name it decides for the nearest.
    """
    area = _read(canonical(plain_lines(text)), places, near).place
    return area if area in places.by_code else None


def find_spot(text: str, places: Places, near: str | None = None) -> Spot:
    """All that a text says about where; of its lines the later ones correct the earlier."""
    plain = canonical(plain_lines(text))
    place, building, doubtful, denied = _read(plain, places, near)
    said = [room for room in rooms(plain) if room.building in (None, building)]
    return Spot(
        area=place if place in places.by_code else None,
        building=building and f"{building.upper()}号楼",
        unit=_unit(plain, building, said),
        room=said[0].numbers[0] if said else None,
        details=tuple(dict.fromkeys(_LANDMARK.findall(plain))),
        doubtful=doubtful,
        denied=denied,
    )


def _unit(plain: str, building: str | None, said: list[Room]) -> str | None:
    named = [(room.building, room.unit) for room in said] + _UNIT.findall(plain)
    return next((unit for where, unit in named if unit and where in (None, "", building)), None)


_UNIT = re.compile("(?:([0-9a-z]+)号楼[,的]?)?([0-9]+|[a-z甲乙丙丁])单元")
_LANDMARK = re.compile(
    r"(?:小区|社区|村|院)?(?:东南|西南|东北|西北|[东南西北])门(?!子|诊|市)|(?:小区|村|大?院)[大正后侧]?门口?"
    r"|(?:小区|村|院)?(?:东南|西南|东北|西北)角|村(?:[口头尾]|[东南西北]头)|巷口|桥头|广场(?!舞)|停车场|地下车库|凉亭"
    r"|村委会|居委会|党群服务中心|活动中心|卫生室|幼儿园|菜市场|水塔|池塘"
)


# --- what is mentioned ------------------------------------------------------------------------


class _Mention(NamedTuple):
    """An area's name in a text; a building that no area is called after stands for itself."""

    start: int
    end: int
    codes: tuple[str, ...]


def _mentions(plain: str, places: Places) -> list[_Mention]:
    hits = places.matcher.find_matches_as_indexes(plain, overlapping=True) if places.all else []
    found = [
        _Mention(start, end, places.codes[name]) for name, start, end in hits if _is_whole(plain, start, end)
    ]
    if _BUILDING in plain:
        found += [_Mention(*match.span(), (match[0],)) for match in _ANY_BUILDING.finditer(plain)]
    return list(_widest(found))


_BUILDING = "号楼"
_ANY_BUILDING = re.compile(r"([0-9a-z]+)号楼")


def _is_whole(plain: str, start: int, end: int) -> bool:
    """13号楼 does not mention 3号楼, nor does A3号楼."""
    before = start > 0 and _is_figure(plain[start - 1]) and _is_figure(plain[start])
    after = end < len(plain) and _is_figure(plain[end - 1]) and _is_figure(plain[end])
    return not before and not after


def _is_figure(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _widest(mentions: Iterable[_Mention]) -> Iterator[_Mention]:
    """The longest name wins: what lies within a longer mention is not meant."""
    end = 0
    for mention in sorted(mentions, key=lambda mention: (mention.start, -mention.end)):
        if mention.end > end:
            end = mention.end
            yield mention


# --- which of them is meant -------------------------------------------------------------------


class _Weight(IntEnum):
    """Whether the matter is there, or somebody only lives or stands there."""

    ASIDE = 0
    PLAIN = 1
    STRESSED = 2


class _Standing(NamedTuple):
    """A mention that nothing denies."""

    weight: _Weight
    line: int
    mention: _Mention


_NEVER = _Standing(_Weight.ASIDE, -1, _Mention(0, 0, ()))


class _Sense(NamedTuple):
    """A mention read as one area, in the order of how surely that is what is meant."""

    weight: _Weight
    line: int
    named_around: int
    numbered: bool


class _Reading(NamedTuple):
    """The place that is meant, an area's code or a building's name, with that building's number."""

    place: str | None = None
    building: str | None = None
    doubtful: bool = False
    denied: frozenset[str] = frozenset()


_NOTHING = _Reading()

_DENIED = re.compile(r"(?:(?<!是)不是|(?<!在)不在|不住|并非|不属于)(?:在|住|我们|咱们)?$")
_STRESSED = re.compile(
    r"(?:(?<!住)的是|应该是|应当是|改成|改为|不对,?是?|[说写打弄搞记]错了?,?是?|更正[:,]?是?|其实是?|实际上?是?"
    r"|而是|却是|就是|地[点址][是:]?)(?:在|我们|咱们)?$"
)
_ASIDE = re.compile(
    r"(?:(?:我|俺|咱|本人)(?:们|家)?(?:现在|目前|就|都)?(?:是|住|住在|在|家在|从)?|家?住在?|路过|经过|还有)$"
)
_ASIDE_AFTER = re.compile(
    r"也|同样|的?(?:人|居民|住户|业主|邻居|租户)(?!家)|[都是]?(?:没事|没停|没坏|正常|好好的|没问题|好的|有电|有水|亮着)"
)
_BESIDE = re.compile(r"(?:旁边?|对面|隔壁|[前后]面|附近|楼下|[东南西北]边)的?")
_LOOK_BACK = 8


def _read(plain: str, places: Places, near: str | None) -> _Reading:
    mentions = _mentions(plain, places)
    if not mentions:
        return _NOTHING
    standing, denied = _standing(plain, mentions)
    named = frozenset(code for one in standing for code in one.mention.codes)
    readings = [(one, code) for one in standing for code in _meant(plain, one.mention, named, places, near)]
    if len(readings) > 1:
        readings = _surest(plain, readings, standing, places)
    codes = {code for _, code in readings}
    numbers = {_number(plain, one.mention) for one, _ in readings}
    number = numbers.pop() if len(numbers) == 1 else None
    return _Reading(codes.pop() if len(codes) == 1 else None, number, len(codes) > 1, denied)


def _surest(
    plain: str, readings: list[tuple[_Standing, str]], standing: list[_Standing], places: Places
) -> list[tuple[_Standing, str]]:
    senses = [_sense(plain, one, code, standing, places) for one, code in readings]
    best = max(senses)
    return [reading for reading, sense in zip(readings, senses, strict=True) if sense == best]


def _standing(plain: str, mentions: list[_Mention]) -> tuple[list[_Standing], frozenset[str]]:
    """What is denied neither then nor later, each name once. Names side by side are said in one breath."""
    standing: dict[tuple[str, ...], _Standing] = {}
    denied: set[str] = set()
    breath, line, end = 0, 0, 0
    for mention, following in zip(mentions, (*mentions[1:], None), strict=True):
        between = plain[end : mention.start]
        breath = breath if end and between in ("", "的") else mention.start
        line, end = line + between.count("\n"), mention.end
        before = plain[max(0, breath - _LOOK_BACK) : breath]
        if _DENIED.search(before):
            denied.update(mention.codes)
            standing = {key: one for key, one in standing.items() if denied.isdisjoint(key)}
        else:
            denied.difference_update(mention.codes)
            weight = _weight(plain, before, mention.end, following)
            standing[mention.codes] = max(
                _Standing(weight, line, mention), standing.get(mention.codes, _NEVER)
            )
    return list(standing.values()), frozenset(denied)


def _weight(plain: str, before: str, end: int, following: _Mention | None) -> _Weight:
    if _STRESSED.search(before):
        return _Weight.STRESSED
    beside = following is not None and _BESIDE.fullmatch(plain, end, following.start)
    aside = beside or _ASIDE.search(before) or _ASIDE_AFTER.match(plain, end)
    return _Weight.ASIDE if aside else _Weight.PLAIN


def _number(plain: str, mention: _Mention) -> str | None:
    """The number of a building that is called by it."""
    found = _ANY_BUILDING.fullmatch(plain, mention.start, mention.end)
    return found[1] if found else None


def _meant(
    plain: str, mention: _Mention, named: frozenset[str], places: Places, near: str | None
) -> Iterable[str]:
    """The areas that a name may mean here: those whose surroundings are named too, else those at home.

    A number alone is a building of one's own community, and of no other.
    """
    if near is None and len(mention.codes) == 1:
        return mention.codes
    likely, depth = _most(mention.codes, lambda code: len(named.intersection(places.chain(code)[1:])))
    if near is None or (depth and len(likely) == 1):
        return likely
    home = places.community(near)
    own = [code for code in likely if places.community(code) == home]
    if own:
        around = frozenset(places.chain(near))
        return _most(own, lambda code: len(around.intersection(places.chain(code))))[0]
    return (plain[mention.start : mention.end],) if _number(plain, mention) and not depth else likely


def _most(codes: Sequence[str], measure: Callable[[str], int]) -> tuple[list[str], int]:
    """Those of the largest measure, and how large it is."""
    measured = [(measure(code), code) for code in codes]
    most = max(size for size, _ in measured)
    return [code for size, code in measured if size == most], most


def _sense(plain: str, one: _Standing, code: str, standing: list[_Standing], places: Places) -> _Sense:
    """What is said of an area around it is said of the area as well."""
    around = frozenset(places.chain(code)[1:])
    said = [one, *(other for other in standing if not around.isdisjoint(other.mention.codes))]
    named = around.intersection(code for other in said for code in other.mention.codes)
    return _Sense(
        max(other.weight for other in said),
        max(other.line for other in said),
        len(named),
        _number(plain, one.mention) is not None,
    )


# --- names ------------------------------------------------------------------------------------


def _spellings(name: str) -> set[str]:
    """How a name is compared, and short of the 小区 that people leave out where enough of it remains."""
    plain = canonical(plain_lines(name))
    short = plain.removesuffix(_ESTATE)
    return {plain, short if len(short) > 2 else plain} - {""}
