"""Personal data in people's words: found in whatever way it is written, masked for the eyes of others."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from routing.text import normalize, readable

MASK = "***"

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind of personal data is kept before it is erased."""

    originals: timedelta = timedelta(days=7)
    voices: timedelta = timedelta(days=30)
    requests: timedelta = timedelta(days=180)
    sent: timedelta = timedelta(days=180)
    accesses: timedelta = timedelta(days=1095)


@lru_cache(maxsize=1000)  # a card, a note and a receipt ask about the same words within moments
def redact(text: str) -> str:
    """The text as staff may see it: numbers of people and cards, plates, addresses and names are masked.

    What holds nothing of the kind stays as it was written.
    """
    shown = readable(text)
    spans = [*_numbers(shown.translate(_FIGURES)), *_named(shown)]
    return _masked(shown, spans) if spans else text


def is_masked(text: str) -> bool:
    """Whether `redact` hides anything of it."""
    return redact(text) != text


def redact_for_group(text: str) -> str:
    """For the eyes of a group: nothing below the building either."""
    return _INSIDE.sub("", _DOOR.sub(r"\1号楼", readable(redact(text))))


def wants_no_name(text: str) -> bool:
    """Whether somebody asks not to be named."""
    return bool(_UNNAMED.search(normalize(text)))


def _masked(shown: str, spans: list[Span]) -> str:
    parts, at = [], 0
    for start, end in sorted(spans):
        if end > at:
            parts += [shown[at:start], MASK] if start >= at else []
            at = end
    return "".join([*parts, shown[at:]])


# --- numbers ----------------------------------------------------------------------------------

_SPOKEN = {"两": "2", "洞": "0", "拐": "7", "勾": "9"}  # as on the telephone


class _Figures(dict[int, str]):
    """Every character that stands for one digit, in any script: full-width, circled, Chinese, capital."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        value = unicodedata.numeric(character, -1)
        digit = str(int(value)) if value in range(10) else _SPOKEN.get(character, character)
        return self.setdefault(code, digit)


_FIGURES = _Figures()
_GAP = r"[\s.\-\u2010-\u2015·•・_~\u20e3]{0,3}"  # what people put between digits, the key-cap sign included
_RUN = re.compile(rf"\+?[0-9](?:{_GAP}[0-9])*(?:{_GAP}[xX](?![0-9A-Za-z]))?")
_GROUP = re.compile(r"\+?[0-9]+[xX]?|[xX]")
_LONG = 11  # as many digits in a row are somebody's number even where one of them is mistyped
_LONGEST = 19
_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_PERSONAL = re.compile(
    rf"""
    (?:\+?(?:00)?86)? 1[3-9][0-9]{{9}}                            # mobile
    | [1-9][0-9]{{5}} (?:18|19|20)[0-9]{{2}} {_DAY} [0-9]{{3}}[0-9xX] # identity card
    | [1-9][0-9]{{5}} [0-9]{{2}} {_DAY} [0-9]{{3}}                # identity card of before 1999
    | 0(?:10|2[0-9]|[3-9][0-9]{{2}}) [2-8][0-9]{{6,7}}            # landline with its area code
    """,
    re.VERBOSE,
)
_PLATE = "[A-HJ-NP-Z0-9]"
_OTHER_NUMBERS = re.compile(
    rf"""
    (?<![0-9]) [3-69][0-9]{{3}} (?:[\s-][0-9]{{4}}){{3}} (?:[\s-][0-9]{{1,3}})? (?![0-9])  # a mistyped card
    | \(0[0-9]{{2,3}}\) {_GAP} [2-8](?:{_GAP}[0-9]){{6,7}}      # landline, its area code in brackets
    | (?<![0-9]) (?!20[0-9]{{2}}-?[0-9]{{4}})                  # landline without one, but not a date
      [2-8][0-9]{{2,3}} -? [0-9]{{4}} (?![0-9]|\s?[元块度吨万米平])
    | (?:电话|手机|座机|联系方式|tel|phone|mobile) [^0-9\n]{{0,6}} (?P<labelled>[0-9](?:{_GAP}[0-9]){{6,}})
    | (?:qq|扣扣) (?:号|是|为|[\s:：])* (?P<qq>[0-9]{{5,11}})
    | [京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使] {_GAP} [A-Z] {_GAP}  # number plate
      (?=[A-Z]{{0,5}}[0-9]) (?:{_PLATE}{_GAP}){{4,5}} (?:{_PLATE}|[挂学警港澳])
    """,
    re.VERBOSE | re.IGNORECASE,
)


def _numbers(figures: str) -> Iterator[Span]:
    for run in _RUN.finditer(figures):
        yield from _in_run([match.span() for match in _GROUP.finditer(figures, *run.span())], figures)
    yield from _found(_OTHER_NUMBERS, figures)


def _in_run(groups: list[Span], figures: str) -> Iterator[Span]:
    """Personal numbers that begin and end with a group, so that a house number beside one stays."""
    for first, (start, stop) in enumerate(groups):
        if stop - start >= _LONG:
            yield start, stop
        digits = ""
        for begin, end in groups[first:]:
            digits += figures[begin:end]
            if len(digits) > _LONGEST:
                break
            if _PERSONAL.fullmatch(digits) or _is_card(digits):
                yield start, end


def _is_card(digits: str) -> bool:
    """Sixteen to nineteen digits that begin as bank cards do, with the check digit that they have."""
    if not 16 <= len(digits) <= _LONGEST or not digits.isdecimal() or digits[0] not in "34569":
        return False
    doubled = "".join(str(int(one) * 2) for one in digits[-2::-2])
    return sum(map(int, digits[-1::-2] + doubled)) % 10 == 0


# --- names and addresses ----------------------------------------------------------------------

_HAN = "[\u3400-\u9fff]"
_NO_NAME = "住是电手的说我您你们要"  # what follows a name, and is never part of one
_PAIRED = "欧阳|司马|上官|诸葛|夏侯|东方|皇甫|尉迟|公孙|慕容|令狐|司徒|端木|长孙|宇文|南宫|独孤|西门"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧肖田董潘袁蔡蒋余杜叶程魏苏吕丁任卢"
    "姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫雷龙史陶贺毛郝顾龚邵覃武钱戴严莫孔汤温康易乔"
    "赖文施洪辛柯颜庄倪季鲁殷芦葛翟樊梅祝申骆聂焦霍管岳齐翁柳欧柴鲍詹"
)
_CALLED = "了过不他她它你您人来去谁啥什网格物师救保社邻警家儿女妈爸老孩大小医开修车快外客个上下到着"
_NAMES = re.compile(
    rf"""
    (?:我叫|名叫|(?:姓名|名字|联系人|收件人|户主)\s*(?:[:：是为叫]|\s))\s*[:：]?\s*(?![{_CALLED}])
      (?P<called>{_HAN}{{1,6}}[·•]{_HAN}{{1,7}}|(?:{_PAIRED}){_HAN}{{1,2}}|{_HAN}{{2}}(?:(?![{_NO_NAME}]){_HAN}){{0,1}}(?:{_HAN}(?!{_HAN}))?)
    | (?:我是|本人)\s*[,，:：]?\s*
      (?P<self>(?:{_PAIRED}|[{_SURNAMES}]){_HAN}{{1,2}})(?=[{_NO_NAME}]|(?!{_HAN}))
    | (?:微信|weixin|wechat|vx)\s*(?:号|id|是|为|[\s:：])*(?P<wechat>[A-Za-z][A-Za-z0-9_-]{{5,19}})
    | (?<![A-Za-z0-9._%+-]) [A-Za-z0-9._%+-]+ \s?@\s? [A-Za-z0-9-]+ (?:\.[A-Za-z0-9-]+)+   # e-mail
    """,
    re.VERBOSE | re.IGNORECASE,
)


def _named(shown: str) -> Iterator[Span]:
    return _found(_NAMES, shown)


def _found(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    """Where the pattern is: its named part, where it has one."""
    return (match.span(match.lastgroup or 0) for match in pattern.finditer(text))


# --- places within a building, and no name at all ---------------------------------------------

_COUNT = "[0-9一二三四五六七八九十百零〇两]"
_DOOR = re.compile(r"(?<![0-9-])([0-9]{1,3})(?:-[0-9]{1,2})?-[0-9]{3,4}(?![0-9-])")
_INSIDE = re.compile(
    rf"{_COUNT}+单元(?:{_COUNT}+(?:[室户房号](?!楼))?)?|{_COUNT}+[室户房层楼]|(?<=楼){_COUNT}{{3,4}}|(?<=[栋幢]){_COUNT}{{3,4}}"
)
_UNNAMED = re.compile(
    r"匿名|(?:不要|不想|别|不能|请勿|勿)(?:说|讲|透露|告诉[^，。,]{0,6}|暴露)(?:是我|我是谁|我的名字|我的身份)"
)
