"""The product in this process against a sandbox, on a clock that is moved by hand: for replays and tests."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.app import App, listen, opened
from bot.clock import Clock
from bot.codes import token_of
from bot.limits import load_limits
from bot.roster import Roster, load_roster
from bot.sandbox.people import Sandbox
from bot.sandbox.server import BotSpec, build, serve
from bot.serving import serving
from bot.settings import Channels, Pacing, Settings, Telegram, TelegramMode, Wechat, Wecom
from bot.trial import ROBOT, TEMPLATE, company_at, service_account, wechat_settings, wecom_settings
from storage.secrets import Vault

__all__ = ["ROBOT", "TEMPLATE", "Rehearsal", "rehearsal"]

USERNAME = "huiyin_bot"
SMALL_WAIT = timedelta(seconds=10)  # what pacing asks for; longer waits are passed by whoever rehearses


@dataclass
class Rehearsal:
    clock: Clock
    sandbox: Sandbox
    app: App

    async def load(self, roster: Roster) -> None:
        settings = self.app.settings
        vault, zone = Vault(settings.secret_key.get_secret_value()), load_limits(settings.limits_file).zone
        now = self.clock.now()
        await self.app.store.write(load_roster, roster, "rehearsal", vault, zone, now, "rehearsal")
        await self.app.offices.refresh()

    async def token(self, area: str) -> str:
        """The QR token of a place."""
        return await self.app.store.write(token_of, area, self.clock.now())

    async def settle(self) -> None:
        """Until all that was said is delivered, handled and answered; the clock moves as pacing asks."""
        while True:
            await self._delivered()
            await self.app.drain()
            due = await self.app.outbox.next_due()
            if due is not None and due - self.clock.now() <= SMALL_WAIT:
                self.clock.advance(max(due - self.clock.now(), timedelta(milliseconds=1)))
            elif not (await self.sandbox.log())["undelivered"]:
                return

    async def _delivered(self) -> None:
        """Until the product has taken every update that the sandbox holds for it."""
        async with asyncio.timeout(60):
            while (await self.sandbox.log())["undelivered"]:
                await self.app.drain()  # a webhook may be waiting for what the handler says
                await asyncio.sleep(0.002)


@asynccontextmanager
async def rehearsal(
    folder: Path,
    clock: Clock,
    files: Settings,
    pacing: Pacing | None = None,
    *,
    database: str | None = None,
    everywhere: bool = False,
) -> AsyncIterator[Rehearsal]:
    """Everything wired over real HTTP, with the office's files as in `files`.

    The database is a file in `folder` unless another one is given. `everywhere`: on WeChat and WeCom too, not
    on Telegram alone.
    """
    token, secret = f"1:{secrets.token_urlsafe(16)}", secrets.token_urlsafe(16)
    listening = listen("127.0.0.1", 0)
    home = f"http://127.0.0.1:{listening.getsockname()[1]}"
    url = f"{home}/telegram/webhook"
    official, company = (service_account(home), company_at(home)) if everywhere else (None, None)
    async with (
        serve(build(clock, [BotSpec(token, USERNAME, "回音")], official, company)) as running,
        Sandbox(running.base_url) as sandbox,
    ):
        telegram = Telegram.model_validate(
            {
                "token": token,
                "username": USERNAME,
                "api_base": running.base_url,
                "mode": TelegramMode.WEBHOOK,
                "webhook_url": url,
                "webhook_secret": secret,
                "pacing": pacing or Pacing(),
            }
        )
        channels = Channels(
            telegram=telegram,
            wechat=wechat_settings(official, running.base_url) if official else Wechat(),
            wecom=wecom_settings(company, running.base_url) if company else Wecom(),
            web=files.channels.web.model_copy(update={"url": home}),
        )
        settings = files.model_copy(
            update={
                "database_url": database or f"sqlite:///{folder}/huiyin.db",
                "data_dir": folder,
                "secret_key": telegram.webhook_secret,
                "channels": channels,
            }
        )
        async with opened(settings, clock) as app, serving(app.asgi, listening):
            if app.telegram is None or not await app.telegram.set_webhook(url, secret):
                raise RuntimeError("the sandbox did not take the webhook")
            yield Rehearsal(clock, sandbox, app)
