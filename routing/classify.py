"""Which category a text is about, and whether somebody may be in danger: decided from words alone."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, reduce
from operator import or_
from typing import NamedTuple

from routing.rules import HALF, LANE, Combo, Rules, Scope, in_lane
from routing.text import normalize

MOST_CANDIDATES = 3

_NUMBER = re.compile("[0-9]{6,}")  # a telephone or ID number: the 119 within it calls nobody

Span = tuple[int, int]
Hit = tuple[int, int, int]  # which pattern, from where, to where
Vote = tuple[int, int, str]  # for whom, a position in `Rules.owners`; the weight; the words
Ranked = list[tuple[int, int]]  # owners and their scores, best first


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
    score: int
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
    question: bool = False  # somebody wants to know something; nothing needs to be done


@dataclass(frozen=True, slots=True)
class Reason:
    """What one word, or words together, said for (or against) an owner."""

    words: str
    weight: int


def decide(text: str, rules: Rules) -> Decision:
    """Never raises, whatever the text; the same text and rules always give the same decision."""
    evidence = _gather(text, rules)
    scores = _weigh(evidence, rules)
    *left, danger_score, nothing, question = scores
    ranked = _rank(left, evidence, rules)
    danger = _danger(danger_score - HALF, ranked, rules)
    if danger is Danger.ALARM:
        ranked = _urgent_first(ranked, scores, rules)
    outcome = _outcome(ranked, danger, nothing - HALF, rules)
    category = rules.owners[ranked[0][0]] if outcome is not Outcome.NONE else None
    return Decision(
        outcome,
        category,
        tuple([_candidate(owner, score, evidence, rules) for owner, score in ranked]),
        danger,
        rules.leaves[category].scope if category else None,
        rules.version,
        question - HALF >= rules.thresholds.question,
    )


def to_json(decision: Decision, text: str) -> dict[str, object]:
    """The object that `huiyin classify` prints for one text."""
    return {
        "text": text,
        "decision": decision.outcome.value,
        "category": decision.category,
        "candidates": [
            {"category": item.category, "score": item.score, "matched": list(item.matched)}
            for item in decision.candidates
        ],
        "emergency": decision.danger is Danger.ALARM,
        "ask_danger": decision.danger is Danger.ASK,
        "scope": decision.scope and decision.scope.value,
        "rules_version": decision.rules_version,
    }


def reasons(text: str, rules: Rules) -> dict[str, tuple[Reason, ...]]:
    """Everything that was said for or against each category and sense, the weightiest first."""
    evidence = _gather(text, rules)
    found: dict[str, list[Reason]] = {}
    for owner, code in enumerate(rules.owners):
        for weight, words in _said_about(owner, evidence, rules):
            found.setdefault(code, []).append(Reason(words, weight))
    return {code: tuple(sorted(said, key=lambda one: -abs(one.weight))) for code, said in found.items()}


# --- gathering --------------------------------------------------------------------------------


class _Evidence(NamedTuple):
    """The patterns that were said, the votes that do not count, and those that came from more than a word."""

    said: set[int]
    hidden: frozenset[tuple[int, int]]  # pattern and owner
    more: tuple[Vote, ...]


def _gather(text: str, rules: Rules) -> _Evidence:
    plain = _NUMBER.sub("#", normalize(text))
    hits = rules.matcher.find_matches_as_indexes(plain, overlapping=True)
    said = {index for index, _, _ in hits}
    intricate = said & rules.intricate
    if not intricate:
        return _Evidence(said, frozenset(), ())
    met = _met(intricate, rules)
    if intricate.isdisjoint(rules.placed) and not any(rules.combos[number][1].ordered for number in met):
        return _Evidence(said, frozenset(), tuple([_vote(number, rules) for number in met]))
    places: dict[int, list[Span]] = {}
    for index, start, end in hits:
        places.setdefault(index, []).append((start, end))
    covered = _covered(intricate, places, rules)
    more = (*_beginning(intricate, places, rules), *_together(met, intricate, places, covered, rules))
    return _Evidence(said, frozenset(_hidden(places, covered, rules)), more)


def _covered(intricate: set[int], places: dict[int, list[Span]], rules: Rules) -> dict[int, list[Span]]:
    """For each owner the places where its words do not count."""
    covered: dict[int, list[Span]] = {}
    for index in intricate:
        for owner in rules.patterns[index].hides_from:
            covered.setdefault(owner, []).extend(places[index])
    return covered


def _hidden(
    places: dict[int, list[Span]], covered: dict[int, list[Span]], rules: Rules
) -> Iterator[tuple[int, int]]:
    for owner, hiding in covered.items():
        for index, spans in places.items():
            if index in rules.weights[owner] and not _open(spans, hiding):
                yield index, owner


def _beginning(intricate: set[int], places: dict[int, list[Span]], rules: Rules) -> Iterator[Vote]:
    """The votes of the longest beginning."""
    begun = [rules.patterns[index] for index in intricate if places[index][0][0] == 0]
    longest = max((one for one in begun if one.starts), key=lambda one: len(one.text), default=None)
    if longest:
        yield from ((owner, weight, longest.text + "…") for owner, weight in longest.starts.items())


def _met(intricate: set[int], rules: Rules) -> list[int]:
    """The combos whose parts are all said, wherever, and that nothing forbids."""
    meeting = rules.meeting
    said = reduce(or_, map(meeting.bits.__getitem__, intricate))
    whole = (said + meeting.lowest) & meeting.carries & ~(said >> 1)
    met = []
    while whole:
        met.append(meeting.combo_at[whole.bit_length() - 1])
        whole ^= 1 << (whole.bit_length() - 1)
    return met


def _together(
    met: Iterable[int],
    intricate: set[int],
    places: dict[int, list[Span]],
    covered: dict[int, list[Span]],
    rules: Rules,
) -> Iterator[Vote]:
    """The votes of the combos whose parts stand where they should."""
    found: dict[int, dict[int, list[Span]]] = {number: {} for number in met}
    for index in intricate:
        for number, part in rules.patterns[index].parts:
            if number in found:
                found[number].setdefault(part, []).extend(places[index])
    for number, parts in found.items():
        owner, combo = rules.combos[number]
        if _holds(combo, parts, covered.get(owner, ())):
            yield _vote(number, rules)


def _vote(number: int, rules: Rules) -> Vote:
    owner, combo = rules.combos[number]
    return owner, combo.score, combo.name


def _open(spans: Iterable[Span], hidden: Sequence[Span]) -> list[Span]:
    """The spans that lie in no hidden place."""
    return [
        (start, end)
        for start, end in spans
        if not any(first <= start and end <= last for first, last in hidden)
    ]


def _holds(combo: Combo, parts: dict[int, list[Span]], hidden: Sequence[Span]) -> bool:
    found = [_open(parts[number], hidden) for number in range(len(combo.parts))]
    if not combo.ordered:
        return all(found)
    ends = {end for _, end in found[0]}
    for spans in found[1:]:
        ends = {end for start, end in spans if any(0 <= start - last <= combo.within for last in ends)}
    return bool(ends)


# --- weighing ---------------------------------------------------------------------------------


def _weigh(evidence: _Evidence, rules: Rules) -> list[int]:
    """Each owner's score, with half a lane added."""
    total = sum(map(rules.scores.__getitem__, evidence.said), _middle(len(rules.owners)))
    for index, owner in evidence.hidden:
        total -= in_lane(owner, rules.weights[owner][index])
    for owner, weight, _ in evidence.more:
        total += in_lane(owner, weight)
    packed = total.to_bytes(len(rules.owners) * LANE // 8, sys.byteorder)
    return memoryview(packed).cast("H").tolist()


@cache
def _middle(owners: int) -> int:
    """Half a lane for everybody: with it no score is negative, and none borrows from its neighbour."""
    return sum(in_lane(owner, HALF) for owner in range(owners))


def _said_about(owner: int, evidence: _Evidence, rules: Rules) -> list[tuple[int, str]]:
    """Weight and words of all that counts for or against an owner."""
    weights, patterns = rules.weights[owner], rules.patterns
    counted = [(weights[index], patterns[index].text) for index in evidence.said & weights.keys()]
    for index, whom in evidence.hidden:
        if whom == owner:
            counted.remove((weights[index], patterns[index].text))
    return counted + [(weight, words) for whom, weight, words in evidence.more if whom == owner]


def _candidate(owner: int, score: int, evidence: _Evidence, rules: Rules) -> Candidate:
    if evidence.hidden or evidence.more:
        said = sorted(
            [(-weight, words) for weight, words in _said_about(owner, evidence, rules) if weight > 0]
        )
    else:
        speaking = rules.speaking[owner]
        said = sorted([speaking[index] for index in evidence.said if index in speaking])
    return Candidate(rules.owners[owner], score, tuple([words for _, words in said]))


# --- deciding ---------------------------------------------------------------------------------


def _rank(left: list[int], evidence: _Evidence, rules: Rules) -> Ranked:
    """The best that more speaks for than against, in the file's order where equal.

    What only says that something is unclear is no choice beside others: it is alone, or not there.
    """
    last, unclear = rules.unclear_at, HALF
    if last is not None:
        unclear, left[last] = left[last], 0
    ranked = _best(left, HALF) or _best(_backed(left, evidence, rules), 0)
    if last is not None and unclear > HALF and unclear > (ranked[0][1] + HALF if ranked else HALF):
        return [(last, unclear - HALF)]
    return ranked


def _best(left: list[int], above: int) -> Ranked:
    ranked: Ranked = []
    while len(ranked) < MOST_CANDIDATES and (score := max(left, default=above)) > above:
        owner = left.index(score)
        ranked.append((owner, score - HALF))
        left[owner] = 0
    return ranked


def _backed(left: list[int], evidence: _Evidence, rules: Rules) -> list[int]:
    """Where more is said against every category than for it: those that anything is said for at all."""
    if not evidence.said:
        return [0] * len(left)
    return [
        score if any(weight > 0 for weight, _ in _said_about(owner, evidence, rules)) else 0
        for owner, score in enumerate(left)
    ]


def _urgent_first(ranked: Ranked, scores: list[int], rules: Rules) -> Ranked:
    """The best urgent category before all others, whatever scores more."""
    score, first = max(((scores[owner], -owner) for owner in rules.urgent), default=(0, 0))
    if score <= HALF:
        return ranked
    others = [item for item in ranked if item[0] != -first]
    return [(-first, score - HALF), *others[: MOST_CANDIDATES - 1]]


def _outcome(ranked: Ranked, danger: Danger, nothing: int, rules: Rules) -> Outcome:
    if danger is Danger.ALARM and ranked:
        return Outcome.FILE
    if not ranked or nothing >= rules.thresholds.nothing:
        return Outcome.NONE
    best, score = ranked[0]
    if best == rules.unclear_at or score < rules.thresholds.least:
        return Outcome.NONE
    # An urgent category without a word of danger is doubtful: somebody should say so first.
    sure = danger is Danger.NONE and best not in rules.urgent and rules.leaves[rules.owners[best]].alone
    return Outcome.FILE if sure and _is_clear(ranked, rules) else Outcome.ASK


def _is_clear(ranked: Ranked, rules: Rules) -> bool:
    best, runner_up = ranked[0][1], ranked[1][1] if len(ranked) > 1 else 0
    return best >= rules.thresholds.score and best - runner_up >= rules.thresholds.margin


def _danger(score: int, ranked: Ranked, rules: Rules) -> Danger:
    """Words of danger decide. With a clear category of urgent matters fewer are enough to alarm.

    Where a file has no such words, that category decides alone.
    """
    limits = rules.thresholds
    # Half of what files alone: a telephone number with two common words is no emergency.
    likely = bool(ranked) and ranked[0][1] * 2 >= limits.score
    urgent = likely and ranked[0][0] in rules.urgent
    clear = urgent and _is_clear(ranked, rules)
    if score >= limits.danger_alarm or (clear and (score >= limits.danger_ask or not rules.gated)):
        return Danger.ALARM
    doubtful = urgent and (score > 0 or not rules.gated)
    return Danger.ASK if doubtful or score >= limits.danger_ask else Danger.NONE
