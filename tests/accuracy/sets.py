"""The labelled texts: the project's own messages, and real titles where ../shared/data is present."""

import csv
from pathlib import Path

from bot.rules.measuring import Labelled, read_labelled

OWN = Path(__file__).parent.parent / "classification"
MESSAGES = OWN / "messages.csv"
SHARED = Path(__file__).parents[3] / "shared/data"
TITLES_DEV = SHARED / "titles_dev.csv"
POOL = SHARED / "titles_pool.csv"


def messages(part: str) -> list[Labelled]:
    return read_labelled(MESSAGES, part=part)


def phrases() -> list[Labelled]:
    return read_labelled(OWN / "phrases.csv")


def titles(part: str) -> list[Labelled] | None:
    """None where the titles themselves are not here."""
    if not POOL.exists():
        return None
    with POOL.open(encoding="utf-8-sig", newline="") as opened:
        texts = {row["id"]: row["text"] for row in csv.DictReader(opened)}
    with (OWN / "titles.csv").open(encoding="utf-8", newline="") as opened:
        rows = [row for row in csv.DictReader(opened) if row["part"] == part]
    return [Labelled(texts[row["id"]], tuple(row["label"].split("|"))) for row in rows]
