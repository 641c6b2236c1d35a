"""Weighted keywords from labelled texts: few, readable, and nearly as good as a trained model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from bot.rules.measuring import DANGEROUS, HARMLESS, NOTHING, Labelled
from routing.text import normalize

LONGEST = 5  # characters of a word that is found; given phrases may be longer
SCALE = 10  # a weight of 10 would decide alone
# How far one text may bend the weights, and the weights below which a word says nothing for or against.
_BEND = 0.05
_FAINT_FOR, _FAINT_AGAINST = 0.04, 0.06
_STEPS = (8, 4, 2, 1.4, 1)  # how many times the budget is kept, round by round
_RARE = 0.25  # how much more a word counts that more texts hold
_WORD = re.compile(r"\w+")
# What begins or ends like this is a piece of a sentence rather than a word, and no clerk could read it.
_NO_BEGINNING = frozenset("的了着过吗呢吧啊么啦嘛呀哦们个里来到得地")
_NO_END = frozenset("的一我你他她它就也还又很在把被给和跟是个这那得地")


# A message is worth so much more, or a word that somebody wrote down less, than an ordinary example.
_PHRASE, _DANGER, _CALM_TITLE = 0.2, 2.0, 0.5


class MiningError(Exception):
    """The texts cannot be learned from, and why."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its label; `weight` says how many ordinary examples it is worth.

    A `phrase` is a word that somebody wrote down for the label: it may become a keyword as it stands.
    """

    text: str
    label: str
    weight: float = 1.0
    phrase: bool = False


Weights = Mapping[str, Mapping[str, int]]


def mine(examples: Sequence[Example], most: int, only: frozenset[str] | None = None) -> Weights:
    """At most `most` different words, with integer weights for and against each label (of `only`).

    A linear support vector machine over all character sequences tells each label from the others. What
    says little is dropped and the rest is fitted again, until the budget is met: words that repeat each
    other make room, and a label keeps the words that speak for or clearly against it. The same examples
    give the same words. Raises MiningError where there is nothing to tell apart.
    """
    labels = sorted({example.label for example in examples})
    if len(labels) < 2:
        raise MiningError("至少要有两种标签")
    words, counts = _sequences(examples)
    if not words:
        raise MiningError("没有一个词在两条以上的文字里出现")
    labels = [label for label in labels if only is None or label in only]
    fitted = _first_fit(counts, examples, labels)
    for step in _STEPS:
        fitted = _without_faint(fitted)
        kept = _most_useful(fitted, counts, round(step * most))
        words, counts = [words[index] for index in kept], counts[:, kept]
        fitted = _fitted_again(counts, examples, labels, fitted[:, kept])
    return {
        label: {word: weight for word, weight in zip(words, row, strict=True) if weight}
        for label, row in zip(labels, (fitted * SCALE).round().astype(int).tolist(), strict=True)
    }


def _sequences(examples: Sequence[Example]) -> tuple[list[str], Any]:
    """Every sequence of letters that stands in two texts or was given, and which text has which."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts = [normalize(example.text) for example in examples]
    finder = CountVectorizer(analyzer="char", ngram_range=(1, LONGEST), min_df=2, binary=True)
    try:
        found = set(finder.fit(texts).vocabulary_)
    except ValueError:  # what it says where no sequence is left
        found = set()
    given = {text for text, example in zip(texts, examples, strict=True) if example.phrase}
    words = sorted(filter(_WORD.fullmatch, {*filter(_is_whole, found), *given}))
    if not words:
        return [], None
    longest = max(map(len, words))
    counter = CountVectorizer(analyzer="char", ngram_range=(1, longest), vocabulary=words, binary=True)
    return words, counter.transform(texts).tocsc()


def _is_whole(word: str) -> bool:
    if len(word) > 1 and (word[0] in _NO_BEGINNING or word[-1] in _NO_END):
        return False
    return not any(character.isascii() for character in word)  # 3号, a区: places and numbers


def _first_fit(counts: Any, examples: Sequence[Example], labels: Sequence[str]) -> Any:
    import numpy

    return numpy.array([_told_apart(counts, examples, label, intercept=False) for label in labels])


def _without_faint(weights: Any) -> Any:
    import numpy

    return numpy.where((weights > _FAINT_FOR) | (weights < -_FAINT_AGAINST), weights, 0)


def _fitted_again(counts: Any, examples: Sequence[Example], labels: Sequence[str], before: Any) -> Any:
    """Each label's weights anew, with the words alone that it had before."""
    import numpy

    weights = numpy.zeros(before.shape)
    for row, label in enumerate(labels):
        own = numpy.flatnonzero(before[row])
        if len(own):
            weights[row, own] = _told_apart(counts[:, own], examples, label, intercept=True)
    return weights


def _told_apart(counts: Any, examples: Sequence[Example], label: str, *, intercept: bool) -> Any:
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=_BEND, fit_intercept=intercept, random_state=0)
    model.fit(
        counts,
        [example.label == label for example in examples],
        sample_weight=[example.weight for example in examples],
    )
    return model.coef_[0]


def _most_useful(weights: Any, counts: Any, most: int) -> list[int]:
    """The words that move the scores most, and can do so often."""
    often = counts.getnnz(axis=0)
    useful = (weights**2).sum(axis=0) * often**_RARE
    best = (-useful).argsort(kind="stable")[:most]
    return sorted(int(index) for index in best if useful[index])


# --- which examples ---------------------------------------------------------------------------


def of_categories(rows: Sequence[Labelled]) -> list[Example]:
    """Every row for its first label. A row with a weight is a phrase; one that speaks against is left out."""
    return [
        Example(row.text, row.labels[0], _PHRASE * row.weight if row.weight else 1.0, bool(row.weight))
        for row in rows
        if row.weight is None or row.weight > 0
    ]


def of_danger(rows: Sequence[Labelled], urgent: frozenset[str]) -> list[Example]:
    """Emergencies against the rest; what may be taken either way teaches nothing."""
    return [example for row in rows for example in _of_danger(row, row.labels[0] in urgent)]


def _of_danger(row: Labelled, urgent: bool) -> Iterator[Example]:
    if row.weight is not None:
        worth = (0.15 if urgent else 0.08) * max(row.weight, 0)
        yield from [Example(row.text, _YES if urgent else _NO, worth, urgent)] if worth else []
    elif row.danger in DANGEROUS:
        yield Example(row.text, _YES, _DANGER)
    elif row.danger == HARMLESS or not row.danger:
        yield Example(row.text, _NO, 1.0 if row.danger else _CALM_TITLE)


def of_nothing(rows: Sequence[Labelled]) -> list[Example]:
    """Messages that there is nothing to file for against all others."""
    found = []
    for row in rows:
        nothing = row.labels[0] == NOTHING
        if row.weight is None:
            found.append(Example(row.text, _YES if nothing else _NO, 1.0 if row.danger or nothing else 0.3))
        elif row.weight > 0:
            found.append(Example(row.text, _YES if nothing else _NO, 0.1 * row.weight, nothing))
    return found


_YES, _NO = "yes", "no"


def mine_sense(examples: Sequence[Example], most: int) -> Mapping[str, int]:
    """Words for and against what the examples of `yes` have in common."""
    return mine(examples, most, frozenset({_YES}))[_YES]


# --- writing ----------------------------------------------------------------------------------


def rule_file(title: str, weights: Weights) -> str:
    """A rule file of its own, whose categories are the labels; everything in it may be edited."""
    return "".join(_rule_file(title, weights))


def _rule_file(title: str, weights: Weights) -> Iterator[str]:
    limit = "{name: 一般, calendar: calendar days, ack: 2h, resolve: 7d}"
    yield f"meta:\n  title: {scalar(title)}\n  version: '1'\n  limits:\n    T3: {limit}\n"
    yield "categories:\n- code: ALL\n  name: 全部\n  children:\n"
    for label, words in weights.items():
        yield f"  - service_code: {scalar(label)}\n    name: {scalar(label)}\n    scope: 小事\n"
        yield "    default_role: grid_member\n    limit: T3\n    first_reply: 收到\n    keywords:\n"
        yield from keyword_rows(words, "      ")


def word_file(heading: str, weights: Weights, senses: Weights) -> str:
    """A file to include beside an office's categories: words for them, and for the senses."""
    lines = [f"# {line}\n" for line in heading.splitlines()]
    for sense, words in senses.items():
        lines += [f"{sense}:\n  keywords:\n", *keyword_rows(words, "    ")]
    lines.append("lexicon:\n")
    for label, words in weights.items():
        lines += [f"  {scalar(label)}:\n    keywords:\n", *keyword_rows(words, "      ")]
    return "".join(lines)


def keyword_rows(words: Mapping[str, int], indent: str) -> Iterator[str]:
    """`weight: word word …` lines, the weightiest first."""
    for weight in sorted(set(words.values()), reverse=True):
        same = sorted(
            (word for word, value in words.items() if value == weight), key=lambda word: (len(word), word)
        )
        yield from _wrapped(f"{indent}{weight}: ", same, indent + "  ")


def _wrapped(start: str, words: list[str], indent: str, width: int = 60) -> Iterator[str]:
    """Words with spaces between them. A line that YAML could take for something else is quoted."""
    plain = scalar(" ".join(words)) == " ".join(words)
    line, quote = start + ("" if plain else '"'), "" if plain else '"'
    for word in words:
        if len(line) + len(word) > width and line.strip() not in (start.strip(), start.strip() + ' "'):
            yield line.rstrip() + "\n"
            line = indent
        line += word + " "
    yield line.rstrip() + quote + "\n"


def scalar(text: str) -> str:
    """As YAML, always text: `110` and `no` are quoted."""
    dumped = str(yaml.safe_dump(text, allow_unicode=True, width=10**9, default_flow_style=True))
    return dumped.removesuffix("\n").removesuffix("\n...")
