"""The client against a server that refuses, hangs, and stands behind something broken."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.channels.exchange import NoAnswer, NotSent
from bot.channels.tokens import Fetched, NoToken, TokenKeeper
from bot.channels.weixin_api import Answer, Breaker, Contents, Http, Reply, WeixinApi, token_from
from bot.clock import Clock
from handlers.messages import Blob
from tests.channels.servers import served
from tests.process import free_port

IMPATIENT = aiohttp.ClientTimeout(total=0.2, connect=0.2, sock_read=0.2)


class Platform:
    """Gives tokens 1, 2, 3 …, takes those in `good`, and does `work` with calls that have one."""

    def __init__(self, work: Callable[[web.Request], Any] | None = None) -> None:
        self.fetches = self.calls = 0
        self.good: set[str] | None = None
        self.refusal = 40001
        self.work = work

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            self.fetches += 1
            return web.json_response({"access_token": str(self.fetches), "expires_in": 7200})
        self.calls += 1
        if self.good is not None and request.query["access_token"] not in self.good:
            return web.json_response({"errcode": self.refusal, "errmsg": "invalid credential"})
        if self.work is None:
            return web.json_response({"errcode": 0, "errmsg": "ok"})
        answer: web.StreamResponse = await self.work(request)
        return answer


@asynccontextmanager
async def client(
    platform: Platform, clock: Clock, patience: aiohttp.ClientTimeout = IMPATIENT
) -> AsyncIterator[WeixinApi]:
    async with served(platform.handle) as base:
        http = Http(base, clock, patience)

        async def fetch() -> Fetched | NoToken:
            return token_from(await http.post("token", {}))

        yield WeixinApi(http, TokenKeeper("t", fetch, clock))
        await http.close()


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))


async def test_row_12_twenty_cold_calls_ask_for_one_token(clock: Clock) -> None:
    platform = Platform()
    async with client(platform, clock) as api:
        answers = await asyncio.gather(*(api.post("send", {}) for _ in range(20)))
    assert all(isinstance(one, Reply) and one.ok for one in answers)
    assert (platform.fetches, platform.calls) == (1, 20)


@pytest.mark.parametrize("refusal", [40001, 40014, 42001])
async def test_row_12_a_refused_token_is_renewed_once(clock: Clock, refusal: int) -> None:
    platform = Platform()
    platform.good, platform.refusal = {"2"}, refusal
    async with client(platform, clock) as api:
        answers = await asyncio.gather(*(api.post("send", {}) for _ in range(20)))
    assert all(isinstance(one, Reply) and one.ok for one in answers)
    assert platform.fetches == 2


async def test_row_12_a_platform_that_always_refuses_gives_two_tokens(clock: Clock) -> None:
    platform = Platform()
    platform.good = set()
    async with client(platform, clock) as api:
        answers: list[Answer] = [await api.post("send", {}) for _ in range(5)]
        answers += await asyncio.gather(*(api.get("info") for _ in range(20)))
    assert {one.errcode for one in answers if isinstance(one, Reply)} == {40001}
    assert (platform.fetches, platform.calls) == (2, 26)


async def test_row_15_a_hanging_platform_is_left_after_a_while_and_then_not_asked(clock: Clock) -> None:
    released = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await released.wait()
        return web.json_response({"errcode": 0})

    platform = Platform(hang)
    async with client(platform, clock) as api:
        lost = [await api.post("send", {}) for _ in range(Breaker.PATIENCE)]
        assert all(isinstance(one, NoAnswer) for one in lost)
        calls = platform.calls
        assert isinstance(await api.post("send", {}), NotSent)
        assert platform.calls == calls
        released.set()
        clock.advance(Breaker.PAUSE - timedelta(seconds=1))
        assert isinstance(await api.post("send", {}), NotSent)
        clock.advance(timedelta(seconds=1))
        assert await api.post("send", {}) == Reply(0, {"errcode": 0})


async def test_row_15_one_more_failure_after_the_pause_pauses_again(clock: Clock) -> None:
    http = Http(f"http://127.0.0.1:{free_port()}", clock, IMPATIENT)
    for _ in range(Breaker.PATIENCE):
        assert await http.get("x") == NotSent("no connection to the platform")
    assert await http.get("x") == NotSent("the platform did not answer lately")
    clock.advance(Breaker.PAUSE)
    assert await http.get("x") == NotSent("no connection to the platform")
    assert await http.get("x") == NotSent("the platform did not answer lately")
    await http.close()


async def test_what_stands_in_front_of_the_platform_is_not_the_platform(clock: Clock) -> None:
    answers = iter(
        [
            web.Response(status=502, text="<html>Bad Gateway"),
            web.Response(text="<html>welcome"),
            web.Response(status=302, headers={"Location": "https://elsewhere.example/"}),
            web.Response(text="[1]"),
            web.Response(body=b"\xff\xfe", content_type="application/json"),
        ]
    )

    async def odd(_: web.Request) -> web.Response:
        return next(answers)

    async with client(Platform(odd), clock) as api:
        assert all([isinstance(await api.post("send", {}), NotSent) for _ in range(5)])


async def test_a_connection_that_breaks_leaves_it_open_what_was_done(clock: Clock) -> None:
    async def drop(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with client(Platform(drop), clock) as api:
        assert isinstance(await api.post("send", {}), NoAnswer)


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_row_19_an_error_where_a_file_was_asked_for_is_no_file(clock: Clock, kind: str) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(text='{"errcode": 40007, "errmsg": "invalid media_id"}', content_type=kind)

    async with client(Platform(refuse), clock) as api:
        answer = await api.download("media/get", media_id="m")
    assert isinstance(answer, Reply)
    assert answer.errcode == 40007


async def test_files_travel_in_both_directions(clock: Clock) -> None:
    content = bytes(range(256)) * 8192

    seen: list[web.Request] = []

    async def both(request: web.Request) -> web.Response:
        seen.append(request)
        if request.method == "POST":
            media = (await request.post())["media"]
            assert isinstance(media, web.FileField)
            assert (media.filename, media.content_type) == ("a.jpg", "image/jpeg")
            assert media.file.read() == content
            return web.json_response({"media_id": "m"})
        return web.Response(body=content, content_type="image/jpeg")

    async with client(Platform(both), clock, aiohttp.ClientTimeout(total=5)) as api:
        await api.upload("media/upload", Blob("a.jpg", content), type="image")
        assert await api.download("media/get", media_id="m") == Contents("image/jpeg", content)
    assert [one.query.get("type") for one in seen] == ["image", None]


@pytest.mark.parametrize(
    "body",
    [
        {"errcode": 40125, "errmsg": "invalid appsecret, view more at secret-of-ours"},
        {"access_token": "", "expires_in": 7200},
        {"access_token": 5, "expires_in": 7200},
        {"access_token": "secret-of-ours"},
        {"access_token": "secret-of-ours", "expires_in": "soon"},
        {"errcode": "secret-of-ours"},
    ],
)
async def test_no_token_is_never_a_token(clock: Clock, body: dict[str, Any]) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.json_response(body)

    async with served(odd) as base:
        http = Http(base, clock, IMPATIENT)

        async def fetch() -> Fetched | NoToken:
            return token_from(await http.post("token", {}))

        answer = await WeixinApi(http, TokenKeeper("t", fetch, clock)).post("send", {})
        await http.close()
    assert isinstance(answer, NotSent)
    assert "secret-of-ours" not in answer.reason
