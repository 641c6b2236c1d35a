"""SQL functions that both databases have, under names of their own."""

from typing import Any

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
