"""Which category a text is about, and whether somebody may be in danger: decided from words alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from routing.rules import VETO, Combo, Rules, Scope, Sense, Vote
from routing.text import normalize

MOST_CANDIDATES = 3

Span = tuple[int, int]
Hit = tuple[int, int, int]  # which pattern, from where, to where
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
    evidence = _evidence(text, rules)
    scores: dict[int, int] = {}
    for owner, weight, _ in evidence:
        scores[owner] = scores.get(owner, 0) + weight
    senses = {sense: scores.pop(owner, 0) for owner, sense in enumerate(Sense, len(rules.leaves))}
    ranked = _rank(scores, {owner for owner, weight, _ in evidence if weight > 0}, rules)
    danger = _danger(senses[Sense.DANGER], ranked, rules)
    ranked = _urgent_first(ranked, rules) if danger is Danger.ALARM else ranked
    outcome = _outcome(ranked, danger, senses[Sense.NOTHING], rules)
    category = rules.owners[ranked[0][0]] if outcome is not Outcome.NONE else None
    return Decision(
        outcome,
        category,
        _candidates(ranked[:MOST_CANDIDATES], evidence, rules),
        danger,
        rules.leaves[category].scope if category else None,
        rules.version,
        senses[Sense.QUESTION] >= rules.thresholds.question,
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
    found: dict[str, list[Reason]] = {}
    for owner, weight, words in _evidence(text, rules):
        found.setdefault(rules.owners[owner], []).append(Reason(words, weight))
    return {owner: tuple(sorted(said, key=lambda one: -abs(one.weight))) for owner, said in found.items()}


# --- gathering --------------------------------------------------------------------------------


def _evidence(text: str, rules: Rules) -> list[Vote]:
    """Every vote that the text casts: most texts hold words that vote wherever they stand, and no more."""
    hits = rules.matcher.find_matches_as_indexes(normalize(text), overlapping=True)
    said = {index for index, _, _ in hits}
    if said.isdisjoint(rules.intricate):
        return [vote for index in said for vote in rules.votes[index]]
    return list(_intricate(hits, rules))


def _intricate(hits: list[Hit], rules: Rules) -> Iterator[Vote]:
    places: dict[int, list[Span]] = {}
    for index, start, end in hits:
        places.setdefault(index, []).append((start, end))
    hidden = _hidden(places, rules)
    for index, spans in places.items():
        for vote in rules.votes[index]:
            if vote[0] not in hidden or _open(spans, hidden[vote[0]]):
                yield vote
    yield from _beginning(places, rules)
    yield from _together(places, hidden, rules)


def _beginning(places: dict[int, list[Span]], rules: Rules) -> tuple[Vote, ...]:
    """The votes of the longest beginning."""
    begun = [index for index in places.keys() & rules.intricate if places[index][0][0] == 0]
    starts = [rules.patterns[index] for index in begun if rules.patterns[index].starts]
    return max(starts, key=lambda pattern: len(pattern.text)).starts if starts else ()


def _together(places: dict[int, list[Span]], hidden: dict[int, list[Span]], rules: Rules) -> Iterator[Vote]:
    found: dict[int, dict[int, list[Span]]] = {}
    for index in places.keys() & rules.intricate:
        for number, part in rules.patterns[index].parts:
            found.setdefault(number, {}).setdefault(part, []).extend(places[index])
    for number, parts in found.items():
        owner, combo = rules.combos[number]
        if (
            len(parts) == len(combo.parts)
            and VETO not in parts
            and _holds(combo, parts, hidden.get(owner, ()))
        ):
            yield owner, combo.score, combo.name


def _hidden(places: dict[int, list[Span]], rules: Rules) -> dict[int, list[Span]]:
    """For each owner, where its words do not count."""
    hidden: dict[int, list[Span]] = {}
    for index in places.keys() & rules.intricate:
        for owner in rules.patterns[index].hides_from:
            hidden.setdefault(owner, []).extend(places[index])
    return hidden


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


# --- deciding ---------------------------------------------------------------------------------


def _rank(scores: dict[int, int], backed: set[int], rules: Rules) -> Ranked:
    """What any word speaks for, best first, in the file's order where equal; others may speak against it.

    What only says that something is unclear is no choice beside real ones.
    """
    ranked = sorted(((owner, score) for owner, score in scores.items() if owner in backed), key=_by_score)
    return [item for item in ranked if rules.owners[item[0]] != rules.unclear] or ranked


def _by_score(item: tuple[int, int]) -> tuple[int, int]:
    return -item[1], item[0]


def _urgent_first(ranked: Ranked, rules: Rules) -> Ranked:
    return sorted(ranked, key=lambda item: not _is_urgent(item[0], rules))


def _is_urgent(owner: int, rules: Rules) -> bool:
    return rules.leaves[rules.owners[owner]].scope is Scope.URGENT


def _outcome(ranked: Ranked, danger: Danger, nothing: int, rules: Rules) -> Outcome:
    if danger is Danger.ALARM and ranked:
        return Outcome.FILE
    if not ranked or nothing >= rules.thresholds.nothing:
        return Outcome.NONE
    alone = rules.leaves[rules.owners[ranked[0][0]]].alone and danger is Danger.NONE
    return Outcome.FILE if alone and _is_clear(ranked, rules) else Outcome.ASK


def _is_clear(ranked: Ranked, rules: Rules) -> bool:
    best, runner_up = ranked[0][1], ranked[1][1] if len(ranked) > 1 else 0
    return best >= rules.thresholds.score and best - runner_up >= rules.thresholds.margin


def _danger(score: int, ranked: Ranked, rules: Rules) -> Danger:
    """Words of danger decide. A category of urgent matters alarms with them, or where a file has none."""
    if score >= rules.thresholds.danger_alarm:
        return Danger.ALARM
    urgent = bool(ranked) and _is_urgent(ranked[0][0], rules)
    if urgent and _is_clear(ranked, rules) and (score > 0 or not rules.gated):
        return Danger.ALARM
    return Danger.ASK if urgent or score >= rules.thresholds.danger_ask else Danger.NONE


def _candidates(ranked: Ranked, evidence: list[Vote], rules: Rules) -> tuple[Candidate, ...]:
    matched: dict[int, list[tuple[int, str]]] = {owner: [] for owner, _ in ranked}
    for owner, weight, words in evidence:
        if weight > 0 and owner in matched:
            matched[owner].append((-weight, words))
    return tuple(
        Candidate(rules.owners[owner], score, tuple(words for _, words in sorted(matched[owner])))
        for owner, score in ranked
    )
