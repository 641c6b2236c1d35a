"""One-time codes with which members bind their accounts; only a keyed hash of each is stored."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.settings import ConfigError
from handlers.joining import PURPOSE
from storage.ids import new_id
from storage.secrets import Vault
from storage.tables import Account, Appointment, Audit, JoinCode, Member

VALID = timedelta(days=7)
_SIGNS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # none that looks like another
_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Printed:
    member: str
    name: str
    code: str


def make_codes(
    session: Session, members: Collection[str], vault: Vault, now: datetime, who: str
) -> list[Printed]:
    """A new code for each of these members; without any, for everybody in office who has no account yet.

    Raises ConfigError for somebody the roster does not know.
    """
    known = {one.code: one for one in session.scalars(select(Member).order_by(Member.code))}
    unknown = sorted(set(members) - set(known))
    if unknown:
        raise ConfigError(f"the roster has no member {', '.join(unknown)}")
    chosen = [known[code] for code in members] or _without_account(session, known.values(), now)
    if chosen:
        made = {"members": [one.code for one in chosen]}
        session.add(Audit(id=new_id(), at=now, who=who, subject="codes", digest="", difference=made))
    return [_make(session, one, vault, now) for one in chosen]


def _without_account(session: Session, members: Collection[Member], now: datetime) -> list[Member]:
    bound = set(session.scalars(select(Account.member).where(Account.member.is_not(None))))
    in_office = select(Appointment.member).where(Appointment.ends.is_(None) | (Appointment.ends > now))
    wanted = set(session.scalars(in_office)) - bound
    return [one for one in members if one.code in wanted]


def _make(session: Session, member: Member, vault: Vault, now: datetime) -> Printed:
    code = "".join(secrets.choice(_SIGNS) for _ in range(_LENGTH))
    session.add(JoinCode(lookup=vault.lookup(PURPOSE, code), member=member.code, expires_at=now + VALID))
    return Printed(member.code, member.name, code)
