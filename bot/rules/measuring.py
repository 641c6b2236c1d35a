"""How well rules decide on labelled texts: the figures of `huiyin rules test` and `make accuracy`."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table

from routing.classify import Danger, Decision, Outcome, decide
from routing.rules import Rules

NOTHING = "-"  # the label of a text that there is nothing to file for
CONFIDENT = 0.7  # the share of the texts that the most confident are
DANGEROUS, HARMLESS = frozenset({"now", "indirect"}), "no"


class LabelError(Exception):
    """A file of labelled texts that cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and the categories that a person finds right for it, the best first.

    `danger`: `now` and `indirect` are emergencies, `no` is harmless, `maybe` may be taken either way.
    `weight`: the text is a telling word that somebody wrote down, and how much it tells.
    """

    text: str
    labels: tuple[str, ...]
    danger: str = ""
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    row: Labelled
    decision: Decision

    @property
    def guess(self) -> str | None:
        """The best candidate, sure or not."""
        candidates = self.decision.candidates
        return candidates[0].category if candidates else None

    @property
    def right(self) -> bool:
        return self.guess in self.row.labels

    @property
    def among_three(self) -> bool:
        return any(one.category in self.row.labels for one in self.decision.candidates)

    @property
    def filed(self) -> bool:
        return self.decision.outcome is Outcome.FILE

    @property
    def confidence(self) -> int:
        """The lead of the best candidate over the second."""
        scores = [one.score for one in self.decision.candidates]
        return scores[0] - max(scores[1], 0) if len(scores) > 1 else scores[0] if scores else -100


@dataclass(frozen=True, slots=True)
class Figure:
    """A share, of how many, and in words."""

    name: str
    value: float | None
    of: int

    @property
    def shown(self) -> str:
        return "–" if self.value is None else f"{self.value:.3f}"


def read_labelled(
    path: Path, text: str = "text", label: str = "label", part: str | None = None
) -> list[Labelled]:
    """The rows of a CSV (of one `part` where it has parts); several labels are separated by `|`.

    Raises LabelError.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened)
            missing = [column for column in (text, label) if column not in (rows.fieldnames or [])]
            if missing:
                has = "、".join(rows.fieldnames or [])
                raise LabelError(f"{path} 没有 {'、'.join(missing)} 这一列，有：{has}")
            parts = part is not None and "part" in (rows.fieldnames or [])
            return [_labelled(row, text, label) for row in rows if not parts or row["part"] == part]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path} 读不了：{error}") from None
    except ValueError:
        raise LabelError(f"{path} 的 weight 要是数字") from None


def _labelled(row: dict[str, str], text: str, label: str) -> Labelled:
    weight = float(row["weight"]) if row.get("weight") else None
    return Labelled(
        row[text] or "", tuple((row[label] or NOTHING).split("|")), row.get("danger") or "", weight
    )


def judge(rows: Sequence[Labelled], rules: Rules) -> list[Judged]:
    return [Judged(row, decide(row.text, rules)) for row in rows]


def figures(judged: Sequence[Judged]) -> list[Figure]:
    """Every figure that these rows allow."""
    real = [one for one in judged if one.row.labels != (NOTHING,)]
    filed = [one for one in real if one.filed]
    nothing = [one for one in judged if one.row.labels == (NOTHING,)]
    sure = sorted(real, key=lambda one: -one.confidence)[: round(CONFIDENT * len(real))]
    return [
        _share("best guess right", real, lambda one: one.right),
        Figure("macro-F1", macro_f1([(one.row.labels, one.guess) for one in real]), len(real)),
        _share("right within three", real, lambda one: one.among_three),
        _share("no keyword hit", real, lambda one: not one.decision.candidates),
        _share("filed alone", real, lambda one: one.filed),
        _share("… of these right", filed, lambda one: one.right),
        _share("right among the most confident 70 %", sure, lambda one: one.right),
        _share("nothing to file, but filed", nothing, lambda one: one.filed),
        *_danger_figures(judged),
    ]


def _danger_figures(judged: Sequence[Judged]) -> Iterator[Figure]:
    if not any(one.row.danger for one in judged):
        return
    grave = [one for one in judged if one.row.danger in DANGEROUS]
    indirect = [one for one in grave if one.row.danger == "indirect"]
    harmless = [one for one in judged if one.row.danger == HARMLESS]
    yield _share("emergencies: alarm or ask", grave, _heard)
    yield _share("… worded indirectly", indirect, _heard)
    yield _share("emergencies: alarm", grave, lambda one: one.decision.danger is Danger.ALARM)
    yield _share("harmless: alarm", harmless, lambda one: one.decision.danger is Danger.ALARM)
    yield _share("harmless: ask", harmless, lambda one: one.decision.danger is Danger.ASK)


def _heard(one: Judged) -> bool:
    return one.decision.danger is not Danger.NONE


def _share(name: str, rows: Sequence[Judged], holds: Callable[[Judged], bool]) -> Figure:
    return Figure(name, sum(map(holds, rows)) / len(rows) if rows else None, len(rows))


def macro_f1(guesses: Sequence[tuple[tuple[str, ...], str | None]]) -> float | None:
    """The mean over the labels; any acceptable guess is taken for the first label."""
    right: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    guessed: Counter[str] = Counter()
    for labels, guess in guesses:
        taken = labels[0] if guess in labels else guess
        wanted[labels[0]] += 1
        right[labels[0]] += taken == labels[0]
        if taken is not None:
            guessed[taken] += 1
    scores = [2 * right[label] / (wanted[label] + guessed[label]) for label in wanted]
    return sum(scores) / len(scores) if scores else None


# --- a trained model beside it ----------------------------------------------------------------


def trained_baseline(rows: Sequence[Labelled], folds: int = 5) -> list[Figure]:
    """What a character SVM reaches on the same rows, each guessed by a model that did not see it.

    Empty where there are too few rows of a label, or scikit-learn is not installed.
    """
    real = [row for row in rows if row.labels != (NOTHING,)]
    common = {label for label, count in Counter(row.labels[0] for row in real).items() if count >= folds}
    real = [row for row in real if row.labels[0] in common]
    if len(common) < 2:
        return []
    try:
        guesses = _cross_guessed(real, folds)
    except ImportError:
        return []
    pairs = list(zip([row.labels for row in real], guesses, strict=True))
    right = sum(guess in labels for labels, guess in pairs) / len(pairs)
    return [Figure("best guess right", right, len(real)), Figure("macro-F1", macro_f1(pairs), len(real))]


def _cross_guessed(rows: Sequence[Labelled], folds: int) -> list[str]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    model = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True), LinearSVC(C=0.5)
    )
    splits = StratifiedKFold(folds, shuffle=True, random_state=0)
    texts, labels = [row.text for row in rows], [row.labels[0] for row in rows]
    return list(map(str, cross_val_predict(model, texts, labels, cv=splits)))


# --- showing ----------------------------------------------------------------------------------


def report(judged: Sequence[Judged], others: dict[str, list[Figure]]) -> RenderableType:
    """Figures with the baselines beside them, what is taken for what, and the worst categories."""
    return Group(_figures_table(figures(judged), others), _confusions(judged), _worst(judged))


def _figures_table(own: list[Figure], others: dict[str, list[Figure]]) -> Table:
    table = Table("figure", "these rules", *others, "of", box=None, pad_edge=False)
    for figure in own:
        beside = [
            next((one.shown for one in other if one.name == figure.name), "") for other in others.values()
        ]
        table.add_row(figure.name, figure.shown, *beside, str(figure.of))
    return table


def _confusions(judged: Sequence[Judged], most: int = 12) -> Table:
    table = Table("meant", "taken for", "times", title="confusion", title_justify="left", box=None)
    wrong = Counter(
        (one.row.labels[0], one.guess or "no hit")
        for one in judged
        if not one.right and one.row.labels != (NOTHING,)
    )
    for (meant, taken), times in wrong.most_common(most):
        table.add_row(meant, taken, str(times))
    return table


def _worst(judged: Sequence[Judged], most: int = 10) -> Table:
    table = Table("category", "right", "of", title="worst categories", title_justify="left", box=None)
    rows: defaultdict[str, list[bool]] = defaultdict(list)
    for one in judged:
        if one.row.labels != (NOTHING,):
            rows[one.row.labels[0]].append(one.right)
    for label, hits in sorted(rows.items(), key=lambda item: (sum(item[1]) / len(item[1]), -len(item[1])))[
        :most
    ]:
        table.add_row(label, f"{sum(hits) / len(hits):.2f}", str(len(hits)))
    return table
