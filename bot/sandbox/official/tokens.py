"""The account's access tokens: the plain kind, which each fetch replaces, and the stable kind."""

import secrets
from datetime import date, datetime, timedelta

from bot.clock import Clock
from bot.sandbox.official.limits import ZONE, RefusedError

LIFE = timedelta(seconds=7200)
OVERLAP = timedelta(seconds=300)  # in which the older one still works
PLAIN_A_DAY, FORCED_A_DAY = 2000, 20
FORCED_APART = timedelta(seconds=30)


class Tokens:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends: dict[
            str, datetime
        ] = {}  # each token ever handed out; nothing is forgotten but by `revoke`
        self._plain = self._stable = ""
        self._forced_at: datetime | None = None
        self._used: dict[tuple[str, date], int] = {}

    def knows(self, token: str) -> bool:
        return token in self._ends

    def check(self, token: str) -> None:
        """Raises RefusedError."""
        if not token:
            raise RefusedError(41001)
        if token not in self._ends:
            raise RefusedError(40001)
        if self._clock.now() >= self._ends[token]:
            raise RefusedError(42001)

    def revoke(self) -> None:
        """As when somebody resets the secret: none that was handed out works."""
        self._ends.clear()

    def plain(self) -> tuple[str, int]:
        """A new one each time; the one before works five minutes more."""
        self._count("plain", PLAIN_A_DAY)
        if self._plain in self._ends:
            self._ends[self._plain] = min(self._ends[self._plain], self._clock.now() + OVERLAP)
        self._plain = self._new()
        return self._plain, int(LIFE.total_seconds())

    def stable(self, force: bool) -> tuple[str, int]:
        """The same one while it has five minutes left; by force a new one, and the old is void."""
        if force:
            self._force()
        left = self._ends.get(self._stable, self._clock.now()) - self._clock.now()
        if left < OVERLAP:
            self._stable, left = self._new(), LIFE
        return self._stable, int(left.total_seconds())

    def _force(self) -> None:
        now = self._clock.now()
        if self._forced_at is not None and now - self._forced_at < FORCED_APART:
            raise RefusedError(45011)
        self._count("forced", FORCED_A_DAY)
        self._forced_at = now
        self._ends.pop(self._stable, None)

    def _count(self, kind: str, a_day: int) -> None:
        key = (kind, self._clock.now().astimezone(ZONE).date())
        if self._used.get(key, 0) >= a_day:
            raise RefusedError(45009)
        self._used[key] = self._used.get(key, 0) + 1

    def _new(self) -> str:
        token = f"99_{secrets.token_urlsafe(96)}"
        self._ends[token] = self._clock.now() + LIFE
        return token
