"""What the bot does with a message: the ordered table of handlers, first match wins.

Read it from top to bottom. Groups come before private talk, danger before everything a resident may want,
and what nobody claims becomes part of a report.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from handlers import (
    by_word,
    byhand,
    chiefs,
    delivery,
    emergency,
    joining,
    leave,
    manners,
    membership,
    orders,
    patrol,
    privacy,
    progress,
    report,
    tasks,
    together,
    welcome,
)
from handlers.desk import RefusalError
from handlers.messages import Kind
from handlers.turn import Turn
from storage.tables import Notification

_ANSWERS = {"submit", "more", "cancel", "category", "no_danger", "skip_place", "new_one", "add_to"}
# These words are ordinary talk unless they were offered: “是” may answer anything.
_OFFERED = {"same", "not_same", "again", "understood", "agree", "help_me", "not_now"}
_SPOKEN = (Kind.TEXT, Kind.PHOTO, Kind.VOICE, Kind.START)


class Entry(NamedTuple):
    """One row: what it is about, when it applies, who does it."""

    about: str
    matches: Callable[[Turn], bool]
    handle: Callable[[Turn], Awaitable[None]]


def _kind(turn: Turn, *kinds: Kind) -> bool:
    return turn.message.kind in kinds


def _private(turn: Turn) -> bool:
    return turn.message.private


def _action(turn: Turn) -> str:
    """What was pressed, or typed as a word instead."""
    return turn.tap.action if turn.tap else turn.command or ""


def _offered(turn: Turn) -> str:
    return turn.tap.action if turn.tap else ""


def _is_order(turn: Turn) -> bool:
    return _kind(turn, Kind.TEXT) and orders.find(turn.office.texts, turn.message.text.strip()) is not None


def _to_staff(said: Notification) -> bool:
    """Said to a member as such; about a request an account is spoken to as its member's only."""
    kind = said.chat.partition(":")[0]
    return kind == "member" or (kind == "account" and said.request is not None)


def _staff_offer(turn: Turn) -> bool:
    return turn.tap is not None and _to_staff(turn.tap.offer)


def _staff_card(turn: Turn) -> bool:
    return turn.card is not None and _to_staff(turn.card) and turn.member is not None


def _staff_reply(turn: Turn) -> bool:
    return _staff_card(turn) and _kind(turn, Kind.TEXT, Kind.PHOTO, Kind.VOICE)


def _awaited(turn: Turn) -> bool:
    """Whether a button of ours asked this member for a text."""
    prompt = turn.conversation.prompt
    return prompt is not None and prompt["kind"] != "addition"


def _prompted(turn: Turn) -> bool:
    """The awaited text; in a group it must answer a card of that request."""
    if not _awaited(turn) or not _kind(turn, Kind.TEXT, Kind.PHOTO) or turn.tap:
        return False
    if _private(turn):
        return turn.command is None
    prompt = turn.conversation.prompt or {}
    return turn.card is not None and turn.card.request == prompt["request"]


def _own_words(turn: Turn) -> bool:
    """A resident's own words, not a word that stands for a button, nor what staff write on their cards."""
    words = _private(turn) and bool(turn.message.text) and turn.tap is None and turn.command is None
    return words and not by_word.asked(turn) and not _prompted(turn) and not _staff_card(turn)


def _purpose(turn: Turn) -> bool:
    """What somebody who wants to see an original needs it for."""
    prompt = turn.conversation.prompt
    return prompt is not None and prompt["kind"] == "reveal" and _prompted(turn)


def _lone_number(turn: Turn) -> bool:
    """Where choices have numbers somebody may answer one that is not there any more."""
    text, talk = turn.message.text.strip(), turn.conversation
    return _kind(turn, Kind.TEXT) and len(text) == 1 and text.isdecimal() and not (talk.draft or talk.prompt)


HANDLERS: tuple[Entry, ...] = (
    Entry("gone for good", lambda t: _kind(t, Kind.LEFT), privacy.left),
    Entry("what became of a message", lambda t: _kind(t, Kind.OUTCOME), delivery.outcome),
    Entry("notices allowed", lambda t: _kind(t, Kind.GRANTED), membership.left_alone),
    Entry(
        "blocked or unblocked",
        lambda t: _kind(t, Kind.MEMBERSHIP) and _private(t),
        membership.private_changed,
    ),
    Entry(
        "staff group joined or left",
        lambda t: _kind(t, Kind.MEMBERSHIP) and t.group is not None,
        membership.group_changed,
    ),
    Entry("added to an unknown group", lambda t: _kind(t, Kind.MEMBERSHIP), membership.unknown_group),
    Entry("a group's new address", lambda t: _kind(t, Kind.MIGRATED), membership.left_alone),
    Entry("a joining code in a group", lambda t: joining.asked(t) and not _private(t), joining.in_group),
    Entry("a joining code", joining.asked, joining.bind),
    Entry("a word with a number", by_word.asked, by_word.given),
    Entry("asking for leave", lambda t: _private(t) and leave.asked(t), leave.ask),
    Entry("what a look is for", _purpose, privacy.purpose_given),
    Entry("the text a button asked for", _prompted, tasks.prompted),
    Entry("that text is called off", lambda t: _action(t) == "cancel" and _awaited(t), tasks.called_off),
    Entry("tap on a group card", lambda t: t.group is not None and t.tap is not None, chiefs.tapped),
    Entry("reply to a group card", lambda t: t.group is not None and t.card is not None, chiefs.replied),
    Entry("talk in a staff group", lambda t: t.group is not None, membership.left_alone),
    Entry("talk in another group", lambda t: not _private(t) and _kind(t, *_SPOKEN), membership.wrong_group),
    Entry("anything else in a group", lambda t: not _private(t), membership.left_alone),
    Entry("posted by hand", lambda t: _staff_offer(t) and _action(t) == "posted", byhand.posted),
    Entry("merging, by button", lambda t: _staff_offer(t) and _action(t) in orders.TAPPED, orders.tapped),
    Entry("tap on a private card", lambda t: _staff_offer(t) and _action(t) in tasks.ACTIONS, tasks.tapped),
    Entry("what a look is for", lambda t: _staff_offer(t) and _action(t) == "purpose", privacy.purpose_given),
    Entry("the second of two", lambda t: _staff_offer(t) and _action(t).endswith("agree"), privacy.decided),
    Entry("what is sealed is wanted", lambda t: _kind(t, Kind.TEXT) and privacy.asked(t), privacy.ask),
    Entry("an order under a private card", lambda t: _staff_card(t) and _is_order(t), orders.given),
    Entry("which deputy", lambda t: _staff_offer(t) and _action(t) == "deputy", leave.chosen),
    Entry("standing in", lambda t: _staff_offer(t) and _action(t) == "stand_in", leave.answered),
    Entry("back from leave", lambda t: _action(t) == "back" and t.member is not None, leave.back),
    Entry("reply to a private card", _staff_reply, tasks.replied),
    Entry("danger", lambda t: _action(t) == "danger", emergency.pressed),
    Entry("a scanned code", lambda t: _kind(t, Kind.START), welcome.scanned),
    Entry("patrol", lambda t: _action(t) == "patrol" and t.member is not None, patrol.check_in),
    Entry("a person is wanted", lambda t: _action(t) == "person", report.call_person),
    Entry("an answer to the draft's card", lambda t: _action(t) in _ANSWERS, report.answer),
    Entry("is it the same, is help wanted", lambda t: _offered(t) in _OFFERED, report.answer),
    Entry("one more household", lambda t: _offered(t) == "me_too", together.me_too),
    Entry("how does it stand", lambda t: _action(t) == "progress", progress.overview),
    Entry("acting on a request", lambda t: _action(t) in progress.ACTIONS, progress.act),
    Entry("one's own data", lambda t: _action(t) in privacy.ACTIONS, privacy.act),
    Entry("help", lambda t: _action(t) == "help", welcome.help_),
    Entry("one's own account number", lambda t: _action(t) == "id", welcome.tell_id),
    Entry("长者版", lambda t: _action(t) == "elder", welcome.set_elder),
    Entry("a button that says nothing any more", lambda t: _kind(t, Kind.TAP), welcome.stale),
    Entry("a request's number", lambda t: _kind(t, Kind.TEXT) and progress.is_number(t), progress.query),
    Entry("a corrected message", lambda t: _kind(t, Kind.EDITED), report.edited),
    Entry("muted for a while", manners.is_muted, manners.ask_to_wait),
    Entry("the same words again and again", manners.is_flood, manners.let_pass),
    Entry("insults and nothing else", manners.is_only_insult, manners.let_pass),
    Entry("small talk or a trial", manners.is_small_talk, manners.greet),
    Entry("thanks", manners.is_thanks, manners.take_thanks),
    Entry("a child writes", manners.is_child, manners.find_adult),
    Entry("talk of matters elsewhere", manners.is_elsewhere, manners.not_ours),
    Entry("a number that answers nothing", _lone_number, welcome.stale_number),
    Entry("a piece of a report", report.is_piece, report.piece),
    Entry("nothing that concerns us", lambda t: _kind(t, Kind.IGNORED), membership.left_alone),
    Entry("what we cannot read", lambda _: True, welcome.unsupported),
)


async def handle(turn: Turn) -> str:
    """Hand the message to the first entry that matches; returns what the entry is about.

    An expected refusal becomes the polite answer that it carries; anything else is the caller's.
    """
    if _own_words(turn):
        manners.heed(turn)
    entry = next(entry for entry in HANDLERS if entry.matches(turn))
    try:
        await entry.handle(turn)
    except RefusalError as refusal:
        turn.refused = refusal.template
        turn.desk.say(_answer_to(turn), refusal.template, **refusal.args_)
    return entry.about


def _answer_to(turn: Turn) -> str:
    """Where a refusal is said: the group or private chat that the message came from."""
    if turn.group is not None or by_word.asked(turn):
        return turn.where
    staff = _staff_offer(turn) or _staff_card(turn) or (_prompted(turn) and turn.account.member)
    return turn.staff_reply_to if staff else turn.reply_to
