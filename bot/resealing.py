"""`huiyin privacy reseal`: everything that was sealed or hashed under the earlier key comes under today's."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bot.app import only_one, ready_database
from bot.channels.web import NAME as WEB
from bot.channels.web import resealed
from bot.keys import vault_of
from bot.settings import ConfigError, Settings
from storage import resealing
from storage.resealing import STEPS, Keys, Step
from storage.secrets import Vault
from storage.store import Database, Store

Advanced = Callable[[Step, int], None]


async def reseal_all(settings: Settings) -> int:
    """Do it with a bar for each kind of row; returns how many joining codes are void now.

    Raises ConfigError or StoreError where it cannot be done, with nothing changed.
    """
    keys, file = keys_of(settings), Database.at(settings.database_url).file
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with only_one(file) if file else nullcontext(), Progress(*columns, console=Console(stderr=True)) as bars:
        store = Store(settings.database_url)
        try:
            if others := await store.read(resealing.others):
                raise ConfigError(
                    f"{others} connections of other processes are open: stop every huiyin first"
                )
            ready_database(settings.database_url)
            return await _with_bars(store, keys, bars)
        finally:
            await store.close()


def keys_of(settings: Settings) -> Keys:
    previous = settings.previous_secret_key.get_secret_value()
    if not previous:
        raise ConfigError("HUIYIN_PREVIOUS_SECRET_KEY is missing: what it has sealed cannot be opened")
    today = vault_of(settings)
    return Keys(
        today, Vault(previous), lambda channel, body: resealed(today, body) if channel == WEB else body
    )


async def _with_bars(store: Store, keys: Keys, bars: Progress) -> int:
    tasks = {step: bars.add_task(step.name, total=await store.read(step.count)) for step in STEPS}
    return await reseal(store, keys, lambda step, rows: bars.advance(tasks[step], rows))


async def reseal(store: Store, keys: Keys, advanced: Advanced) -> int:
    """All steps, each transaction of bounded size; `advanced` hears of every one that is committed."""
    await _check_possible(store, keys)
    await store.write(resealing.begin, keys)
    for step in STEPS:
        after = 0
        while done := await store.write(step.do, keys, after):
            after = done[-1]
            advanced(step, len(done))
    void = await store.write(resealing.end, os.environ.get("USER", "unknown"), datetime.now(UTC))
    await store.scrub()
    return void


async def _check_possible(store: Store, keys: Keys) -> None:
    begun = await store.read(resealing.begun_with)
    if begun is not None:
        if begun != resealing.number_of(keys.today):
            raise ConfigError("this was begun with another HUIYIN_SECRET_KEY: finish it with that one")
        return
    newest = await store.read(resealing.newest)
    if not all(keys.today.sealed_now(one) or keys.earlier.sealed_now(one) for one in newest):
        raise ConfigError("the database is under neither HUIYIN_SECRET_KEY nor HUIYIN_PREVIOUS_SECRET_KEY")
    if strangers := await store.read(resealing.strangers):
        raise ConfigError(
            f"{strangers} messages wait from people who wrote for the first time: "
            "let the bot run with the earlier key until they are answered"
        )
