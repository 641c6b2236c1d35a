"""Loads how the office wants to be spoken to: insults, small talk, and who is speaking."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bot.files import load_document, validate
from routing.manners import Manners, letters
from routing.rules import Words
from routing.text import normalize


def _word(text: str) -> str:
    if not letters(normalize(text)):
        raise ValueError("不能是空的，也不能只有标点")
    return text


Word = Annotated[str, AfterValidator(_word)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Words(_Model):
    words: tuple[Word, ...] = ()
    exclude: tuple[Word, ...] = ()


class _Child(_Words):
    below: Annotated[int, Field(ge=5, le=18)] = 14


class _Proxy(_Model):
    speaks_for: tuple[Word, ...] = ()
    kin: tuple[Word, ...] = ()


class _File(_Model):
    insults: _Words = _Words()
    small_talk: tuple[Word, ...] = ()
    thanks: tuple[Word, ...] = ()
    child: _Child = _Child()
    proxy: _Proxy = _Proxy()
    elsewhere: _Words = _Words()


def load_manners(path: Path) -> Manners:
    """Raises FileError with every mistake found."""
    file = validate(load_document(path), _File)
    return Manners(
        insults=_words(file.insults),
        small_talk=file.small_talk,
        thanks=file.thanks,
        child=_words(file.child),
        child_below=file.child.below,
        speaks_for=file.proxy.speaks_for,
        kin=file.proxy.kin,
        elsewhere=_words(file.elsewhere),
    )


def _words(file: _Words) -> Words:
    return Words(file.words, file.exclude)
