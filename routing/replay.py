"""What became of a request, read from its history alone: the second, independent way to every figure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from routing.indicators import Matter
from routing.limits import LONGEST_PAUSE, PAUSED_BY
from routing.transitions import Event, Status


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a history: codes and references only; `worded` is whether a text belongs to it."""

    at: datetime
    event: str
    before: str | None
    after: str
    actor: str
    detail: Mapping[str, Any]
    worded: bool


def replay(number: str, lines: Iterable[Line]) -> Matter:
    """The matter as its history tells it, line by line. Raises ValueError for a history without lines."""
    matter: Matter | None = None
    paused: datetime | None = None
    for line in lines:
        if matter is None:
            matter = Matter(number, None, None, None, False, line.at, Status(line.after))
        matter = replace(matter, status=Status(line.after), **_facts(line))
        matter = replace(matter, **_EVENTS.get(line.event, _nothing)(matter, line), **_told(matter, line))
        if paused is not None and matter.status not in PAUSED_BY:
            room = LONGEST_PAUSE - matter.stopped
            stopped = timedelta(seconds=int(min(line.at - paused, room).total_seconds()))
            matter, paused = replace(matter, stopped=matter.stopped + stopped), None
        elif paused is None and matter.status in PAUSED_BY:
            paused = line.at
    if matter is None:
        raise ValueError(f"{number} has no history")
    return matter


_Changes = dict[str, Any]
_PLAIN = ("area", "category", "limit_class", "urgent")
_DUE = ("due_ack", "due_contact", "due_result")


def _facts(line: Line) -> _Changes:
    """What a line says of the request besides the event itself."""
    due = line.detail.get("due", {})
    return {
        **{name: line.detail[name] for name in _PLAIN if name in line.detail},
        **{name: datetime.fromisoformat(due[name]) for name in _DUE if name in due},
    }


# The texts of a person that the resident reads.
_WORDS = frozenset(
    {
        Event.FINISH,
        Event.ASK,
        Event.MEDIATE,
        Event.DELIBERATE,
        Event.REFER,
        Event.PLAN,
        Event.GUIDE,
        Event.REFUSE,
    }
) | {"word"}


def _told(matter: Matter, line: Line) -> _Changes:
    if matter.told or not line.worded or not line.actor.startswith("member:") or line.event not in _WORDS:
        return {}
    return {"told": line.at}


def _nothing(_matter: Matter, _line: Line) -> _Changes:
    return {}


def _assigned(matter: Matter, _line: Line) -> _Changes:
    return {"acknowledged": None, "assignments": matter.assignments + 1}


def _contacted(matter: Matter, line: Line) -> _Changes:
    return {"contacted": matter.contacted or line.at}


def _finished(_matter: Matter, line: Line) -> _Changes:
    return {"done": line.at, "result_code": line.detail.get("code")}


def _closed(matter: Matter, line: Line) -> _Changes:
    return {"closed": matter.closed or line.at}


def _judged(matter: Matter, line: Line) -> _Changes:
    judged = line.at if line.before == Status.DONE else matter.judged
    return {**_closed(matter, line), "verdict": line.event, "judged": judged}


def _not_solved(matter: Matter, line: Line) -> _Changes:
    judged = line.at if line.actor == "resident" else matter.judged  # the supervisor only opens it again
    return {**_reopened(matter, line), "verdict": Event.NOT_SOLVED.value, "judged": judged}


def _once_more(_matter: Matter, line: Line) -> _Changes:
    """The third time: only the verdict changes, where one was given."""
    if line.before != Status.DONE:
        return {}
    return {"verdict": Event.NOT_SOLVED.value, "judged": line.at}


def _reopened(matter: Matter, _line: Line) -> _Changes:
    return {"reopened": matter.reopened + 1, "closed": None, "done": None, "contacted": None}


def _counted(name: str) -> Callable[[Matter, Line], _Changes]:
    return lambda matter, _line: {name: getattr(matter, name) + 1}


def _endorsed(matter: Matter, line: Line) -> _Changes:
    return {"endorsed": (*matter.endorsed, *[line.at] * line.detail.get("count", 1))}


def _left(matter: Matter, line: Line) -> _Changes:
    """One who had joined does not need it any more."""
    gone = matter.endorsed.index(datetime.fromisoformat(line.detail["since"]))
    return {"endorsed": matter.endorsed[:gone] + matter.endorsed[gone + 1 :]}


_EVENTS: dict[str, Callable[[Matter, Line], _Changes]] = {
    Event.ASSIGN: _assigned,
    Event.HAND_OVER: _assigned,
    Event.TAKE_OVER: _counted("assignments"),
    Event.ACKNOWLEDGE: lambda _matter, line: {"acknowledged": line.at},
    Event.START: _contacted,
    Event.ASK: _contacted,
    "word": _contacted,
    Event.RETURN: _counted("returns"),
    Event.FINISH: _finished,
    Event.SILENT: lambda _matter, line: {"done": line.at, "result_code": "no_info"},
    Event.SATISFIED: _judged,
    Event.PARTLY: _judged,
    Event.NOT_SOLVED: _not_solved,
    "not_solved_again": _once_more,
    Event.REOPEN: _reopened,
    **dict.fromkeys((Event.EXPIRE, Event.WITHDRAW, Event.REFUSE), _closed),
    Event.FALSE_ALARM: lambda matter, line: {**_closed(matter, line), "result_code": "not_found"},
    Event.MERGE: lambda matter, line: {**_closed(matter, line), "endorsed": ()},  # they joined the other
    "supervise": _counted("reds"),
    "urge": _counted("urges"),
    "endorse": _endorsed,
    "leave": _left,
}
