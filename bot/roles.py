"""Loads what each post may be asked to do and may see, and how long personal data is kept."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from bot.files import load_document, validate
from bot.limits import Duration
from routing.organisation import Role
from routing.privacy import Retention
from routing.roles import Duties, Roles
from routing.rules import Scope

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[0-9]{0,2}$")]
Count = Annotated[int, Field(ge=0)]


def _a_day_at_least(period: timedelta) -> timedelta:
    if period < timedelta(days=1):
        raise ValueError("至少保存 1d")
    return period


Kept = Annotated[Duration, AfterValidator(_a_day_at_least)]
_KEPT = Retention()


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


class _Retention(_Model):
    originals: Kept = _KEPT.originals
    voices: Kept = _KEPT.voices
    requests: Kept = _KEPT.requests
    sent: Kept = _KEPT.sent
    accesses: Kept = _KEPT.accesses


class _File(_Model):
    roles: dict[Role, _Duties] = {}
    sealed: dict[Code, tuple[Role, ...]] = {}
    consent: tuple[Code, ...] = ()
    reveal: tuple[Role, ...] = ()
    retention: _Retention = _Retention()


def load_roles(path: Path) -> Roles:
    """Raises FileError with every mistake found."""
    file = validate(load_document(path), _File)
    return Roles(
        duties={role: _value(duties) for role, duties in file.roles.items()},
        sealed={code: frozenset(roles) for code, roles in file.sealed.items()},
        consent=frozenset(file.consent),
        reveal=frozenset(file.reveal),
        retention=Retention(**dict(file.retention)),
    )


def _value(duties: _Duties) -> Duties:
    return Duties(
        asks_day=duties.asks.day,
        asks_week=duties.asks.week,
        refused_scopes=frozenset(scope.value for scope in duties.refuses.scopes),
        refused_limits=frozenset(duties.refuses.limits),
        rule=duties.rule,
    )
