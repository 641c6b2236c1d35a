"""The clocks of a request: which run in its status, what is due on them, and when they fire next."""

from datetime import datetime, timedelta

import msgspec

from handlers.desk import Desk
from routing.limits import FROM_REPORT, LONGEST_PAUSE, PAUSED_BY, RUNNING, Limit, Stage, Step
from routing.transitions import Status
from storage.tables import ServiceRequest


class Running(msgspec.Struct, frozen=True, omit_defaults=True):
    """One clock: since when it counts, what was used before (seconds of its calendar), its next stage."""

    since: datetime
    used: float = 0.0
    stage: int = 0


Clocks = dict[Step, Running]
_AGAIN = frozenset({Step.SILENCE, Step.REVIEW})  # these begin anew when they have run out
_COLUMNS = {
    Step.ACK: "due_ack",
    Step.CONTACT: "due_contact",
    Step.PLAN: "due_plan",
    Step.RESULT: "due_result",
}


def follow(desk: Desk, request: ServiceRequest, before: Status) -> None:
    """Start the clocks that the new status needs, stop the others; a pause is left or entered."""
    clocks, after = load(request), _wanted(request)
    earlier = RUNNING.get(before, frozenset())
    restarted = {Step.ACK} & after if request.status is Status.ASSIGNED else frozenset()
    if stopped := (earlier - after) | restarted:
        desk.drop_deadlines(*stopped, request=request)
    if request.status in PAUSED_BY and before not in PAUSED_BY:
        clocks = _paused(desk, request, clocks)
    if before in PAUSED_BY and request.status not in PAUSED_BY:
        clocks = _resumed(desk, request, clocks)
    clocks = {step: one for step, one in clocks.items() if step in after or step in FROM_REPORT}
    for step in (after - (earlier - restarted)) | (after - clocks.keys()):
        fresh = step not in clocks or step in restarted
        clocks[step] = _begun(desk, request, step) if fresh else _caught_up(desk, request, step, clocks[step])
        _arm(desk, request, step, clocks[step])
    _store(request, clocks)
    _show(desk, request, clocks)


def renew(desk: Desk, request: ServiceRequest) -> None:
    """The limits themselves have changed (another class, an extension): count the same time against them."""
    clocks, running = load(request), _wanted(request)
    desk.drop_deadlines(*running, request=request)
    for step in running:
        begun = clocks.get(step) or _begun(desk, request, step)
        clocks[step] = _caught_up(desk, request, step, begun)
        _arm(desk, request, step, clocks[step])
    _store(request, clocks)
    _show(desk, request, clocks)


def extend(desk: Desk, request: ServiceRequest, more: timedelta) -> None:
    """Give the result this much more time."""
    clocks = load(request)
    result = clocks[Step.RESULT]
    clocks[Step.RESULT] = msgspec.structs.replace(result, used=result.used - more.total_seconds())
    _store(request, clocks)
    renew(desk, request)


def contacted(desk: Desk, request: ServiceRequest) -> None:
    """A person has spoken to the resident: the first time ends the clock for that."""
    if request.contacted_at is None:
        request.contacted_at = desk.now
        desk.drop_deadlines(Step.CONTACT, request=request)


def fire(desk: Desk, request: ServiceRequest, step: Step) -> list[Stage]:
    """What is due on this clock by now, in order, each once; the next stage is armed.

    Empty where the clock does not run any more, or where the resident has heard something meanwhile.
    """
    clocks, limit = load(request), _limit(desk, request, step)
    if step not in _wanted(request) or step not in clocks or limit is None:
        return []
    clock = _heard(request, step, clocks[step])
    passed = _passed(desk, request, step, clock)
    due = limit.stages[clock.stage : passed]
    clock = msgspec.structs.replace(clock, stage=max(passed, clock.stage))
    if step in _AGAIN and clock.stage == len(limit.stages):
        clock = Running(desk.now)
    clocks[step] = clock
    _arm(desk, request, step, clock)
    _store(request, clocks)
    return list(due)


def next_due(desk: Desk, request: ServiceRequest, step: Step) -> datetime | None:
    """When the clock's next stage is due: the new date that a late answer is promised for."""
    clock, limit = load(request).get(step), _limit(desk, request, step)
    if clock is None or limit is None or clock.stage >= len(limit.stages):
        return None
    return _at(desk, limit, clock, limit.stages[clock.stage].at)


def dues(request: ServiceRequest) -> dict[str, datetime]:
    """The due times, for a line of the history: every figure can be told again from there."""
    return {name: at for name in _COLUMNS.values() if (at := getattr(request, name)) is not None}


def load(request: ServiceRequest) -> Clocks:
    return msgspec.convert(request.clocks or {}, Clocks, strict=False)


def _store(request: ServiceRequest, clocks: Clocks) -> None:
    request.clocks = msgspec.to_builtins(clocks)


def _wanted(request: ServiceRequest) -> frozenset[Step]:
    running = RUNNING.get(request.status, frozenset())
    return running if request.contacted_at is None else running - {Step.CONTACT}


def _limit(desk: Desk, request: ServiceRequest, step: Step) -> Limit | None:
    return desk.office.limits.limit(request.limit_class, step)


def _begun(desk: Desk, request: ServiceRequest, step: Step) -> Running:
    """A new clock; what counts from the report on still does when others take the request over."""
    first = step in FROM_REPORT and not request.reopened
    return Running(request.created_at if first else desk.now)


def _caught_up(desk: Desk, request: ServiceRequest, step: Step, clock: Running) -> Running:
    """A clock that goes on: what lies behind it is not said again."""
    return msgspec.structs.replace(clock, stage=_passed(desk, request, step, clock))


def _at(desk: Desk, limit: Limit, clock: Running, point: timedelta) -> datetime:
    left = point - timedelta(seconds=clock.used)
    return desk.office.limits.after(clock.since, max(left, timedelta(0)), limit.calendar)


def _passed(desk: Desk, request: ServiceRequest, step: Step, clock: Running) -> int:
    """How many of the limit's stages are due by now."""
    limit = _limit(desk, request, step)
    stages = limit.stages if limit else ()
    return sum(_at(desk, limit, clock, stage.at) <= desk.now for stage in stages if limit)


def _arm(desk: Desk, request: ServiceRequest, step: Step, clock: Running) -> None:
    limit = _limit(desk, request, step)
    if limit is not None and clock.stage < len(limit.stages):
        desk.due(step, _at(desk, limit, clock, limit.stages[clock.stage].at), request=request)


def _heard(request: ServiceRequest, step: Step, clock: Running) -> Running:
    """The silence is broken by whatever the resident was told last."""
    if step is Step.SILENCE and request.told_at and request.told_at > clock.since:
        return Running(request.told_at)
    return clock


def _paused(desk: Desk, request: ServiceRequest, clocks: Clocks) -> Clocks:
    request.paused_at = desk.now
    return {step: _counted(desk, request, step, one, desk.now) for step, one in clocks.items()}


def _resumed(desk: Desk, request: ServiceRequest, clocks: Clocks) -> Clocks:
    """A pause ends when the resident answers; in all it lasts seven days at most."""
    began = request.paused_at or desk.now
    room = LONGEST_PAUSE - timedelta(seconds=request.paused_seconds)
    until = min(desk.now, began + max(room, timedelta(0)))
    request.paused_at = None
    request.paused_seconds += int((until - began).total_seconds())
    return {
        step: msgspec.structs.replace(one, since=until) if step in FROM_REPORT else one
        for step, one in clocks.items()
    }


def _counted(desk: Desk, request: ServiceRequest, step: Step, clock: Running, until: datetime) -> Running:
    limit = _limit(desk, request, step)
    if step not in FROM_REPORT or limit is None:
        return clock
    spent = desk.office.limits.between(clock.since, until, limit.calendar)
    return msgspec.structs.replace(clock, since=until, used=clock.used + spent.total_seconds())


def _show(desk: Desk, request: ServiceRequest, clocks: Clocks) -> None:
    """The due times that cards and reports show."""
    for step, column in _COLUMNS.items():
        limit = _limit(desk, request, step)
        if step in clocks and limit is not None:
            setattr(request, column, _at(desk, limit, clocks[step], limit.duration))
