"""Loads the office's policy cards, and says which of them need somebody's care."""

from collections.abc import Container, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from bot.files import Document, FileError, Location, Problem, load_document, validate
from routing.cards import PolicyCard, PolicyCards
from routing.text import normalize

_SOON = timedelta(days=30)


def _word(text: str) -> str:
    if len(plain := normalize(text)) < 2:
        raise ValueError("至少要两个字")
    return plain


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=30)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[0-9]{2}$")]
Word = Annotated[str, AfterValidator(_word)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Card(_Model):
    id: Id
    title: Title
    categories: Annotated[tuple[Code, ...], Field(min_length=1)]
    words: tuple[Word, ...] = ()
    papers: Annotated[tuple[Text, ...], Field(min_length=1)]
    place: Text
    hours: Text
    phone: Text
    valid_until: date
    source: Text


class _File(_Model):
    sample: bool = False
    phones: dict[Text, Text] = {}
    troubles: tuple[Word, ...] = ()
    cards: tuple[_Card, ...]


def load_cards(path: Path) -> PolicyCards:
    """Raises FileError with every mistake found."""
    document = load_document(path)
    file = validate(document, _File)
    if problems := [*_problems(document, file)]:
        raise FileError(*problems)
    return PolicyCards(tuple(_card(one, file) for one in file.cards), file.troubles, file.sample)


def _problems(document: Document, file: _File) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, card in enumerate(file.cards):
        where: Location = ("cards", index)
        line = document.line_of((*where, "id"))
        if first.setdefault(card.id, line) != line:
            yield document.problem((*where, "id"), f"id {card.id} 重复了，前一个在第 {first[card.id]} 行")
        if card.phone not in file.phones:
            known = "、".join(file.phones)
            yield document.problem((*where, "phone"), f"phones 里没有“{card.phone}”，有这些：{known}")
        for at, word in enumerate(card.words):
            if word in card.words[:at]:
                yield document.problem((*where, "words", at), f"{card.id} 的词“{word}”写了两次")


def _card(card: _Card, file: _File) -> PolicyCard:
    fields = card.model_dump()
    return PolicyCard(**{**fields, "phone": f"{card.phone} {file.phones[card.phone]}"})


def cards_notes(found: PolicyCards, categories: Container[str], today: date) -> Iterator[str]:
    """What the clerk should look at, a line each; nothing of it keeps the cards from being used."""
    if found.sample:
        yield "还是自带的样例：请按本地的办法改好，再把 sample 那一行删掉"
    for card in found.cards:
        until = f"{card.id}（{card.title}）有效期到 {card.valid_until}"
        if card.valid_until < today:
            yield f"{until}，已过期，不再给居民看"
        elif card.valid_until - today <= _SOON:
            yield f"{until}，快到期了，请核对后改日期"
        if unknown := [code for code in card.categories if code not in categories]:
            yield f"{card.id}（{card.title}）的类别 {'、'.join(unknown)} 在分类表里没有"
