"""SC06, 龙塘湾: 65 邻长 with a ceiling, 40 requests a week, a quarter of them from one place."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.simulate.rosters import neighbourhood
from bot.simulate.scenario import Figure, Scenario, Stage, at_most, share
from routing.organisation import Role
from storage.tables import Assignment

_A_WEEK = 40
_SMALL = ("OR01", "OR01", "EN01", "EN02", "TR02", "CA04")  # OR01 is what a 邻长 is asked for
_SOON = ("PF01", "PF02", "PF07", "SF01", "SF04")
_HOT = 0.25  # of the requests come from one 邻, whose 邻长 would be over the ceiling without it
_LAST = 10
_DAY, _WEEK = 3, 10


async def play(stage: Stage) -> list[Figure]:
    stage.hire()
    buildings = stage.buildings()
    for _ in range(round(_A_WEEK * stage.days / 7)):
        hot = stage.chance.random() < _HOT
        leaves = ("OR01",) if hot else _SOON if stage.chance.random() < 0.5 else _SMALL
        building = buildings[0] if hot else stage.chance.choice(buildings)
        # the hot place has its bad days: Saturdays
        day = stage.chance.randrange(stage.days)
        await stage.report(
            stage.moment(day - day % 7 + 5 if hot else day, stage.chance),
            stage.chance.choice(leaves),
            building,
        )
    days = stage.days + _LAST
    await stage.run(timedelta(days=days), days)
    return await _measure(stage)


async def _measure(stage: Stage) -> list[Figure]:
    asked = await stage.town.app.store.read(_asked)
    local = [(member, at.astimezone(stage.town.zone)) for member, at in asked]
    found = await stage.matters()
    soon = [one for one in found if one.limit_class == "T1" and not one.urgent]
    quick = [
        one for one in soon if one.acknowledged and one.acknowledged - one.created <= timedelta(minutes=30)
    ]
    owned = sum(one.assignments > 0 for one in found)
    return [
        at_most("asks of one 邻长 in a day", _most((one, at.date()) for one, at in local), _DAY),
        at_most(
            "asks of one 邻长 in a week", _most((one, *at.isocalendar()[:2]) for one, at in local), _WEEK
        ),
        share("T1 acknowledged within 30 min", len(quick), len(soon), 0.9),
        share("given to somebody", owned, len(found), 1.0),
    ]


def _asked(session: Session) -> list[tuple[str, datetime]]:
    query = select(Assignment.member, Assignment.at).where(
        Assignment.role == Role.NEIGHBOR_CHIEF.value, Assignment.urgent.is_(False)
    )
    return [(member, at) for member, at in session.execute(query) if member]


def _most(asks: Iterable[object]) -> int:
    return max(Counter(asks).values(), default=0)


SC06 = Scenario(
    "SC06",
    "龙塘湾: 3,000 people, 65 邻长, 40 requests a week; nobody above 3 a day and 10 a week",
    lambda: neighbourhood(chiefs=65),
    datetime(2026, 3, 1, 16, tzinfo=UTC),
    play,
    days=28,
)
