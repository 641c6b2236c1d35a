"""Weighted keywords learned from labelled texts: few, readable, and nearly as good as a trained model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from routing.text import normalize

LONGEST = 5  # characters of a keyword
SCALE = 10  # a weight of 10 would decide alone
_STEPS = (8, 4, 2, 1.4, 1)  # how many times the budget is kept after each round
_ROUGH, _FINE = 0.1, 0.03  # how far one text may bend the weights while choosing words, and at the end
_WORD = re.compile(r"\w+")


class MiningError(Exception):
    """The texts cannot be learned from, and why."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its label; `weight` says how many ordinary examples it is worth."""

    text: str
    label: str
    weight: float = 1.0


def mine(examples: Sequence[Example], most: int) -> Mapping[str, Mapping[str, int]]:
    """At most `most` different words, with integer weights for and against each label.

    A linear support vector machine over all character sequences is fitted again and again, each time on
    the more useful half of its words, until the budget is met. The same examples give the same words.
    Raises MiningError where there is nothing to tell apart.
    """
    labels = sorted({example.label for example in examples})
    if len(labels) < 2:
        raise MiningError("至少要有两种标签")
    words, counts = _sequences(examples)
    if not words:
        raise MiningError("没有一个词在两条以上的文字里出现")
    kept = list(range(len(words)))
    for step in _STEPS:
        if (size := int(step * most)) < len(kept):
            useful = _usefulness(counts[:, kept], _fitted(counts[:, kept], examples, _ROUGH))
            kept = sorted(kept[position] for position in useful.argsort(kind="stable")[::-1][:size])
    model = _fitted(counts[:, kept], examples, _FINE)
    return _weights([words[index] for index in kept], labels, model.coef_)


def _sequences(examples: Sequence[Example]) -> tuple[list[str], Any]:
    """Every sequence of letters that stands in two texts, and which text has which."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer="char", ngram_range=(1, LONGEST), min_df=2, binary=True)
    try:
        counts = vectorizer.fit_transform([normalize(example.text) for example in examples])
    except ValueError:  # what it says where no sequence is left
        return [], None
    words = list(vectorizer.get_feature_names_out())
    good = [index for index, word in enumerate(words) if _WORD.fullmatch(word)]
    return [words[index] for index in good], counts.tocsc()[:, good]


def _fitted(counts: Any, examples: Sequence[Example], bend: float) -> Any:
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=bend, fit_intercept=False, random_state=0)
    labels = [example.label for example in examples]
    return model.fit(counts, labels, sample_weight=[example.weight for example in examples])


def _usefulness(counts: Any, model: Any) -> Any:
    """How much a word moves the scores, and how often it can."""
    often = counts.sum(axis=0).A1 if hasattr(counts.sum(axis=0), "A1") else counts.sum(axis=0)
    return (model.coef_**2).sum(axis=0) * often**0.5


def _weights(words: list[str], labels: list[str], fitted: Any) -> dict[str, dict[str, int]]:
    # With two labels one row of weights tells them apart.
    rows = fitted if len(labels) > 2 else [-fitted[0], fitted[0]]
    found: dict[str, dict[str, int]] = {}
    for label, row in zip(labels, rows, strict=True):
        rounded = {word: round(weight * SCALE) for word, weight in zip(words, row, strict=True)}
        found[label] = {word: weight for word, weight in rounded.items() if weight}
    return found


# --- writing ----------------------------------------------------------------------------------


def write_rules(path: Path, title: str, weights: Mapping[str, Mapping[str, int]]) -> None:
    """A rule file of its own, whose categories are the labels; everything in it may be edited."""
    path.write_text("".join(_rule_file(title, weights)), encoding="utf-8")


def _rule_file(title: str, weights: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    limit = "{name: 一般, calendar: calendar days, ack: 2h, resolve: 7d}"
    yield f"meta:\n  title: {_scalar(title)}\n  version: '1'\n  limits:\n    T3: {limit}\n"
    yield "  thresholds: {score: 4, margin: 3}\ncategories:\n- code: ALL\n  name: 全部\n  children:\n"
    for label, words in weights.items():
        yield f"  - service_code: {_scalar(label)}\n    name: {_scalar(label)}\n    scope: 小事\n"
        yield "    default_role: grid_member\n    limit: T3\n    first_reply: 收到\n    keywords:\n"
        yield from written_keywords(words, "      ")


def written_keywords(words: Mapping[str, int], indent: str) -> Iterator[str]:
    """`weight: [word, …]` lines, the weightiest first."""
    for weight in sorted(set(words.values()), reverse=True):
        same = sorted(word for word, value in words.items() if value == weight)
        yield from _wrapped(f"{indent}{weight}: [", list(map(_scalar, same)), indent + "  ")


def _wrapped(start: str, scalars: list[str], indent: str) -> Iterator[str]:
    line = start
    for position, scalar in enumerate(scalars):
        end = "]" if position == len(scalars) - 1 else ","
        if len(line) + len(scalar) > 90 and not line.endswith("["):
            yield line.rstrip() + "\n"
            line = indent
        line += scalar + end + (" " if end == "," else "")
    yield line + "\n"


def _scalar(text: str) -> str:
    """As YAML, always text: `110` and `no` are quoted."""
    return (
        str(yaml.safe_dump(text, allow_unicode=True, width=10_000, default_flow_style=True))
        .removesuffix("\n...\n")
        .strip()
    )
