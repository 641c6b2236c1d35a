"""Row E: thousands of deadlines that are due at the same moment, as after an outage; each must fire once."""

import time
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from bot.app import App, opened
from bot.clock import Clock
from bot.roster import load_roster, read_roster
from bot.settings import DEFAULTS, Settings
from routing.limits import Step
from routing.transitions import Status
from storage.secrets import Vault
from storage.tables import Deadline, DeadlineState, Notification, Resident, ServiceRequest, StatusUpdate
from tests.bench.common import Bench
from tests.bench.report import Figure

_KEY = "only-for-measuring-0123456789"
_NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # in Shanghai, within service hours
_LATE = timedelta(hours=2)  # an ordinary request that nobody has acknowledged goes up a rung


async def clocks(bench: Bench) -> list[Figure]:
    """Requests that nobody acknowledged, all late at once: reminders, the next rung, cards, one history."""
    count, seconds = bench.sizes.due, []
    for run in range(bench.sizes.repetitions):
        bench.step(f"clocks: {count} due deadlines, run {run + 1}")
        settings = Settings(database_url=f"sqlite:///{bench.place()}/huiyin.db", secret_key=SecretStr(_KEY))
        async with opened(settings, Clock(_NOON)) as app:
            roster = read_roster(DEFAULTS / "roster.yaml")
            await app.store.write(
                load_roster, roster, "bench", Vault(_KEY), app.offices.current.zone, _NOON, "b"
            )
            await app.offices.refresh()
            await app.store.write(_fill, count, _NOON)
            seconds.append(await _fire(app))
            fired, twice = await app.store.read(_fired)
    return [
        Figure("E clocks", f"{count} due deadlines fired on SQLite", tuple(seconds), "s", at_most=10),
        Figure("E clocks", "fired", (fired,), at_least=count),
        Figure("E clocks", "fired twice", (twice,), at_most=0),
    ]


async def _fire(app: App) -> float:
    began = time.perf_counter()
    while await app.ticker.step():
        pass
    return time.perf_counter() - began


def _fill(session: Session, count: int, now: datetime) -> None:
    """Requests of the six grids as they stand three hours after filing, with their acknowledgement due."""
    filed = now - _LATE
    clock = {"since": filed.isoformat(), "used": 0.0, "stage": 2}
    session.execute(insert(Resident), [{"id": 1, "created_at": filed}])
    session.execute(
        insert(ServiceRequest),
        [
            {
                "id": number,
                "number": f"YS260101-{number:05d}",
                "community": "YS",
                "area": f"YS-{number % 6 + 1}",
                "resident": 1,
                "channel": "telegram",
                "status": Status.ASSIGNED,
                "status_since": filed,
                "category": "PF02",
                "limit_class": "T3",
                "decision": {},
                "assignee": f"g{number % 6 + 1}",
                "clocks": {"ack": clock},
                "touched_at": filed,
                "created_at": filed,
                "version": 1,
            }
            for number in range(1, count + 1)
        ],
    )
    session.execute(
        insert(Deadline),
        [
            {"id": number, "request": number, "kind": Step.ACK, "due_at": now, "state": DeadlineState.WAITING}
            for number in range(1, count + 1)
        ],
    )


def _fired(session: Session) -> tuple[int, int]:
    """How many requests have the rung in their history, and how many more than once for one stage."""
    fired = select(StatusUpdate.request, func.count().label("times")).where(StatusUpdate.event == "rung")
    each = fired.group_by(StatusUpdate.request).subquery()
    told = select(Notification.chat, Notification.request, func.count()).where(
        Notification.template == "rung"
    )
    twice = told.group_by(Notification.chat, Notification.request).having(func.count() > 1)
    return session.scalar(select(func.count()).select_from(each)) or 0, len(session.execute(twice).all())
