"""Words that past messages ask for: each is tried on all of them, and a person decides. Pure."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from routing.classify import decide
from routing.privacy import redact_for_group
from routing.rules import Lexicon, Rules, RulesDocument, Scope, compile_rules, reweighted
from routing.text import normalize

LEAST = 3  # residents who wrote it, each in a message of their own: a prankster cannot steer the rules
MOST = 10
_TRIED = 200  # words; to try one takes its messages seven times
_LENGTHS = range(2, 6)
_FOR, _AGAINST = (2, 3, 4, 5), (-2, -3, -4)
_ELSEWHERE = 0.25  # the share of a word's messages that may be about something else
_WHOLE = 0.9  # the share of a word's messages from which on a longer one is the word
_LETTERS = re.compile(r"[^\W\d_]{2,}")
# No word begins or ends so: 跳闸了 and 又跳闸 are 跳闸.
_LOOSE = frozenset("的了吗呢吧啊呀嘛着过得地是在有我你他她它们您这那就又也都还很太请把被给和跟与或个")


@dataclass(frozen=True, slots=True)
class Lesson:
    """A past message, whose it was, and the category that is right for it."""

    text: str
    resident: int
    right: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A word for the rules: of so many past messages with it so many are right without and with it."""

    word: str
    category: str
    weight: int
    messages: int
    before: int
    after: int
    worse: int
    mended: frozenset[int]  # positions in the lessons

    @property
    def id(self) -> str:
        """The same for the same change of the rules."""
        return hashlib.sha256(f"{self.word} {self.weight} {self.category}".encode()).hexdigest()[:5]

    @property
    def gain(self) -> int:
        return self.after - self.before


def propose(
    lessons: Sequence[Lesson], document: RulesDocument, names: Collection[str] = ()
) -> list[Proposal]:
    """At most ten changes that make more past messages right than wrong, the best first.

    `names` are those of places and people, which say nothing about a matter. A later one mends what those
    before it do not.
    """
    rules = compile_rules(document)
    judged = [
        _Judged(at, lesson, decide(lesson.text, rules).category)
        for at, lesson in enumerate(lessons)
        if lesson.right in rules.leaves
    ]
    aims = list(islice(_aims(judged, document, rules, names), _TRIED))
    trial = _Trial(document, aims)
    return _best([found for aim in aims if (found := _tried(aim, trial))], lessons)


@dataclass(frozen=True, slots=True)
class _Judged:
    at: int
    lesson: Lesson
    guess: str | None

    @property
    def right(self) -> bool:
        return self.guess == self.lesson.right


Stake = tuple[str, tuple[int, ...]]  # a category, and the weights to try: for it or against it


@dataclass(frozen=True, slots=True)
class _Aim:
    """A word that may help a category, or keep others out of it, and the messages in which it stands."""

    word: str
    category: str
    weights: tuple[int, ...]
    messages: tuple[_Judged, ...]


# --- which words ------------------------------------------------------------------------------


def _aims(
    judged: Sequence[_Judged], document: RulesDocument, rules: Rules, names: Collection[str]
) -> Iterator[_Aim]:
    wanted, known, named = _wanted(judged, rules), _known(document), "\n".join(map(normalize, names))
    stands = _stands(judged, {word for _, word in wanted})
    fragments = _fragments(stands)
    for stake, word in wanted:
        usable = word not in fragments and word not in known[stake[0]] and word not in named
        if usable and _is_rare_elsewhere(stake, stands[word]):
            yield _Aim(word, *stake, tuple(stands[word]))


def _wanted(judged: Sequence[_Judged], rules: Rules) -> list[tuple[Stake, str]]:
    """What enough residents wrote whom the rules misunderstood in the same way, the most of them first."""
    written: defaultdict[tuple[Stake, int], set[str]] = defaultdict(set)
    for one in judged:
        if not one.right:
            for stake in _stakes(one, rules):
                written[stake, one.lesson.resident] |= _words(one.lesson.text)
    count = Counter((stake, word) for (stake, _), words in written.items() for word in words)
    return [wanted for wanted, residents in count.most_common() if residents >= LEAST]


def _stakes(one: _Judged, rules: Rules) -> Iterator[Stake]:
    """Figures never speak against an emergency, nor for what only says that something is unclear."""
    if one.lesson.right != rules.unclear:
        yield one.lesson.right, _FOR
    if one.guess and rules.leaves[one.guess].scope is not Scope.URGENT:
        yield one.guess, _AGAINST


def _words(text: str) -> set[str]:
    """Every sequence of two to five letters that may be a word; nobody's door is among them."""
    return {
        run[start : start + length]
        for run in _LETTERS.findall(normalize(redact_for_group(text)))
        for length in _LENGTHS
        for start in range(len(run) - length + 1)
        if run[start] not in _LOOSE and run[start + length - 1] not in _LOOSE
    }


def _known(document: RulesDocument) -> defaultdict[str, set[str]]:
    """What each category has a weight for already, or excludes."""
    known: defaultdict[str, set[str]] = defaultdict(set)
    for owner, lexicon in document.lexicons.items():
        known[owner] = {*lexicon.keywords, *lexicon.exclude}
    return known


def _stands(judged: Sequence[_Judged], words: set[str]) -> dict[str, list[_Judged]]:
    stands: dict[str, list[_Judged]] = {word: [] for word in words}
    for one in judged:
        for word in _words(one.lesson.text) & words:
            stands[word].append(one)
    return stands


def _fragments(stands: Mapping[str, Sequence[_Judged]]) -> set[str]:
    """Parts that hardly stand without the letter before or behind them: 关不 of 关不上."""
    return {
        part
        for word, messages in stands.items()
        for part in (word[1:], word[:-1])
        if part in stands and len(messages) >= _WHOLE * len(stands[part])
    }


def _is_rare_elsewhere(stake: Stake, messages: Sequence[_Judged]) -> bool:
    category, weights = stake
    about = sum(one.lesson.right == category for one in messages)
    elsewhere = len(messages) - about if weights is _FOR else about
    return elsewhere <= _ELSEWHERE * len(messages)


# --- what they would do -----------------------------------------------------------------------


class _Trial:
    """The rules with one more word at a time. Compiling takes long: it is done once, with all silent."""

    def __init__(self, document: RulesDocument, aims: Sequence[_Aim]) -> None:
        lexicons = dict(document.lexicons)
        for aim in aims:
            lexicon = lexicons.get(aim.category, Lexicon())
            lexicons[aim.category] = replace(lexicon, keywords={**lexicon.keywords, aim.word: 0})
        self._rules = compile_rules(replace(document, lexicons=lexicons))
        self._index = {pattern.text: index for index, pattern in enumerate(self._rules.patterns)}

    def rules(self, aim: _Aim, weight: int) -> Rules:
        owner = self._rules.owners.index(aim.category)
        return reweighted(self._rules, self._index[aim.word], owner, weight)


def _tried(aim: _Aim, trial: _Trial) -> Proposal | None:
    found = [one for weight in aim.weights if (one := _try(aim, weight, trial))]
    return max(found, key=_merit, default=None)


def _try(aim: _Aim, weight: int, trial: _Trial) -> Proposal | None:
    """What the word would change; None where it helps too few, or spoils as much, or an emergency."""
    rules = trial.rules(aim, weight)
    right = {one: decide(one.lesson.text, rules).category == one.lesson.right for one in aim.messages}
    mended = [one for one in aim.messages if right[one] and not one.right]
    worse = [one for one in aim.messages if one.right and not right[one]]
    spoils = any(rules.leaves[one.lesson.right].scope is Scope.URGENT for one in worse)
    if spoils or len(worse) >= len(mended) or len({one.lesson.resident for one in mended}) < LEAST:
        return None
    return Proposal(
        word=aim.word,
        category=aim.category,
        weight=weight,
        messages=len(aim.messages),
        before=sum(one.right for one in aim.messages),
        after=sum(right.values()),
        worse=len(worse),
        mended=frozenset(one.at for one in mended),
    )


def _merit(one: Proposal) -> tuple[int, int, int, int, str]:
    """Most gain, least harm, the smallest weight that does it, the longest word; the last decides ties."""
    return one.gain, -one.worse, -abs(one.weight), len(one.word), one.word


def _best(found: Sequence[Proposal], lessons: Sequence[Lesson]) -> list[Proposal]:
    best: list[Proposal] = []
    covered: set[int] = set()
    for one in sorted(found, key=_merit, reverse=True):
        if len({lessons[at].resident for at in one.mended - covered}) >= LEAST:
            best.append(one)
            covered |= one.mended
    return best[:MOST]
