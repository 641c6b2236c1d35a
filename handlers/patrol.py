"""Members go round their grid: a word a day says so, and what they find becomes a request."""

from handlers.desk import Desk
from handlers.turn import Turn
from routing.organisation import Area
from routing.text import normalize
from storage import queries
from storage.ids import new_id
from storage.tables import Patrol, ServiceRequest


async def check_in(turn: Turn) -> None:
    """打卡 or [今日无异常]: each grid and day counts once, whoever went."""
    grid = _own_grid(turn)
    if grid is None:
        turn.desk.say(turn.staff_reply_to, "patrol_no_grid")
    elif await _record(turn, grid):
        turn.desk.say(turn.staff_reply_to, "patrolled", place=grid.name)
    else:
        turn.desk.say(turn.staff_reply_to, "patrolled_already", place=grid.name)


async def found(turn: Turn, request: ServiceRequest) -> None:
    """What a member has found on the way counts as having gone."""
    grid = _own_grid(turn)
    if grid is not None:
        await _record(turn, grid, request)


def is_finding(turn: Turn, text: str) -> bool:
    """Whether a member reports what they found on patrol, by the first words of the text."""
    words = turn.office.texts.words.get("patrol_finding", ())
    return turn.member is not None and normalize(text).startswith(tuple(map(normalize, words)))


async def walked_today(desk: Desk) -> set[str]:
    """The grids that have been walked today."""
    return await desk.unit.run(queries.patrolled_on, _today(desk))


async def _record(turn: Turn, grid: Area, request: ServiceRequest | None = None) -> bool:
    """Write the day down, unless it is already."""
    desk, member = turn.desk, turn.member
    if member is None or grid.code in await walked_today(desk):
        return False
    desk.unit.add(
        Patrol(
            id=new_id(),
            area=grid.code,
            day=_today(desk),
            member=member.code,
            at=desk.now,
            finding=request.id if request else None,
        )
    )
    return True


def _today(desk: Desk) -> str:
    return str(desk.now.astimezone(desk.office.zone).date())


def _own_grid(turn: Turn) -> Area | None:
    """The grid that the member's first post lies in."""
    organisation = turn.office.organisation
    posts = organisation.posts(turn.account.member or "", turn.now)
    return next((grid for post in posts if (grid := organisation.grid(post.area))), None)
