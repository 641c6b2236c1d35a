"""SC14: twenty emergencies at three in the night, and nobody answers for twenty-five minutes."""

from datetime import UTC, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.simulate.people import Resident
from bot.simulate.rosters import village
from bot.simulate.scenario import Figure, Scenario, Stage, exactly, share
from routing.indicators import Matter
from storage.tables import ServiceRequest, StatusUpdate

_MANY = 20
_LEAVES = ("EM01", "EM02", "EM03", "EM05", "EM06")
_WITHIN = timedelta(seconds=10)
_SILENCE = timedelta(minutes=25)
_WAKING = timedelta(minutes=20)  # after that silence they wake up one by one
_HOTLINE = timedelta(seconds=5)
_RUNGS = (timedelta(minutes=10), timedelta(minutes=20), timedelta(minutes=30))
_SLACK = timedelta(minutes=1)
_UNTRUE = (
    "马上到场",
    "马上过来",
    "马上就到",
    "正在赶来",
    "正在赶往",
    "已经出发",
    "在路上",
    "已派人",
    "救援已",
    "很快就到",
)
_ALL_DAY = (time.min, time.max)


async def play(stage: Stage) -> list[Figure]:
    stage.hire()
    began = stage.town.now
    for worker in stage.workers.values():
        worker.awake = _ALL_DAY
        worker.asleep_until = began + _SILENCE + _WAKING * stage.chance.random()
    callers = []
    for _ in range(_MANY):
        moment = began + _WITHIN * stage.chance.random()
        caller = await stage.report(
            moment, stage.chance.choice(_LEAVES), stage.chance.choice(stage.buildings())
        )
        caller.awake = _ALL_DAY
        callers.append(caller)
    await stage.run(timedelta(hours=2), 24)
    found = await stage.matters()
    rungs = await stage.town.app.store.read(_rungs)
    waiting = [one for one in found if _waits(one, _RUNGS[2])]
    return [
        exactly("emergencies filed", sum(one.urgent for one in found), _MANY),
        share("hotline within 5 s", sum(_heard_hotline(stage, one) for one in callers), _MANY, 1.0),
        *(
            share(
                f"a rung up after {after.seconds // 60} min", _climbed(rungs, asked, after), len(asked), 1.0
            )
            for after, asked in zip(_RUNGS, (found, found, waiting), strict=True)
        ),
        exactly("words that promise help", _untrue(stage, callers, found), 0),
    ]


def _waits(matter: Matter, after: timedelta) -> bool:
    """Whether nobody has answered by then."""
    return matter.acknowledged is None or matter.acknowledged > matter.created + after


def _rungs(session: Session) -> dict[str, list[datetime]]:
    query = (
        select(ServiceRequest.number, StatusUpdate.at)
        .join(StatusUpdate, StatusUpdate.request == ServiceRequest.id)
        .where(StatusUpdate.event == "rung")
    )
    found: dict[str, list[datetime]] = {}
    for number, at in session.execute(query):
        found.setdefault(number, []).append(at)
    return found


def _climbed(rungs: dict[str, list[datetime]], found: list[Matter], after: timedelta) -> int:
    return sum(
        any(abs(at - one.created - after) <= _SLACK for at in rungs.get(one.number, ())) for one in found
    )


def _heard_hotline(stage: Stage, caller: Resident) -> bool:
    said = caller.said_at
    return said is not None and any(
        one.chat == caller.address
        and said <= one.at <= said + _HOTLINE
        and any(number in one.text for number in ("110", "119", "120"))
        for one in stage.town.said
    )


def _untrue(stage: Stage, callers: list[Resident], found: list[Matter]) -> int:
    """Messages to those who wait that say more than is known, before anybody has answered."""
    chats = {one.address for one in callers}
    answered = min((one.acknowledged for one in found if one.acknowledged), default=stage.town.now)
    return sum(
        one.chat in chats and one.at < answered and any(words in one.text for words in _UNTRUE)
        for one in stage.town.said
    )


SC14 = Scenario(
    "SC14",
    "20 emergencies at 03:00, nobody answers for 25 minutes",
    lambda: village(grids=6, buildings=3),
    datetime(2026, 5, 11, 19, tzinfo=UTC),
    play,
)
