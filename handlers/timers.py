"""What happens when a stored deadline is due: one small function for each kind."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from handlers import digests, drafts, filing, guidance, ladder, leave, moves, policies, posts, privacy, report
from handlers.desk import Desk, Urgency, to_member
from handlers.drafts import Draft, Question
from handlers.turn import Turn
from routing.classify import Decision
from routing.limits import Step
from routing.privacy import redact
from routing.rhythm import Rhythm, Schedule
from routing.text import readable
from storage import directory, queries
from storage.tables import Deadline, ServiceRequest

# --- requests ---------------------------------------------------------------------------------


_OF_REQUEST: dict[str, Callable[[Desk, ServiceRequest], Awaitable[None]]] = {
    **{step: partial(ladder.walk, step=step) for step in Step},
    "letter": ladder.letter_due,
    "planned": moves.planned,
}


async def fire_for_request(desk: Desk, deadline: Deadline) -> None:
    """A due time of a request. One that no longer means anything passes in silence."""
    request = await desk.unit.get(ServiceRequest, deadline.request) if deadline.request else None
    if request is not None:
        await _OF_REQUEST[deadline.kind](desk, request)


# --- personal data ----------------------------------------------------------------------------

ERASING: dict[str, Callable[[Desk, Deadline], Awaitable[None]]] = {
    "retention": privacy.sweep,
    "forget": privacy.forget,
}


# --- drafts -----------------------------------------------------------------------------------


_UNASKED = (Question.READY, Question.CATEGORY)


async def _quiet(turn: Turn, draft: Draft, decision: Decision) -> None:
    """Twelve quiet minutes: file what is complete, ask once more for what is not."""
    question = report.question_of(turn, draft, decision)
    if question in _UNASKED and not drafts.tells(draft, decision, turn.office.rules):
        question = Question.WHAT
    confided = guidance.is_confided(turn, draft, decision)
    if guidance.is_asked(question):
        await guidance.leave(turn, draft, decision)
    elif question is Question.POLICY:
        await policies.leave(turn, draft, decision)
    elif draft.placed and draft.text and question in report.COMPLETE and not confided:
        silent = question in (Question.SAME, Question.ENDED)  # which is no [是]
        await _file(turn, draft.with_(apart=draft.apart or silent), decision)
    elif not draft.reminded:
        turn.conversation.draft = drafts.store(draft.with_(reminded=True))
        question_text = turn.office.texts.render(f"ask_{question}", {})
        offered = report.choices(turn, draft, question, decision)
        turn.desk.say(turn.reply_to, "draft_reminder", choices=offered, question=question_text)


async def _file(turn: Turn, draft: Draft, decision: Decision) -> None:
    """Where others have reported it meanwhile, that is asked: on a new card, as an edit goes unnoticed."""
    draft, question = await report.considered(turn, draft, decision)
    if question not in (Question.READY, Question.CATEGORY):
        await report.show(turn, report.below(turn, draft), decision)
        return
    draft = draft.with_(category_refused=draft.category_refused or question is Question.CATEGORY)
    request = await filing.file_request(turn, draft, decision)
    await report.finish(turn, draft, request, silently=False)


async def _drop(turn: Turn, draft: Draft, _decision: Decision) -> None:
    await report.cancel(turn, draft)
    turn.desk.say(turn.reply_to, "draft_dropped")


async def _silent_in_danger(turn: Turn, draft: Draft, decision: Decision) -> None:
    """Asked whether somebody is in danger, no answer: the duty desk sees what was written."""
    if report.question_of(turn, draft, decision) is not Question.DANGER:
        return
    place = turn.office.place_name(draft.place) or draft.place_text or ""
    for member in filing.dispatchers(turn.desk, draft.place):
        turn.desk.say(
            to_member(member),
            "danger_unanswered",
            urgency=Urgency.URGENT,
            text=_for_eyes(turn, member, draft, decision),
            place=place,
        )


def _for_eyes(turn: Turn, member: str, draft: Draft, decision: Decision) -> str:
    """The words as this member may see them: hidden where their category would be sealed."""
    roles = turn.office.roles.cleared(decision.category)
    if roles and not any(post.role in roles for post in turn.office.organisation.posts(member, turn.now)):
        return turn.office.texts.label("words_sealed")
    return readable(redact(draft.text))


_OF_DRAFT: dict[str, Callable[[Turn, Draft, Decision], Awaitable[None]]] = {
    "draft_quiet": _quiet,
    "draft_drop": _drop,
    "danger_silent": _silent_in_danger,
}


async def fire_for_draft(turn: Turn, kind: str) -> None:
    """A due time of a draft, in a turn of its own without a new message."""
    draft = drafts.load(turn.conversation.draft)
    if draft is not None:
        await _OF_DRAFT[kind](turn, draft, turn.office.decide(draft.text))


# --- the office -------------------------------------------------------------------------------

_OF_OFFICE: dict[str, Callable[[Desk], Awaitable[None]]] = {
    directory.POSTS: posts.review,
    leave.SILENT: leave.silent,
    "digest:tasks": digests.tasks,
    "digest:ledger": digests.ledger,
    "digest:weekly": digests.weekly,
    "digest:monthly": digests.monthly,
}

# What is due again and again, by the office's own times.
_AGAIN: dict[str, Callable[[Schedule], Rhythm]] = {
    "digest:tasks": lambda one: one.tasks,
    "digest:ledger": lambda one: one.ledger,
    "digest:weekly": lambda one: one.weekly,
    "digest:monthly": lambda one: one.monthly,
}


async def arm_office(desk: Desk) -> None:
    """Whatever comes again and again waits for its next time; what was missed stays due, once."""
    waiting = await desk.unit.run(queries.office_deadlines)
    for kind in _AGAIN:
        deadline = waiting.get(kind)
        if deadline is None:
            desk.due(kind, _next(desk, kind))
        elif deadline.due_at > desk.now:
            deadline.due_at = _next(desk, kind)


def _next(desk: Desk, kind: str) -> datetime:
    return _AGAIN[kind](desk.office.digests).next(desk.now, desk.office.zone)


async def fire_for_office(desk: Desk, deadline: Deadline) -> None:
    """A due time of the office as a whole. The next one is after now: what was missed is made up for once."""
    if deadline.kind in _AGAIN:
        desk.due(deadline.kind, _next(desk, deadline.kind))
    await _OF_OFFICE[deadline.kind](desk)
