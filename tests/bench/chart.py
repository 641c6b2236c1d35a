"""The figures as a picture: bars of requests a second, floor and ours, and lines of what growth does."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tests.bench.databases import Kind
from tests.bench.report import Figure, short

WIDTH, LEFT, RIGHT = 860, 300, 90
BAR, GAP = 26, 14
FLOOR_COLOUR, COLOURS = "#b8bec7", {Kind.SQLITE: "#d98032", Kind.POSTGRES: "#2f6fb2"}
_LINES_HIGH, _LINES_LEFT, _LINES_END = 240, 70, WIDTH - 150
_FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="14"'
_STORED = re.compile(r"(?P<kind>.+), (?P<count>[\d,]+) requests stored: requests")

Point = tuple[float, float]


def drawn(figures: Sequence[Figure]) -> str:
    """An SVG of the rows that have something to show; it needs neither fonts nor scripts of its own."""
    bars, high = _bars([one for one in figures if one.row == "B path" and one.what.endswith(": requests")])
    lines = _lines(_grown(figures), high + 40)
    whole = high + 40 + _LINES_HIGH + 70
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {whole}"'
        f' width="{WIDTH}" height="{whole}" {_FONT} fill="#222">\n'
        f'<rect width="{WIDTH}" height="{whole}" fill="#fff"/>\n{bars}{lines}</svg>\n'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(words)}</text>\n'


_BOLD = ' font-size="16" font-weight="bold"'
_SMALL = ' font-size="12" fill="#666"'


# --- bars: the rate of each side ----------------------------------------------------------------


def _bars(figures: Sequence[Figure]) -> tuple[str, int]:
    """A bar for each side with its median, and a whisker from the slowest to the fastest run."""
    parts = [_text(16, 28, "Whole path: requests a second", extra=_BOLD)]
    most = max((max(one.values) for one in figures), default=1.0)
    y = 50
    for one in figures:
        parts.append(_bar(one, y, (WIDTH - LEFT - RIGHT) / most))
        y += BAR + GAP
    return "".join(parts), y


def _bar(one: Figure, y: int, scale: float) -> str:
    name = one.what.removesuffix(": requests")
    colour = FLOOR_COLOUR if name.startswith("floor") else _colour(name)
    slowest, fastest = (LEFT + value * scale for value in (min(one.values), max(one.values)))
    middle = y + BAR / 2
    return (
        _text(LEFT - 10, middle + 5, name, "end")
        + f'<rect x="{LEFT}" y="{y}" width="{one.median * scale:.1f}" height="{BAR}" fill="{colour}"/>\n'
        + f'<path d="M{slowest:.1f} {middle}H{fastest:.1f}" stroke="#222" stroke-width="1.5"/>\n'
        + _text(fastest + 8, middle + 5, short(one.median))
    )


def _colour(name: str) -> str:
    return next((colour for kind, colour in COLOURS.items() if kind in name), "#222")


# --- lines: the rate over what is stored ----------------------------------------------------------


def _grown(figures: Sequence[Figure]) -> dict[str, list[Point]]:
    """For each database the rate by the number of requests stored."""
    found: defaultdict[str, list[Point]] = defaultdict(list)
    for one in figures:
        if matched := _STORED.fullmatch(one.what):
            found[matched["kind"]].append((float(matched["count"].replace(",", "")), one.median))
    return found


def _lines(grown: Mapping[str, Sequence[Point]], top: int) -> str:
    points = [point for line in grown.values() for point in line]
    if not points:
        return ""
    scale = _Scale(min(x for x, _ in points), max(x for x, _ in points), max(y for _, y in points), top + 30)
    title = _text(16, top + 8, "The same with so many requests stored", extra=_BOLD)
    marks = [
        _text(scale.x(count), scale.bottom + 20, f"{count:,.0f}", "middle", _SMALL)
        for count in _counts(points)
    ]
    lines = [
        _line(kind, [(scale.x(x), scale.y(y)) for x, y in sorted(line)], beside)
        for (kind, line), beside in zip(grown.items(), _BESIDE, strict=False)
    ]
    return title + _grid(scale) + "".join(marks + lines)


def _counts(points: Sequence[Point]) -> list[float]:
    return sorted({count for count, _ in points})


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a number of stored requests (logarithmic) and a rate lie in the picture."""

    least: float
    most: float
    highest: float
    top: int

    @property
    def bottom(self) -> int:
        return self.top + _LINES_HIGH

    def x(self, count: float) -> float:
        span = math.log10(self.most / self.least) or 1.0
        return _LINES_LEFT + 20 + math.log10(count / self.least) / span * (_LINES_END - _LINES_LEFT - 20)

    def y(self, rate: float) -> float:
        return self.bottom - rate / self.highest * (_LINES_HIGH - 20)


def _grid(scale: _Scale) -> str:
    """The axes, and a line for each quarter of the highest rate."""
    parts = [
        f'<path d="M{_LINES_LEFT} {scale.top}V{scale.bottom}H{_LINES_END + 20}" fill="none" stroke="#999"/>\n'
    ]
    for share in (0.25, 0.5, 0.75, 1.0):
        rate = round(scale.highest * share)
        y = scale.y(rate)
        parts.append(f'<path d="M{_LINES_LEFT} {y:.1f}H{_LINES_END + 20}" stroke="#ddd"/>\n')
        parts.append(_text(_LINES_LEFT - 8, y + 5, short(rate), "end", _SMALL))
    return "".join(parts)


_BESIDE = (-12, 22)  # one name above its line, the other below: they may end at the same rate


def _line(kind: str, points: Sequence[Point], beside: int) -> str:
    colour = _colour(kind)
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>\n' for x, y in points)
    x, y = points[-1]
    label = _text(x + 10, y + beside, kind, extra=f' fill="{colour}"')
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>\n{dots}{label}'
