"""Access tokens of WeChat and WeCom: fetched once for everybody, renewed in time, never in a storm."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.channels import facts
from bot.clock import Clock

log = structlog.get_logger()
_T = TypeVar("_T")

_SHORTEST = 30  # seconds that any fetched token is used for, so that an odd expiry starts no storm
_RENEWALS_APART = timedelta(minutes=1)  # a platform that refuses every token must not eat the quota
LEASE = 20.0  # seconds; longer than a fetch, so that only a dead holder loses the lock


@dataclass(frozen=True, slots=True)
class Token:
    value: str = field(repr=False)
    until: Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A token as the platform gave it, with its lifetime in seconds."""

    value: str = field(repr=False)
    seconds: int


@dataclass(frozen=True, slots=True)
class NoToken:
    """There is none at present, and why."""

    reason: str


Fetch = Callable[[], Awaitable[Fetched | NoToken]]


def connect(url: str) -> "Redis":
    """Shared memory for several processes; every wait on it is short, since it can be done without."""
    return Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)


class TokenKeeper:
    """One secret's token. `name` is the same in all processes that share it through `shared`.

    Whoever asks while a fetch runs gets its outcome. Without Redis, or when it fails, every process fetches
    for itself.
    """

    def __init__(
        self, name: str, fetch: Fetch, clock: Clock, shared: "Redis | None" = None, lease: float = LEASE
    ) -> None:
        self._key = f"huiyin:token:{name}"
        self._fetch = fetch
        self._clock = clock
        self._shared = shared
        self._lease = lease
        self._token: Token | None = None
        self._flight: asyncio.Task[Token | NoToken] | None = None
        self._renewed_at: datetime | None = None

    async def token(self) -> str | NoToken:
        if self._token is not None and self._clock.now() < self._token.until:
            return self._token.value
        return await self._fly(None)

    async def after(self, failed: str) -> str | NoToken:
        """What to use instead of a token that the platform refused; the same one where nothing is better."""
        if self._token is not None and self._token.value != failed:
            return await self.token()
        now = self._clock.now()
        if self._flight is None:
            if self._renewed_at is not None and now - self._renewed_at < _RENEWALS_APART:
                return failed
            self._renewed_at = now
        return await self._fly(failed)

    async def _fly(self, failed: str | None) -> str | NoToken:
        if self._flight is None:
            self._flight = asyncio.create_task(self._obtain(failed))
            self._flight.add_done_callback(self._land)
        # shielded: one caller that gives up must not take the fetch from the others
        found = await asyncio.shield(self._flight)
        return found.value if isinstance(found, Token) else found

    def _land(self, flight: asyncio.Task[Token | NoToken]) -> None:
        self._flight = None

    async def _obtain(self, failed: str | None) -> Token | NoToken:
        """The others' token if they have a good one, else a new one, which they get too."""
        if self._shared is None:
            return await self._fetched()
        lock = self._shared.lock(
            f"{self._key}:lock", timeout=self._lease, sleep=0.02, blocking_timeout=self._lease
        )
        held = await _or_none(lock.acquire())
        try:
            theirs = await self._theirs(self._shared)
            if theirs is not None and theirs.value != failed:
                self._token = theirs
                return theirs
            found = await self._fetched()
            if isinstance(found, Token):
                lasts = found.until - self._clock.now()
                await _or_none(self._shared.set(self._key, msgspec.json.encode(found), ex=lasts))
            return found
        finally:
            if held:
                await _or_none(lock.release())

    async def _fetched(self) -> Token | NoToken:
        found = await self._fetch()
        if isinstance(found, NoToken):
            log.warning("no access token", reason=found.reason)
            return found
        lasts = max(found.seconds - facts.TOKEN_RENEWED_EARLY, _SHORTEST)
        self._token = Token(found.value, self._clock.now() + timedelta(seconds=lasts))
        return self._token

    async def _theirs(self, shared: Redis) -> Token | None:
        found = await _or_none(shared.get(self._key))
        try:
            token = msgspec.json.decode(found or b"", type=Token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return token if self._clock.now() < token.until else None


async def _or_none(asked: Awaitable[_T]) -> _T | None:
    """What Redis says; None where it is not there to say it."""
    try:
        return await asked
    except RedisError as error:
        log.warning("tokens are not shared", error=type(error).__name__)
        return None
