"""Loads which messages go by template, under which ids and with which fields, and which are minor."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bot.files import FileError, load_document, validate
from handlers.notices import Form, Notices

Short = Annotated[str, Field(min_length=1, max_length=20)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$", max_length=64)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Form(_Model):
    template: Id = ""
    subscription: Id = ""
    purposes: Annotated[dict[str, Short], Field(min_length=1)]
    fields: Annotated[dict[str, str], Field(min_length=1)]


class _File(_Model):
    minor: tuple[str, ...] = ()
    forms: tuple[_Form, ...] = ()


def load_notices(path: Path) -> Notices:
    """Raises FileError with every mistake found."""
    document = load_document(path)
    file = validate(document, _File)
    seen: set[str] = set()
    problems = []
    for row, form in enumerate(file.forms):
        for purpose in form.purposes:
            if purpose in seen:
                problems.append(
                    document.problem(
                        ("forms", row, "purposes"), f"forms[{row}] 的 {purpose} 在别的模板里已经有了"
                    )
                )
            seen.add(purpose)
    if problems:
        raise FileError(*problems)
    return Notices(frozenset(file.minor), tuple(Form(**form.model_dump()) for form in file.forms))
