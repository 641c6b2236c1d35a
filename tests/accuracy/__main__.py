"""Prints the table of docs/classification.md; what needs ../shared/data is skipped where that is absent."""

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

import bot
from bot.rules import load_rules
from bot.rules.measuring import NOTHING, Labelled, figures, judge, read_labelled
from bot.rules.mining import Example, mine, rule_file
from bot.rules.reading import read_document
from routing.classify import decide
from routing.rules import Rules, compile_rules
from tests.accuracy.sets import POOL, TITLES_DEV, messages, phrases, titles

RULES = Path(bot.__file__).parent / "defaults/rules/taxonomy.yaml"
OUT = Console(soft_wrap=True, highlight=False)
Rows = list[tuple[str, str, str]]  # what, these rules, a trained model


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy", description=__doc__)
    parser.add_argument(
        "--titles", type=Path, help="write the labelled titles of part `train` with their texts"
    )
    parser.add_argument("--part", default="unseen", choices=["dev", "unseen"])
    arguments = parser.parse_args()
    if arguments.titles:
        write_titles(arguments.titles)
    else:
        print_table(arguments.part)


def print_table(part: str) -> None:
    table = Table("what", "our rules", "character SVM", box=None, pad_edge=False)
    rules = load_rules(RULES)
    with OUT.status("training the model to compare with …"):
        model = _Model()
    for rows in (
        *departmental(),
        *of_titles(part, rules, model),
        *of_messages(part, rules, model),
        *pace(rules),
    ):
        table.add_row(*rows)
    OUT.print(table)


# --- seven departments: the miner itself --------------------------------------------------------


def departmental(folds: int = 5, most: int = 1000) -> Iterator[tuple[str, str, str]]:
    """Titles mined with a budget, each judged by rules that did not see it."""
    if not TITLES_DEV.exists():
        OUT.print(f"skipped: departmental titles, {TITLES_DEV} is not here")
        return
    with TITLES_DEV.open(encoding="utf-8-sig", newline="") as opened:
        raw = {row["text"] for row in csv.DictReader(opened) if row["kind"] == "raw_title"}
    rows = read_labelled(TITLES_DEV)
    labels, judged, guessed = [row.labels[0] for row in rows], [], []
    splits = StratifiedKFold(folds, shuffle=True, random_state=0).split(rows, labels)
    for fold, (learn, test) in enumerate(splits, 1):
        with OUT.status(f"departmental titles, fold {fold} of {folds} …"):
            known, asked = (
                [rows[index] for index in learn],
                [rows[index] for index in test if rows[index].text in raw],
            )
            judged += judge(asked, _mined_rules(known, most))
            guessed += _guesses(known, asked)
    found = {one.name: one.shown for one in figures(judged)}
    right = sum(guess == one.row.labels[0] for guess, one in zip(guessed, judged, strict=True)) / len(judged)
    yield f"departmental raw titles, {most} mined keywords ({len(judged)})", found[BEST], f"{right:.3f}"
    yield "… the most confident 70 %", found[SURE], ""


BEST, SURE = "best guess right", "right among the most confident 70 %"


def _mined_rules(rows: Sequence[Labelled], most: int) -> Rules:
    from tempfile import TemporaryDirectory

    weights = mine([Example(row.text, row.labels[0]) for row in rows], most)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mined.yaml"
        path.write_text(rule_file("mined", weights), encoding="utf-8")
        return load_rules(path)


def _guesses(known: Sequence[Labelled], asked: Sequence[Labelled]) -> list[str]:
    model = _pipeline().fit([row.text for row in known], [row.labels[0] for row in known])
    return list(map(str, model.predict([row.text for row in asked])))


def _pipeline() -> Any:
    return make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True), LinearSVC(C=0.5)
    )


class _Model:
    """A character SVM trained on what the shipped keywords were mined from."""

    def __init__(self) -> None:
        rows = [
            row
            for row in (*messages("train"), *phrases(), *(titles("train") or ()))
            if row.labels[0] != NOTHING
        ]
        rows = [row for row in rows if row.weight is None or row.weight > 0]
        self._fitted = _pipeline().fit([row.text for row in rows], [row.labels[0] for row in rows])

    def right(self, rows: Sequence[Labelled]) -> str:
        real = [row for row in rows if row.labels[0] != NOTHING]
        guesses = self._fitted.predict([row.text for row in real])
        return f"{sum(guess in row.labels for guess, row in zip(guesses, real, strict=True)) / len(real):.3f}"


# --- our own categories -------------------------------------------------------------------------


def of_titles(part: str, rules: Rules, model: _Model) -> Iterator[tuple[str, str, str]]:
    rows = titles(part)
    if rows is None:
        OUT.print(f"skipped: neighbourhood titles, {POOL} is not here")
        return
    rows = [row for row in rows if row.labels[0] != NOTHING]
    yield from _filing(f"neighbourhood titles ({len(rows)})", rows, rules, model)


def of_messages(part: str, rules: Rules, model: _Model) -> Iterator[tuple[str, str, str]]:
    rows = messages(part)
    chat = [
        row
        for row in rows
        if row.labels[0] != NOTHING and row.danger in ("no", "maybe") and 8 <= len(row.text) <= 40
    ]
    yield from _filing(f"colloquial chat of 8–40 characters ({len(chat)})", chat, rules, model)
    yield from _filing(
        f"all messages with a category ({len(rows)})",
        [row for row in rows if row.labels[0] != NOTHING],
        rules,
        model,
    )
    for figure in figures(judge(rows, rules))[7:]:
        yield f"{figure.name} ({figure.of})", figure.shown, ""


def _filing(
    what: str, rows: Sequence[Labelled], rules: Rules, model: _Model
) -> Iterator[tuple[str, str, str]]:
    found = figures(judge(rows, rules))
    yield f"{what}: best guess right", found[0].shown, model.right(rows)
    for figure in found[2:6]:
        yield f"… {figure.name.removeprefix('… ')}", figure.shown, ""


# --- pace ---------------------------------------------------------------------------------------


def pace(rules: Rules) -> Iterator[tuple[str, str, str]]:
    texts = [row.text[:20] for row in messages("dev")] * 5
    started = time.process_time()
    for text in texts:
        decide(text, rules)
    yield (
        "texts of 20 characters a second, one core",
        f"{len(texts) / (time.process_time() - started):,.0f}",
        "",
    )
    started = time.process_time()
    compile_rules(read_document(RULES))
    yield (
        "compile all rules again, YAML already parsed (ms)",
        f"{1000 * (time.process_time() - started):.0f}",
        "",
    )


def write_titles(path: Path) -> None:
    rows = titles("train")
    if rows is None:
        raise SystemExit(f"{POOL} is not here")
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(["part", "label", "text"])
        writer.writerows(["train", "|".join(row.labels), row.text] for row in rows)


if __name__ == "__main__":
    main()
