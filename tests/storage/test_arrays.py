"""Many rows in one statement: how it is written, and that an index finds what is in a list."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Update, create_engine, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import make_url

from storage import outbox, queries
from storage.arrays import for_all
from storage.functions import one_of
from storage.store import Database
from storage.tables import Notification
from tests.databases import fresh


@pytest.mark.parametrize(
    ("one", "all_"),
    [
        (
            "INSERT INTO note (id, body) VALUES ($1::BIGINT, $2::JSON)",
            "INSERT INTO note (id, body) SELECT row.p1, row.p2::JSON ROW",
        ),
        (
            "INSERT INTO note (id, body) VALUES ($1::BIGINT, $2::TEXT) ON CONFLICT DO NOTHING",
            "INSERT INTO note (id, body) SELECT row.p1, row.p2 ROW ON CONFLICT DO NOTHING",
        ),
        (
            "UPDATE note SET body=$2::TEXT WHERE note.id = $1::BIGINT",
            "UPDATE note SET body=row.p2  ROW WHERE note.id = row.p1",
        ),
        (
            "UPDATE note SET n=(SELECT 1 \nWHERE t.id = $1::BIGINT), b=$2::TEXT WHERE id = $1::BIGINT",
            "UPDATE note SET n=(SELECT 1 \nWHERE t.id = row.p1), b=row.p2  ROW WHERE id = row.p1",
        ),
    ],
)
def test_a_statement_for_one_row_becomes_one_for_all(one: str, all_: str) -> None:
    assert for_all(one) == all_.replace("ROW", "FROM unnest($1::BIGINT[], $2::TEXT[]) AS row (p1, p2)")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM note WHERE note.id = $1::BIGINT",
        "UPDATE note SET body=$1::TEXT",
        "INSERT INTO note (id) VALUES ($1)",
        "INSERT INTO note (id) VALUES (lower($1::TEXT))",
        "INSERT INTO note (id) VALUES ($1::BIGINT) ON CONFLICT (id) DO UPDATE SET id = $2::BIGINT",
    ],
)
def test_any_other_is_left_to_the_driver(statement: str) -> None:
    assert for_all(statement) is None


@pytest.mark.parametrize("statement", [outbox._MARK_CHAT, queries._CANCEL_DRAFT])
def test_what_a_partial_index_depends_on_is_written_out(statement: Update) -> None:
    """For arrays a parameter is a column of a row, and no index on `state < 2` or `state = 0` is used."""
    one = str(statement.compile(dialect=make_url("postgresql+asyncpg://").get_dialect()()))
    assert re.search(r"state (<|=) \d", for_all(one) or "")


def test_what_is_in_a_list_is_found_by_the_index(tmp_path: Path) -> None:
    """Compared with a truth value, as SQLite's other conditions are, it would read the whole table."""
    file = Database.at(fresh("sqlite", tmp_path)).file
    query = str(
        select(Notification.id).where(one_of(Notification.id, "ids")).compile(dialect=sqlite.dialect())
    )
    with create_engine(f"sqlite:///{file}").connect() as connection:
        plan = connection.execute(text("EXPLAIN QUERY PLAN " + query.replace("?", "'[1]'"))).all()
    assert "SEARCH notification" in str(plan)
