"""Rule files become rules: those that belong together are read, checked against each other, compiled."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from bot.files import Document, FileError, Location, Problem, Watched, load_document, validate
from bot.rules.format import BY_LENGTH, ComboRule, Leaf, Lexical, Meta, Taxonomy, Voice, WordFile
from bot.rules.wordgroups import Groups
from routing import rules
from routing.promises import promised_arrival
from routing.rules import HALF, Combo, Lexicon, Rules, RulesDocument, Scope, Sense, compile_rules
from routing.text import normalize

_SENSES = {"danger": Sense.DANGER, "nothing": Sense.NOTHING, "question": Sense.QUESTION}


class RulesFile(Watched[Rules]):
    """The rules in force; a change in any file beside the main one counts."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, load_rules, beside="*.yaml")


def load_rules(path: Path) -> Rules:
    """Raises FileError with every mistake found. The same files are compiled once."""
    beside = tuple((one, one.read_bytes()) for one in sorted(path.parent.glob("*.yaml")) if one.is_file())
    return _compiled(path, beside)


@lru_cache(maxsize=2)
def _compiled(path: Path, beside: tuple[tuple[Path, bytes], ...]) -> Rules:
    return compile_rules(read_document(path))


def load_taxonomy(path: Path) -> Taxonomy:
    """The main file alone. Raises FileError."""
    return parse_taxonomy(load_document(path))


def parse_taxonomy(document: Document) -> Taxonomy:
    """Raises FileError."""
    taxonomy = validate(document, Taxonomy)
    _raise([*_leaf_problems(document, taxonomy), *_meta_problems(document, taxonomy)])
    return taxonomy


def read_document(path: Path, unsaved: Mapping[Path, str] = MappingProxyType({})) -> RulesDocument:
    """The main file with all that it includes. Raises FileError.

    `unsaved` is what some of them are going to say: it is read instead.
    """
    main = load_document(path, unsaved.get(path))
    taxonomy = parse_taxonomy(main)
    sources = [(main, taxonomy), *_included(main, taxonomy, unsaved)]
    reader = _LexiconReader(taxonomy, Groups(sources))
    for document, lexical in sources:
        reader.read(document, lexical)
    _raise([*reader.groups.problems, *reader.problems, *reader.unreachable(main, taxonomy)])
    return RulesDocument(
        version=taxonomy.meta.version,
        leaves=tuple(_leaf(group.code, leaf) for _, group, leaf in taxonomy.leaves()),
        lexicons=reader.lexicons(),
        hotlines=taxonomy.meta.hotlines,
        unclear=taxonomy.meta.unclear,
        thresholds=_thresholds(taxonomy.meta, [lexical for _, lexical in sources]),
    )


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise FileError(*sorted(problems, key=lambda problem: (problem.file, problem.line or 0)))


def _included(
    main: Document, taxonomy: Taxonomy, unsaved: Mapping[Path, str]
) -> Iterator[tuple[Document, Lexical]]:
    for name in taxonomy.include:
        path = Path(main.file).parent / name
        document = load_document(path, unsaved.get(path))
        yield document, validate(document, WordFile)


# --- the words of every owner -----------------------------------------------------------------


@dataclass(slots=True)
class _Gathered:
    """What several files say about one owner, words as they are compared."""

    keywords: dict[str, int] = field(default_factory=dict)
    combos: list[Combo] = field(default_factory=list)
    exclude: set[str] = field(default_factory=set)
    starts: dict[str, int] = field(default_factory=dict)
    lines: dict[str, tuple[Document, Location]] = field(default_factory=dict)  # where a keyword stands

    def weights(self) -> list[int]:
        return [*self.keywords.values(), *self.starts.values(), *(one.score for one in self.combos)]

    def most(self) -> int:
        """More than this no text can gather, for or against."""
        return sum(map(abs, self.weights()))


class _LexiconReader:
    """Gathers what all files say about each category and sense, and what is wrong with it."""

    def __init__(self, taxonomy: Taxonomy, groups: Groups) -> None:
        self.problems: list[Problem] = []
        self.groups = groups
        self._meta = taxonomy.meta
        self._weak = frozenset(map(normalize, taxonomy.meta.weak_words))
        self._codes = {leaf.service_code for _, _, leaf in taxonomy.leaves()}
        self._gathered: dict[str, _Gathered] = {}
        for rule in taxonomy.meta.prefix_rules:
            self._of(rule.code).starts[normalize(rule.prefix)] = taxonomy.meta.thresholds.prefix_bonus
        for sign in taxonomy.meta.danger_signs:
            self._of(Sense.DANGER).keywords[normalize(sign)] = rules.Thresholds().danger_ask

    def read(self, document: Document, lexical: Lexical) -> None:
        for owner, loc, voice in _voices(lexical):
            if owner not in self._codes and owner not in set(Sense):
                self.problems.append(document.problem(loc, f"没有 {owner} 这个类别"))
            else:
                self._read_voice(document, owner, loc, voice)

    def lexicons(self) -> Mapping[str, Lexicon]:
        return {
            owner: Lexicon(said.keywords, tuple(said.combos), tuple(sorted(said.exclude)), said.starts)
            for owner, said in self._gathered.items()
        }

    def unreachable(self, document: Document, taxonomy: Taxonomy) -> Iterator[Problem]:
        """Words that never count, and categories that no word can ever bring up."""
        for owner, said in self._gathered.items():
            for word in sorted(said.exclude & said.keywords.keys()):
                where, loc = said.lines[word]
                yield where.problem(loc, f"{owner} 的“{word}”又是关键词又在 exclude 里，永远不算")
            if (most := said.most()) >= HALF:
                told = f"{owner} 所有词的分数加起来有 {most}，最多 {HALF - 1}，请减几个词或者降分"
                where, loc = next(iter(said.lines.values()), (document, ()))
                yield where.problem(loc, told)
        for loc, _, leaf in taxonomy.leaves():
            said = self._of(leaf.service_code)
            if max(said.weights(), default=0) <= 0:
                yield document.problem(
                    (*loc, "service_code"), f"{leaf.service_code} 没有一个词会选中它，请给它关键词"
                )

    def _of(self, owner: str) -> _Gathered:
        return self._gathered.setdefault(owner, _Gathered())

    def _read_voice(self, document: Document, owner: str, loc: Location, voice: Voice) -> None:
        said = self._of(owner)
        said.exclude |= set(self._plain(document, (*loc, "exclude"), voice.exclude or ()))
        for weight, words in voice.keywords.items():
            # A plain list has no line of its own for the weight.
            row = (*loc, "keywords") if weight == BY_LENGTH else (*loc, "keywords", str(weight))
            self._read_row(document, row, owner, weight, words)
        for weight, words in voice.starts.items():
            said.starts |= dict.fromkeys(self._plain(document, (*loc, "starts"), words), weight)
        for index, rule in enumerate(voice.combos):
            self._add_combo(document, (*loc, "combos", index), owner, rule)

    def _read_row(
        self, document: Document, row: Location, owner: str, weight: int, words: tuple[str, ...]
    ) -> None:
        """Words of one weight. There are tens of thousands, most of them as they are compared."""
        said, place = self._of(owner), (document, row)
        for plain in self._plain(document, row, words):
            if plain in said.keywords:
                self._complain_of_two(place, owner, plain, weight)
            else:
                said.keywords[plain] = weight or self._by_length(plain)
                said.lines[plain] = place

    def _plain(self, document: Document, row: Location, words: tuple[str, ...]) -> Iterable[str]:
        """The words with their groups written out, as they are compared."""
        whole = "".join(words)
        if "<" not in whole and whole == normalize(whole):
            return words
        return [
            normalize(word)
            for index, written in enumerate(words)
            for word in self.groups.expand(document, (*row, index), written)
        ]

    def _by_length(self, plain: str) -> int:
        weight = {1: 1, 2: 3, 3: 5}.get(len(plain), 8)
        return max(1, round(weight * self._meta.weak_weight)) if plain in self._weak else weight

    def _complain_of_two(self, place: tuple[Document, Location], owner: str, plain: str, weight: int) -> None:
        said = self._of(owner)
        (before, row), known = said.lines[plain], said.keywords[plain]
        where = f"{before.file} 第 {before.line_of(row)} 行"
        same = f"写了两次，前一次在 {where}"
        other = f"有两个分数：{where} 是 {known}，这里是 {weight}，请留一个"
        trouble = same if known == (weight or self._by_length(plain)) else other
        self.problems.append(place[0].problem(place[1], f"{owner} 的关键词“{plain}”{trouble}"))

    def _add_combo(self, document: Document, loc: Location, owner: str, rule: ComboRule) -> None:
        written = rule.then or rule.all
        if bool(rule.then) == bool(rule.all) or len(written) < 2:
            self.problems.append(document.problem(loc, "要么写 all，要么写 then，至少两项"))
            return
        parts = tuple(tuple(self._plain(document, loc, part)) for part in written)
        unless = tuple(self._plain(document, loc, rule.unless or ()))
        for part in parts:
            if part and set(part) <= set(unless):
                self.problems.append(
                    document.problem(loc, f"“{'、'.join(part)}”又要有又在 unless 里，永远不算")
                )
        name = ("…" if rule.then else "+").join("/".join(part) for part in written)
        self._of(owner).combos.append(Combo(name, parts, rule.score, bool(rule.then), rule.within, unless))


def _voices(lexical: Lexical) -> Iterator[tuple[str, Location, Voice]]:
    if isinstance(lexical, Taxonomy):
        for loc, _, leaf in lexical.leaves():
            yield leaf.service_code, loc, leaf.voice
    elif isinstance(lexical, WordFile):
        for owner, voice in lexical.lexicon.items():
            yield owner, ("lexicon", owner), voice
    for name, sense in _SENSES.items():
        if (voice := getattr(lexical, name)) is not None:
            yield sense, (name,), voice


# --- what is wrong with the main file ---------------------------------------------------------


def _leaf_problems(document: Document, taxonomy: Taxonomy) -> Iterator[Problem]:
    first_line: dict[str, int] = {}
    for loc, _, leaf in taxonomy.leaves():
        code, line = leaf.service_code, document.line_of((*loc, "service_code"))
        if first_line.setdefault(code, line) != line:
            yield document.problem(
                (*loc, "service_code"), f"service_code {code} 重复了，前一个在第 {first_line[code]} 行"
            )
        if leaf.limit not in taxonomy.meta.limits:
            known = "、".join(taxonomy.meta.limits)
            yield document.problem((*loc, "limit"), f'{code} 的 limit 不能是 "{leaf.limit}"，可用：{known}')
        if leaf.scope is Scope.URGENT and (promise := promised_arrival(leaf.first_reply)):
            yield document.problem(
                (*loc, "first_reply"),
                f"{code} 是急事，第一句话不能说“{promise}”：有人点了按钮才能说有人来，改成“我正在通知……”",
            )


def _meta_problems(document: Document, taxonomy: Taxonomy) -> Iterator[Problem]:
    meta = taxonomy.meta
    codes = {leaf.service_code for _, _, leaf in taxonomy.leaves()}
    for index, rule in enumerate(meta.prefix_rules):
        if rule.code not in codes:
            yield document.problem(("meta", "prefix_rules", index, "code"), f"没有 {rule.code} 这个类别")
    # Other offices' files need not have our defaults; what a file names itself must exist.
    if meta.unclear not in codes and "unclear" in meta.model_fields_set:
        yield document.problem(("meta", "unclear"), f"没有 {meta.unclear} 这个类别")


# --- values -----------------------------------------------------------------------------------


def _thresholds(meta: Meta, sources: list[Lexical]) -> rules.Thresholds:
    danger = next((one.danger for one in sources if one.danger), None)
    nothing = next((one.nothing for one in sources if one.nothing), None)
    question = next((one.question for one in sources if one.question), None)
    standard = rules.Thresholds()
    return rules.Thresholds(
        meta.thresholds.score,
        meta.thresholds.margin,
        meta.thresholds.least,
        danger.ask if danger else standard.danger_ask,
        danger.alarm if danger else standard.danger_alarm,
        nothing.score if nothing else standard.nothing,
        question.score if question else standard.question,
    )


def _leaf(group: str, leaf: Leaf) -> rules.Leaf:
    return rules.Leaf(
        code=leaf.service_code,
        name=leaf.name,
        group=group,
        scope=leaf.scope,
        role=leaf.default_role,
        support_roles=leaf.support_roles,
        limit=leaf.limit,
        first_reply=leaf.first_reply,
        photo_required=leaf.photo_required,
        alone=leaf.alone,
    )
