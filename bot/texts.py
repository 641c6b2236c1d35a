"""Loads the bot's sentences and checks that none is missing and none has a broken placeholder."""

import hashlib
import string
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from bot.files import FileError, Problem, load_document, validate
from handlers.texts import Texts

DEFAULTS = Path(__file__).parent / "defaults" / "texts" / "zh.yaml"

Sentence = Annotated[str, BeforeValidator(str)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Sentence
    templates: dict[str, Sentence]
    labels: dict[str, Sentence]
    words: dict[str, tuple[Sentence, ...]]
    facts: dict[str, Sentence] = {}


def load_texts(path: Path) -> Texts:
    """Raises FileError, with line numbers, also for a sentence that the program says but the file lacks."""
    document = load_document(path)
    file = validate(document, _File)
    problems = [
        document.problem(("templates", name), f"templates.{name} 的花括号不成对：{error}")
        for name, sentence in file.templates.items()
        if (error := _broken(sentence))
    ]
    if path != DEFAULTS:
        problems += _missing(path, file, load_texts(DEFAULTS))
    if problems:
        raise FileError(*problems)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    return Texts(f"{file.version}+{digest}", file.templates, file.labels, file.words, file.facts)


def _broken(sentence: str) -> str | None:
    try:
        list(string.Formatter().parse(sentence))
    except ValueError as error:
        return str(error)
    return None


def _missing(path: Path, file: _File, ours: Texts) -> list[Problem]:
    """What the shipped file has and this one lacks."""
    parts = (("templates", ours.templates, file.templates), ("labels", ours.labels, file.labels))
    return [
        Problem(str(path), None, f"{part} 缺少 {name}，自带的写法是：{known[name].splitlines()[0]}")
        for part, known, found in parts
        for name in known
        if name not in found
    ]
