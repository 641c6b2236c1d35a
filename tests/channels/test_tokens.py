"""One token for everybody: in one process, in several, and when somebody dies in the middle."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from bot.channels.tokens import Fetched, NoToken, TokenKeeper, connect
from bot.clock import Clock
from tests import services

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class Platform:
    """Gives tokens a, b, c …; each fetch takes until the loop has turned a few times."""

    def __init__(self, seconds: int = 7200) -> None:
        self.fetches = 0
        self.seconds = seconds
        self.away = False
        self.hold: asyncio.Event | None = None
        self.asked = asyncio.Semaphore(0)

    async def fetch(self) -> Fetched | NoToken:
        self.fetches += 1
        self.asked.release()
        given = "abcdefgh"[self.fetches - 1]
        await asyncio.sleep(0)
        if self.hold is not None:
            await self.hold.wait()
        return NoToken("no connection") if self.away else Fetched(given, self.seconds)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with services.any_redis() as url:
        yield url


@pytest.fixture
async def shared(redis_url: str) -> AsyncIterator[Redis]:
    redis = connect(redis_url)
    await redis.flushall()
    yield redis
    await redis.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def platform() -> Platform:
    return Platform()


async def test_row_12_twenty_cold_calls_fetch_once(clock: Clock, platform: Platform) -> None:
    keeper = TokenKeeper("t", platform.fetch, clock)
    assert await asyncio.gather(*(keeper.token() for _ in range(20))) == ["a"] * 20
    assert platform.fetches == 1


async def test_row_12_twenty_refused_calls_renew_once(clock: Clock, platform: Platform) -> None:
    keeper = TokenKeeper("t", platform.fetch, clock)
    assert await keeper.token() == "a"
    assert await asyncio.gather(*(keeper.after("a") for _ in range(20))) == ["b"] * 20
    assert platform.fetches == 2


async def test_row_12_a_token_that_is_not_the_cached_one_renews_nothing(
    clock: Clock, platform: Platform
) -> None:
    keeper = TokenKeeper("t", platform.fetch, clock)
    await keeper.token()
    assert await keeper.after("older") == "a"
    assert platform.fetches == 1


async def test_row_12_a_platform_that_refuses_everything_is_asked_once_a_minute(
    clock: Clock, platform: Platform
) -> None:
    keeper = TokenKeeper("t", platform.fetch, clock)
    await keeper.token()
    assert await keeper.after("a") == "b"
    assert [await keeper.after("b") for _ in range(9)] == ["b"] * 9
    assert platform.fetches == 2
    clock.advance(timedelta(minutes=1))
    assert await keeper.after("b") == "c"


@pytest.mark.parametrize(
    ("seconds", "used"), [(7200, 6900), (301, 30), (300, 30), (20, 30)], ids=lambda number: str(number)
)
async def test_row_13_renewed_five_minutes_early(clock: Clock, seconds: int, used: int) -> None:
    platform = Platform(seconds)
    keeper = TokenKeeper("t", platform.fetch, clock)
    assert await keeper.token() == "a"
    clock.advance(timedelta(seconds=used - 1))
    assert await keeper.token() == "a"
    clock.advance(timedelta(seconds=1))
    assert await keeper.token() == "b"


async def test_a_failed_fetch_is_everybodys_and_is_not_kept(clock: Clock, platform: Platform) -> None:
    keeper = TokenKeeper("t", platform.fetch, clock)
    platform.away = True
    failed = await asyncio.gather(*(keeper.token() for _ in range(5)))
    assert failed == [NoToken("no connection")] * 5
    assert platform.fetches == 1
    platform.away = False
    assert await keeper.token() == "b"


async def test_who_gives_up_waiting_takes_the_fetch_from_nobody(clock: Clock, platform: Platform) -> None:
    platform.hold = asyncio.Event()
    keeper = TokenKeeper("t", platform.fetch, clock)
    first, second = asyncio.create_task(keeper.token()), asyncio.create_task(keeper.token())
    await platform.asked.acquire()
    first.cancel()
    platform.hold.set()
    assert await second == "a"
    assert platform.fetches == 1


# --- several processes ------------------------------------------------------------------------


async def test_row_12_two_processes_share_one_token(clock: Clock, platform: Platform, redis_url: str) -> None:
    """Each keeper has a connection of its own, as two processes have."""
    connections = [connect(redis_url) for _ in range(2)]
    await connections[0].flushall()
    keepers = [TokenKeeper("t", platform.fetch, clock, one) for one in connections]
    found = await asyncio.gather(*(keeper.token() for keeper in keepers * 10))
    assert (set(found), platform.fetches) == ({"a"}, 1)
    renewed = await asyncio.gather(*(keeper.after("a") for keeper in keepers * 10))
    assert (set(renewed), platform.fetches) == ({"b"}, 2)
    clock.advance(timedelta(hours=2))
    assert [await keeper.token() for keeper in keepers] == ["c", "c"]
    for one in connections:
        await one.aclose()


async def test_accounts_do_not_share(clock: Clock, platform: Platform, shared: Redis) -> None:
    keepers = [TokenKeeper(name, platform.fetch, clock, shared) for name in ("t", "u")]
    assert [await keeper.token() for keeper in keepers] == ["a", "b"]


async def test_row_13_a_dead_holder_loses_the_lock(clock: Clock, platform: Platform, shared: Redis) -> None:
    dead = shared.lock("huiyin:token:t:lock", timeout=0.1)
    assert await dead.acquire()
    keeper = TokenKeeper("t", platform.fetch, clock, shared, lease=2)
    assert await asyncio.wait_for(keeper.token(), 1) == "a"
    assert await shared.exists("huiyin:token:t")


async def test_row_13_who_holds_on_for_ever_keeps_nobody_from_a_token(
    clock: Clock, platform: Platform, shared: Redis
) -> None:
    assert await shared.lock("huiyin:token:t:lock", timeout=60).acquire()
    keeper = TokenKeeper("t", platform.fetch, clock, shared, lease=0.1)
    assert await keeper.token() == "a"


async def test_row_13_a_fetch_longer_than_the_lease_harms_nobody(
    clock: Clock, platform: Platform, shared: Redis
) -> None:
    platform.hold = asyncio.Event()
    slow, quick = (TokenKeeper("t", platform.fetch, clock, shared, lease=0.1) for _ in range(2))
    first = asyncio.create_task(slow.token())
    await platform.asked.acquire()
    assert await shared.pttl("huiyin:token:t:lock") <= 100
    second = asyncio.create_task(quick.token())
    await platform.asked.acquire()
    platform.hold.set()
    assert {await first, await second} == {"a", "b"}


async def test_losing_redis_costs_only_the_sharing(clock: Clock, platform: Platform) -> None:
    with services.redis() as url:
        shared = connect(url)
        keeper = TokenKeeper("t", platform.fetch, clock, shared)
        assert await keeper.token() == "a"
    clock.advance(timedelta(hours=2))
    assert await keeper.token() == "b"
    assert await keeper.after("b") == "c"
    await shared.aclose()


async def test_what_others_left_in_redis_may_be_anything(
    clock: Clock, platform: Platform, shared: Redis
) -> None:
    for left in (b"", b"{}", b"[1]", b"\xff", b'{"value": "y", "until": "2027-01-01T00:00:00"}'):
        await shared.set("huiyin:token:t", left)
        assert await TokenKeeper("t", platform.fetch, clock, shared).token() != "y"


async def test_tokens_are_not_printed(clock: Clock, platform: Platform) -> None:
    assert "secret" not in repr(Fetched("secret", 7200))
