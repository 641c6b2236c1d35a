"""What both databases can, each in its own way, under one name."""

from typing import Any, Self

from sqlalchemy import ARRAY, JSON, Boolean, ColumnElement, bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine


class elements(FunctionElement[Any]):  # noqa: N801 (named as it is written in statements)
    """The elements of a JSON list, as rows: one parameter, and one statement whatever its length."""

    inherit_cache = True


@compiles(elements, "sqlite")
def _embedded(element: elements, compiler: SQLCompiler, **how: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **how)})"


@compiles(elements, "postgresql")
def _served(element: elements, compiler: SQLCompiler, **how: Any) -> str:
    return f"json_array_elements({compiler.process(element.clauses, **how)})"


def one_of(column: ColumnElement[Any] | InstrumentedAttribute[Any], name: str) -> ColumnElement[bool]:
    """Whether the column is in the list that is passed as `name`: one statement whatever its length.

    `in_` makes another statement for every length, and each has to be parsed and planned anew.
    """
    return _one_of(column, bindparam(name, type_=_List(column.type)))


class _one_of(FunctionElement[bool]):  # noqa: N801 (as above)
    inherit_cache = True
    type = Boolean()

    def self_group(self, against: OperatorType | None = None) -> Self:
        """As it is: compared with 1, as others are on SQLite, it would find nothing by an index."""
        return self


class _List(TypeDecorator[Any]):
    """Values for one column."""

    impl = JSON
    cache_ok = True

    def __init__(self, of: TypeEngine[Any]) -> None:
        super().__init__()
        self.of = of

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSON() if dialect.name == "sqlite" else ARRAY(self.of))

    def process_bind_param(self, value: Any, _dialect: Dialect) -> list[Any]:
        return list(value)


@compiles(_one_of, "sqlite")
def _in_json(element: _one_of, compiler: SQLCompiler, **how: Any) -> str:
    column, values = (compiler.process(one, **how) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 (both compiled, none of it input)


@compiles(_one_of, "postgresql")
def _in_array(element: _one_of, compiler: SQLCompiler, **how: Any) -> str:
    column, values = (compiler.process(one, **how) for one in element.clauses)
    return f"{column} = ANY ({values})"
