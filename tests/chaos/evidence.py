"""What a run leaves behind: the platform's record, and the tables as they are stored, read by plain SQL."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bot.roster import Roster
from tests.chaos.database import Row
from tests.chaos.record import Record

_QUERIES = {
    "message": "SELECT id, channel, external, account, state, error FROM message ORDER BY id",
    "work": "SELECT message, account, attempts FROM work ORDER BY message",
    "service_request": "SELECT id, number, community, area, resident, status, assignee, alerted, claimed_by"
    " FROM service_request ORDER BY id",
    "status_update": "SELECT id, request, at, event, before, after, actor, detail"
    " FROM status_update ORDER BY id",
    "note": "SELECT id, request, kind, body FROM note ORDER BY id",
    "notification": "SELECT id, chat, urgency, state, purpose, template, request, edits, attempts, account,"
    " ref, error FROM notification ORDER BY id",
    "conversation": "SELECT account, draft FROM conversation ORDER BY account",
    "account": "SELECT id, lookup, address, resident, member FROM account ORDER BY id",
    "assignment": "SELECT request, member, area FROM assignment ORDER BY id",
    "endorsement": "SELECT request, resident FROM endorsement ORDER BY id",
    "chat": "SELECT id, address, area FROM chat ORDER BY id",
    "attachment": "SELECT id, state FROM attachment ORDER BY id",
    "deadline": "SELECT id, kind, due_at, state FROM deadline WHERE state = 0 ORDER BY id",
}
_JSON = ("alerted", "draft", "detail")

Tables = dict[str, list[Row]]


@dataclass(frozen=True)
class Evidence:
    """`alone` is one process that did everything; `kills` are moments by the machine's clock, `unanswered` is
    how many sends may have had no answer.
    """

    record: Record
    tables: Tables
    roster: Roster
    alone: bool
    kills: tuple[float, ...]
    unanswered: int
    now: int


async def tables(rows: Callable[[str], Awaitable[list[Row]]]) -> Tables:
    """All that the checker looks at."""
    return {name: [_read(row) for row in await rows(query)] for name, query in _QUERIES.items()}


def _read(row: Mapping[str, object]) -> Row:
    return {
        name: json.loads(value) if name in _JSON and isinstance(value, str) else value
        for name, value in row.items()
    }
