"""A whole town for a test: the sandbox, the product behind its webhook, and people with phones."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import select

from bot.app import App, listen, opened
from bot.clock import Clock
from bot.codes import token_of
from bot.limits import load_limits
from bot.roster import Roster, load_roster, read_roster
from bot.sandbox.people import Person, Sandbox, SeenMessage
from bot.sandbox.server import BotSpec, build, serve
from bot.settings import DEFAULTS, Settings
from storage import queries
from storage.secrets import Vault
from storage.tables import ServiceRequest, StatusUpdate

TOKEN = "123456:test-token"
SECRET = "webhook-secret"
KEY = "a secret key for tests only"
MORNING = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # nine o'clock in Shanghai, a Monday
SMALL_WAIT = timedelta(seconds=10)  # what pacing asks for; longer waits are the test's own business
GROUP = -501


def settings_for(folder: Path, api_base: str, port: int = 0, **more: Any) -> Settings:
    """The shipped configuration, on a database of the test's own, against the sandbox."""
    return Settings(
        database_url=f"sqlite:///{folder}/huiyin.db",
        data_dir=folder,
        secret_key=KEY,
        channels={
            "telegram": {
                "token": TOKEN,
                "username": "huiyin_bot",
                "api_base": api_base,
                "mode": "webhook",
                "webhook_url": f"http://127.0.0.1:{port}/telegram/webhook",
                "webhook_secret": SECRET,
                **more.pop("telegram", {}),
            }
        },
        **more,
    )


@dataclass
class Town:
    """The sample community with its staff; residents move in as tests need them."""

    clock: Clock
    sandbox: Sandbox
    app: App
    people: dict[int, Person] = field(default_factory=dict)

    async def person(self, user: int, name: str = "居民") -> Person:
        if user not in self.people:
            self.people[user] = await self.sandbox.user(user, name)
        return self.people[user]

    async def staff(self, *users: int) -> list[Person]:
        """Members of the roster who have opened the bot."""
        people = [await self.person(user, f"员工{user}") for user in users]
        for one in people:
            await one.scans()
        await self.settle()
        return people

    async def token(self, area: str) -> str:
        return await self.app.store.write(token_of, area, self.clock.now())

    async def load(self, roster: Roster) -> None:
        vault, zone = Vault(KEY), load_limits(DEFAULTS / "limits.yaml").zone
        await self.app.store.write(load_roster, roster, "test", vault, zone, self.clock.now(), "test")

    async def settle(self) -> None:
        """Until everything said has been delivered, handled and answered, pacing included."""
        while True:
            await self._delivered()
            await self.app.drain()
            due = await self.app.outbox.next_due()
            if due is not None and due - self.clock.now() <= SMALL_WAIT:
                self.clock.advance(max(due - self.clock.now(), timedelta(milliseconds=1)))
            elif not (await self.sandbox.log())["undelivered"]:
                return

    async def _delivered(self) -> None:
        async with asyncio.timeout(20):
            while (await self.sandbox.log())["undelivered"]:  # noqa: ASYNC110 (it is another server's state)
                await asyncio.sleep(0.002)

    async def pass_time(self, **duration: float) -> None:
        """Let time pass, and everything that falls due."""
        self.clock.advance(timedelta(**duration))
        await self.settle()

    async def says(self, person: Person, text: str, **where: Any) -> int:
        message = await person.says(text, **where)
        await self.settle()
        return message

    async def taps(self, person: Person, label: str, **where: Any) -> None:
        await person.taps(label, **where)
        await self.settle()

    async def last(self, person: Person, chat: int | None = None) -> SeenMessage:
        """The newest message of the bot that the person sees."""
        return [one for one in await person.sees(chat) if not one.is_me][-1]

    async def card(self, person: Person, words: str, chat: int | None = None) -> SeenMessage:
        """The newest message of the bot with these words in it."""
        return [one for one in await person.sees(chat) if not one.is_me and words in one.text][-1]

    # --- what is stored -----------------------------------------------------------------------

    async def requests(self) -> list[ServiceRequest]:
        return await self.app.store.read(
            lambda session: list(session.scalars(select(ServiceRequest).order_by(ServiceRequest.id)))
        )

    async def request(self) -> ServiceRequest:
        """The only one."""
        (found,) = await self.requests()
        return found

    async def history(self, request: ServiceRequest) -> list[StatusUpdate]:
        return await self.app.store.read(queries.history, request.id)


@contextlib.asynccontextmanager
async def town(folder: Path, **more: Any) -> AsyncIterator[Town]:
    """The sample community of the product, running against a sandbox, on a clock that stands still."""
    clock = Clock(MORNING)
    listening = listen("127.0.0.1", 0)
    async with (
        serve(build(clock, [BotSpec(TOKEN, "huiyin_bot", "回音")])) as running,
        Sandbox(running.base_url) as sandbox,
        opened(settings_for(folder, running.base_url, listening.getsockname()[1], **more), clock) as app,
        serving(app, listening),
    ):
        here = Town(clock, sandbox, app)
        await here.load(read_roster(DEFAULTS / "roster.yaml"))
        assert app.telegram is not None
        assert await app.telegram.set_webhook(app.settings.channels.telegram.webhook_url, SECRET)
        yield here
        for request in await here.requests():
            assert_replays(request, await here.history(request))


@contextlib.asynccontextmanager
async def serving(app: App, listening: Any) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app.asgi, log_config=None, access_log=False, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.001)
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        await task


def assert_replays(request: ServiceRequest, history: list[StatusUpdate]) -> None:
    """The history, read again, ends where the request stands, and every line begins where one ended."""
    status = "-"
    for line in history:
        assert line.before == status, f"{line.event} began at {line.before}, not at {status}"
        status = line.after
    assert status == request.status
