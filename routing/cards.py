"""Which policy card answers a question: chosen by its words, among those that its category allows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from routing.rules import Leaf
from routing.text import normalize

ASKING_LIMIT = "T5"  # the limit of categories that are asked about rather than reported
_BY_CATEGORY = 1  # what a card without words is worth in its category; less than any word


@dataclass(frozen=True, slots=True)
class PolicyCard:
    """One answer of the office. `words` are as compared; without any it answers all of its categories."""

    id: str
    title: str
    categories: tuple[str, ...]
    words: tuple[str, ...]
    papers: tuple[str, ...]
    place: str
    hours: str
    phone: str
    valid_until: date
    source: str


@dataclass(frozen=True, slots=True)
class PolicyCards:
    """The office's cards. `troubles` are words, as compared, by which somebody reports rather than asks.

    `sample` says that nobody has adapted the cards to the place yet.
    """

    cards: tuple[PolicyCard, ...] = ()
    troubles: tuple[str, ...] = ()
    sample: bool = False

    def get(self, card: str | None) -> PolicyCard | None:
        return next((one for one in self.cards if one.id == card), None)

    def is_trouble(self, text: str) -> bool:
        """Whether something has gone wrong (种粮补贴没到账): then no list of papers is an answer."""
        plain = normalize(text)
        return any(word in plain for word in self.troubles)


def is_asked_about(leaf: Leaf | None) -> bool:
    """Whether this is a category of questions: nothing has to be done but to know the answer."""
    return leaf is not None and leaf.limit == ASKING_LIMIT


def choose(
    cards: Sequence[PolicyCard],
    text: str,
    leaves: Sequence[Leaf],
    today: date,
    refused: Collection[str] = (),
) -> PolicyCard | None:
    """The card that fits a question best, the first of the file where several do; None if none is right.

    `leaves` is what the text may be about. Where something has to be done only their own cards fit,
    whatever words another shares with the text (公租房电梯坏了怎么办).
    """
    plain = normalize(text)
    best, most = None, 0
    for card in cards:
        if card.id in refused or card.valid_until < today or not _belongs(card, leaves):
            continue
        if (score := _score(card, plain, leaves)) > most:
            best, most = card, score
    return best


def _belongs(card: PolicyCard, leaves: Sequence[Leaf]) -> bool:
    return not leaves or _is_own(card, leaves) or any(map(is_asked_about, leaves))


def _is_own(card: PolicyCard, leaves: Sequence[Leaf]) -> bool:
    return any(leaf.code in card.categories for leaf in leaves)


def _score(card: PolicyCard, plain: str, leaves: Sequence[Leaf]) -> int:
    """The letters of its words that were said, twice as much in its own category."""
    own = _is_own(card, leaves)
    if not card.words:
        return _BY_CATEGORY if own else 0
    return sum(len(word) for word in card.words if word in plain) * (2 if own else 1)
