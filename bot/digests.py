"""Loads when the office's digests go out, and to which posts."""

from datetime import time
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bot.files import load_document, validate
from routing.organisation import Role
from routing.rhythm import Rhythm, Schedule


def _quoted(value: object) -> object:
    if isinstance(value, int):  # YAML takes 18:00 without quotes for a number
        raise ValueError('钟点要加引号，例如 "18:00"')
    return value


class _Rhythm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Annotated[time, BeforeValidator(_quoted)]
    weekday: Annotated[int, Field(ge=1, le=7)] | None = None
    day: Annotated[int, Field(ge=1, le=28)] | None = None
    roles: tuple[Role, ...]

    @model_validator(mode="after")
    def _one_of_both(self) -> "_Rhythm":
        if self.weekday is not None and self.day is not None:
            raise ValueError("weekday 和 day 只能写一个")
        return self

    def value(self) -> Rhythm:
        weekday = None if self.weekday is None else self.weekday - 1
        return Rhythm(self.at, weekday, self.day, self.roles)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: _Rhythm
    ledger: _Rhythm
    weekly: _Rhythm
    monthly: _Rhythm


def load_digests(path: Path) -> Schedule:
    """Raises FileError with every mistake found."""
    file = validate(load_document(path), _File)
    return Schedule(file.tasks.value(), file.ledger.value(), file.weekly.value(), file.monthly.value())
