"""The digests' figures for the terminal: as aligned text, CSV or Markdown."""

import csv
import io
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from bot.app import ready_store
from bot.offices import OfficeFiles, Offices
from bot.settings import ConfigError, Settings
from handlers import reporting
from handlers.office import Office
from handlers.reporting import Table

_SPANS: Mapping[str, Callable[[Session, Office, str, datetime], list[Table]]] = {
    "daily": reporting.daily_tables,
    "weekly": reporting.weekly_tables,
    "monthly": reporting.monthly_tables,
}


async def tables(settings: Settings, span: str, area: str | None, now: datetime) -> list[Table]:
    """The tables of an area, of every root where none is named. Raises ConfigError for an unknown area."""
    async with ready_store(settings) as store:
        offices = Offices(store, OfficeFiles.of(settings))
        await offices.refresh()
        office = offices.current
        areas = _areas(office, area)
        return [table for one in areas for table in await store.read(_SPANS[span], office, one, now)]


def _areas(office: Office, area: str | None) -> list[str]:
    known = office.organisation.areas
    if area is None:
        return [code for code, one in known.items() if one.parent is None]
    if area not in known:
        raise ConfigError(
            f"the roster has no area {area}; it has: {', '.join(list(known)[:12]) or 'none yet'}"
        )
    return [area]


def as_text(found: Sequence[Table]) -> str:
    return "\n\n".join("\n".join([one.title, *_aligned(one)]) for one in found)


def as_markdown(found: Sequence[Table]) -> str:
    return "\n\n".join("\n".join([f"## {one.title}", "", *_piped(one)]) for one in found)


def as_csv(found: Sequence[Table]) -> str:
    """One file for all tables: the title is the first column."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    for one in found:
        writer.writerow(("", *one.headings))
        writer.writerows((one.title, *row) for row in one.rows)
    return written.getvalue().rstrip("\n")


RENDERERS: Mapping[str, Callable[[Sequence[Table]], str]] = {
    "text": as_text,
    "csv": as_csv,
    "markdown": as_markdown,
}


def _aligned(table: Table) -> list[str]:
    lines = (table.headings, *table.rows)
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(_padded, line, widths)).rstrip() for line in lines]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """How many columns a text takes on a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _piped(table: Table) -> list[str]:
    rule = tuple("---" for _ in table.headings)
    return [f"| {' | '.join(line)} |" for line in (table.headings, rule, *table.rows)]
