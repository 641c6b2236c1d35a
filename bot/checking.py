"""What `huiyin check` looks at: files, database, channels; a line of words for each."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import datetime

from bot import scenes
from bot.cards import cards_notes, load_cards
from bot.channels import facts
from bot.digests import load_digests
from bot.files import FileError
from bot.keys import secret_key
from bot.limits import calendar_note, load_limits
from bot.manners import load_manners
from bot.mediastore import media_store
from bot.notices import load_notices
from bot.probing import Line, probe_all
from bot.roles import load_roles
from bot.rules import load_rules
from bot.settings import ConfigError, Settings
from bot.texts import load_texts
from bot.together import load_together
from bot.wechat_menu import load_menu
from handlers.notices import Notices
from storage import schema
from storage.schema import Standing
from storage.store import Database, Store, StoreError


def check_all(settings: Settings) -> Iterator[Line]:
    """Subject, whether it is in order, and what was found or what to do."""
    yield "configuration", True, "read"
    yield _secret(settings)
    yield from _files(settings)
    yield from _calendar(settings)
    yield from _cards(settings)
    yield _database(settings)
    yield from _scenes(settings)
    yield asyncio.run(_photos(settings))
    yield asyncio.run(_telegram(settings))
    yield from asyncio.run(probe_all(settings, _notices(settings)))


def _secret(settings: Settings) -> Line:
    try:
        secret_key(settings)
    except ConfigError as error:
        return "secret key", False, str(error)
    return "secret key", True, "set"


def _files(settings: Settings) -> Iterator[Line]:
    for subject, path, load in (
        ("rules", settings.rules_file, load_rules),
        ("texts", settings.texts_file, load_texts),
        ("limits", settings.limits_file, load_limits),
        ("roles", settings.roles_file, load_roles),
        ("manners", settings.manners_file, load_manners),
        ("together", settings.together_file, load_together),
        ("digests", settings.digests_file, load_digests),
        ("cards", settings.cards_file, load_cards),
        ("notices", settings.notices_file, load_notices),
        ("menu", settings.menu_file, load_menu),
    ):
        try:
            load(path)
        except FileError as error:
            for problem in error.problems:
                yield subject, False, str(problem)
        else:
            yield subject, True, str(path)


def _calendar(settings: Settings) -> Iterator[Line]:
    """Working days are only right while the year's public holidays are known."""
    with contextlib.suppress(FileError):
        limits = load_limits(settings.limits_file)
        note = calendar_note(limits, datetime.now(limits.zone).date())
        yield (
            "calendar",
            True,
            f"WARNING {note}" if note else f"holidays are known until {limits.known_until}",
        )


def _cards(settings: Settings) -> Iterator[Line]:
    """What is right as a file and still wants the clerk's eye."""
    with contextlib.suppress(FileError):
        rules, limits = load_rules(settings.rules_file), load_limits(settings.limits_file)
        today = datetime.now(limits.zone).date()
        for note in cards_notes(load_cards(settings.cards_file), rules.leaves, today):
            yield "cards", True, f"WARNING {note}"


def _database(settings: Settings) -> Line:
    try:
        database = Database.at(settings.database_url)
        found = schema.standing(settings.database_url)
    except StoreError as error:
        return "database", False, str(error)
    words = {
        Standing.EMPTY: f"{database} is new; its tables are made at the first run",
        Standing.CURRENT: f"{database} is current",
        Standing.BEHIND: f"{database} has an older schema: run `huiyin migrate`",
        Standing.AHEAD: f"{database} was moved on by a newer huiyin: update the program",
    }
    return "database", found in (Standing.EMPTY, Standing.CURRENT), words[found]


async def _photos(settings: Settings) -> Line:
    """Whether a storage elsewhere takes a file, gives it back and lets go of it."""
    try:
        store = media_store(settings)
        if store.local:
            return "photos", True, "kept in a folder here"
        await store.put("check", b"huiyin check")
        found = await store.get("check")
        await store.remove("check")
    except (ConfigError, OSError) as error:
        return "photos", False, str(error)
    return "photos", found == b"huiyin check", "media_url is written to and read"


def _scenes(settings: Settings) -> Iterator[Line]:
    """Permanent codes of the service account are few: how many are used."""
    account = settings.channels.wechat.app_id
    with contextlib.suppress(StoreError):
        if account and schema.standing(settings.database_url) is Standing.CURRENT:
            used = asyncio.run(_used(settings.database_url, account))
            note = scenes.warning(used)
            yield (
                "wechat codes",
                True,
                f"WARNING {note}" if note else f"{used} of {facts.MOST_SCENES} are used",
            )


async def _used(url: str, account: str) -> int:
    store = Store(url)
    try:
        return await store.read(scenes.count, account)
    finally:
        await store.close()


def _notices(settings: Settings) -> Notices | None:
    with contextlib.suppress(FileError):
        return load_notices(settings.notices_file)
    return None


async def _telegram(settings: Settings) -> Line:
    from bot.channels.telegram import TelegramChannel
    from bot.channels.telegram_api import TelegramApi

    telegram = settings.channels.telegram
    if not telegram.configured:
        return "telegram", True, "not configured (HUIYIN_CHANNELS__TELEGRAM__TOKEN)"
    channel = TelegramChannel(TelegramApi(telegram.api_base, telegram.token.get_secret_value()))
    try:
        fine, words = await channel.describe()
    finally:
        await channel.close()
    return "telegram", fine, f"@{words}, {telegram.mode}" if fine else f"the platform says: {words}"
