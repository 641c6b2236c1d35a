"""Which category a text is about, and whether somebody may be in danger: decided from words alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from routing.rules import ALARM, SIGN, WARNINGS, Rules, Scope, Thresholds, Vote
from routing.text import normalize

MOST_CANDIDATES = 3
# Less than one two-character keyword (2.83): a weak word or a single character is no reason for alarm.
FAINT = 2.0


class Outcome(StrEnum):
    FILE = "file"
    ASK = "ask"
    NONE = "none"


class Danger(StrEnum):
    NONE = "none"
    ASK = "ask"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Candidate:
    category: str
    score: float
    matched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """`category` is the best guess: sure if the outcome is FILE, to be confirmed if ASK, absent if NONE."""

    outcome: Outcome
    category: str | None
    candidates: tuple[Candidate, ...]
    danger: Danger
    scope: Scope | None
    rules_version: str


class _Found(NamedTuple):
    start: int
    end: int
    vote: Vote


@dataclass(slots=True)
class _Tally:
    """What one category has gathered. `taken` are the places a longer keyword of its own has used."""

    score: float = 0.0
    matched: list[str] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)


def decide(text: str, rules: Rules) -> Decision:
    """Never raises, whatever the text; the same text and rules always give the same decision."""
    plain = normalize(text)
    found = _find(plain, rules)
    ranked = _rank(_add_prefix(plain, _count(found), rules), rules)
    outcome = _outcome(ranked, rules)
    category = ranked[0].category if outcome is not Outcome.NONE else None
    scope = rules.leaves[category].scope if category else None
    danger = _danger({item.vote.owner for item in found}, outcome, scope, ranked, rules)
    return Decision(outcome, category, tuple(ranked[:MOST_CANDIDATES]), danger, scope, rules.version)


def to_json(decision: Decision, text: str) -> dict[str, object]:
    """The object that `huiyin classify` prints for one text."""
    return {
        "text": text,
        "decision": decision.outcome.value,
        "category": decision.category,
        "candidates": [
            {"category": item.category, "score": round(item.score, 2), "matched": list(item.matched)}
            for item in decision.candidates
        ],
        "emergency": decision.danger is Danger.ALARM,
        "ask_danger": decision.danger is Danger.ASK,
        "scope": decision.scope and decision.scope.value,
        "rules_version": decision.rules_version,
    }


def _find(plain: str, rules: Rules) -> list[_Found]:
    """Every vote in the text, except those inside a phrase that hides them from their owner."""
    hits = rules.matcher.find_matches_as_indexes(plain, overlapping=True)
    hidden = _hidden(hits, rules)
    return [
        _Found(start, end, vote)
        for index, start, end in hits
        for vote in rules.patterns[index].votes
        if vote.owner not in hidden or hidden[vote.owner].isdisjoint(range(start, end))
    ]


def _hidden(hits: list[tuple[int, int, int]], rules: Rules) -> dict[str, set[int]]:
    hidden: dict[str, set[int]] = {}
    for index, start, end in hits:
        for owner in rules.patterns[index].hides_from:
            hidden.setdefault(owner, set()).update(range(start, end))
    return hidden


def _count(found: list[_Found]) -> dict[str, _Tally]:
    """Longest first. A place counts once for a category, a keyword once however often it is said."""
    tallies: dict[str, _Tally] = {}
    for start, end, vote in sorted(_widest(found), key=lambda item: item.start - item.end):
        tally = tallies.setdefault(vote.owner, _Tally())
        if vote.keyword not in tally.matched and tally.taken.isdisjoint(range(start, end)):
            tally.taken.update(range(start, end))
            tally.matched.append(vote.keyword)
            tally.score += vote.score
    return tallies


def _widest(found: list[_Found]) -> Iterator[_Found]:
    """Leave out what lies within a longer keyword of any category: 打不着火 is a dead stove, not 着火."""
    last = (0, 0)
    keywords = (item for item in found if item.vote.owner not in WARNINGS)
    for item in sorted(keywords, key=lambda item: (item.start, -item.end)):
        if item.end > last[1] or item[:2] == last:
            last = item[:2]
            yield item


def _add_prefix(plain: str, tallies: dict[str, _Tally], rules: Rules) -> dict[str, _Tally]:
    prefix = next((prefix for prefix in rules.prefixes if plain.startswith(prefix.text)), None)
    if prefix:
        tally = tallies.setdefault(prefix.code, _Tally())
        tally.score += rules.thresholds.prefix_bonus
        if prefix.text not in tally.matched:
            tally.matched.append(prefix.text)
    return tallies


def _rank(tallies: dict[str, _Tally], rules: Rules) -> list[Candidate]:
    """Best first. What only says that something is unclear is no choice beside real ones."""
    ranked = [Candidate(code, tally.score, tuple(tally.matched)) for code, tally in tallies.items()]
    ranked.sort(key=lambda item: (not _goes_first(item, rules), -item.score))
    return [item for item in ranked if item.category != rules.unclear] or ranked


def _goes_first(candidate: Candidate, rules: Rules) -> bool:
    return candidate.category in rules.first and candidate.score >= FAINT


def _outcome(ranked: list[Candidate], rules: Rules) -> Outcome:
    if not ranked or ranked[0].category == rules.unclear:
        return Outcome.NONE
    sure = _goes_first(ranked[0], rules) or _is_clear(ranked, rules.thresholds)
    return Outcome.FILE if sure else Outcome.ASK


def _is_clear(ranked: list[Candidate], thresholds: Thresholds) -> bool:
    best, runner_up = ranked[0], ranked[1].score if len(ranked) > 1 else 0.0
    enough = best.score >= thresholds.score and best.score - runner_up >= thresholds.margin
    return enough and any(len(keyword) > 1 for keyword in best.matched)


def _danger(
    owners: set[str], outcome: Outcome, scope: Scope | None, ranked: list[Candidate], rules: Rules
) -> Danger:
    if ALARM in owners or (outcome is Outcome.FILE and scope is Scope.URGENT):
        return Danger.ALARM
    if SIGN in owners or any(_may_be_urgent(item, rules) for item in ranked):
        return Danger.ASK
    return Danger.NONE


def _may_be_urgent(candidate: Candidate, rules: Rules) -> bool:
    return rules.leaves[candidate.category].scope is Scope.URGENT and candidate.score >= FAINT
