"""The office's own files: read as YAML, refused with all mistakes and their lines, watched for changes."""

import asyncio
import difflib
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

import structlog
import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

log = structlog.get_logger()

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in one line of a file; without a line it is about the file as a whole."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        return ":".join(filter(None, [self.file, str(self.line or "")])) + ": " + self.message


class FileError(Exception):
    """A file that cannot be used as it stands, with all that is wrong in it."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and in which line it says it."""

    file: str
    data: object
    lines: dict[Location, int]

    def line_of(self, loc: Location) -> int:
        """The line of the nearest thing around `loc` that stands in the file."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc, 1)

    def problem(self, loc: Location, message: str) -> Problem:
        return Problem(self.file, self.line_of(loc), message)


def load_document(path: Path, text: str | None = None) -> Document:
    """Raises FileError. `text` is what the file is going to say, where that is not written yet.

    The same text is parsed once: a file of this size takes a tenth of a second.
    """
    return _parsed(path, read_text(path) if text is None else text)


@lru_cache(maxsize=16)
def _parsed(path: Path, text: str) -> Document:
    _refuse_tabs(path, text)
    reader = _Reader(str(path))
    try:
        data = reader.read(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise FileError(_syntax_problem(path, text, error)) from error
    if reader.problems:
        raise FileError(*reader.problems)
    return Document(str(path), data, reader.lines)


def validate(document: Document, model: type[M]) -> M:
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise FileError(*_explain_all(document, model, error)) from error


def read_text(path: Path) -> str:
    """Raises FileError."""
    try:
        raw = path.read_bytes()
        return raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise FileError(Problem(str(path), None, "找不到这个文件")) from error
    except IsADirectoryError as error:
        raise FileError(Problem(str(path), None, "这是文件夹，不是文件")) from error
    except OSError as error:
        raise FileError(Problem(str(path), None, f"读不了这个文件：{error.strerror}")) from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FileError(Problem(str(path), line, "不是 UTF-8 编码，请另存为 UTF-8")) from error


def _refuse_tabs(path: Path, text: str) -> None:
    lines = [number for number, line in enumerate(text.split("\n"), 1) if "\t" in line]
    if lines:
        raise FileError(*(Problem(str(path), line, "有制表符(Tab)，请改用空格") for line in lines))


def _syntax_problem(path: Path, text: str, error: Exception) -> Problem:
    if isinstance(error, RecursionError):
        return Problem(str(path), None, "层次太深，请检查括号")
    if isinstance(error, yaml.reader.ReaderError):
        line = text.encode()[: error.position].count(b"\n") + 1
        return Problem(str(path), line, "有看不见的控制字符，请删掉")
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or error
    advice = f"YAML 写法不对，请检查缩进、引号和冒号后的空格({reason})"
    return Problem(str(path), mark.line + 1 if mark else None, advice)


_TEXT = "tag:yaml.org,2002:str"
_PLAIN = re.compile("tag:yaml.org,2002:(str|int|float|bool|null|timestamp)")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f]"
)  # escapes write what no editor shows, and no database stores
_LONGEST_NUMBER = (
    40  # characters of a date, too; what is longer takes long, and its digits are too many to print
)


@dataclass(slots=True)
class _Reader:
    """Turns YAML nodes into plain values and notes their lines. Keys stay as written: 110 and no are text."""

    file: str
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _loader: yaml.CSafeLoader = field(init=False)
    _seen: set[int] = field(default_factory=set)

    def read(self, text: str) -> object:
        self._loader = yaml.CSafeLoader(text)
        try:
            root = self._loader.get_single_node()
            return None if root is None else self._value(root, ())
        finally:
            self._loader.dispose()

    def _value(self, node: yaml.Node, loc: Location) -> object:
        self.lines.setdefault(loc, node.start_mark.line + 1)
        if id(node) in self._seen:
            self._complain(node, "不能用 & 和 * 引用，请把内容写出来")
            return None
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*loc, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, loc: Location) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or _CONTROL.search(key.value):
                self._complain(key, "冒号前面的键要是一个词")
            elif key.value in values:
                self._complain(key, f"键 {key.value} 重复了，前一个在第 {self.lines[(*loc, key.value)]} 行")
            else:
                self.lines[(*loc, key.value)] = key.start_mark.line + 1
                values[key.value] = self._value(value, (*loc, key.value))
        return values

    def _scalar(self, node: yaml.Node) -> object:
        if not _PLAIN.fullmatch(node.tag):
            self._complain(node, "不认识的写法，文字请加引号")
        elif _CONTROL.search(node.value):
            self._complain(node, "有看不见的控制字符，请删掉")
        elif node.tag != _TEXT and len(node.value) > _LONGEST_NUMBER:
            self._complain(node, "数字太长，文字请加引号")
        else:
            return self._constructed(node)
        return None

    def _constructed(self, node: yaml.Node) -> object:
        try:
            return self._loader.construct_object(node)
        except (ValueError, LookupError, AttributeError):  # it is called a date or a number, and is none
            self._complain(node, f"{node.value} 不是有效的日期或数字")
        return None

    def _complain(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, message))


def _explain_all(document: Document, model: type[BaseModel], error: ValidationError) -> Iterator[Problem]:
    if document.data is None:
        yield Problem(document.file, None, f"文件是空的，需要：{_listed(_keys(model))}")
        return
    problems = [document.problem(item["loc"], _explain(item, model)) for item in error.errors()]
    yield from sorted(problems, key=lambda problem: problem.line or 0)


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    where, name = _dotted(error["loc"]), str(error["loc"][-1]) if error["loc"] else ""
    parent = _dotted(error["loc"][:-1])
    match error["type"]:
        case "missing":
            return f"{parent} 缺少 {name}".strip()
        case "extra_forbidden":
            unknown = f"不认识的键 {name},{_suggest(name, model, error['loc'])}"
            return f"{parent} 有{unknown}" if parent else unknown
        case "enum" | "literal_error":
            allowed = re.findall(r"'([^']*)'", error["ctx"]["expected"])
            return f'{where} 不能是 "{error["input"]}"，可用：{_listed(allowed)}'
        case "value_error" | "assertion_error":
            return f"{where} {error['ctx']['error']}".strip()
    return f"{where or '文件'} {_WRONG.get(error['type']) or _expected(error)}"


_WRONG = {
    "string_type": "要是文字，请加引号",
    "string_too_short": "不能是空的",
    "too_short": "不能是空的",
    "int_type": "要是整数",
    "int_parsing": "要是整数",
    "int_from_float": "要是整数",
    "float_type": "要是数字",
    "float_parsing": "要是数字",
    "bool_type": "要是 true 或 false",
    "bool_parsing": "要是 true 或 false",
    "date_type": "要是日期，例如 2026-01-31",
    "date_parsing": "要是日期，例如 2026-01-31",
    "date_from_datetime_parsing": "要是日期，例如 2026-01-31",
    "time_parsing": "要是钟点，例如 08:30",
    "time_type": "要是钟点，例如 08:30",
    "list_type": "要是一个列表，每项前写“- ”或用 [ ]",
    "tuple_type": "要是一个列表，每项前写“- ”或用 [ ]",
    "set_type": "要是一个列表，每项前写“- ”或用 [ ]",
    "frozen_set_type": "要是一个列表，每项前写“- ”或用 [ ]",
    "dict_type": "下面要写“键: 值”",
    "model_type": "下面要写“键: 值”",
    "model_attributes_type": "下面要写“键: 值”",
}
_LIMITS = {
    "string_pattern_mismatch": ("写法不对，要符合 {}", "pattern"),
    "string_too_long": ("最多 {} 个字", "max_length"),
    "greater_than": ("要大于 {}", "gt"),
    "greater_than_equal": ("不能小于 {}", "ge"),
    "less_than": ("要小于 {}", "lt"),
    "less_than_equal": ("不能大于 {}", "le"),
}


def _expected(error: ErrorDetails) -> str:
    if error["type"] not in _LIMITS:
        return f"不对({error['msg']})"
    sentence, limit = _LIMITS[error["type"]]
    return sentence.format(error["ctx"][limit]) + f"，现在是 {error['input']}"


def _dotted(loc: Location) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _suggest(name: str, model: type[BaseModel], loc: Location) -> str:
    owner = _model_at(model, loc[:-1])
    allowed = _keys(owner) if owner else []
    close = difflib.get_close_matches(name, allowed, n=1)
    return f"是不是 {close[0]}?" if close else f"可用：{_listed(allowed)}"


def _listed(names: list[str]) -> str:
    return "、".join(names)


def _keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_at(annotation: Any, loc: Location) -> type[BaseModel] | None:
    """The model that reads what stands at `loc`, so that a wrong key can be compared with its right ones."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _model_below(annotation, loc)
    origin = get_origin(annotation)
    rest = loc if origin in (Union, types.UnionType) else loc[1:]
    models = (_model_at(inner, rest) for inner in get_args(annotation))
    return next(filter(None, models), None)


def _model_below(model: type[BaseModel], loc: Location) -> type[BaseModel] | None:
    if not loc:
        return model
    fields = dict(zip(_keys(model), model.model_fields.values(), strict=True))
    return _model_at(fields[str(loc[0])].annotation, loc[1:]) if loc[0] in fields else None


class Watched(Generic[T]):
    """What a file says, read again when the file changes; a wrong file changes nothing and is reported once.

    The first reading raises FileError: nothing starts on a file that was never right.
    """

    def __init__(self, path: Path, load: Callable[[Path], T], beside: str | None = None) -> None:
        """`beside` names, as a pattern, the files of the same folder whose change counts too."""
        self.path = path
        self._beside = beside
        self.error: FileError | None = None
        self._load = load
        self._lock = asyncio.Lock()
        self._signature = self._sign()
        self.value = load(path)

    async def refresh(self) -> bool:
        """Whether a new value came into force. It replaces the old one whole."""
        async with self._lock:
            signature = await asyncio.to_thread(self._sign)
            if signature == self._signature:
                return False
            self._signature = signature
            return await self._reload()

    def _sign(self) -> list[tuple[Path, tuple[int, int, int] | None]]:
        others = sorted(self.path.parent.glob(self._beside)) if self._beside else []
        return [(path, _stamp(path)) for path in [self.path, *others]]

    async def _reload(self) -> bool:
        try:
            self.value = await asyncio.to_thread(self._load, self.path)
        except FileError as error:
            self.error = error
            log.error(
                "file refused, the last good one stays in force", problems=list(map(str, error.problems))
            )
            return False
        self.error = None
        log.info("file taken into force", file=str(self.path))
        return True


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
