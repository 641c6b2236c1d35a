"""The office's rules as values: categories and weighted words, compiled once for one pass over a text."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from ahocorasick_rs import AhoCorasick

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
    """All that speaks for one owner, a category or a sense, in normalized words; negative is against.

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

    Below `least` the best guess is no better than none, and the text is not understood.
    `danger_ask`, `danger_alarm`, `nothing`, `question`: from this score of the sense it is taken for certain.
    """

    score: int = 5
    margin: int = 2
    least: int = 1
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


@dataclass(frozen=True, slots=True)
class Pattern:
    """One string to look for, and what it does beside voting. An owner is a position in `Rules.owners`."""

    text: str
    starts: Mapping[int, int]
    hides_from: frozenset[int]
    parts: tuple[tuple[int, int], ...]  # a combo and which part of it; VETO forbids the combo


VETO = -1


@dataclass(frozen=True, slots=True)
class Meeting:
    """Which combos are complete, found for all of them in one addition.

    In one integer each combo has a bit for each part, then a carry, then a bit that forbids it. Adding one
    to a combo's lowest bit reaches its carry where all parts are said.
    """

    bits: tuple[int, ...]  # of each pattern
    lowest: int
    carries: int
    combo_at: Mapping[int, int]  # by the position of the carry


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
    weights: tuple[Mapping[int, int], ...]  # for each owner, the patterns that vote and how
    speaking: tuple[Mapping[int, tuple[int, str]], ...]  # those that speak for it: −weight, to sort by; word
    scores: tuple[int, ...]  # the votes of each pattern, one lane for each owner
    intricate: frozenset[int]  # the patterns that do more than vote
    placed: frozenset[int]  # those of them for which it matters by itself where they stand
    meeting: Meeting
    unclear_at: int | None  # the owner of what only says that something is unclear
    urgent: frozenset[int]  # the owners of urgent matters
    gated: bool  # whether there are words of danger
    matcher: AhoCorasick


def compile_rules(document: RulesDocument) -> Rules:
    owners = (*(leaf.code for leaf in document.leaves), *Sense)
    lexicons = [document.lexicons.get(owner, Lexicon()) for owner in owners]
    combos = tuple((owner, combo) for owner, lexicon in enumerate(lexicons) for combo in lexicon.combos)
    patterns, weights = _patterns(lexicons, combos)
    return Rules(
        version=_version(document),
        leaves=MappingProxyType({leaf.code: leaf for leaf in document.leaves}),
        hotlines=MappingProxyType(dict(document.hotlines)),
        unclear=document.unclear,
        thresholds=document.thresholds,
        owners=owners,
        combos=combos,
        patterns=patterns,
        weights=weights,
        speaking=tuple(
            {index: (-weight, patterns[index].text) for index, weight in votes.items() if weight > 0}
            for votes in weights
        ),
        scores=_packed(len(patterns), weights),
        intricate=frozenset(
            index for index, one in enumerate(patterns) if one.starts or one.hides_from or one.parts
        ),
        placed=frozenset(index for index, one in enumerate(patterns) if one.starts or one.hides_from),
        meeting=_meeting(patterns, combos),
        unclear_at=owners.index(document.unclear) if document.unclear in owners else None,
        urgent=frozenset(place for place, leaf in enumerate(document.leaves) if leaf.scope is Scope.URGENT),
        gated=Sense.DANGER in document.lexicons,
        matcher=AhoCorasick([pattern.text for pattern in patterns]),
    )


# The scores of all owners are kept in one integer, each in a lane of its own, so that what a word says for
# and against everybody is one addition. Half a lane is added to each; rule files whose words could say more
# than that about one owner are refused.
LANE = 16
HALF = 1 << (LANE - 1)


def in_lane(owner: int, number: int) -> int:
    return number << (LANE * owner)


def _packed(patterns: int, weights: tuple[Mapping[int, int], ...]) -> tuple[int, ...]:
    """For each pattern its votes in lanes."""
    scores = [0] * patterns
    for owner, votes in enumerate(weights):
        shift = LANE * owner
        for index, weight in votes.items():
            scores[index] += weight << shift
    return tuple(scores)


def reweighted(rules: Rules, pattern: int, owner: int, weight: int) -> Rules:
    """The rules with another weight of one word for one owner, to try it: far cheaper than compiling."""
    before = rules.weights[owner].get(pattern, 0)
    weights, speaking, scores = list(rules.weights), list(rules.speaking), list(rules.scores)
    weights[owner] = {**weights[owner], pattern: weight}
    others = {index: said for index, said in speaking[owner].items() if index != pattern}
    own = {pattern: (-weight, rules.patterns[pattern].text)} if weight > 0 else {}
    speaking[owner] = others | own
    scores[pattern] += in_lane(owner, weight - before)
    return replace(rules, weights=tuple(weights), speaking=tuple(speaking), scores=tuple(scores))


def _meeting(patterns: Iterable[Pattern], combos: Iterable[tuple[int, Combo]]) -> Meeting:
    lowest: list[int] = []
    carry: list[int] = []
    for _, combo in combos:
        lowest.append(carry[-1] + 2 if carry else 0)
        carry.append(lowest[-1] + len(combo.parts))
    return Meeting(
        bits=tuple(_bits(one, lowest, carry) for one in patterns),
        lowest=sum(1 << place for place in lowest),
        carries=sum(1 << place for place in carry),
        combo_at={place: number for number, place in enumerate(carry)},
    )


def _bits(pattern: Pattern, lowest: list[int], carry: list[int]) -> int:
    places = {carry[number] + 1 if part == VETO else lowest[number] + part for number, part in pattern.parts}
    return sum(1 << place for place in places)


def _version(document: RulesDocument) -> str:
    digest = hashlib.sha256(repr(document).encode("utf-8", "backslashreplace")).hexdigest()
    return f"{document.version}+{digest[:8]}"


class _Draft:
    """All strings to look for, while they are being gathered."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.starts: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self.hides: defaultdict[int, set[int]] = defaultdict(set)
        self.parts: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)

    def place(self, text: str) -> int:
        return self.places.setdefault(text, len(self.places))

    def patterns(self) -> Iterator[Pattern]:
        for text, index in self.places.items():
            hides = frozenset(self.hides.get(index, ()))
            yield Pattern(text, self.starts.get(index, {}), hides, tuple(self.parts.get(index, ())))


def _patterns(
    lexicons: list[Lexicon], combos: Iterable[tuple[int, Combo]]
) -> tuple[tuple[Pattern, ...], tuple[Mapping[int, int], ...]]:
    """The strings to look for, and for each owner which of them vote and how."""
    draft = _Draft()
    weights = [{draft.place(word): weight for word, weight in one.keywords.items()} for one in lexicons]
    for owner, lexicon in enumerate(lexicons):
        for word, weight in lexicon.starts.items():
            draft.starts[draft.place(word)][owner] = weight
        for phrase in lexicon.exclude:
            draft.hides[draft.place(phrase)].add(owner)
    for number, (_, combo) in enumerate(combos):
        for part, word in _parts(combo):
            draft.parts[draft.place(word)].append((number, part))
    return tuple(draft.patterns()), tuple(weights)


def _parts(combo: Combo) -> Iterator[tuple[int, str]]:
    for index, words in enumerate(combo.parts):
        yield from ((index, word) for word in words)
    yield from ((VETO, word) for word in combo.unless)
