"""Posts change hands: what somebody had who is gone or away is passed on, and everybody is told once."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from handlers import cards, choosing, filing
from handlers.desk import Desk, to_member
from routing.organisation import Organisation, Role
from storage import directory, queries, work
from storage.tables import DeadlineState, ServiceRequest
from storage.work import Held

MOST_AT_ONCE = 50  # requests passed on in one transaction; the rest follow in the next

Passed = dict[tuple[str, str | None], list[ServiceRequest]]


async def review(desk: Desk) -> None:
    """Look through who is still there for what they have, and when to look again."""
    for other in await desk.unit.run(queries.waiting, directory.POSTS):
        other.state = DeadlineState.CANCELLED
    held = await desk.unit.run(work.held)
    loose = [one for one in held if not _settled(desk.office.organisation, one, desk.now)]
    passed: Passed = defaultdict(list)
    for one in loose[:MOST_AT_ONCE]:
        await _settle(desk, one, passed)
    for (former, successor), requests in passed.items():
        _report(desk, former, successor, requests)
    await _offer_to_sorters(desk, [one.id for one in held if one.assignee is None])
    more = len(loose) > MOST_AT_ONCE
    following = desk.now if more else desk.office.organisation.next_change(desk.now)
    if following is not None:
        desk.due(directory.POSTS, following)


def _settled(organisation: Organisation, held: Held, now: datetime) -> bool:
    beside = (*held.alerted, *([held.claimed_by] if held.claimed_by else ()))
    return _keeps(organisation, held, now) and all(
        organisation.there(code, held.area, now) for code in beside
    )


def _keeps(organisation: Organisation, held: Held, now: datetime) -> bool:
    """Whether the assignee stays so. Somebody chosen by hand from elsewhere never served the place."""
    member = held.assignee
    if member is None or organisation.there(member, held.area, now):
        return True
    from_elsewhere = held.since is not None and not organisation.serves(member, held.area, held.since)
    return from_elsewhere and bool(organisation.posts(member, now)) and not organisation.away(member, now)


async def _settle(desk: Desk, held: Held, passed: Passed) -> None:
    """Relieve who is gone, and find somebody else where that leaves the request without its assignee."""
    request = await desk.unit.get(ServiceRequest, held.id)
    if request is None:
        return
    organisation, former = desk.office.organisation, request.assignee
    if request.claimed_by and not organisation.there(request.claimed_by, held.area, desk.now):
        request.claimed_by = None
    left = [code for code in request.alerted if organisation.there(code, held.area, desk.now)]
    called = filing.to_alert(desk, request) if request.urgent else []
    request.alerted = list(dict.fromkeys((*left, *called)))
    if former is None or _keeps(organisation, held, desk.now):
        await cards.refresh(desk, request)
        await filing.show_to_new(desk, request)
    else:
        successor = await filing.pass_on(desk, request)
        passed[former, successor].append(request)


def _report(desk: Desk, former: str, successor: str | None, requests: Sequence[ServiceRequest]) -> None:
    """One list for the successor and one for the community, however many requests it were."""
    told: dict[str, Any] = {
        "former": desk.office.organisation.members[former].name,
        "successor": desk.office.title(successor, desk.now),
        "count": len(requests),
        "numbers": "\n".join(request.number for request in requests),
    }
    if successor is not None:
        desk.say(to_member(successor), "handover_list", **told)
    for member in choosing.nearest(desk, requests[0].community, (Role.COMMUNITY, Role.DUTY_DESK)):
        if member != successor:
            desk.say(to_member(member), "handover_report", **told)


async def _offer_to_sorters(desk: Desk, requests: Sequence[int]) -> None:
    """What nobody has yet is shown to everybody who sorts now and has not seen it."""
    for one in requests[:MOST_AT_ONCE]:
        request = await desk.unit.get(ServiceRequest, one)
        if request is not None:
            await filing.show_to_new(desk, request)
