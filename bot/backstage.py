"""The demonstration's office: a fresh database with the sample community, and the phones of its people."""

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from bot.app import ready_database
from bot.clock import Clock
from bot.codes import link, picture, token_of
from bot.offices import OfficeFiles, Offices
from bot.roster import Roster, load_roster, read_roster
from bot.sandbox.people import Person, Sandbox
from bot.settings import DEFAULTS, Settings
from bot.trace import in_words
from storage import trace
from storage.secrets import Vault
from storage.store import Store

PLACE, GROUP = "YS-1-3", -501
RESIDENT, MEMBER, STRANGER = 9001, 1001, 9002
CHIEFS = {"z1": 1101, "l1": 1201}


class Backstage:
    """Knows the demonstration's database. After `prepare` it only ever reads."""

    def __init__(self, folder: Path, clock: Clock, username: str) -> None:
        self.database, self.files = folder / "demo.db", folder / "demo-files"
        self._forget()
        self.secret_key = _own_key(folder / "demo.key")
        ready_database(self.database)
        office = OfficeFiles.of(Settings())
        self._store = Store(self.database)
        self._offices = Offices(self._store, office)
        self._clock = clock
        self._username = username
        self._token = ""

    def _forget(self) -> None:
        """A demonstration has no memory."""
        for suffix in ("", "-wal", "-shm"):
            self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)
        self.files.mkdir(mode=0o700)

    def close(self) -> None:
        self._store.close()

    async def prepare(self, base_url: str) -> dict[str, Any]:
        """Load the sample roster and hand out the phones; returns who is on the page."""
        roster, vault, now = read_roster(DEFAULTS / "roster.yaml"), Vault(self.secret_key), self._clock.now()
        zone = self._offices.current.zone
        await self._store.write(load_roster, roster, "sample", vault, zone, now, "demo")
        await self._offices.refresh()
        self._token = await self._store.write(token_of, PLACE, now)
        async with Sandbox(base_url) as sandbox:
            await _hand_out_phones(sandbox, roster)
        return await self._cast()

    async def _cast(self) -> dict[str, Any]:
        office, now = self._offices.current, self._clock.now()
        grid = office.organisation.grid(PLACE)
        name = grid.name if grid else ""
        chiefs = [{"user": user, "title": office.title(code, now)} for code, user in CHIEFS.items()]
        return {
            "zone": office.zone.key,
            "resident": {"user": RESIDENT, "place": office.place_name(PLACE), "payload": self._token},
            "member": {"user": MEMBER, "title": office.title("g1", now), "area": name},
            "group": {"chat": GROUP, "area": name, "people": [*chiefs, {"user": STRANGER, "title": "路人"}]},
        }

    def code(self) -> bytes:
        """The QR code of the place as SVG, as it hangs at the door."""
        return picture(link(self._username, self._token), "svg")

    async def trace(self) -> dict[str, Any] | None:
        """The newest request in words; None while there is none."""
        found = await self._store.read(trace.newest)
        return in_words(self._offices.current, found, self._clock.now()) if found else None


async def _hand_out_phones(sandbox: Sandbox, roster: Roster) -> None:
    """Staff have opened the bot and are in the group of their grid; two people are on no roster."""
    await sandbox.user(RESIDENT, "居民")
    stranger = await sandbox.user(STRANGER, "路人")
    areas = {area.code: area for area in roster.areas}
    groups: dict[str, list[Person]] = {chat.area: [] for chat in roster.chats}
    for member in roster.members:
        person = await sandbox.user(int(member.accounts["telegram"]), member.name)
        await person.scans()
        for grid in {post.area for post in member.posts()} | {
            areas[post.area].parent for post in member.posts()
        }:
            if grid in groups:
                groups[grid].append(person)
    for chat in roster.chats:
        here = [*groups[chat.area], stranger] if int(chat.id) == GROUP else groups[chat.area]
        await sandbox.group(int(chat.id), f"{areas[chat.area].name}工作群", here)


def _own_key(path: Path) -> str:
    """The demonstration's secret key, made the first time, readable by its owner only."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text()
