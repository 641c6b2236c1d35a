"""A word with a number, wherever it is said, is the button of that request's card: 收到 37号, 办结 12345."""

from dataclasses import dataclass
from typing import Any

from handlers import byhand, cards, chiefs, tasks
from handlers.desk import Desk, RefusalError
from handlers.messages import Kind
from handlers.turn import Turn
from routing.organisation import Member
from routing.transitions import WITH_HANDLER, Status
from storage import queries
from storage.tables import HandCode, ServiceRequest

_POSTED = "posted"
_ACTIONS = chiefs.ACTIONS | {_POSTED}


def asked(turn: Turn) -> bool:
    """Whether this is such a word, from a member, or from somebody who is not amid a report.

    There “好的，3号” is rather where they live.
    """
    if turn.message.kind is not Kind.TEXT or turn.tap is not None or _said(turn) is None:
        return False
    if turn.message.private:
        return turn.account.member is not None or turn.conversation.draft is None
    return turn.group is not None


def _said(turn: Turn) -> tuple[str, str] | None:
    """The action and the number or code."""
    said = turn.office.texts.numbered(turn.message.text)
    return said if said is not None and said[0] in _ACTIONS else None


async def given(turn: Turn) -> None:
    """Who is nobody's chief learns nothing, not even whether there is such a request."""
    member, (action, number) = turn.member, _said(turn) or ("", "")
    if member is None:
        await _refuse(turn)
        return
    hand = await byhand.behind(turn.desk, number)
    request = await _meant(turn, member, number, hand)
    if request is None or (action == _POSTED and hand is None):
        raise RefusalError("number_unknown", number=number.upper())
    if not chiefs.concerns(turn.desk, member, request):
        await _refuse(turn)
    elif hand is not None and action == _POSTED:
        await byhand.note_posted(turn, member, hand)
    elif request.status not in WITH_HANDLER:
        _answer(turn, request, "word_over")
    else:
        await _act(turn, request, member, _by_code(action) if hand is not None else action)


def _by_code(action: str) -> str:
    """A posted text asks who goes, and 收到 is the one answer that it names: there it claims."""
    return "claim" if action == "seen" else action


async def _meant(turn: Turn, member: Member, number: str, hand: HandCode | None) -> ServiceRequest | None:
    """By its whole number, else of the open ones in their communities that end so: theirs, or the newest."""
    if hand is not None:
        return await byhand.request_of(turn.desk, hand)
    if not number.isdigit():
        return await turn.desk.unit.run(queries.request_by_number, number)
    organisation = turn.office.organisation
    posts = organisation.acting(member.code, turn.now)
    communities = {one.code for post in posts if (one := organisation.community(post.area))}
    found = await turn.desk.unit.run(queries.all_open_by_short_number, communities, int(number))
    theirs = (one for one in found if member.code in (one.claimed_by, *cards.handlers_of(one)))
    return next(theirs, found[0] if found else None)


async def _refuse(turn: Turn) -> None:
    if turn.group is None:
        raise RefusalError("not_on_roster")
    await chiefs.refuse_stranger(turn, f"{turn.account.id}:{turn.group.id}")


async def _act(turn: Turn, request: ServiceRequest, member: Member, action: str) -> None:
    """Whoever has the request says in private what the buttons of their own card do."""
    if turn.message.private and member.code in cards.handlers_of(request) and action in tasks.WORDS:
        await tasks.worded(turn, request, member, action)
        return
    before = request.claimed_by
    await chiefs.act(turn, request, action)
    _confirm(turn, request, action, before)


def _confirm(turn: Turn, request: ServiceRequest, action: str, before: str | None) -> None:
    """What a tap shows on the card is said in words here: who has it, and what comes next."""
    if action == "finish" and (turn.group is None or turn.card_at_hand):
        return  # the question for the result has been put
    if action in _CLAIMED and before is not None:
        _answer(turn, request, "word_mine" if before == turn.account.member else "word_taken")
    else:
        _answer(turn, request, f"word_{action}")


_CLAIMED = ("claim", "seen")  # of what is claimed already


def _answer(turn: Turn, request: ServiceRequest, template: str) -> None:
    """Said where the word was said; in a group to whoever said it."""
    turn.desk.say(
        turn.where,
        template,
        request=request,
        reply_to=turn.message.ref if turn.group is not None else None,
        short=request.number.rpartition("-")[2].lstrip("0"),
        who=turn.office.title(request.claimed_by, turn.now),
        **cards.facts(turn.desk, request),
    )


# --- on the page behind a code ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page may show of a request: its facts, who has it already, whether it waits for an answer."""

    facts: dict[str, Any]
    taken: str
    waits: bool


async def look(desk: Desk, code: str, lookup: str) -> Seen:
    """What is behind a posted text's code, for the owner of this account. Raises RefusalError."""
    account = (await desk.unit.run(queries.accounts_by_lookup, [lookup])).get(lookup)
    member = desk.office.organisation.members.get(account.member or "") if account else None
    hand = await byhand.behind(desk, code)
    if hand is None:
        raise RefusalError("hand_page_unknown")
    request = await byhand.request_of(desk, hand)
    if member is None or not chiefs.concerns(desk, member, request):
        raise RefusalError("not_on_roster")
    told = cards.facts(desk, request)
    told["place"] = cards.building(told["place"])
    who = desk.office.title(request.claimed_by, desk.now)
    taken = desk.office.texts.render("word_taken", {**told, "who": who}) if request.claimed_by else ""
    has_it = member.code in cards.handlers_of(request) and request.status is not Status.ASSIGNED
    return Seen(told, taken, request.status in WITH_HANDLER and not (request.claimed_by or has_it))
