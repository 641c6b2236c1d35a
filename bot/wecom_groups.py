"""Opens a group of WeCom's app for the people of an area: the only kind that the app can write to."""

from datetime import datetime

from sqlalchemy.orm import Session

from bot.app import ready_store
from bot.channels.wecom import WecomChannel
from bot.clock import Clock
from bot.keys import check, vault_of
from bot.settings import ConfigError, Settings
from bot.texts import load_texts
from storage import directory, outbox


async def open_group(settings: Settings, area: str, name: str) -> str:
    """The new group's address for the roster. Raises ConfigError where it cannot be opened, and why."""
    if not settings.channels.wecom.configured:
        raise ConfigError("wecom is not configured: docs/deploy-wecom.md says what it needs")
    clock = Clock()
    people = await _people(settings, area, clock.now())
    if len(people) < _FEWEST:
        raise ConfigError(f"{area} has {len(people)} people with a WeCom account; a group needs {_FEWEST}")
    words = load_texts(settings.texts_file).render("group_opened", {"name": name})
    channel = WecomChannel(settings.channels.wecom, clock)
    try:
        opened = await channel.open_group(name, people, words)
    finally:
        await channel.close()
    if not isinstance(opened, str):
        raise ConfigError(f"the platform did not open the group: {getattr(opened, 'reason', opened)}")
    return opened


_FEWEST = 2  # the platform's rule


async def _people(settings: Settings, area: str, now: datetime) -> list[str]:
    vault = vault_of(settings)
    async with ready_store(settings) as store:
        await check(store, vault)
        sealed = await store.read(_addresses, area, now)
    return [vault.open(one) for one in sealed]


def _addresses(session: Session, area: str, now: datetime) -> list[bytes]:
    organisation = directory.load(session)
    if area not in organisation.areas:
        raise ConfigError(f"the roster has no area {area}")
    members = sorted(organisation.holders_within(area, now))
    return outbox.of_members(session, members, "wecom", None)
