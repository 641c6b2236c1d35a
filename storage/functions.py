"""What both databases can, each in its own way, under one name."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class elements(FunctionElement[Any]):  # noqa: N801 (named as it is written in statements)
    """The elements of a JSON list, as rows: one parameter, and one statement whatever its length."""

    inherit_cache = True


@compiles(elements, "sqlite")
def _embedded(element: elements, compiler: SQLCompiler, **how: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **how)})"


@compiles(elements, "postgresql")
def _served(element: elements, compiler: SQLCompiler, **how: Any) -> str:
    return f"json_array_elements({compiler.process(element.clauses, **how)})"


_ANEW, _AS_USUAL = (text(f"SET LOCAL plan_cache_mode = {how}") for how in ("force_custom_plan", "auto"))


@contextmanager
def planned_anew(connection: Connection) -> Iterator[None]:
    """What looks into a queue: a plan from when it was empty would read all of it when it is full."""
    if connection.dialect.name == "sqlite":
        yield
        return
    connection.execute(_ANEW)
    yield
    connection.execute(_AS_USUAL)
