"""What a rule file may say, field by field."""

import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from routing.rules import Scope
from routing.text import normalize

BY_LENGTH = 0  # the weight of words that stand in a plain list: the longer, the weightier
MOST_WEIGHT = 30
LONGEST_WORD = 100  # characters; compiling takes the square of it
# Each part gives up where it begins again: what is tried once more from every place takes hours.
_REGULAR = re.compile(r"\.[*+?]|\\[a-zA-Z.]|\(\?|\[[^\[\]]*\]|\([^()]*\||[^|]\|[^|]|\{\d*(?:,\d*)?\}|^\^|\$$")


def _word(text: str) -> str:
    if not normalize(text):
        raise ValueError("不能是空的")
    _refuse_regular(text)
    return text


def _words(value: object) -> object:
    """A row of words with spaces between them is checked as a whole: there are tens of thousands."""
    if not isinstance(value, str):
        return value
    _refuse_regular(value)
    return value.split()


def _refuse_regular(text: str) -> None:
    if found := _REGULAR.search(text):
        raise ValueError(f"“{found[0]}”像正则表达式，这里只写词：几种说法就写成几个词，或者用 <词组>")


def _each_word(words: tuple[str, ...]) -> tuple[str, ...]:
    if not normalize("".join(words)) or not all(map(str.strip, words)):
        raise ValueError("不能是空的")
    if max(map(len, words)) > LONGEST_WORD:
        raise ValueError(f"一个词最多 {LONGEST_WORD} 个字")
    _refuse_regular(" ".join(words))
    return words


def _reply(text: str) -> str:
    try:
        list(Formatter().parse(text))
    except ValueError:
        raise ValueError("花括号不成对，例如 {deadline}") from None
    return text


def _weighted(value: object) -> object:
    return {str(BY_LENGTH): value} if isinstance(value, list | str) else value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Word = Annotated[str, AfterValidator(_word)]
FileName = Annotated[str, StringConstraints(pattern=r"^[^/\\]{1,80}\.yaml$")]
Role = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Weight = Annotated[int, Field(ge=-MOST_WEIGHT, le=MOST_WEIGHT)]
# Written as a list, or as one line of words with spaces between them.
WordList = Annotated[
    tuple[str, ...], BeforeValidator(_words), Field(min_length=1), AfterValidator(_each_word)
]
Keywords = Annotated[dict[Weight, WordList], BeforeValidator(_weighted)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ComboRule(_Model):
    """Either all of `all`, anywhere, or `then` in this order with at most `within` characters between."""

    score: Weight
    all: tuple[WordList, ...] = ()
    then: tuple[WordList, ...] = ()
    within: Annotated[int, Field(ge=0, le=100)] = 12
    unless: WordList | None = None


class Voice(_Model):
    """All that speaks for or against one category or sense."""

    keywords: Keywords = {}
    combos: tuple[ComboRule, ...] = ()
    exclude: WordList | None = None
    starts: dict[Weight, WordList] = {}


class DangerVoice(Voice):
    ask: Positive = 5
    alarm: Positive = 10


class SenseVoice(Voice):
    score: Positive = 5


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
    score: Positive = 5
    margin: NotNegative = 2
    least: int = 1
    prefix_bonus: NotNegative = 6


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
    unclear: Text = "OS06"
    danger_signs: tuple[Word, ...] = ()
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
    first_reply: Annotated[Text, AfterValidator(_reply)]
    id: str = ""
    support_roles: tuple[Role, ...] = ()
    keywords: Keywords = {}
    combos: tuple[ComboRule, ...] = ()
    exclude: WordList | None = None
    starts: dict[Weight, WordList] = {}
    examples: tuple[Text, ...] = ()
    photo_required: bool = False
    alone: bool = True

    @property
    def voice(self) -> Voice:
        return Voice.model_construct(
            keywords=self.keywords, combos=self.combos, exclude=self.exclude, starts=self.starts
        )


class Group(_Model):
    code: Text
    name: Text
    children: Annotated[tuple[Leaf, ...], Field(min_length=1)]
    id: str = ""
    basis: str = ""


class Lexical(_Model):
    """What the main file and the files that it includes may both hold. `words` are named groups."""

    words: dict[Text, WordList] = {}
    danger: DangerVoice | None = None
    nothing: SenseVoice | None = None
    question: SenseVoice | None = None


class WordFile(Lexical):
    """A file that is included: words for the categories, which the main file describes."""

    lexicon: dict[Text, Voice] = {}


class Taxonomy(Lexical):
    meta: Meta
    categories: Annotated[tuple[Group, ...], Field(min_length=1)]
    include: tuple[FileName, ...] = ()

    def leaves(self) -> Iterator[tuple[tuple[str | int, ...], Group, Leaf]]:
        """Every leaf with the place where it stands in the file, and its group."""
        for row, group in enumerate(self.categories):
            for column, leaf in enumerate(group.children):
                yield ("categories", row, "children", column), group, leaf

    @property
    def lexicon(self) -> Mapping[str, Voice]:
        return {leaf.service_code: leaf.voice for _, _, leaf in self.leaves()}
