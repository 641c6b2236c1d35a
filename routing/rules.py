"""The office's rules as values: categories, words and thresholds, compiled once for one pass over a text."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ahocorasick_rs import AhoCorasick

from routing.text import normalize

# Words of danger are matched like the keywords of two more owners beside the leaves.
SIGN = "*sign"
ALARM = "*alarm"
WARNINGS = frozenset({SIGN, ALARM})

BOT = "bot"  # the role of categories that the bot answers itself
GUIDED_LIMIT = "T9"


class Scope(StrEnum):
    URGENT = "急事"
    MAJOR = "大事"
    MINOR = "小事"
    PRIVATE = "私事"


@dataclass(frozen=True, slots=True)
class Leaf:
    code: str
    name: str
    group: str
    scope: Scope
    role: str
    support_roles: tuple[str, ...]
    limit: str
    keywords: tuple[str, ...]
    exclude: tuple[str, ...]
    first_reply: str
    photo_required: bool = False  # a result without a photo is not taken

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
class Prefix:
    """A text that begins like this is about this category."""

    text: str
    code: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """File on our own from this score and this lead over the second; a prefix is worth a bonus."""

    score: float = 4.0
    margin: float = 1.5
    prefix_bonus: float = 6.0


@dataclass(frozen=True, slots=True)
class RulesDocument:
    """What the rule file says, checked, before it is compiled."""

    version: str
    leaves: tuple[Leaf, ...]
    hotlines: Mapping[str, str]
    weak_words: tuple[str, ...]
    weak_weight: float
    prefixes: tuple[Prefix, ...]
    danger_signs: Words
    alarm_words: Words
    first_groups: tuple[str, ...]
    unclear: str
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Vote:
    owner: str
    keyword: str
    score: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """One string to look for: whose keyword it is, and for whom it only hides keywords."""

    votes: tuple[Vote, ...]
    hides_from: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """`version` names the file's version and exact content; `first` are the leaves that outrank any score."""

    version: str
    leaves: Mapping[str, Leaf]
    hotlines: Mapping[str, str]
    danger_signs: Words
    prefixes: tuple[Prefix, ...]
    first: frozenset[str]
    unclear: str
    thresholds: Thresholds
    patterns: tuple[Pattern, ...]
    matcher: AhoCorasick


def compile_rules(document: RulesDocument) -> Rules:
    patterns = _patterns(document)
    return Rules(
        version=_version(document),
        leaves=MappingProxyType({leaf.code: leaf for leaf in document.leaves}),
        hotlines=MappingProxyType(dict(document.hotlines)),
        danger_signs=document.danger_signs,
        prefixes=_longest_first(document.prefixes),
        first=frozenset(leaf.code for leaf in document.leaves if leaf.group in document.first_groups),
        unclear=document.unclear,
        thresholds=document.thresholds,
        patterns=tuple(patterns.values()),
        matcher=AhoCorasick(patterns),
    )


def _version(document: RulesDocument) -> str:
    digest = hashlib.sha256(repr(document).encode("utf-8", "backslashreplace")).hexdigest()
    return f"{document.version}+{digest[:8]}"


def _longest_first(prefixes: tuple[Prefix, ...]) -> tuple[Prefix, ...]:
    plain = (Prefix(normalize(prefix.text), prefix.code) for prefix in prefixes)
    return tuple(sorted(plain, key=lambda prefix: -len(prefix.text)))


def _patterns(document: RulesDocument) -> dict[str, Pattern]:
    votes: defaultdict[str, list[Vote]] = defaultdict(list)
    hides: defaultdict[str, list[str]] = defaultdict(list)
    weak = frozenset(map(normalize, document.weak_words))
    for owner, words in _owners(document):
        for keyword in words.words:
            plain = normalize(keyword)
            weight = document.weak_weight if plain in weak else 1.0
            votes[plain].append(Vote(owner, keyword, weight * len(plain) ** 1.5))
        for phrase in words.exclude:
            hides[normalize(phrase)].append(owner)
    return {
        text: Pattern(tuple(votes[text]), tuple(hides[text])) for text in [*votes, *(hides.keys() - votes)]
    }


def _owners(document: RulesDocument) -> Iterator[tuple[str, Words]]:
    for leaf in document.leaves:
        yield leaf.code, Words(leaf.keywords, leaf.exclude)
    yield SIGN, document.danger_signs
    yield ALARM, document.alarm_words
