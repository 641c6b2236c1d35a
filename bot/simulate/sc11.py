"""SC11: thirty neighbours report the same within ten minutes, and five others something else."""

from datetime import UTC, datetime, timedelta

from bot.simulate.people import Resident
from bot.simulate.rosters import village
from bot.simulate.scenario import Figure, Scenario, Stage, at_most, exactly
from routing.indicators import Matter

_MANY, _OTHERS = 30, 5
_WATER = "PF01"
_WORDS = ("停水了", "家里没水了", "水龙头没水", "怎么又停水了", "自来水停了", "三号楼停水了")
_OTHER = ("PF06", "PF07", "EN01", "SF01", "TR02")
_RUSH = timedelta(minutes=10)
_BUILDING = "YS-1-3"
_MEMBER = "g1"
_NEWS = timedelta(minutes=30)  # within which everybody hears of the result


async def play(stage: Stage) -> list[Figure]:
    stage.hire()
    began = stage.town.now
    neighbours = [await _neighbour(stage, began) for _ in range(_MANY)]
    for leaf in _OTHER:
        moment = began + _RUSH * stage.chance.random()
        await stage.report(moment, leaf, _BUILDING)
    await stage.run(timedelta(days=1), 24)
    return await _measure(stage, neighbours, began)


async def _neighbour(stage: Stage, began: datetime) -> Resident:
    person = await stage.resident(_BUILDING)
    person.same = True
    words = stage.chance.choice(_WORDS)
    stage.town.at(began + _RUSH * stage.chance.random(), lambda: person.reports(_WATER, words))
    return person


async def _measure(stage: Stage, neighbours: list[Resident], began: datetime) -> list[Figure]:
    found = await stage.matters()
    water = [one for one in found if one.category == _WATER and not one.merged]
    done = max((one.done for one in water if one.done), default=None)
    separate = {one.category for one in found if one.category in _OTHER and not one.merged}
    return [
        exactly("matters about the water", len(water), 1),
        at_most("new messages to the grid member about it", _messages(stage, water, began), 3),
        exactly("neighbours who heard the result", _informed(stage, neighbours, done), _MANY),
        exactly("other reports kept apart", len(separate), _OTHERS),
    ]


def _messages(stage: Stage, water: list[Matter], began: datetime) -> int:
    """What came newly into the grid member's chat about the water while the neighbours were reporting."""
    chat = stage.workers[_MEMBER].address
    numbers = [one.number for one in water]
    return sum(
        one.chat == chat
        and not one.edited
        and began <= one.at <= began + 2 * _RUSH
        and any(number in one.text for number in numbers)
        for one in stage.town.said
    )


def _informed(stage: Stage, neighbours: list[Resident], done: datetime | None) -> int:
    if done is None:
        return 0
    told = {one.chat for one in stage.town.said if done <= one.at <= done + _NEWS and not one.edited}
    return sum(person.address in told for person in neighbours)


SC11 = Scenario(
    "SC11",
    "30 neighbours of one building report no water within 10 minutes, 5 others something else",
    lambda: village(grids=1, buildings=3),
    datetime(2026, 5, 12, 2, tzinfo=UTC),
    play,
)
