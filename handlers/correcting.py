"""A category is put right, by the resident or by staff: the request goes on its way once more."""

from handlers import cards, feedback, filing, lifecycle, replies
from handlers.desk import Desk, RefusalError
from handlers.messages import Choice
from handlers.turn import Turn
from routing.classify import decide
from routing.rules import Leaf, Rules
from routing.text import normalize
from routing.transitions import WORKING, Actor, Event
from storage.tables import ServiceRequest

MOST_OFFERED = 3
RESIDENT = "resident"


async def ask(turn: Turn, request: ServiceRequest) -> None:
    """[改分类]: the other candidates, or none of them."""
    if request.status not in WORKING:
        raise RefusalError("not_now", number=request.number)
    codes = [one["category"] for one in request.decision.get("candidates", [])]
    others = [one for one in codes if one != request.category and turn.office.leaf(one) is not None]
    shown = others[: 1 if turn.home().elder else MOST_OFFERED]
    named = [Choice(f"reclass_to:{one}", turn.office.category_name(one)) for one in shown]
    none = Choice("reclass_to:none", turn.office.texts.label("category:none"))
    current = turn.office.category_name(request.category)
    turn.desk.say(
        turn.reply_to,
        "ask_reclass",
        request=request,
        choices=[*named, none],
        number=request.number,
        category=current,
    )


async def chosen(turn: Turn, request: ServiceRequest) -> None:
    """The resident says what it is instead; where nothing fits, a person looks at it."""
    leaf = turn.office.leaf(turn.tap.value if turn.tap else "")
    lifecycle.check(request, Event.RECLASSIFY if leaf else Event.TRIAGE, Actor.RESIDENT)
    turn.desk.say(turn.reply_to, "reclass_thanks", request=request, number=request.number)
    if leaf is not None:
        await put_right(turn.desk, request, leaf, Actor.RESIDENT, RESIDENT)
        return
    told = await _correct(turn.desk, request, None, RESIDENT)
    await lifecycle.advance(turn.desk, request, Event.TRIAGE, Actor.RESIDENT, RESIDENT)
    await filing.post_to_dispatchers(turn.desk, request, told)


async def put_right(desk: Desk, request: ServiceRequest, leaf: Leaf, actor: Actor, who: str) -> None:
    """Another category, another person, other limits; the clocks start anew. Raises RefusalError."""
    lifecycle.check(request, Event.RECLASSIFY, actor)
    before = request.category
    told = await _correct(desk, request, leaf, who)
    request.claimed_by, request.seen_by, request.not_here_by = None, [], []
    await lifecycle.advance(
        desk, request, Event.RECLASSIFY, actor, who, before_category=before, after_category=leaf.code
    )
    await filing.assign(desk, request, told)
    await replies.tell_assigned(desk, request)


async def _correct(desk: Desk, request: ServiceRequest, leaf: Leaf | None, who: str) -> cards.Brief:
    """Write the new category and remember the mistake, for better keywords."""
    told = await cards.brief(desk, request)
    feedback.remember(desk, request, request.category, leaf.code if leaf else None, who, told.text)
    filing.put_under(desk, request, leaf)
    return told


def named(rules: Rules, words: str) -> Leaf:
    """The category that staff named: by code, by its name or a part of it, else as a resident would say it.

    Raises RefusalError where none is recognised.
    """
    plain = normalize(words)
    exact = [one for one in rules.leaves.values() if plain in (normalize(one.code), normalize(one.name))]
    part = [one for one in rules.leaves.values() if plain and plain in normalize(one.name)]
    guess = decide(words, rules).category
    found = exact or (part if len(part) == 1 else []) or ([rules.leaves[guess]] if guess else [])
    if not found:
        raise RefusalError("category_unclear")
    return found[0]
