"""The bench's made-up years are such as the product could have written, or they would measure nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from bot.roster import load_roster, read_roster
from routing.transitions import OPEN
from storage import queries
from storage.secrets import Vault
from storage.store import Store
from storage.tables import Deadline, DeadlineState, Notification, SendState, ServiceRequest, Work
from tests.bench.chart import drawn
from tests.bench.databases import Database
from tests.bench.filling import fill
from tests.bench.pasts import Past
from tests.bench.report import Figure
from tests.bench.servers import KEY
from tests.bench.town import Town
from tests.databases import BACKENDS, fresh
from tests.town import assert_replays

_TOWN, _PAST = Town(2, 3), Past(requests=400, residents=100)


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    url = fresh(request.param, tmp_path)
    store = Store(url)
    _TOWN.write_roster(tmp_path / "roster.yaml")
    roster, zone = read_roster(tmp_path / "roster.yaml"), ZoneInfo("Asia/Shanghai")
    await store.write(load_roster, roster, "bench", Vault(KEY), zone, datetime.now(UTC), "bench")
    await fill(Database.at(url), _TOWN, _PAST, lambda _share: None)
    yield store
    await store.close()


async def test_years_are_such_as_the_product_writes(store: Store) -> None:
    requests = await store.read(lambda session: session.scalars(select(ServiceRequest)).all())
    assert len(requests) == _PAST.requests
    for one in requests:
        history = await store.read(queries.history, one.id)
        assert_replays(one, history)
        assert [line.at for line in history] == sorted(line.at for line in history)
        assert (one.closed_at is None) == (
            one.status in OPEN or (one.done_at is not None and one.verdict is None)
        )
    assert any(one.status in OPEN for one in requests)


async def test_nothing_of_the_past_is_left_to_do(store: Store) -> None:
    now = datetime.now(UTC)
    waiting = select(func.count()).where(
        Deadline.state == DeadlineState.WAITING, Deadline.request.is_not(None)
    )
    unsent = select(func.count()).select_from(Notification).where(Notification.state != SendState.SENT)
    assert await store.read(lambda session: session.scalar(waiting.where(Deadline.due_at <= now))) == 0
    assert await store.read(lambda session: session.scalar(waiting.where(Deadline.due_at > now)))
    assert await store.read(lambda session: session.scalar(unsent)) == 0
    assert await store.read(lambda session: session.scalar(select(func.count()).select_from(Work))) == 0


def test_a_chart_has_a_bar_for_each_side_and_a_line_for_each_database() -> None:
    sides = [Figure("B path", f"{name}: requests", (90, 100), "/s") for name in ("floor, SQLite", "ours <&>")]
    grown = [
        Figure("G growth", f"{kind}, {count:,} requests stored: requests", (rate,), "/s")
        for kind in ("SQLite", "PostgreSQL")
        for count, rate in ((1_000, 100), (100_000, 95))
    ]
    picture = ElementTree.fromstring(drawn([*sides, *grown]))  # noqa: S314 (our own)
    tags = [one.tag.rpartition("}")[2] for one in picture.iter()]
    assert tags.count("rect") == 1 + len(sides)
    assert tags.count("circle") == len(grown)
    words = [one.text for one in picture.iter() if one.text]
    assert {"ours <&>", "100,000", "PostgreSQL"} <= set(words)
