"""The wire itself: encodings, broken answers, the clock and the stream of changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from bot.clock import Clock
from bot.sandbox.faults import FaultKind
from bot.sandbox.media import tiny_png
from bot.sandbox.people import Person, Sandbox
from bot.sandbox.server import BotSpec, build, serve

MARKUP = {"inline_keyboard": [[{"text": "好", "callback_data": "y"}]]}
MESSAGE = {"chat_id": 5001, "text": "一样", "reply_markup": MARKUP, "disable_notification": True}
AS_STRINGS = {
    "chat_id": "5001",
    "text": "一样",
    "reply_markup": json.dumps(MARKUP),
    "disable_notification": "true",
}


@pytest.fixture
async def http(sandbox: Sandbox, wang: Person) -> AsyncIterator[aiohttp.ClientSession]:
    await wang.scans()
    async with aiohttp.ClientSession(f"{sandbox.base_url}/bot100:first/") as session:
        yield session


async def test_all_encodings_mean_the_same(http: aiohttp.ClientSession, wang: Person) -> None:
    multipart = aiohttp.FormData(AS_STRINGS, default_to_multipart=True)
    requests = [
        http.post("sendMessage", json=MESSAGE),
        http.post("sendMessage", data=AS_STRINGS),
        http.post("SendMessage", data=multipart),
        http.post("sendmessage", params=AS_STRINGS),
        http.get("sendMessage", params=AS_STRINGS),
    ]
    for request in requests:
        async with request as answer:
            assert (await answer.json())["ok"] is True
    seen = (await wang.sees())[1:]
    assert {(message.text, str(message.buttons)) for message in seen} == {("一样", "[['好']]")}
    assert len(seen) == 5


async def test_a_file_may_be_attached_under_any_name(http: aiohttp.ClientSession) -> None:
    form = aiohttp.FormData({"chat_id": "5001", "photo": "attach://x"}, default_to_multipart=True)
    form.add_field("x", tiny_png(), filename="x.png")
    async with http.post("sendPhoto", data=form) as answer:
        assert (await answer.json())["result"]["photo"][-1]["width"] == 400


async def test_errors_look_like_the_platforms(http: aiohttp.ClientSession) -> None:
    async with http.post("sendMessage", json={"chat_id": 1, "text": "x"}) as answer:
        assert answer.status == 400
        assert await answer.json() == {
            "ok": False,
            "error_code": 400,
            "description": "Bad Request: chat not found",
        }
    for body in (b"{", b"[]"):
        headers = {"Content-Type": "application/json"}
        async with http.post("sendMessage", data=body, headers=headers) as answer:
            assert answer.status == 400


async def test_a_bad_gateway_speaks_html(http: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    await sandbox.fails(FaultKind.BAD_GATEWAY_HTML)
    async with http.post("getMe") as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")
    assert (await sandbox.log())["calls"]["getMe"] == {"502": 1}


async def test_accepted_but_unanswered(http: aiohttp.ClientSession, sandbox: Sandbox, wang: Person) -> None:
    await sandbox.fails(FaultKind.ACCEPT_THEN_DROP, "sendMessage")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await http.post("sendMessage", json=MESSAGE)
    assert [message.text for message in await wang.sees()] == ["/start", "一样"]


@pytest.mark.parametrize(
    ("kind", "arrives"), [(FaultKind.HANG, False), (FaultKind.TIMEOUT_AFTER_ACCEPT, True)]
)
async def test_silence_lasts_until_released(
    http: aiohttp.ClientSession, sandbox: Sandbox, wang: Person, kind: FaultKind, arrives: bool
) -> None:
    await sandbox.fails(kind, "sendMessage")
    sending = asyncio.create_task(http.post("sendMessage", json=MESSAGE).__aenter__())
    await asyncio.sleep(0.2)
    assert not sending.done()
    assert (len(await wang.sees()) == 2) is arrives
    await sandbox.heals()
    with pytest.raises(aiohttp.ClientError):
        await sending


async def test_the_clock_can_be_followed(sandbox: Sandbox, clock: Clock) -> None:
    shift = (await sandbox.clock())["shift_seconds"]
    following = asyncio.create_task(sandbox.clock(after=shift))
    await asyncio.sleep(0.05)
    assert not following.done()
    await sandbox.advance(3600)
    assert (await following)["shift_seconds"] == 3600
    following = asyncio.create_task(sandbox.clock(after=3600))
    clock.advance(timedelta(seconds=1))
    assert (await following)["now"] == clock.now().isoformat()


async def test_pages_are_told_what_changed(sandbox: Sandbox, wang: Person) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{sandbox.base_url}/control/events") as stream,
    ):
        assert await stream.content.readuntil(b"\n\n") == b": listening\n\n"
        await wang.says("一")
        await wang.says("二")
        told = json.loads((await stream.content.readuntil(b"\n\n")).removeprefix(b"data: "))
    assert {"chat": 5001, "message": 1} in told


async def test_it_stops_at_once_with_connections_open(clock: Clock) -> None:
    app = build(clock, [BotSpec("1:a", "a_bot", "A")])
    async with aiohttp.ClientSession() as session:
        async with serve(app) as running:
            poll = session.get(f"{running.base_url}/bot1:a/getUpdates", params={"timeout": "50"})
            waiting = asyncio.create_task(poll.__aenter__())
            stream = await session.get(f"{running.base_url}/control/events")
            await asyncio.sleep(0.05)
            started = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - started < 1
        assert (await waiting).status == 200
        stream.close()


async def test_only_loopback(clock: Clock) -> None:
    with pytest.raises(ValueError, match="loopback"):
        async with serve(build(clock, []), host="0.0.0.0"):  # noqa: S104 it is refused
            pass
