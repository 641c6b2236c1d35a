"""The demonstration's office: a fresh database with the sample community, and the phones of its people."""

import os
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bot.app import ready_database
from bot.clock import Clock
from bot.codes import link, picture, token_of
from bot.offices import OfficeFiles, Offices
from bot.roster import ChatRow, Roster, load_roster, read_roster
from bot.sandbox.corp.people import Colleague
from bot.sandbox.official.people import follower
from bot.sandbox.people import Person, Sandbox
from bot.settings import DEFAULTS, Channels, Settings
from bot.trace import in_words
from bot.trial import ROBOT
from bot.wechat_menu import put_up
from storage import trace
from storage.secrets import Vault
from storage.store import Store

PLACE, GRID, GROUP = "YS-1-3", "YS-1", -501
RESIDENT, STRANGER = 9001, 9002
MEMBER, CHIEFS = "g1", ("z1", "l1")
COMPANY = {"g1": "li", "z1": "wang", "l1": "zhang"}  # what they are called on WeCom


class Backstage:
    """Knows the demonstration's database. After `prepare` it writes nothing but the roster."""

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
        self._roster = read_roster(DEFAULTS / "roster.yaml")

    def _forget(self) -> None:
        """A demonstration has no memory."""
        for suffix in ("", "-wal", "-shm"):
            self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)
        self.files.mkdir(mode=0o700)

    async def aclose(self) -> None:
        await self._store.close()

    async def prepare(self, base_url: str, channels: Channels) -> dict[str, Any]:
        """Load the sample roster, put up the menu, hand out the phones; returns who is on the page."""
        await self._load(self._roster)
        self._token = await self._store.write(token_of, PLACE, self._clock.now())
        await put_up(Settings(channels=channels))
        async with Sandbox(base_url) as sandbox:
            await _hand_out_phones(sandbox, self._roster)
            resident = await follower(sandbox, "居民")
        return self._cast(resident.openid)

    async def take_into_use(self, member: str, group: str) -> None:
        """The grid member and the chiefs are on these platforms from now on."""
        moved = {*((MEMBER,) if member == "wecom" else ()), *(CHIEFS if group == "wecom" else ())}
        await self._load(_on_wecom(self._roster, moved, group == "wecom"))

    async def _load(self, roster: Roster) -> None:
        zone, now = self._offices.current.zone, self._clock.now()
        await self._store.write(load_roster, roster, "sample", Vault(self.secret_key), zone, now, "demo")
        await self._offices.refresh()

    def _cast(self, openid: str) -> dict[str, Any]:
        """Everybody with the name that they have on each platform."""
        office, now = self._offices.current, self._clock.now()
        staff = {
            one.code: {
                "title": office.title(one.code, now),
                "telegram": int(one.accounts["telegram"]),
                "wecom": COMPANY[one.code],
            }
            for one in self._roster.members
            if one.code in COMPANY
        }
        place, area = office.place_name(PLACE), office.place_name(GRID)
        people = [*(staff[code] for code in CHIEFS), {"title": "路人", "telegram": STRANGER}]
        return {
            "zone": office.zone.key,
            "resident": {"telegram": RESIDENT, "wechat": openid, "place": place, "payload": self._token},
            "member": {**staff[MEMBER], "area": area},
            "group": {"telegram": GROUP, "wecom": ROBOT, "area": area, "people": people},
        }

    def code(self) -> bytes:
        """The QR code of the place as SVG, as it hangs at the door."""
        return picture(link(self._username, self._token), "svg")

    async def trace(self) -> dict[str, Any] | None:
        """The newest request in words; None while there is none."""
        found = await self._store.read(trace.newest)
        return in_words(self._offices.current, found, self._clock.now()) if found else None


async def _hand_out_phones(sandbox: Sandbox, roster: Roster) -> None:
    """Staff have opened the bot and are in the group of their grid; two people are on no roster.

    Those whose phones are on the page are in the company's WeCom too.
    """
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
    for member in roster.members:
        if member.code in COMPANY:
            await Colleague.joins(sandbox, COMPANY[member.code], member.name)


def _on_wecom(roster: Roster, moved: Collection[str], group: bool) -> Roster:
    """The roster with these members on WeCom, and with the first grid's group there or where it was.

    There two robots are in it: one that tells, and one that can be called.
    """
    members = tuple(
        one.model_copy(update={"accounts": {"wecom": COMPANY[one.code]}}) if one.code in moved else one
        for one in roster.members
    )
    robots = [ChatRow(channel="wecom", id=f"{kind}:{ROBOT}", area=GRID) for kind in ("robot", "aibot")]
    others = [one for one in roster.chats if one.area != GRID]
    chats = (*robots, *others) if group else roster.chats
    return roster.model_copy(update={"members": members, "chats": chats})


def _own_key(path: Path) -> str:
    """The demonstration's secret key, made the first time, readable by its owner only."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text()
