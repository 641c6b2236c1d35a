"""QR codes of places: a random, revocable token behind a link that opens the bot or the residents' page."""

import io
import secrets
from datetime import datetime

import segno
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.settings import ConfigError
from storage.tables import Area, QrToken

_BYTES = 12  # 96 bits: not to be guessed; 16 characters of the 64 that a deep link or a scene may carry


def link(username: str, token: str) -> str:
    return f"https://t.me/{username}?start={token}"


def page_link(url: str, token: str) -> str:
    return f"{url}/q/{token}"


def token_of(session: Session, area: str, now: datetime, *, renew: bool = False) -> str:
    """The area's token in force; `renew` revokes it first. Raises ConfigError for an unknown area."""
    place = session.get(Area, area)
    if place is None or not place.active:
        known = ", ".join(
            session.scalars(select(Area.code).where(Area.active).order_by(Area.position).limit(12))
        )
        raise ConfigError(
            f"the roster has no area {area}; it has: {known or 'none yet, load a roster first'}"
        )
    current = list(session.scalars(select(QrToken).where(QrToken.area == area, QrToken.revoked_at.is_(None))))
    if current and not renew:
        return current[0].token
    for old in current:
        old.revoked_at = now
    token = QrToken(token=secrets.token_urlsafe(_BYTES), area=area, created_at=now)
    session.add(token)
    return token.token


def picture(link_: str, kind: str) -> bytes:
    """The code as SVG or PNG, large enough to print."""
    drawn = io.BytesIO()
    segno.make(link_, error="m").save(drawn, kind=kind, scale=10, border=4)
    return drawn.getvalue()
