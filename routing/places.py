"""Where a matter is, read from a resident's words."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from routing.text import normalize

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_COUNT = r"[一二两三四五六七八九]?十[一二三四五六七八九]?|[一二两三四五六七八九]|0*[0-9]+"
_BUILDING = re.compile(rf"({_COUNT})(?:号楼|栋楼|幢楼|号栋|栋|幢|#楼|#)")
_NUMBERED = re.compile(rf"({_COUNT})(?=号楼|单元|网格|组|片|邻|队|期|区|号院)")
_DENIED = re.compile(r"(?:(?<!是)不是|(?<!在)不在|不住|并非|不属于)(?:在|住|我们|咱们)?$")


@dataclass(frozen=True, slots=True)
class PlaceName:
    """An area, what people call it, and the codes of the areas around it."""

    code: str
    names: tuple[str, ...]
    within: tuple[str, ...] = ()


@dataclass(frozen=True)
class Places:
    """All the areas that a text may name, prepared for finding them."""

    all: tuple[PlaceName, ...]

    @cached_property
    def names(self) -> tuple[tuple[str, str], ...]:
        """Every name as it is compared, with the area's code."""
        return tuple(
            (name, place.code) for place in self.all for name in set(map(_canonical, place.names)) - {""}
        )

    @cached_property
    def by_code(self) -> dict[str, PlaceName]:
        return {place.code: place for place in self.all}


class _Mention(NamedTuple):
    start: int
    end: int
    code: str


def find_place(text: str, places: Places) -> str | None:
    """The one area that is meant; the name of an area around it only makes that more certain."""
    plain = _canonical(text)
    found = _widest(mention for name, code in places.names for mention in _mentions(plain, name, code))
    named = {mention.code: mention for mention in found if not _is_denied(plain, mention)}
    depth = {code: _depth(places.by_code[code], named, plain) for code in named}
    deepest = [code for code in depth if depth[code] == max(depth.values())]
    return deepest[0] if len(deepest) == 1 else None


def _canonical(text: str) -> str:
    plain = _BUILDING.sub(lambda match: f"{_arabic(match[1])}号楼", normalize(text))
    return _NUMBERED.sub(lambda match: str(_arabic(match[1])), plain)


def _arabic(numeral: str) -> str:
    if numeral.isdecimal():
        return numeral.lstrip("0") or "0"
    tens, ten, ones = numeral.rpartition("十")
    return str((_DIGITS.get(tens, 1) * 10 if ten else 0) + _DIGITS.get(ones, 0))


def _mentions(plain: str, name: str, code: str) -> Iterator[_Mention]:
    if name in plain:
        yield from (_Mention(*match.span(), code) for match in re.finditer(_whole(name), plain))


def _whole(name: str) -> str:
    """13号楼 does not mention 3号楼, nor does A3号楼."""
    before = "(?<![0-9a-z])" if name[0].isascii() else ""
    after = "(?![0-9a-z])" if name[-1].isascii() else ""
    return before + re.escape(name) + after


def _widest(mentions: Iterable[_Mention]) -> Iterator[_Mention]:
    """The longest name wins: what lies within a longer mention is not meant."""
    last = (0, 0)
    for mention in sorted(mentions, key=lambda mention: (mention.start, -mention.end)):
        if mention.end > last[1] or mention[:2] == last:
            last = mention[:2]
            yield mention


def _is_denied(plain: str, mention: _Mention) -> bool:
    return bool(_DENIED.search(plain[max(0, mention.start - 6) : mention.start]))


def _depth(place: PlaceName, named: dict[str, _Mention], plain: str) -> tuple[int, bool]:
    """How many of the areas around it are named too; failing that, a building is more exact than its area."""
    mention = named[place.code]
    return len(named.keys() & set(place.within)), plain[mention.start : mention.end].endswith("号楼")
