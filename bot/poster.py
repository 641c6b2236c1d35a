"""The poster of a place: laid out once in millimetres, then drawn as SVG, PNG or PDF."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import east_asian_width
from xml.sax.saxutils import escape, quoteattr

import segno
from PIL import Image, ImageDraw, ImageFont

from bot.orders import Paper
from bot.settings import ConfigError

WIDTH, HEIGHT = 210.0, 297.0  # A4 in millimetres; other papers are the same picture, smaller
CODE = 114.0  # the code with the white around it
_DPI = 300
_GREEN, _RED, _BLACK, _GREY, _WHITE = "#0b4f30", "#a30014", "#1a1a1a", "#444444", "#ffffff"
_MARGIN = 12.0
_QUIET = 4  # modules of white on each side, as scanners expect
_FAMILIES = "'Noto Sans CJK SC','Source Han Sans SC','PingFang SC','Microsoft YaHei',sans-serif"
_FONTS = (  # where systems keep a Chinese font, and its place within the file
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc", 2),
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-Bold.ttc", 2),
    ("/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Bold.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/System/Library/Fonts/PingFang.ttc", 0),
    ("C:/Windows/Fonts/msyhbd.ttc", 0),
)


@dataclass(frozen=True, slots=True)
class Words:
    """All that stands on a poster besides the code."""

    place: str
    sentence: str
    how: str
    steps: Sequence[str]
    danger: str
    privacy: Sequence[str]


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle, in millimetres from the upper left."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    radius: float = 0


@dataclass(frozen=True, slots=True)
class Line:
    """Words on a baseline at `y`, from `x` or around it."""

    x: float
    y: float
    size: float
    text: str
    colour: str = _BLACK
    centred: bool = True


Item = Box | Line


@dataclass(frozen=True, slots=True)
class Font:
    path: Path
    index: int = 0


def layout(words: Words, link: str) -> Iterator[Item]:
    """What stands where on the A4 sheet. Words that would not fit are set smaller."""
    yield _fit(36, 17, words.place, _GREEN)
    yield _fit(59, 18.5, words.sentence)
    yield from code(link, (WIDTH - CODE) / 2, 62)
    yield _fit(183, 10, words.how, _GREEN)
    for number, step in enumerate(words.steps):
        yield from _step(number + 1, step, 202 + 14 * number)
    yield Box(0, 243, WIDTH, 25, _RED)
    yield _fit(260.5, 15, words.danger, _WHITE)
    for number, line in enumerate(words.privacy):
        yield _fit(275.5 + 7 * number, 5.6, line, _GREY)


def code(link: str, x: float, y: float) -> Iterator[Box]:
    """The modules of the code, each run of dark ones in a row as one box."""
    rows = [list(row) for row in segno.make(link, error="q", micro=False).matrix]
    module = CODE / (len(rows) + 2 * _QUIET)
    for down, row in enumerate(rows):
        for start, length in _runs(row):
            left, top = x + (start + _QUIET) * module, y + (down + _QUIET) * module
            yield Box(left, top, length * module, module, "#000000")


def _runs(row: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where dark modules begin, and how many follow each other."""
    start = 0
    while start < len(row):
        length = 0
        while start + length < len(row) and row[start + length]:
            length += 1
        if length:
            yield start, length
        start += length + 1


def _step(number: int, words: str, y: float) -> Iterator[Item]:
    left = 22.0
    yield Box(left, y - 8.2, 10.5, 10.5, _GREEN, radius=5.25)
    yield Line(left + 5.25, y - 0.4, 7.5, str(number), _WHITE)
    size = min(10.0, (WIDTH - _MARGIN - left - 15) / width(words))
    yield Line(left + 15, y, size, words, centred=False)


def _fit(y: float, size: float, text: str, colour: str = _BLACK) -> Line:
    return Line(WIDTH / 2, y, min(size, (WIDTH - 2 * _MARGIN) / max(width(text), 1)), text, colour)


def width(text: str) -> float:
    """In units of the type's size: Chinese characters are square, others narrower."""
    return sum(1.0 if east_asian_width(character) in "WF" else 0.62 for character in text)


# --- drawn ------------------------------------------------------------------------------------


def as_svg(items: Sequence[Item], paper: Paper) -> bytes:
    """The sheet in its real size; the words are set in the Chinese font of whoever prints it."""
    width, height = WIDTH * paper.scale, HEIGHT * paper.scale
    drawn = "\n".join(_svg_box(one) if isinstance(one, Box) else _svg_line(one) for one in items)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm"'
        f' viewBox="0 0 {WIDTH:g} {HEIGHT:g}" font-family={quoteattr(_FAMILIES)} font-weight="700">\n'
        f"<style>@page{{size:{width:g}mm {height:g}mm;margin:0}}</style>\n"
        f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="{_WHITE}"/>\n{drawn}\n</svg>\n'
    ).encode()


def _svg_box(box: Box) -> str:
    """Edges are not softened: between the modules of a code there must be no grey."""
    round_ = f' rx="{box.radius:g}"' if box.radius else ' shape-rendering="crispEdges"'
    where = f'x="{box.x:.4f}" y="{box.y:.4f}" width="{box.width:.4f}" height="{box.height:.4f}"'
    return f'<rect {where}{round_} fill="{box.colour}"/>'


def _svg_line(line: Line) -> str:
    anchor = ' text-anchor="middle"' if line.centred else ""
    return (
        f'<text x="{line.x:g}" y="{line.y:g}" font-size="{line.size:.3f}"{anchor}'
        f' fill="{line.colour}">{escape(line.text)}</text>'
    )


def as_picture(items: Sequence[Item], paper: Paper, kind: str, font: Font) -> bytes:
    """A PNG or PDF with 300 dots an inch. Raises ConfigError for a font that cannot be read."""
    dots = paper.scale * _DPI / 25.4
    sheet = Image.new("RGB", (round(WIDTH * dots), round(HEIGHT * dots)), _WHITE)
    pen = ImageDraw.Draw(sheet)
    for item in items:
        if isinstance(item, Box):
            _draw_box(pen, item, dots)
        else:
            _draw_line(pen, item, dots, font)
    written = io.BytesIO()
    sheet.save(written, kind, **({"dpi": (_DPI, _DPI)} if kind == "png" else {"resolution": _DPI}))
    return written.getvalue()


def _draw_box(pen: ImageDraw.ImageDraw, box: Box, dots: float) -> None:
    left, top = round(box.x * dots), round(box.y * dots)
    right, bottom = round((box.x + box.width) * dots) - 1, round((box.y + box.height) * dots) - 1
    pen.rounded_rectangle((left, top, right, bottom), box.radius * dots, box.colour)


def _draw_line(pen: ImageDraw.ImageDraw, line: Line, dots: float, font: Font) -> None:
    try:
        type_ = ImageFont.truetype(font.path, line.size * dots, font.index)
    except OSError:
        raise ConfigError(f"{font.path} cannot be read as a font") from None
    pen.text((line.x * dots, line.y * dots), line.text, line.colour, type_, "ms" if line.centred else "ls")


def chinese_font(chosen: Path | None) -> Font:
    """The chosen font file, or one of this system. Raises ConfigError where there is none."""
    if chosen is not None:
        return Font(chosen)
    for path, index in _FONTS:
        if Path(path).exists():
            return Font(Path(path), index)
    raise ConfigError(
        "no Chinese font was found here: install one (Debian: fonts-noto-cjk), name a font file with --font, "
        "or print --format poster from a browser"
    )
