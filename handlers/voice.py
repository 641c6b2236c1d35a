"""Somebody speaks instead of writing: a person listens within minutes, and the resident hears by when."""

from datetime import datetime, timedelta

from handlers import filing, replies
from handlers.desk import Desk
from handlers.drafts import Draft, Piece, Source
from handlers.messages import Kind
from handlers.turn import Turn
from routing.classify import Decision
from routing.limits import Step
from routing.transitions import Status
from storage.tables import ServiceRequest

_SOON = timedelta(hours=1)
_ASK_NOTHING = (Source.VOICE, Source.CHILD)


def goes_on(turn: Turn, request: ServiceRequest) -> bool:
    """Whether the talk goes on where it was, without a question: by voice, or with who began so."""
    return turn.message.kind is Kind.VOICE or request.source in _ASK_NOTHING


async def file(turn: Turn, draft: Draft, decision: Decision) -> None:
    """A voice is filed at once, with whatever was written before it: nobody is asked to type."""
    if not draft.text:
        said = turn.office.texts.render("sent_voice", {})
        draft = draft.with_(pieces=(Piece(turn.message.ref, said),))
    if draft.source is Source.CHAT:
        draft = draft.with_(source=Source.VOICE)
    request = await filing.file_request(turn, draft, decision)
    await filing.retire_draft(turn, draft, request)
    by = _heard_by(turn.desk, request)
    soon = by is not None and by - turn.now <= _SOON
    told = replies.receipt(turn.desk, request, elder=turn.home().elder)
    told["template"] = "voice_soon" if soon else "voice_later"
    notice = turn.office.texts.render("consent", {}) if draft.notice else ""
    turn.desk.say(turn.reply_to, **told, heard_by=turn.office.when(by), notice=notice)


def _heard_by(desk: Desk, request: ServiceRequest) -> datetime | None:
    """When whoever has it is reminded, if nobody has listened by then: what may honestly be promised."""
    if request.status is not Status.TRIAGE:
        return request.due_ack
    limits = desk.office.limits
    limit = limits.limit(request.limit_class, Step.SORT)
    if limit is None:
        return None
    first = limit.stages[0].at if limit.stages else limit.duration
    return limits.after(desk.now, first, limit.calendar)
