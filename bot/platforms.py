"""The channels that the configuration asks for, each opened once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.channels.callback import CallbackChannel
from bot.channels.telegram import TelegramChannel
from bot.channels.telegram_api import TelegramApi
from bot.channels.web import WebChannel
from bot.clock import Clock
from bot.settings import Settings
from handlers.messages import Channel
from storage.secrets import Vault

if TYPE_CHECKING:
    from redis.asyncio import Redis


@dataclass(frozen=True)
class Platforms:
    """`called` are channels whose platforms call us, by path; `others` those of nobody's configuration."""

    telegram: TelegramChannel | None
    web: WebChannel | None
    called: Mapping[str, CallbackChannel]
    others: Sequence[Channel]

    @property
    def by_name(self) -> dict[str, Channel]:
        """Of two channels of one name the later one sends."""
        known = (self.telegram, self.web, *self.called.values(), *self.others)
        return {one.name: one for one in known if one is not None}

    async def close(self) -> None:
        for channel in (self.telegram, *self.called.values()):
            if channel is not None:
                await channel.close()


def connect(
    settings: Settings, clock: Clock, vault: Vault, shared: "Redis | None", others: Sequence[Channel]
) -> Platforms:
    """`shared` is what several processes share beside the database."""
    telegram, page = settings.channels.telegram, settings.channels.web
    api = TelegramApi(telegram.api_base, telegram.token.get_secret_value()) if telegram.configured else None
    return Platforms(
        TelegramChannel(api) if api else None,
        WebChannel(vault, settings.data_dir / "uploads") if page.configured else None,
        _called(settings, clock, shared),
        others,
    )


def _called(settings: Settings, clock: Clock, shared: "Redis | None") -> dict[str, CallbackChannel]:
    """Their library is slow to import: only who needs it waits for it."""
    wechat, wecom = settings.channels.wechat, settings.channels.wecom
    found: dict[str, CallbackChannel] = {}
    if wechat.configured:
        from bot.channels.wechat import WechatChannel

        found["/wechat"] = WechatChannel(wechat, clock, shared)
    if wecom.configured:
        from bot.channels.wecom import WecomChannel

        app = WecomChannel(wecom, clock, shared)
        # the robot comes first: the app is the one that sends
        found |= {"/wecom/bot": app.bot, "/wecom": app} if app.bot is not None else {"/wecom": app}
    return found
