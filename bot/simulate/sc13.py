"""SC13: a grid member leaves at ten with twelve open matters, the deputy is away, two emergencies follow."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.roster import MemberRow, Roster
from bot.simulate.rosters import village
from bot.simulate.scenario import Figure, Scenario, Stage, at_least, exactly
from routing.organisation import Role
from storage.tables import ServiceRequest

_LEAVES = ("EN02", "OR06", "EN07")  # nothing that is done within the morning
_REPORTS, _OPEN = 20, 12  # some go elsewhere: not all are understood at once
_URGENT = ("EM01", "EM03")
_GRID, _GONE, _DEPUTY = "YS-1", "g1", "d1"
_MINUTE = timedelta(minutes=1)


def _roster() -> Roster:
    """A village of one grid with a second member, who stands in for the first."""
    plain = village(grids=1, buildings=3)
    accounts = {"telegram": "1999"}
    deputy = MemberRow(code=_DEPUTY, name="代某", role=Role.GRID_MEMBER, area=_GRID, accounts=accounts)
    return plain.model_copy(update={"members": (*plain.members, deputy)})


async def play(stage: Stage) -> list[Figure]:
    town = stage.town
    stage.hire()
    opens = town.now
    leaves = stage.workers[_DEPUTY]
    town.at(opens + _MINUTE, lambda: leaves.says(f"请假 {town.today:%-m/%-d}-{town.today:%-m/%-d}"))
    for number in range(_REPORTS):
        moment = opens + timedelta(minutes=5 + 4 * number)
        await stage.report(moment, stage.chance.choice(_LEAVES), stage.chance.choice(stage.buildings()))
    await stage.run(timedelta(hours=2), 4)
    mine = {number for number, one in (await town.app.store.read(_owners)).items() if one == _GONE}
    await town.load(_without(stage.roster, _GONE))
    left = town.now
    await stage.run(_MINUTE, 1)
    passed = await town.app.store.read(_owners)
    for leaf in _URGENT:
        await stage.report(town.now, leaf, stage.buildings()[0])
    await stage.run(2 * _MINUTE, 1)
    urgent = {
        number: one for number, one in (await town.app.store.read(_owners)).items() if number not in passed
    }
    await stage.run(timedelta(hours=9), 9)
    gone = stage.workers[_GONE].address
    left_behind = [number for number in mine if not _present(passed[number])]
    return [
        at_least("open matters of the member who leaves", len(mine), _OPEN),
        exactly("of these with nobody a minute later", len(left_behind), 0),
        exactly("emergencies with somebody who is there", sum(map(_present, urgent.values())), len(_URGENT)),
        exactly("messages to the member who left", _heard(stage, gone, left), 0),
    ]


def _without(roster: Roster, code: str) -> Roster:
    return roster.model_copy(update={"members": tuple(one for one in roster.members if one.code != code)})


def _owners(session: Session) -> dict[str, str | None]:
    return {one.number: one.assignee for one in session.scalars(select(ServiceRequest))}


def _present(member: str | None) -> bool:
    return member is not None and member not in (_GONE, _DEPUTY)


def _heard(stage: Stage, address: str, since: datetime) -> int:
    """New messages; that old cards lose their buttons is none."""
    return sum(one.chat == address and one.at > since and not one.edited for one in stage.town.said)


SC13 = Scenario(
    "SC13",
    "a grid member leaves at 10:00 with 12 open matters, the deputy is away, 2 emergencies at 10:01",
    _roster,
    datetime(2026, 5, 12, 0, tzinfo=UTC),
    play,
)
