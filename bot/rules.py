"""The office's rule file: what it must look like, how it becomes rules, how a changed one takes effect."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from bot.files import Document, FileError, Problem, Watched, load_document, validate
from routing import rules
from routing.promises import promised_arrival
from routing.rules import Rules, RulesDocument, Scope, compile_rules
from routing.text import normalize


def _word(text: str) -> str:
    if not normalize(text):
        raise ValueError("不能是空的")
    return text


def _reply(text: str) -> str:
    try:
        list(Formatter().parse(text))
    except ValueError:
        raise ValueError("花括号不成对，例如 {deadline}") from None
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Word = Annotated[str, AfterValidator(_word)]
Role = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Positive = Annotated[float, Field(gt=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScopeClass(_Model):
    id: Text
    rule: Text


class Limit(_Model):
    name: Text
    calendar: Text
    ack: Text
    resolve: Text
    contact: Text | None = None
    first_feedback: Text | None = None
    plan: Text | None = None


class PrefixRule(_Model):
    prefix: Word
    code: Text


class Thresholds(_Model):
    score: Positive = 4.0
    margin: Annotated[float, Field(ge=0)] = 1.5
    prefix_bonus: Annotated[float, Field(ge=0)] = 6.0


class Meta(_Model):
    title: Text
    version: Text
    limits: dict[str, Limit]
    note: str = ""
    scope_classes: dict[Scope, ScopeClass] = {}
    service_hours: str = ""
    weak_words: tuple[Word, ...] = ()
    weak_weight: Annotated[float, Field(ge=0, le=1)] = 0.35
    prefix_rules: tuple[PrefixRule, ...] = ()
    thresholds: Thresholds = Thresholds()
    first_groups: tuple[Text, ...] = ("EM",)
    unclear: Text = "OS06"
    danger_signs: tuple[Word, ...] = ()
    danger_exclude: tuple[Word, ...] = ()
    alarm_words: tuple[Word, ...] = ("救命",)
    alarm_exclude: tuple[Word, ...] = ()
    danger_sign_rule: str = ""
    always: str = ""
    matching: str = ""
    hotlines: dict[str, Text] = {}


class Leaf(_Model):
    service_code: Text
    name: Text
    scope: Scope
    default_role: Role
    limit: Text
    keywords: Annotated[tuple[Word, ...], Field(min_length=1)]
    first_reply: Annotated[Text, AfterValidator(_reply)]
    id: str = ""
    support_roles: tuple[Role, ...] = ()
    exclude: tuple[Word, ...] = ()
    examples: tuple[Text, ...] = ()
    photo_required: bool = False


class Group(_Model):
    code: Text
    name: Text
    children: Annotated[tuple[Leaf, ...], Field(min_length=1)]
    id: str = ""
    basis: str = ""


class Taxonomy(_Model):
    meta: Meta
    categories: Annotated[tuple[Group, ...], Field(min_length=1)]

    def leaves(self) -> Iterator[tuple[tuple[str | int, ...], Group, Leaf]]:
        """Every leaf with the place where it stands in the file, and its group."""
        for row, group in enumerate(self.categories):
            for column, leaf in enumerate(group.children):
                yield ("categories", row, "children", column), group, leaf


class RulesFile(Watched[Rules]):
    """The rules in force."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, load_rules)


def load_rules(path: Path) -> Rules:
    """Raises FileError with every mistake found."""
    return compile_rules(_document(load_taxonomy(path)))


def load_taxonomy(path: Path) -> Taxonomy:
    document = load_document(path)
    taxonomy = validate(document, Taxonomy)
    problems = [*_leaf_problems(document, taxonomy), *_meta_problems(document, taxonomy)]
    if problems:
        raise FileError(*sorted(problems, key=lambda problem: problem.line or 0))
    return taxonomy


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
        for word, times in Counter(map(normalize, leaf.keywords)).items():
            if times > 1:
                yield document.problem((*loc, "keywords"), f"{code} 的关键词“{word}”写了 {times} 次")


def _meta_problems(document: Document, taxonomy: Taxonomy) -> Iterator[Problem]:
    meta = taxonomy.meta
    codes = {leaf.service_code for _, _, leaf in taxonomy.leaves()}
    groups = {group.code for group in taxonomy.categories}
    for index, rule in enumerate(meta.prefix_rules):
        if rule.code not in codes:
            yield document.problem(("meta", "prefix_rules", index, "code"), f"没有 {rule.code} 这个类别")
    # Other offices' files need not have our defaults; what a file names itself must exist.
    for code in set(meta.first_groups) - groups if "first_groups" in meta.model_fields_set else ():
        yield document.problem(("meta", "first_groups"), f"没有 {code} 这个大类")
    if meta.unclear not in codes and "unclear" in meta.model_fields_set:
        yield document.problem(("meta", "unclear"), f"没有 {meta.unclear} 这个类别")


def _document(taxonomy: Taxonomy) -> RulesDocument:
    meta = taxonomy.meta
    return RulesDocument(
        version=meta.version,
        leaves=tuple(_leaf(group, leaf) for _, group, leaf in taxonomy.leaves()),
        hotlines=meta.hotlines,
        weak_words=meta.weak_words,
        weak_weight=meta.weak_weight,
        prefixes=tuple(rules.Prefix(rule.prefix, rule.code) for rule in meta.prefix_rules),
        danger_signs=rules.Words(meta.danger_signs, meta.danger_exclude),
        alarm_words=rules.Words(meta.alarm_words, meta.alarm_exclude),
        first_groups=meta.first_groups,
        unclear=meta.unclear,
        thresholds=rules.Thresholds(**meta.thresholds.model_dump()),
    )


def _leaf(group: Group, leaf: Leaf) -> rules.Leaf:
    return rules.Leaf(
        code=leaf.service_code,
        name=leaf.name,
        group=group.code,
        scope=leaf.scope,
        role=leaf.default_role,
        support_roles=leaf.support_roles,
        limit=leaf.limit,
        keywords=leaf.keywords,
        exclude=leaf.exclude,
        first_reply=leaf.first_reply,
        photo_required=leaf.photo_required,
    )
