"""What needs nobody, or nobody without consent: the bot explains, and people come only when asked."""

from typing import Any

from handlers import cards, drafts, filing, lifecycle
from handlers.desk import RefusalError, to_resident
from handlers.drafts import Draft, Question
from handlers.messages import Choice
from handlers.turn import Turn
from routing.classify import Decision
from routing.guidance import Way, way
from routing.organisation import DISPATCHERS, Member, Role
from routing.rules import Leaf
from routing.transitions import Actor, Event
from storage import queries
from storage.tables import ServiceRequest

LEAST_BASIS = 10
_ASKED = (Question.GUIDANCE, Question.CONSENT)
_REFUSERS = (Role.COMMUNITY, Role.VILLAGE_COMMITTEE, Role.STREET)


def way_of(turn: Turn, draft: Draft, decision: Decision) -> Way:
    """How the category that the draft has by now is treated."""
    return way(turn.office.leaf(drafts.settled_category(draft, decision)), turn.office.roles)


def is_confided(turn: Turn, draft: Draft, decision: Decision) -> bool:
    """Whether it is, or seems to be, something that nobody may see before the resident agrees."""
    settled = drafts.settled_category(draft, decision)
    guess = settled or (None if draft.category_refused else decision.category)
    private = way(turn.office.leaf(guess), turn.office.roles) is Way.CONSENT
    return private and draft.agreed != guess


# --- the card ---------------------------------------------------------------------------------


async def card(turn: Turn, draft: Draft, decision: Decision, question: Question) -> dict[str, Any]:
    """The guidance, or the question for consent, as arguments of `Desk.show`; the words are not repeated."""
    texts, elder = turn.office.texts, turn.home().elder
    leaf = turn.office.leaf(drafts.settled_category(draft, decision))
    return {
        "template": f"{question}_card",
        "choices": choices(turn, draft, leaf, question),
        "reply": texts.fill(leaf.first_reply, await _facts(turn, leaf)) if leaf else "",
        "danger": texts.render("danger_by_word" if elder else "danger_line", {}),
        "notice": texts.render("consent", {}) if draft.notice else "",
    }


async def _facts(turn: Turn, leaf: Leaf) -> dict[str, str]:
    """What a first reply may name; the office's own lists are facts of the text file."""
    facts = {"handler": turn.office.texts.label("community_desk")}
    if "{recent_list}" in leaf.first_reply:
        found = await turn.desk.unit.run(queries.concerning, turn.home().id)
        facts["recent_list"] = "、".join(f"{one.number}{_status(turn, one)}" for one in found) or "无"
    return facts


def _status(turn: Turn, request: ServiceRequest) -> str:
    return turn.office.texts.label(f"status_{request.status}")


def choices(turn: Turn, draft: Draft, leaf: Leaf | None, question: Question) -> list[Choice]:
    """[请社区帮忙] or [要调解] first, then no thanks; the category's own word for it where it has one."""
    asks = "agree" if question is Question.CONSENT else "help_me"
    labels = turn.office.texts.labels
    name = f"{asks}:{leaf.code}" if leaf else asks
    if leaf is not None and filing.volunteers(turn, draft, leaf):
        name = "help_me:volunteer"
    offered = [Choice(asks, labels.get(name, labels[asks]))]
    offered += turn.desk.choices("not_now" if question is Question.CONSENT else "understood")
    return offered if turn.home().elder else [*offered, *turn.desk.choices("category:none", "danger")]


def agreed(turn: Turn, draft: Draft, decision: Decision) -> Draft:
    """The resident wants people to come: from now on it is a request like any other."""
    category = drafts.settled_category(draft, decision)
    becomes = turn.office.together.guidance.becomes.get(category or "", category)
    return draft.with_(category=becomes, agreed=becomes)


async def leave(turn: Turn, draft: Draft, decision: Decision) -> None:
    """知道了, 先不用, or silence: counted, and nothing more."""
    await filing.file_light(turn, draft, decision)
    turn.desk.drop_deadlines(account=turn.conversation.account)
    await turn.desk.show(turn.reply_to, draft.subject, "guided")


def is_asked(question: Question) -> bool:
    return question in _ASKED


# --- a dispatcher guides or refuses -----------------------------------------------------------


async def guide(turn: Turn, request: ServiceRequest, member: Member, basis: str) -> None:
    """引导 with a written basis: the resident learns why, where instead, and may ask to look again."""
    area = request.area or request.community
    if not turn.office.organisation.holds(member.code, DISPATCHERS, area, turn.now):
        raise RefusalError("not_yours", number=request.number)
    await _end(turn, request, member, Event.GUIDE, Actor.DISPATCHER, basis)
    again = Choice("reopen", turn.office.texts.label("look_again"))
    _tell(turn, request, "guided_by_staff", basis, again)


async def refuse(turn: Turn, request: ServiceRequest, member: Member, basis: str) -> None:
    """不予受理 with a written basis; only the community or above may."""
    area = request.area or request.community
    if not turn.office.organisation.holds(member.code, _REFUSERS, area, turn.now):
        raise RefusalError("not_yours", number=request.number)
    await _end(turn, request, member, Event.REFUSE, Actor.LEADER, basis)
    _tell(turn, request, "refused_by_staff", basis)


async def _end(
    turn: Turn, request: ServiceRequest, member: Member, event: Event, actor: Actor, basis: str
) -> None:
    if len(basis) < LEAST_BASIS:
        raise RefusalError("basis_too_short", number=request.number, least=LEAST_BASIS)
    lifecycle.check(request, event, actor)
    who = f"member:{member.code}"
    note = turn.desk.note(request, "basis", basis, who)
    await lifecycle.advance(turn.desk, request, event, actor, who, note=note)
    turn.desk.say(turn.staff_reply_to, "sorted_out", request=request, **cards.facts(turn.desk, request))


def _tell(turn: Turn, request: ServiceRequest, template: str, basis: str, *offered: Choice) -> None:
    turn.desk.say(
        to_resident(request.resident),
        template,
        request=request,
        choices=offered,
        number=request.number,
        basis=basis,
    )
