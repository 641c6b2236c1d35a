"""The trace of a request in words that a clerk understands: what happened, what it is, why this person."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from handlers.explain import explain
from handlers.office import Office
from routing.limits import Step
from routing.transitions import OPEN, Event
from storage.tables import Notification, SendState, ServiceRequest, StatusUpdate
from storage.trace import Trace

_LIMITS = {Step.ACK: Event.ACKNOWLEDGE, Step.CONTACT: Event.START, Step.RESULT: Event.FINISH}
_FIRST_WORDS = 30
_MOST_WORDS = 4


def in_words(office: Office, trace: Trace, now: datetime) -> dict[str, Any]:
    """Everything that the trace panel shows, ready to be displayed."""
    request, label = trace.request, office.texts.label
    return {
        "number": request.number,
        "status": label(f"status_{request.status}"),
        "open": request.status in OPEN,
        "place": office.place_name(request.area) or label("place_unknown"),
        "photos": trace.photos,
        "handler": office.title(request.assignee, now) if request.assignee else None,
        "category": _category(office, request, trace.history),
        "reasons": explain(office, request.reason, now),
        "limits": _limits(office, trace, now),
        "history": [_line(office, line, now) for line in trace.history],
        "result": trace.result.body if trace.result and not request.sealed else None,
        "verdict": label(request.verdict) if request.verdict else None,
        "sent": trace.sent,
        "waiting": trace.waiting,
        "lost": [_lost(office, said, now) for said in trace.lost],
    }


def _category(office: Office, request: ServiceRequest, history: list[StatusUpdate]) -> dict[str, Any]:
    """What it was taken for, by which words, and who said so."""
    candidates = request.decision.get("candidates", ())
    chosen = next((one for one in candidates if one["category"] == request.category), None)
    sure = request.decision.get("outcome") == "file" and chosen is not None
    sorted_by = "desk" if any(line.event == Event.CLASSIFY for line in history) else "resident"
    level = request.limit_class or office.limits.default_class
    name = office.texts.label("words_sealed") if request.sealed else office.category_name(request.category)
    return {
        "name": name,
        "scope": request.scope,
        "level": office.texts.label(f"level_{level}"),
        "matched": _longest(chosen["matched"]) if chosen and not request.sealed else [],
        "how": office.texts.label(f"sorted_{'words' if sure else sorted_by}") if request.category else "",
    }


def _longest(words: Sequence[str]) -> list[str]:
    """Words that are not part of another one, the most telling first."""
    whole = [word for word in words if not any(word in other for other in words if other != word)]
    return sorted(whole, key=len, reverse=True)[:_MOST_WORDS]


def _limits(office: Office, trace: Trace, now: datetime) -> list[dict[str, str]]:
    """Each limit of the request with how it stands: kept, missed or still running."""
    done = _done(trace.history)
    due = {step: getattr(trace.request, f"due_{step}") for step in _LIMITS}
    states = {step: _state(at, done.get(_LIMITS[step]), now) for step, at in due.items() if at is not None}
    return [
        {
            "step": office.texts.label(f"limit_{step}"),
            "due": office.when(due[step]),
            "state": state,
            "words": office.texts.label(f"limit_{state}"),
        }
        for step, state in states.items()
    ]


def _done(history: list[StatusUpdate]) -> dict[str, datetime]:
    """When each thing was done since the request was last given to somebody."""
    done: dict[str, datetime] = {}
    for line in history:
        if line.event == Event.ASSIGN:
            done.clear()
        done[line.event] = line.at
    return done


def _state(due: datetime, at: datetime | None, now: datetime) -> str:
    if (at or now) > due:
        return "missed"
    return "running" if at is None else "kept"


def _line(office: Office, line: StatusUpdate, now: datetime) -> dict[str, str]:
    local = line.at.astimezone(office.zone)
    to = line.detail.get("to") or f"member:{line.detail.get('assignee') or ''}"
    return {
        "day": f"{local:%-m月%-d日}",
        "time": f"{local:%H:%M:%S}",
        "event": office.texts.label(f"event_{line.event}"),
        "who": _who(office, line.actor, now),
        "to": _who(office, to, now) if to != "member:" else "",
    }


def _lost(office: Office, said: Notification, now: datetime) -> dict[str, str]:
    sentence = office.texts.render(said.template, said.args)
    return {
        "who": _who(office, said.chat, now),
        "text": sentence.partition("\n")[0][:_FIRST_WORDS],
        "reason": office.texts.label(f"send_{SendState(said.state).name.lower()}"),
    }


def _who(office: Office, name: str, now: datetime) -> str:
    """An actor of the history or a recipient, in words."""
    kind, _, key = name.partition(":")
    if kind == "member":
        return office.title(key, now)
    return office.texts.label({"resident": "resident", "chat": "group"}.get(kind, f"actor_{kind}"))
