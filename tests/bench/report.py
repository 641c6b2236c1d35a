"""Figures become a Markdown table, under the machine they come from, between two marks of a document."""

import math
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

BEGIN = "<!-- figures: written by make bench -->"
END = "<!-- end of figures -->"
_FLUSHES = 200


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what was measured how often, and what it should be."""

    row: str
    what: str
    values: Sequence[float]
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """Judged by the median."""
        if self.at_least is not None:
            return f"≥ {short(self.at_least)}: {'met' if self.median >= self.at_least else '**missed**'}"
        if self.at_most is not None:
            return f"≤ {short(self.at_most)}: {'met' if self.median <= self.at_most else '**missed**'}"
        return ""


def short(value: float) -> str:
    if math.isinf(value):
        return "never"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def table(figures: Sequence[Figure]) -> str:
    lines = ["| row | measured | median | spread | runs | target |", "|---|---|---:|---:|---:|---|"]
    for one in figures:
        unit = f" {one.unit}" if one.unit and math.isfinite(one.median) else ""
        spread = f"{short(min(one.values))} – {short(max(one.values))}" if len(one.values) > 1 else ""
        lines.append(
            f"| {one.row} | {one.what} | {short(one.median)}{unit} | {spread} | {len(one.values)} "
            f"| {one.verdict} |"
        )
    return "\n".join(lines)


def machine() -> str:
    """The machine without its name: what a reader needs to compare."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GB memory, {platform.system()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}; "
        f"load average before the run {os.getloadavg()[0]:.1f}; "
        f"one flush of 4 kB to the disk takes {_flush()}"
    )


def _flush() -> str:
    took = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(_FLUSHES):
            begun = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - begun) * 1000)
    return f"{quantile(took, 0.5):.2f} ms (p99 {quantile(took, 0.99):.2f})"


def write(document: Path, text: str) -> None:
    """Replace what stands between the marks. Raises ValueError where the document has none."""
    before, found, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{document} has no marks for the figures")
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
