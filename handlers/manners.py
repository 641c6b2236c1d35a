"""How the bot takes what is no report: insults, small talk, a flood of the same, a child."""

from dataclasses import replace

from handlers import drafts, filing, policies
from handlers.desk import to_member
from handlers.drafts import Draft, Piece, Source, looks_like_place
from handlers.turn import Turn
from routing.choose import candidates
from routing.classify import Danger, Outcome, decide
from routing.manners import (
    MODERATOR_AT,
    MUTE_FROM,
    MUTED_FOR,
    SAME_AT_MOST,
    listen,
    said_again,
    strikes,
)
from routing.organisation import Role
from routing.places import find_place
from routing.rules import Rules

_LEVELS = list(Danger)  # from none to alarm
_NOTHING_LEFT = 6  # letters beside an insult that hardly say what is wrong: 你们这些……滚


def heed(turn: Turn) -> None:
    """Listen how it is said, before anybody handles it: from here on nobody sees an insult."""
    heard = turn.heard = listen(turn.message.text, turn.office.manners)
    turn.conversation.repeated = said_again(turn.conversation.repeated, turn.message.text, turn.now)
    if heard.insulted:
        _strike(turn)
        text = without_insults(turn.message.text, heard.text, turn.office.rules)
        turn.message = replace(turn.message, text=text)


def without_insults(text: str, masked: str, rules: Rules) -> str:
    """The masked text, unless the words behind the mask tell of danger: a mask never hides that."""
    return masked if _danger(masked, rules) >= _danger(text, rules) else text


def _danger(text: str, rules: Rules) -> int:
    """How dangerous a text sounds, to be compared."""
    return _LEVELS.index(decide(text, rules).danger)


def _harmless(turn: Turn) -> bool:
    return turn.office.decide(turn.message.text).danger is Danger.NONE


def _says_nothing(turn: Turn) -> bool:
    """No danger and no matter: not understood, or taken for idle talk or abuse.

    What is left of an insult, 你们这些※※, is not quite abuse any more. There it is enough that abuse is among
    the guesses, as long as nobody would be sent for the best of them.
    """
    decision = turn.office.decide(turn.message.text)
    best, leaves = turn.office.leaf(decision.category), turn.office.rules.leaves
    if decision.danger is not Danger.NONE:
        return False
    if best is None or not best.alone:
        return True
    idle = any(not leaves[one.category].alone for one in decision.candidates)
    return idle and best.guided and decision.outcome is Outcome.ASK


# --- insults ----------------------------------------------------------------------------------


def _strike(turn: Turn) -> None:
    """The first insults get a calm sentence, the third a pause; at the fifth somebody else looks at it."""
    resident = turn.home()
    resident.strikes = strikes(resident.strikes or (), turn.now)
    if len(resident.strikes) == MODERATOR_AT:
        _tell_moderator(turn)
    if resident.muted_until is not None and resident.muted_until > turn.now:
        return
    if len(resident.strikes) < MUTE_FROM:
        turn.desk.say(turn.reply_to, "calm")
        return
    resident.muted_until = turn.now + MUTED_FOR
    turn.desk.say(turn.reply_to, "muted", until=turn.office.when(resident.muted_until))


def _tell_moderator(turn: Turn) -> None:
    """Without the words: how often is enough to decide whether somebody should talk to them."""
    place, organisation = turn.conversation.place, turn.office.organisation
    community = organisation.only_community()
    area = place or (community.code if community else None)
    found = candidates(organisation, area, (Role.MODERATOR,), turn.now)
    for member in [one.member.code for one in found] or filing.dispatchers(turn.desk, area):
        turn.desk.say(
            to_member(member), "moderator_note", count=MODERATOR_AT, place=turn.office.place_name(area)
        )


def is_only_insult(turn: Turn) -> bool:
    """An insult and nothing that could be a report or an answer to a question."""
    left = turn.heard.left
    if not turn.heard.insulted or turn.message.media:
        return False
    if len(left) > _NOTHING_LEFT or looks_like_place(left):
        return False
    return _says_nothing(turn)


async def let_pass(turn: Turn) -> None:
    """What there was to say was said when it was heard."""


def is_muted(turn: Turn) -> bool:
    """Free text waits for the end of the pause, danger never. What brought the pause is still heard."""
    until = turn.resident.muted_until if turn.resident else None
    if not turn.heard.text or until is None or not until - MUTED_FOR < turn.now < until:
        return False
    return _harmless(turn)


async def ask_to_wait(turn: Turn) -> None:
    """Once in a pause: who has to wait need not be told at every message."""
    until = turn.home().muted_until
    key = f"muted:{turn.home().id}:{until}"
    await turn.desk.say_once(key, turn.reply_to, "still_muted", until=turn.office.when(until))


# --- small talk -------------------------------------------------------------------------------


def is_flood(turn: Turn) -> bool:
    """The same words once more after they were answered three times."""
    repeated = turn.conversation.repeated
    if not turn.heard.text or repeated is None or repeated["count"] <= SAME_AT_MOST:
        return False
    return _harmless(turn)


def is_small_talk(turn: Turn) -> bool:
    return turn.heard.small_talk and _is_unasked(turn)


async def greet(turn: Turn) -> None:
    notice = turn.office.texts.render("consent", {}) if turn.notice_due() else ""
    turn.desk.say(turn.reply_to, "greeting", notice=notice)


def is_thanks(turn: Turn) -> bool:
    """Thanks while nothing is open, or for an answer; in the middle of a report “好的” may be one."""
    return turn.heard.thanks and _is_unasked(turn) and (turn.conversation.draft is None or _is_answered(turn))


def _is_answered(turn: Turn) -> bool:
    return bool(turn.conversation.draft and turn.conversation.draft.get("card"))


async def take_thanks(turn: Turn) -> None:
    draft = drafts.load(turn.conversation.draft)
    if draft is not None:
        await policies.leave(turn, draft, turn.office.decide(draft.text))
    turn.desk.say(turn.reply_to, "thanked")


def _is_unasked(turn: Turn) -> bool:
    """Words alone, no caption of a photo, and no answer to what a handler has asked."""
    return not turn.message.media and turn.conversation.prompt is None and turn.card is None


# --- not ours, or not for a child -------------------------------------------------------------


def is_elsewhere(turn: Turn) -> bool:
    """Politics, press and rumours, with nothing of the neighbourhood in them."""
    if not turn.heard.elsewhere or turn.conversation.draft is not None or not _is_unasked(turn):
        return False
    return _says_nothing(turn)


async def not_ours(turn: Turn) -> None:
    """Nothing is kept of it; the counter of handled messages says how often it happens."""
    turn.desk.say(turn.reply_to, "not_ours")


def is_child(turn: Turn) -> bool:
    """An alarm is an alarm, whoever raises it."""
    if not turn.heard.child or not _is_unasked(turn):
        return False
    return turn.office.decide(turn.message.text).danger is not Danger.ALARM


async def find_adult(turn: Turn) -> None:
    """A child is asked to fetch an adult, nothing else; the duty desk hears just what it needs to help."""
    texts, frightened = turn.office.texts, not _harmless(turn)
    said = turn.message.text if frightened else texts.render("child_wrote", {})
    draft = drafts.load(turn.conversation.draft) or Draft(
        turn.now, place=turn.conversation.place, subject=f"draft:{turn.message_id}"
    )
    draft = draft.with_(
        pieces=(*draft.pieces, Piece(turn.message.ref, said)),
        place=find_place(turn.message.text, turn.office.places, turn.near) or draft.place,
        source=Source.CHILD,
        category=None,
        category_refused=True,
    )
    request = await filing.file_request(turn, draft, turn.office.decide(turn.message.text))
    await filing.retire_draft(turn, draft, request)
    hotline = texts.render("hotline_first", {}) if frightened else ""
    turn.desk.say(turn.reply_to, "child", request=request, hotline=hotline)
