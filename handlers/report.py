"""A resident reports: pieces are gathered in a draft, one question at a time, until it is filed."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from handlers import drafts, emergency, filing, guidance, policies, replies, together, voice
from handlers.drafts import Draft, Piece, Question, Source, next_question
from handlers.messages import Choice, InboundMessage, Kind
from handlers.office import Office
from handlers.turn import Turn
from routing.classify import Danger, Decision
from routing.privacy import is_masked, redact
from routing.transitions import OPEN
from storage.queries import Cell
from storage.tables import Conversation, Resident, ServiceRequest

QUIET = timedelta(minutes=12)
EXPIRES = timedelta(hours=24)
DANGER_ANSWER = timedelta(minutes=2)
SAME_TALK = timedelta(minutes=30)
MOST_PHOTOS = 9
_NEVER = datetime.min.replace(tzinfo=UTC)
SHOWN = 200  # characters of the resident's own words that a card repeats


# --- a piece comes in -------------------------------------------------------------------------


async def piece(turn: Turn) -> None:
    """Text, photo, voice, location or contact: joins the draft, and the card is brought up to date."""
    draft = _draft(turn)
    decision = turn.office.decide(draft.text)
    answered, recent = await _added_to(turn), await _recent(turn)
    if recent is not None and recent.urgent:
        await _add_at_once(turn, recent, draft)
    elif decision.danger is Danger.ALARM:
        await emergency.file(turn, draft, decision)
    elif answered is not None:
        await _add_at_once(turn, answered, draft)
    elif recent is not None and turn.conversation.draft is None and voice.goes_on(turn, recent):
        await _add_at_once(turn, recent, draft)
    elif turn.message.kind is Kind.VOICE:
        await voice.file(turn, draft.with_(notice=turn.notice_due()), decision)
    elif recent is not None and turn.conversation.draft is None:
        await show(turn, draft.with_(adds_to=recent.id), decision)
    else:
        await show(turn, draft, decision)


async def _add_at_once(turn: Turn, request: ServiceRequest, draft: Draft) -> None:
    await filing.add_to_request(turn.desk, request, draft)
    turn.desk.drop_deadlines(account=turn.conversation.account)
    turn.conversation.draft = turn.conversation.prompt = None
    template = "emergency_added" if request.urgent else "added"
    turn.desk.say(turn.reply_to, template, request=request, number=request.number)


async def edited(turn: Turn) -> None:
    """A corrected message changes the draft; what has been filed is corrected by an addition."""
    draft = drafts.load(turn.conversation.draft)
    refs = [one.ref for one in draft.pieces] if draft else []
    if draft is None or turn.message.ref not in refs:
        turn.desk.say(turn.reply_to, "edit_too_late")
        return
    pieces = tuple(
        Piece(one.ref, turn.message.text) if one.ref == turn.message.ref else one for one in draft.pieces
    )
    draft = _located(turn.office, draft.with_(pieces=pieces), turn.near)
    decision = turn.office.decide(draft.text)
    if decision.danger is Danger.ALARM:
        await emergency.file(turn, draft, decision)
        return
    await show(turn, draft, decision)


def _draft(turn: Turn) -> Draft:
    """The draft with this message in it."""
    known = drafts.load(turn.conversation.draft) or Draft(turn.now, place=turn.conversation.place)
    message = turn.message
    if not known.joins(turn.now) or not known.subject:
        known = known.with_(subject=f"draft:{turn.message_id}")
        turn.desk.opens(known.subject)
    if policies.is_left(turn, known):
        known = known.with_(pieces=())
    if message.text and message.text not in (one.text for one in known.pieces):
        known = _with_text(turn, known)
    if message.location:
        known = known.with_(location=_coordinates(message.location))
    if message.contact:
        known = known.with_(contact=message.contact)
    return known.with_(attachments=_attachments(turn, known), touched=turn.now, reminded=False)


def _with_text(turn: Turn, draft: Draft) -> Draft:
    text = turn.message.text
    draft = draft.with_(pieces=(*draft.pieces, Piece(turn.message.ref, text)))
    if turn.heard.proxy and draft.source is Source.CHAT:
        draft = draft.with_(source=Source.PROXY, place=None)  # where they scanned is not where she is
    asked = draft.asked_place and not draft.placed
    draft = _located(turn.office, draft, turn.near)
    if asked and draft.place is None and drafts.looks_like_place(text):
        return draft.with_(place_text=text)
    return draft


def _located(office: Office, draft: Draft, near: str | None) -> Draft:
    """The draft with the place that its words name, for the resident to confirm.

    A landmark is enough where there is but one community that it can be in.
    """
    spot = office.spot(draft.lines, near)
    place = spot.area or (None if draft.place in spot.denied else draft.place)
    draft = draft.with_(place=place, room=spot.inside)
    if spot.landmark and not draft.placed and office.organisation.only_community():
        return draft.with_(place_text=spot.landmark)
    return draft


def _coordinates(location: tuple[float, float]) -> str:
    return f"{location[0]:.5f},{location[1]:.5f}"


def _attachments(turn: Turn, draft: Draft) -> tuple[int, ...]:
    room = MOST_PHOTOS - len(draft.attachments)
    return (*draft.attachments, *turn.keep_media(most=max(room, 0)))


async def _added_to(turn: Turn) -> ServiceRequest | None:
    """The open request that this message adds to for sure: it answers a message about it, or [补充]."""
    prompt = turn.conversation.prompt or {}
    asked = prompt["request"] if prompt.get("kind") == "addition" else None
    request = await turn.request_of(turn.card)
    if request is None and asked is not None:
        request = await turn.desk.unit.get(ServiceRequest, asked)
    own = request is not None and request.resident == turn.home().id and request.status in OPEN
    return request if own else None


async def _recent(turn: Turn) -> ServiceRequest | None:
    """The open request that was talked about a moment ago: perhaps this message is about it too."""
    last = turn.conversation.last_request
    request = await turn.desk.unit.get(ServiceRequest, last) if last else None
    if request is None or request.status not in OPEN:
        return None
    return request if turn.now - request.touched_at <= SAME_TALK else None


class Foreseen(NamedTuple):
    """Where a draft will be looked for, which requests it is about by now, and where it will be filed."""

    cells: list[Cell]
    requests: list[int]
    community: str | None


def foreseen(
    message: InboundMessage, talk: Conversation, resident: Resident | None, office: Office
) -> Foreseen:
    """What the draft will be once this message is in it: a guess, so that a batch can ask for all at once."""
    draft = drafts.load(talk.draft)
    about = [*(draft.alike if draft else ()), *([talk.last_request] if talk.last_request else ())]
    if message.kind is Kind.TEXT:
        draft = draft or Draft(_NEVER, place=talk.place)
        draft = draft.with_(pieces=(*draft.pieces, Piece(message.ref, message.text)))
        draft = _located(office, draft, talk.place or (resident.home_area if resident else None))
    if draft is None:
        return Foreseen([], about, None)
    files = message.kind is Kind.TAP and (message.tapped or "").endswith(":submit")
    community = together.community_of(office, draft) if files else None
    return Foreseen(together.cells(office, draft, office.decide(draft.text)), about, community)


# --- the card ---------------------------------------------------------------------------------


async def show(turn: Turn, draft: Draft, decision: Decision) -> None:
    """Post or refresh the summary card with the one question that is open."""
    draft, question = await considered(turn, draft, decision)
    draft = draft.with_(
        asked_place=draft.asked_place or question in (Question.PLACE, Question.SUBJECT_PLACE),
        asked_what=draft.asked_what or question is Question.WHAT,
        notice=draft.notice or turn.notice_due(),
    )
    if guidance.is_asked(question):
        card = await guidance.card(turn, draft, decision, question)
    elif question is Question.POLICY:
        card = policies.card(turn, draft)
    else:
        card = _summary(turn, draft, decision, question, await together.described(turn, draft))
    await turn.desk.show(turn.reply_to, draft.subject, **card)
    if turn.conversation.draft is not None:
        turn.desk.drop_deadlines(account=turn.conversation.account)
    turn.conversation.draft = drafts.store(draft)
    _set_deadlines(turn, question)


COMPLETE = (Question.READY, Question.CATEGORY, Question.SAME, Question.ENDED)


async def considered(turn: Turn, draft: Draft, decision: Decision) -> tuple[Draft, Question]:
    """What to ask next; an answer that was read stays where it is when something else follows."""
    found, question = await _asked(turn, policies.look(turn, draft, decision), decision)
    if found.card is not None and question is not Question.POLICY:
        found = found.with_(card=None)
    if draft.card not in (None, found.card) and await policies.put_away(turn, draft):
        found = below(turn, found)
    return found, question


async def _asked(turn: Turn, draft: Draft, decision: Decision) -> tuple[Draft, Question]:
    """Where only the category may be missing, somebody may have reported the same."""
    question = question_of(turn, draft, decision)
    if question in COMPLETE:
        draft = await together.look(turn, draft, decision)
        question = question_of(turn, draft, decision)
    return draft, question


def question_of(turn: Turn, draft: Draft, decision: Decision) -> Question:
    return next_question(draft, decision, guidance.way_of(turn, draft, decision))


def _summary(turn: Turn, draft: Draft, decision: Decision, question: Question, found: str) -> dict[str, Any]:
    texts, category = turn.office.texts, drafts.settled_category(draft, decision)
    place, elder = _place(turn, draft), turn.home().elder
    return {
        "template": "draft_card",
        "choices": choices(turn, draft, question, decision),
        "hotline": texts.render("hotline_first", {}) if question is Question.DANGER else "",
        "text": texts.render("draft_text", {"text": cut(redact(draft.text))}) if draft.text else "",
        "unnamed": texts.render("unnamed_line", {}) if draft.anonymous else "",
        "photos": texts.render("photos_line", {"count": len(draft.attachments)}) if draft.attachments else "",
        "place": texts.render("place_line", {"place": place}) if place else "",
        "location": texts.render("location_line", {"location": draft.location}) if draft.location else "",
        "category": texts.render("category_line", {"category": turn.office.category_name(category)})
        if category
        else "",
        "question": texts.render(f"ask_{question}", {"found": found}),
        "danger": texts.render(
            "danger_by_word" if elder or question is Question.CATEGORY else "danger_line", {}
        ),
        "notice": texts.render("consent", {}) if draft.notice else "",
    }


def _place(turn: Turn, draft: Draft) -> str:
    """The place as it was understood, down to the room: the resident's own card may show it."""
    place = turn.office.place_name(draft.place) or draft.place_text or ""
    return f"{place} {draft.room}" if place and draft.room else place


_OFFERED: dict[Question, tuple[str, ...]] = {
    Question.ADDITION: ("add_to", "new_one", "cancel", "danger"),
    Question.DANGER: ("danger", "no_danger"),
    Question.PLACE: ("skip_place", "cancel", "danger"),
    Question.SUBJECT_PLACE: ("skip_place", "cancel", "danger"),
    Question.WHAT: ("person", "cancel", "danger"),
    Question.ENDED: ("again", "understood", "cancel", "danger"),
    Question.READY: ("submit", "more", "cancel", "danger"),
}
# Two for 长者版, a person first; only a question of yes or no keeps both of its answers.
_OFFERED_TO_ELDERS: dict[Question, tuple[str, ...]] = {
    Question.ADDITION: ("add_to", "new_one"),
    Question.DANGER: ("danger", "no_danger"),
    Question.PLACE: ("person", "skip_place"),
    Question.SUBJECT_PLACE: ("person", "skip_place"),
    Question.WHAT: ("person", "cancel"),
    Question.ENDED: ("again", "understood"),
    Question.READY: ("person", "submit"),
}


def choices(turn: Turn, draft: Draft, question: Question, decision: Decision) -> list[Choice]:
    """The buttons for a question; two for somebody in 长者版."""
    elder = turn.home().elder
    if question is Question.SAME:
        return [*together.choices(turn.desk, draft), *([] if elder else turn.desk.choices("danger"))]
    if question is not Question.CATEGORY:
        return turn.desk.choices(*(_OFFERED_TO_ELDERS if elder else _OFFERED)[question])
    likely = decision.candidates[: 1 if elder else 3]
    named = [Choice(f"category:{one.category}", turn.office.category_name(one.category)) for one in likely]
    return [*turn.desk.choices("person"), *named] if elder else [*named, *turn.desk.choices("category:none")]


def _set_deadlines(turn: Turn, question: Question) -> None:
    account = turn.conversation.account
    turn.desk.due_in("draft_quiet", QUIET, account=account)
    turn.desk.due_in("draft_drop", EXPIRES, account=account)
    if question is Question.DANGER:
        turn.desk.due_in("danger_silent", DANGER_ANSWER, account=account)


def cut(text: str, length: int = SHOWN) -> str:
    """The text shortened for a card; a character is never cut in two."""
    return text if len(text) <= length else text[: length - 1] + "…"


# --- a button of the card ---------------------------------------------------------------------


async def answer(turn: Turn) -> None:
    """A tap on the summary card, or the same word typed."""
    draft = drafts.load(turn.conversation.draft)
    action = turn.tap.action if turn.tap else turn.command or ""
    if draft is None:
        turn.desk.say(turn.reply_to, "nothing_open")
        return
    decision = turn.office.decide(draft.text)
    if action == "cancel":
        await cancel(turn, draft)
    elif action == "more":
        turn.desk.say(turn.reply_to, "more_please")
        turn.conversation.draft = drafts.store(draft.with_(touched=turn.now))
    elif action == "submit":
        await submit(turn, draft, decision)
    elif action == "add_to":
        await _add(turn, draft, decision)
    elif action == "same":
        await _same(turn, draft, decision)
    elif action == "not_same":
        await _not_this(turn, draft, decision)
    elif action == "again" and draft.ended is not None:
        again = draft.with_(apart=True, follows=draft.ended.number, category=draft.ended.category)
        await _go_on(turn, again, decision)
    elif action in ("agree", "help_me"):
        await _go_on(turn, _agreed(turn, draft, decision), decision)
    elif action in ("not_now", "understood"):
        await _leave(turn, draft, decision)
    else:
        await show(turn, _answered(draft, action, turn.tap.value if turn.tap else ""), decision)


def _answered(draft: Draft, action: str, value: str) -> Draft:
    """The draft with the answer that a button gave."""
    if action == "category":
        return draft.with_(category=None if value == "none" else value, category_refused=value == "none")
    changes: dict[str, dict[str, object]] = {
        "no_danger": {"danger_denied": True},
        "skip_place": {"place_skipped": True},
        "new_one": {"adds_to": None, "anew": True},
    }
    return draft.with_(**changes.get(action, {}))


async def _same(turn: Turn, draft: Draft, decision: Decision) -> None:
    which = int(turn.tap.value or 0) if turn.tap else 0
    if not await together.join(turn, draft, which):
        await _go_on(turn, draft.with_(apart=True), decision)


async def _not_this(turn: Turn, draft: Draft, decision: Decision) -> None:
    """[不是]: another matter, or another card. Under a card that is out of date it says nothing any more."""
    question = question_of(turn, draft, decision)
    if question is Question.SAME:
        await _go_on(turn, draft.with_(apart=True), decision)
    elif question is Question.POLICY:
        await _go_on(turn, policies.refused(draft), decision)
    else:
        await show(turn, draft, decision)


def _agreed(turn: Turn, draft: Draft, decision: Decision) -> Draft:
    """The resident wants people to come."""
    if question_of(turn, draft, decision) is Question.POLICY:
        return policies.person(turn, draft, decision)
    return guidance.agreed(turn, draft, decision)


async def _go_on(turn: Turn, draft: Draft, decision: Decision) -> None:
    """An answer that leaves nothing to ask is as good as [提交]."""
    draft, question = await considered(turn, draft, decision)
    await (submit if question is Question.READY else show)(turn, draft, decision)


async def _leave(turn: Turn, draft: Draft, decision: Decision) -> None:
    """The resident knows enough: of what was only guided a count stays, of what was done already nothing."""
    question = question_of(turn, draft, decision)
    if guidance.is_asked(question):
        await guidance.leave(turn, draft, decision)
    elif question is Question.POLICY:
        await policies.leave(turn, draft, decision)
    elif question is Question.ENDED:
        await cancel(turn, draft)
    else:
        await show(turn, draft, decision)  # said under an older card, while something else is being reported


async def submit(turn: Turn, draft: Draft, decision: Decision) -> None:
    """File the draft where nothing is missing any more; otherwise ask what is.

    Somebody may have reported the same since the card was shown: that is asked once. An answer instead of
    a report was not enough, then.
    """
    question = question_of(turn, draft, decision)
    if question in (Question.SAME, Question.ENDED):
        draft = draft.with_(apart=True)
    if question is Question.POLICY:
        draft = policies.person(turn, draft, decision)
    draft, question = await considered(turn, draft, decision)
    if question is Question.CATEGORY:
        draft = draft.with_(category_refused=True)
    elif question is not Question.READY:
        await show(turn, draft if turn.tap else below(turn, draft), decision)
        return
    request = await filing.file_request(turn, draft, decision)
    await finish(turn, draft, request)


def below(turn: Turn, draft: Draft) -> Draft:
    """The draft with a new card, under what was just typed; the old one would only stay as it is."""
    draft = draft.with_(subject=f"draft:{turn.message_id}")
    turn.desk.opens(draft.subject)
    return draft


async def finish(turn: Turn, draft: Draft, request: ServiceRequest, *, silently: bool = True) -> None:
    """Turn the summary card into the receipt; `silently` where the resident is looking at it anyway."""
    turn.desk.drop_deadlines(account=turn.conversation.account)
    masked = is_masked(draft.text)
    receipt = replies.receipt(turn.desk, request, elder=turn.home().elder, masked=masked)
    if silently:
        await turn.desk.show(turn.reply_to, draft.subject, **receipt)
    else:
        await turn.desk.show(turn.reply_to, draft.subject, "draft_filed", number=request.number)
        turn.desk.say(turn.reply_to, **receipt)


async def cancel(turn: Turn, draft: Draft) -> None:
    turn.conversation.draft = None
    turn.desk.drop_deadlines(account=turn.conversation.account)
    await turn.desk.show(turn.reply_to, draft.subject, "draft_cancelled")


async def _add(turn: Turn, draft: Draft, decision: Decision) -> None:
    """What was said joins the request; where that has ended in the meantime, it is a report of its own."""
    request = await turn.desk.unit.get(ServiceRequest, draft.adds_to) if draft.adds_to else None
    if request is None or request.status not in OPEN:
        await show(turn, draft.with_(adds_to=None, anew=True), decision)
        return
    turn.conversation.draft = None
    turn.desk.drop_deadlines(account=turn.conversation.account)
    await filing.add_to_request(turn.desk, request, draft)
    await turn.desk.show(turn.reply_to, draft.subject, "added", request=request, number=request.number)


async def call_person(turn: Turn) -> None:
    """[叫网格员]: whatever has been said goes to the grid member as it is, unless consent is missing."""
    known = drafts.load(turn.conversation.draft)
    said = turn.office.decide(known.text if known else "")
    if known is None or guidance.is_confided(turn, known, said):
        # The bot's own words are no report: whatever rules make of them would be somebody else's matter.
        known, said = _bare(turn, known), turn.office.decide("")
    request = await filing.file_request(turn, known, said, direct=True)
    await finish(turn, known, request)


def _bare(turn: Turn, known: Draft | None) -> Draft:
    """Only that somebody is wanted, and where."""
    return Draft(
        turn.now,
        pieces=(Piece(turn.message.ref, turn.office.texts.render("wants_person", {})),),
        place=known.place if known else turn.conversation.place,
        subject=known.subject if known else f"draft:{turn.message_id}",
    )


def is_piece(turn: Turn) -> bool:
    """Whether the message carries anything that a report can be made of."""
    message = turn.message
    return message.kind in (Kind.TEXT, Kind.PHOTO, Kind.VOICE, Kind.LOCATION, Kind.CONTACT) and bool(
        message.text or message.media or message.location or message.contact
    )
