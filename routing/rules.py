"""The office's rules as values: categories and weighted words, compiled once for one pass over a text."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from ahocorasick_rs import AhoCorasick

from routing.text import normalize

BOT = "bot"  # the role of categories that the bot answers itself
GUIDED_LIMIT = "T9"


class Scope(StrEnum):
    URGENT = "急事"
    MAJOR = "大事"
    MINOR = "小事"
    PRIVATE = "私事"


class Sense(StrEnum):
    """What a message may be beside its category; each gathers words of its own, as a category does."""

    DANGER = "*danger"
    NOTHING = "*nothing"  # thanks, a test, a matter that has settled itself: there is nothing to file
    QUESTION = "*question"


@dataclass(frozen=True, slots=True)
class Leaf:
    code: str
    name: str
    group: str
    scope: Scope
    role: str
    support_roles: tuple[str, ...]
    limit: str
    first_reply: str
    photo_required: bool = False  # a result without a photo is not taken
    alone: bool = True  # may be filed without asking the resident

    @property
    def guided(self) -> bool:
        """Whether the bot answers by itself, and nobody is sent unless the resident asks for it."""
        return self.role == BOT or (self.scope is Scope.PRIVATE and self.limit == GUIDED_LIMIT)


@dataclass(frozen=True, slots=True)
class Words:
    """Words that mean something, except inside the excluded phrases."""

    words: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Combo:
    """Worth its score where every part is said, by any of its words, and nothing of `unless`.

    `name` is how the file writes it. `ordered`: the parts follow each other, with at most `within`
    characters between two of them.
    """

    name: str
    parts: tuple[tuple[str, ...], ...]
    score: int
    ordered: bool = False
    within: int = 12
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All that speaks for one owner, a category or a sense. A negative weight speaks against it.

    A word counts once, however often it is said. Inside an excluded phrase it does not count;
    `starts` counts at the beginning of a text only, the longest alone.
    """

    keywords: Mapping[str, int] = field(default_factory=dict)
    combos: tuple[Combo, ...] = ()
    exclude: tuple[str, ...] = ()
    starts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From this score and this lead over the second a request is filed without asking.

    `danger_ask`, `danger_alarm`, `nothing`, `question`: from this score of the sense it is taken for certain.
    """

    score: int = 5
    margin: int = 2
    danger_ask: int = 5
    danger_alarm: int = 10
    nothing: int = 5
    question: int = 5


@dataclass(frozen=True, slots=True)
class RulesDocument:
    """What the rule files say, checked, before it is compiled. Lexicons are by leaf code or sense."""

    version: str
    leaves: tuple[Leaf, ...]
    lexicons: Mapping[str, Lexicon]
    hotlines: Mapping[str, str]
    unclear: str
    thresholds: Thresholds


Vote = tuple[
    int, int, str
]  # for whom, a position in `Rules.owners`; the weight; the words as the file has them


@dataclass(frozen=True, slots=True)
class Pattern:
    """One string to look for, and everything that hangs on it."""

    text: str
    votes: tuple[Vote, ...]
    starts: tuple[Vote, ...]
    hides_from: tuple[int, ...]
    parts: tuple[tuple[int, int], ...]  # a combo and which part of it; VETO forbids the combo

    @property
    def plain(self) -> bool:
        """Whether it only votes, wherever it stands."""
        return not (self.starts or self.hides_from or self.parts)


VETO = -1


@dataclass(frozen=True, slots=True)
class Rules:
    """`version` names the files' version and exact content."""

    version: str
    leaves: Mapping[str, Leaf]
    hotlines: Mapping[str, str]
    unclear: str
    thresholds: Thresholds
    owners: tuple[str, ...]
    combos: tuple[tuple[int, Combo], ...]  # with its owner
    patterns: tuple[Pattern, ...]
    votes: tuple[tuple[Vote, ...], ...]  # of each pattern, for the quick way
    intricate: frozenset[int]  # the patterns that do more than vote
    gated: bool  # whether there are words of danger
    matcher: AhoCorasick


def compile_rules(document: RulesDocument) -> Rules:
    owners = (*(leaf.code for leaf in document.leaves), *Sense)
    lexicons = [document.lexicons.get(owner, Lexicon()) for owner in owners]
    combos = tuple((owner, combo) for owner, lexicon in enumerate(lexicons) for combo in lexicon.combos)
    patterns = _patterns(lexicons, combos)
    return Rules(
        version=_version(document),
        leaves=MappingProxyType({leaf.code: leaf for leaf in document.leaves}),
        hotlines=MappingProxyType(dict(document.hotlines)),
        unclear=document.unclear,
        thresholds=document.thresholds,
        owners=owners,
        combos=combos,
        patterns=patterns,
        votes=tuple(pattern.votes for pattern in patterns),
        intricate=frozenset(index for index, pattern in enumerate(patterns) if not pattern.plain),
        gated=Sense.DANGER in document.lexicons,
        matcher=AhoCorasick([pattern.text for pattern in patterns]),
    )


def _version(document: RulesDocument) -> str:
    digest = hashlib.sha256(repr(document).encode("utf-8", "backslashreplace")).hexdigest()
    return f"{document.version}+{digest[:8]}"


class _Draft:
    """What hangs on each string, while it is being gathered."""

    def __init__(self) -> None:
        self.votes: defaultdict[str, list[Vote]] = defaultdict(list)
        self.starts: defaultdict[str, list[Vote]] = defaultdict(list)
        self.hides: defaultdict[str, list[int]] = defaultdict(list)
        self.parts: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    def patterns(self) -> Iterator[Pattern]:
        for text in {**self.votes, **self.starts, **self.hides, **self.parts}:
            yield Pattern(
                text,
                tuple(self.votes.get(text, ())),
                tuple(self.starts.get(text, ())),
                tuple(self.hides.get(text, ())),
                tuple(self.parts.get(text, ())),
            )


def _patterns(lexicons: list[Lexicon], combos: Iterable[tuple[int, Combo]]) -> tuple[Pattern, ...]:
    draft = _Draft()
    for owner, lexicon in enumerate(lexicons):
        for word, weight in lexicon.keywords.items():
            draft.votes[normalize(word)].append((owner, weight, word))
        for word, weight in lexicon.starts.items():
            draft.starts[normalize(word)].append((owner, weight, word + "…"))
        for phrase in lexicon.exclude:
            draft.hides[normalize(phrase)].append(owner)
    for number, (_, combo) in enumerate(combos):
        for part, word in _parts(combo):
            draft.parts[normalize(word)].append((number, part))
    return tuple(draft.patterns())


def _parts(combo: Combo) -> Iterator[tuple[int, str]]:
    for index, words in enumerate(combo.parts):
        yield from ((index, word) for word in words)
    yield from ((VETO, word) for word in combo.unless)
