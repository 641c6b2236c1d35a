"""QR codes of places: a random, revocable token behind a link that opens the bot or the residents' page."""

import asyncio
import io
import secrets
from datetime import UTC, datetime
from enum import StrEnum

import segno
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.app import ready_database
from bot.settings import ConfigError, Settings
from storage.store import Store, sqlite_path
from storage.tables import Area, QrToken

_BYTES = 12  # 96 bits: not to be guessed; 16 characters of the 64 that a deep link may carry


class Opens(StrEnum):
    """What a code opens."""

    TELEGRAM = "telegram"
    WEB = "web"


def link_for(settings: Settings, area: str, opens: Opens, *, renew: bool) -> str:
    """The link of the area's code, made where there is none. Raises ConfigError for an unknown area."""
    telegram, page = settings.channels.telegram, settings.channels.web
    if opens is Opens.TELEGRAM and not telegram.username:
        raise ConfigError("channels.telegram.username is missing: it is part of every link")
    if opens is Opens.WEB and not page.configured:
        raise ConfigError("channels.web.url is missing: it is part of every link")
    path = sqlite_path(settings.database_url)
    ready_database(path)
    store = Store(path)
    try:
        token = asyncio.run(store.write(token_of, area, datetime.now(UTC), renew=renew))
    finally:
        store.close()
    return link(telegram.username, token) if opens is Opens.TELEGRAM else f"{page.url}/q/{token}"


def link(username: str, token: str) -> str:
    return f"https://t.me/{username}?start={token}"


def token_of(session: Session, area: str, now: datetime, *, renew: bool = False) -> str:
    """The area's token in force; `renew` revokes it first. Raises ConfigError for an unknown area."""
    if session.get(Area, area) is None:
        known = ", ".join(session.scalars(select(Area.code).order_by(Area.position).limit(12)))
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
