"""A question is answered at once from the office's policy cards; people come where no card is right."""

from collections.abc import Sequence
from typing import Any

from handlers import drafts, filing
from handlers.drafts import Draft
from handlers.messages import Choice
from handlers.turn import Turn
from routing.cards import PolicyCard, choose, is_asked_about
from routing.classify import Decision, Outcome
from routing.rules import Leaf

# --- which card -------------------------------------------------------------------------------


def look(turn: Turn, draft: Draft, decision: Decision) -> Draft:
    """The draft with the card that answers it, if any does."""
    card = _fitting(turn, draft, decision)
    chosen = card.id if card else None
    return draft if chosen == draft.card else draft.with_(card=chosen)


def _fitting(turn: Turn, draft: Draft, decision: Decision) -> PolicyCard | None:
    """What was asked last comes first. None where a person has to look, or any part is a report."""
    if draft.category_refused or not _is_question(turn, decision, draft.category):
        return None
    if draft.agreed or draft.attachments or turn.office.policies.is_trouble(draft.text):
        return None
    if len(draft.pieces) <= 1:
        return _chosen(turn, draft, draft.text, decision)
    said = [(one.text, turn.office.decide(one.text)) for one in draft.pieces]
    if any(one.outcome is not Outcome.NONE and not _is_question(turn, one) for _, one in said):
        return None
    return _chosen(turn, draft, *said[-1]) or _chosen(turn, draft, draft.text, decision)


def is_left(turn: Turn, draft: Draft) -> bool:
    """Whether this message is a report of something else than what the card has answered."""
    card, text = turn.office.policies.get(draft.card), turn.message.text
    if card is None or not text:
        return False
    decision = turn.office.decide(text)
    if decision.outcome is Outcome.NONE and not turn.office.policies.is_trouble(text):
        return False
    likely = decision.candidates[0].category if decision.candidates else None
    return likely is not None and likely not in card.categories and not _is_question(turn, decision)


def _is_question(turn: Turn, decision: Decision, category: str | None = None) -> bool:
    """Whether it is put as a question, or surely belongs where people only ask."""
    sure = decision.category if decision.outcome is Outcome.FILE else None
    return decision.question or is_asked_about(turn.office.leaf(category or sure))


def _chosen(turn: Turn, draft: Draft, text: str, decision: Decision) -> PolicyCard | None:
    today = turn.now.astimezone(turn.office.zone).date()
    leaves = _leaves(turn, draft, decision)
    return choose(turn.office.policies.cards, text, leaves, today, draft.refused)


def _leaves(turn: Turn, draft: Draft, decision: Decision) -> Sequence[Leaf]:
    """What it may be about: one category where that is sure."""
    settled = drafts.settled_category(draft, decision)
    codes = [settled] if settled else [one.category for one in decision.candidates]
    return [leaf for code in codes if (leaf := turn.office.leaf(code)) is not None]


# --- the card ---------------------------------------------------------------------------------


def card(turn: Turn, draft: Draft, *, read: bool = False) -> dict[str, Any]:
    """The card that the draft has, as arguments of `Desk.show`; once it was `read`, without buttons."""
    texts, elder, found = turn.office.texts, turn.home().elder, turn.office.policies.get(draft.card)
    facts = _facts(turn, found) if found else {}
    return {
        "template": "policy_card",
        "choices": [] if read else _choices(turn),
        **facts,
        "danger": texts.render("danger_by_word" if elder or read else "danger_line", {}),
        "notice": texts.render("consent", {}) if draft.notice else "",
    }


def _facts(turn: Turn, card: PolicyCard) -> dict[str, str]:
    papers = [turn.office.texts.render("policy_paper", {"paper": one}) for one in card.papers]
    return {
        "title": card.title,
        "papers": "\n".join(papers),
        "place": card.place,
        "hours": card.hours,
        "phone": card.phone,
        "until": f"{card.valid_until:%Y年%-m月%-d日}",
        "source": card.source,
    }


def _choices(turn: Turn) -> list[Choice]:
    """A person first; “不是” in words is understood as [不是这个]."""
    label = turn.office.texts.label
    offered = [Choice("help_me", label("help_me:policy")), Choice("not_same", label("not_same:policy"))]
    return offered if turn.home().elder else [*offered, *turn.desk.choices("understood", "danger")]


async def put_away(turn: Turn, draft: Draft) -> bool:
    """Leave the card to be read again, without its buttons; whether it stood where the next one would."""
    shown = turn.reply_to in await turn.desk.cards(draft.subject)
    if shown and turn.office.policies.get(draft.card) is not None:
        await turn.desk.show(turn.reply_to, draft.subject, **card(turn, draft, read=True))
    return shown


# --- its answers ------------------------------------------------------------------------------


def refused(draft: Draft) -> Draft:
    """不是这个: the next card, or a person, who need not be told more first."""
    return draft.with_(card=None, refused=(*draft.refused, draft.card), asked_what=True)


def person(turn: Turn, draft: Draft, decision: Decision) -> Draft:
    """还要人帮忙: about what the card is about; the card itself stays to be read."""
    category = _category(turn, draft, decision)
    return draft.with_(category=category, agreed=category, refused=(*draft.refused, draft.card))


def _category(turn: Turn, draft: Draft, decision: Decision) -> str | None:
    found = turn.office.policies.get(draft.card)
    likely = [leaf.code for leaf in _leaves(turn, draft, decision)]
    own = [code for code in (found.categories if found else ()) if turn.office.leaf(code)]
    return next((code for code in likely if code in own), own[0] if own else None)


async def leave(turn: Turn, draft: Draft, decision: Decision) -> None:
    """知道了, thanks, or silence: counted as what the card is about, and nothing more."""
    await filing.file_light(turn, draft.with_(category=_category(turn, draft, decision)), decision)
    turn.desk.drop_deadlines(account=turn.conversation.account)
    await put_away(turn, draft)
