"""Loads how many reports become one matter, and what is guided before anybody is sent."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bot.files import FileError, load_document, validate
from handlers.office import Together
from routing.alike import Alike, Counts
from routing.guidance import Guidance

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[0-9]{0,2}$")]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Positive = Annotated[int, Field(ge=1, le=10_000)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Alike(_Model):
    categories: tuple[Code, ...] = ()
    metres: Positive = 50
    open_days: Positive = 30
    ended_hours: Positive = 72


class _Counts(_Model):
    card: Positive = 3
    raised: Annotated[Positive, Field(alias="raise")] = 5
    many: Positive = 10


class _Guidance(_Model):
    frail: tuple[Word, ...] = ()
    volunteers: tuple[Code, ...] = ()
    becomes: dict[Code, Code] = {}


class _File(_Model):
    alike: _Alike = _Alike()
    counts: _Counts = _Counts()
    guidance: _Guidance = _Guidance()


def load_together(path: Path) -> Together:
    """Raises FileError with every mistake found."""
    document = load_document(path)
    file = validate(document, _File)
    counts = file.counts
    if not counts.card <= counts.raised <= counts.many:
        raise FileError(document.problem(("counts",), "counts:card、raise、many 要从小到大"))
    return Together(
        Alike(
            categories=frozenset(file.alike.categories),
            metres=file.alike.metres,
            open_for=timedelta(days=file.alike.open_days),
            ended_for=timedelta(hours=file.alike.ended_hours),
            counts=Counts(counts.card, counts.raised, counts.many),
        ),
        Guidance(
            frail=file.guidance.frail,
            volunteers=frozenset(file.guidance.volunteers),
            becomes=file.guidance.becomes,
        ),
    )
