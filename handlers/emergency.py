"""Somebody may be in danger: the hotline first, then everybody who can help, then one question."""

from handlers import drafts, filing
from handlers.desk import Urgency
from handlers.drafts import Draft, Piece
from handlers.replies import first_reply
from handlers.turn import Turn
from routing.classify import Decision


async def pressed(turn: Turn) -> None:
    """[有危险], or the word: works in every state, with or without anything said before."""
    draft = drafts.load(turn.conversation.draft) or Draft(
        turn.now, place=turn.conversation.place, subject=f"draft:{turn.message_id}"
    )
    if not draft.text:
        said = turn.message.text or turn.office.texts.render("says_danger", {})
        draft = draft.with_(pieces=(*draft.pieces, Piece(turn.message.ref, said)))
    await file(turn, draft, turn.office.decide(draft.text))


async def file(turn: Turn, draft: Draft, decision: Decision) -> None:
    """File at once as an emergency. Nothing that the resident is told asserts that help is on its way."""
    request = await filing.file_request(turn, draft, decision, urgent=True)
    await filing.retire_draft(turn, draft, request)
    reply = first_reply(turn.desk, request) or turn.office.texts.render("hotline_first", {})
    turn.desk.say(
        turn.reply_to,
        "emergency",
        urgency=Urgency.URGENT,
        request=request,
        reply=reply,
        number=request.number,
        question=_question(turn, draft),
    )


def _question(turn: Turn, draft: Draft) -> str:
    """The one thing that is asked: where, or whether somebody is trapped."""
    place = turn.office.place_name(draft.place) or draft.place_text or draft.location
    if not place:
        return turn.office.texts.render("emergency_where", {})
    return turn.office.texts.render("emergency_who", {"place": place})
