"""An accepted word goes into the office's own rule files: as text between what stands there, checked."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from bot.files import FileError, Problem, load_document, read_text
from bot.rules.mining import scalar
from bot.rules.proposing import Proposal
from bot.rules.reading import load_taxonomy, read_document
from bot.settings import DEFAULTS, ConfigError

CORRECTIONS = "corrections.yaml"
_HEADER = "# 从改分类里学来的词，由 huiyin rules propose 提出、由人采纳。可以照常修改、删除。\n"


def check_own(main: Path) -> None:
    """Raise ConfigError where the rules are those that came with the program: an update replaces them."""
    if main.resolve().is_relative_to(DEFAULTS.resolve()):
        raise ConfigError(
            f"{main.parent} came with the program: run `huiyin init DIR`, set rules_dir, and accept again"
        )


def accept(main: Path, proposals: Iterable[Proposal]) -> Path:
    """Write the words into the file of corrections, which the main file includes from then on.

    What was there before is kept as .bak. Raises FileError, with nothing changed, where the files would not
    be right afterwards, and ConfigError where they cannot be written.
    """
    corrections = main.parent / CORRECTIONS
    before = {corrections: _text(corrections) if corrections.exists() else _HEADER, main: _text(main)}
    after = dict(before)
    for one in proposals:
        place = ("lexicon", one.category, "keywords", str(one.weight))
        after[corrections] = insert(corrections, after[corrections], place, one.word)
    if CORRECTIONS not in load_taxonomy(main).include:
        after[main] = insert(main, before[main], ("include",), CORRECTIONS)
    read_document(main, unsaved=after)
    for path, text in after.items():  # the main file last: it never includes what is not there yet
        if text != before[path]:
            _replace(path, text)
    return corrections


def _text(path: Path) -> str:
    """Raises FileError for what is no YAML."""
    load_document(path)
    return read_text(path)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    try:
        draft.write_bytes(text.encode())
        if path.exists():
            shutil.copy2(path, path.with_name(path.name + ".bak"))
            shutil.copymode(path, draft)
        os.replace(draft, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


# --- text into YAML ---------------------------------------------------------------------------


def insert(file: Path, text: str, place: Sequence[str], word: str) -> str:
    """The text with `word` in the list at `place`; keys that are missing on the way there are written too.

    Everything else stays as it is written. Raises FileError where something else stands on the way.
    """
    node, rest = yaml.compose(text, yaml.CSafeLoader), list(place)
    if node is None:
        return text + _entry(rest, word, 0) + "\n"
    while rest and (inner := _child(node, rest[0])) is not None:
        node, rest = inner, rest[1:]
    if isinstance(node, yaml.MappingNode) and rest:
        return _between(text, node, _flow(rest, word), _entry(rest, word, node.start_mark.column))
    if isinstance(node, yaml.SequenceNode) and not rest:
        return _between(text, node, scalar(word), f"- {scalar(word)}")
    if isinstance(node, yaml.ScalarNode) and not rest and node.style in _ROWS:
        at = node.start_mark.index + len(node.style or "")
        return f"{text[:at]}{word} {text[at:]}"
    line = node.start_mark.line + 1
    raise FileError(Problem(str(file), line, f"这里的写法接不上“{word}”，请写成 分数: 词 词"))


_ROWS = (None, "", "'", '"')  # how a row of words may be quoted


def _between(text: str, node: yaml.CollectionNode, flow: str, block: str) -> str:
    """The text with a first member more, written as its neighbours are."""
    at = node.start_mark.index
    if node.flow_style:
        return text[: at + 1] + flow + (", " if node.value else "") + text[at + 1 :]
    return f"{text[:at]}{block}\n{' ' * node.start_mark.column}{text[at:]}"


def _child(node: yaml.Node, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _entry(keys: Sequence[str], word: str, column: int) -> str:
    """A line for each key but the last two, which share theirs with the word."""
    if len(keys) <= 2:
        return _flow(keys, word)
    return f"{_key(keys[0])}:\n{' ' * (column + 2)}{_entry(keys[1:], word, column + 2)}"


def _flow(keys: Sequence[str], word: str) -> str:
    """`key: {key: [word]}`."""
    inner = f"[{scalar(word)}]" if len(keys) == 1 else f"{{{_flow(keys[1:], word)}}}"
    return f"{_key(keys[0])}: {inner}"


def _key(key: str) -> str:
    """Weights stay plain: our reader takes every key as text."""
    return key if key.lstrip("-").isdecimal() else scalar(key)
