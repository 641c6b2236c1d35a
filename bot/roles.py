"""Loads what each post may be asked to do and may see."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bot.files import load_document, validate
from routing.organisation import Role
from routing.roles import Duties, Roles
from routing.rules import Scope

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[0-9]{0,2}$")]
Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Asks(_Model):
    day: Count | None = None
    week: Count | None = None


class _Refuses(_Model):
    scopes: tuple[Scope, ...] = ()
    limits: tuple[str, ...] = ()


class _Duties(_Model):
    asks: _Asks = _Asks()
    refuses: _Refuses = _Refuses()
    rule: str = ""


class _File(_Model):
    roles: dict[Role, _Duties] = {}
    sealed: dict[Code, tuple[Role, ...]] = {}
    consent: tuple[Code, ...] = ()


def load_roles(path: Path) -> Roles:
    """Raises FileError with every mistake found."""
    file = validate(load_document(path), _File)
    return Roles(
        duties={role: _value(duties) for role, duties in file.roles.items()},
        sealed={code: frozenset(roles) for code, roles in file.sealed.items()},
        consent=frozenset(file.consent),
    )


def _value(duties: _Duties) -> Duties:
    return Duties(
        asks_day=duties.asks.day,
        asks_week=duties.asks.week,
        refused_scopes=frozenset(scope.value for scope in duties.refuses.scopes),
        refused_limits=frozenset(duties.refuses.limits),
        rule=duties.rule,
    )
