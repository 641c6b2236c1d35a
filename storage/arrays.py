"""PostgreSQL: many rows are written by one statement that gets each column as an array.

The driver would send the statement once for every row, and the server plan and run it as often.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy.engine.interfaces import DBAPICursor

_PARAMETER = re.compile(r"\$(\d+)::([A-Z]+)")
_INSERT = re.compile(r"(INSERT INTO \w+ \([^()]*\)) VALUES \(([^()]*)\)([^$]*)")
_AS_TEXT = {"JSON": "TEXT"}  # what the driver has no arrays of in the form that it gets


def write(cursor: DBAPICursor, statement: str, rows: Sequence[Sequence[Any]], _context: object) -> bool:
    """Whether the rows were written here; the driver does it in its own way otherwise."""
    at_once = for_all(statement)
    if at_once is None:
        return False
    cursor.execute(at_once, list(map(list, zip(*rows, strict=True))))
    return True


@lru_cache(500)
def for_all(statement: str) -> str | None:
    """The statement for one row (INSERT or UPDATE) as one for arrays of rows; None for any other.

    An update must not name a row twice: only the first change would be made.
    """
    parameters = _PARAMETER.findall(statement)
    if len(parameters) != statement.count("$"):
        return None
    types = sorted({int(at): _AS_TEXT.get(kind, kind) for at, kind in parameters}.items())
    arrays = ", ".join(f"${at}::{kind}[]" for at, kind in types)
    columns = ", ".join(f"p{at}" for at, _ in types)
    source = f"FROM unnest({arrays}) AS row ({columns})"
    inserted = _INSERT.fullmatch(statement)
    if inserted is not None:
        return _PARAMETER.sub(_value, f"{inserted[1]} SELECT {inserted[2]} ") + source + inserted[3]
    where = _where(statement)
    if not statement.startswith("UPDATE ") or where is None:
        return None
    change, which = (_PARAMETER.sub(_value, part) for part in (statement[:where], statement[where:]))
    return f"{change} {source} {which}"


def _value(parameter: re.Match[str]) -> str:
    at, kind = parameter.groups()
    return f"row.p{at}::{kind}" if kind in _AS_TEXT else f"row.p{at}"


def _where(statement: str) -> int | None:
    """Where the statement's own condition begins, not that of a query within it."""
    depth = 0
    for found in re.finditer(r"[()]|\bWHERE\b", statement):
        if found[0] == "WHERE" and depth == 0:
            return found.start()
        depth += (found[0] == "(") - (found[0] == ")")
    return None
