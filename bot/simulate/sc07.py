"""SC07, 岳师村: six grids with three staff each, 120 requests, 35 disputes and 80 errands in 297 days."""

from datetime import UTC, datetime, time, timedelta

from sqlalchemy import func, select

from bot.simulate.rosters import village
from bot.simulate.scenario import Figure, Scenario, Stage, exactly, share, within
from routing.indicators import Matter
from storage.tables import Patrol

_DAYS = 297
_REQUESTS = ("PF01", "PF02", "PF05", "PF06", "PF07", "TR02", "EN01", "EN02", "SF01", "SF04", "WL03")
_DISPUTES = ("DP01", "DP03", "DP04", "DP08")
_ERRANDS = ("CA04", "CA03", "GS03")
_LOADS = ((_REQUESTS, 120), (_DISPUTES, 35), (_ERRANDS, 80))
_LAST = 21  # days at the end in which nothing new comes: what was begun is finished
_NIGHT = time(20)  # what is reported later counts as the next day's


async def play(stage: Stage) -> list[Figure]:
    stage.hire()
    parties = []
    for leaves, count in _LOADS:
        for _ in range(round(count * stage.days / _DAYS)):
            moment = stage.moment(stage.chance.randrange(stage.days), stage.chance)
            building = stage.chance.choice(stage.buildings())
            person = await stage.report(moment, stage.chance.choice(leaves), building)
            parties += [person.address] if leaves is _DISPUTES else []
    for code, worker in stage.workers.items():
        if code.startswith("g"):
            for day in range(stage.days):
                worker.walks(stage.moment(day, worker.chance, 9, 18))
    days = stage.days + _LAST
    await stage.run(timedelta(days=days), days)
    return await _measure(stage, parties)


async def _measure(stage: Stage, parties: list[str]) -> list[Figure]:
    found = await stage.matters()
    today = [one for one in found if one.limit_class == "T2"]
    done = {one.number for one in found if one.done}
    acknowledged = [one.acknowledged - one.created for one in found if one.acknowledged]
    due = [one for one in found if one.due_result]  # what was only guided is not due
    walked = await stage.town.app.store.read(lambda session: session.scalar(select(func.count(Patrol.id))))
    grids = sum(area.kind == "grid" for area in stage.roster.areas)
    return [
        share("T2 done the same day", sum(_same_day(stage, one) for one in today), len(today), 0.8),
        within("acknowledged, median", acknowledged, timedelta(minutes=30)),
        exactly("disputes settled", sum(bool(stage.heard(one) & done) for one in parties), len(parties)),
        share("answered by a person", sum(one.told is not None for one in due), len(due), 1.0),
        share("patrol days", walked or 0, grids * stage.days, 0.95),
    ]


def _same_day(stage: Stage, matter: Matter) -> bool:
    """Done by the end of the day on which it was reported; after eight in the evening, of the next."""
    local = matter.created.astimezone(stage.town.zone)
    last = local.date() + timedelta(days=local.time() >= _NIGHT)
    return matter.done is not None and matter.done.astimezone(stage.town.zone).date() <= last


SC07 = Scenario(
    "SC07",
    "岳师村: 6 grids, 3 staff each; 120 requests, 35 disputes, 80 errands in 297 days",
    lambda: village(grids=6, buildings=3),
    datetime(2025, 12, 31, 16, tzinfo=UTC),
    play,
    days=_DAYS,
)
