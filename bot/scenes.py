"""Parametric codes of the service account: one for ever per place's token, or one for some days."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.channels import facts
from bot.channels.wechat import NotDone, WechatChannel
from bot.clock import Clock
from bot.settings import ConfigError
from storage.store import Store
from storage.tables import Scene

_MAY_NOT, _ALL_USED = 48001, 45029
_INSTEAD = "use --channel web, or ask for a code that expires with --expires"
_FULL = (
    f"all {facts.MOST_SCENES} permanent codes of this account are used, and none can be deleted: {_INSTEAD}"
)
_REFUSED = {
    _MAY_NOT: "this account may not make codes (48001): only a verified 服务号 may; use --channel web",
    _ALL_USED: _FULL,
}


class Scenes:
    """Codes of one account. A token keeps its permanent code; a place's new token needs another one.

    The old code cannot be deleted, and whoever has a picture of it would still get in if it served again:
    it stays with the revoked token. Codes that expire are made anew each time; nothing counts them.
    """

    def __init__(self, store: Store, channel: WechatChannel, account: str, clock: Clock) -> None:
        self._store = store
        self._channel = channel
        self._account = account
        self._clock = clock

    async def link(self, token: str, lasts: timedelta | None = None) -> str:
        """What the code of this token holds. Raises ConfigError where the account can have none."""
        if lasts is not None:
            return await self._create(token, lasts)
        known = await self._store.read(_known, token, self._account)
        if known is not None:
            return known
        if await self.used() >= facts.MOST_SCENES:
            raise ConfigError(_FULL)
        url = await self._create(token, None)  # the same token gives the same code: a repetition costs none
        await self._store.write(_keep, token, self._account, url, self._clock.now())
        return url

    async def used(self) -> int:
        """How many permanent codes were made."""
        return await self._store.read(count, self._account)

    async def _create(self, token: str, lasts: timedelta | None) -> str:
        made = await self._channel.create_scene(token, lasts)
        if isinstance(made, NotDone):
            raise ConfigError(_REFUSED.get(made.errcode, f"the platform made no code: {made.reason}"))
        return made.url


def warning(used: int) -> str | None:
    """What the office should know when the permanent codes run short."""
    if used < facts.WARN_SCENES * facts.MOST_SCENES:
        return None
    return f"{used} of {facts.MOST_SCENES} permanent codes are used, and none can be deleted: {_INSTEAD}"


def count(session: Session, account: str) -> int:
    return session.scalar(select(func.count()).select_from(Scene).where(Scene.account == account)) or 0


def _known(session: Session, token: str, account: str) -> str | None:
    return session.scalar(select(Scene.url).where(Scene.token == token, Scene.account == account))


def _keep(session: Session, token: str, account: str, url: str, now: datetime) -> None:
    session.merge(Scene(token=token, account=account, url=url, created_at=now))
