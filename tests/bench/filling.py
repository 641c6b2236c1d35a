"""Writes a past into a database in bulk: indexes away, rows in, then indexes and statistics anew."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from storage.tables import Base
from tests.bench.databases import Database, Kind
from tests.bench.pasts import AT_ONCE, COLUMNS, ID_STEP, Filler, Office, Past, Row
from tests.bench.town import Town

Told = Callable[[float], None]


def _whole(table: str) -> tuple[tuple[str, ...], Row]:
    """All columns that must be given, and the defaults of those that the rows do not have."""
    given = COLUMNS[table]
    others = {
        column.name: _default(column.default)
        for column in Base.metadata.tables[table].columns
        if column.name not in given and not column.nullable and column.server_default is None
    }
    return (*given, *others), tuple(others.values())


def _default(default: Any) -> object:
    value = default.arg(None) if default.is_callable else default.arg
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value


_WHOLE = {table: _whole(table) for table in COLUMNS}


async def fill(database: Database, town: Town, past: Past, told: Told) -> None:
    """Write a past into a database that has the town's roster, and let it count its rows.

    `told` hears after every transaction which share is written.
    """
    if database.kind is Kind.SQLITE:
        _fill_file(database, town, past, told)
    else:
        await _fill_server(database, town, past, told)


def _filler(town: Town, past: Past, chats: Sequence[Row], accounts: Sequence[Row]) -> Filler:
    return Filler(Office(town, dict(chats), dict(accounts)), past, datetime.now(UTC))


_CHATS = "SELECT area, id FROM chat"
_ACCOUNTS = "SELECT member, id FROM account WHERE member IS NOT NULL"


def _total(past: Past) -> int:
    return -(-past.requests // AT_ONCE) - (-past.residents // AT_ONCE) + 1


def _fill_file(database: Database, town: Town, past: Past, told: Told) -> None:
    connection = sqlite3.connect(database.plain, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-262144"):
        connection.execute(f"PRAGMA {pragma}")
    filler = _filler(
        town, past, connection.execute(_CHATS).fetchall(), connection.execute(_ACCOUNTS).fetchall()
    )
    known = connection.execute(
        "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index'"
    ).fetchall()
    indexes = [(name, sql) for table, name, sql in known if table in COLUMNS and sql]
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    for count, rows in enumerate(filler.batches(), 1):
        connection.execute("BEGIN")
        for table, some in rows.items():
            columns, rest = _WHOLE[table]
            names, marks = ",".join(f'"{one}"' for one in columns), ",".join("?" * len(columns))
            statement = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608 (our own names)
            connection.executemany(statement, [(*row, *rest) for row in some])
        connection.execute("COMMIT")
        told(count / _total(past))
    connection.executemany("INSERT OR REPLACE INTO counter (name, value) VALUES (?, ?)", filler.counters())
    for _, sql in indexes:
        connection.execute(sql)
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _fill_server(database: Database, town: Town, past: Past, told: Told) -> None:
    connection = await asyncpg.connect(database.plain)
    await connection.execute("SET session_replication_role = replica")  # the rows refer to each other rightly
    await connection.execute("SET maintenance_work_mem = '512MB'")
    chats, accounts = await connection.fetch(_CHATS), await connection.fetch(_ACCOUNTS)
    filler = _filler(town, past, chats, accounts)
    indexes = await connection.fetch(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid::regclass::text = ANY($1)"
        " AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)",
        list(COLUMNS),
    )
    for name, _ in indexes:
        await connection.execute(f"DROP INDEX {name}")
    for count, rows in enumerate(filler.batches(), 1):
        async with connection.transaction():
            for table, some in rows.items():
                columns, rest = _WHOLE[table]
                records = [(*row, *rest) for row in some]
                await connection.copy_records_to_table(table, records=records, columns=columns)
        told(count / _total(past))
    await connection.executemany(
        "INSERT INTO counter (name, value) VALUES ($1, $2)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        filler.counters(),
    )
    for _, sql in indexes:
        await connection.execute(sql)
    last = (past.requests + 1) * ID_STEP
    await connection.execute("SELECT setval(pg_get_serial_sequence('message', 'id'), $1)", last)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
