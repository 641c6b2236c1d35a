"""What all scenarios have in common: staff with phones, reports over days, figures at the end."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from random import Random
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.roster import Roster
from bot.simulate.people import NUMBER, Chief, Resident, Worker
from bot.simulate.stories import Stories
from bot.simulate.town import Town
from routing.indicators import Matter
from routing.organisation import AreaKind
from storage import matters
from storage.secrets import Vault
from storage.tables import Account, ServiceRequest

RESIDENTS = 100_000  # their accounts begin here, far from the staff's


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured, as people read it, beside what it should be."""

    name: str
    shown: str
    target: str
    met: bool


Steps = Callable[[int, int], None]


@dataclass(frozen=True)
class Scenario:
    """`days` is how long the account lasts, None where it is over within hours; `play` does and measures."""

    code: str
    about: str
    roster: Callable[[], Roster]
    start: datetime
    play: Callable[["Stage"], Awaitable[list[Figure]]]
    days: int | None = None


class Stage:
    """A scenario being played: the town, its staff, its stories, and who reports the progress."""

    def __init__(self, town: Town, roster: Roster, stories: Stories, days: int, step: Steps) -> None:
        self.town = town
        self.roster = roster
        self.stories = stories
        self.days = days
        self.chance = town.chance("stage")
        self.workers: dict[str, Worker] = {}
        self._step = step
        self._residents = 0

    def hire(self) -> None:
        """All members have their phones on and have opened the bot, and are in the groups of their areas."""
        for member in self.roster.members:
            worker = Worker(self.town, member.accounts["telegram"])
            worker.scans(None)
            self.workers[member.code] = worker
        for chat in self.roster.chats:
            for member in self.roster.members:
                if any(_inside(self.roster, post.area, chat.area) for post in member.posts()):
                    Chief(self.town, self.workers[member.code], chat.id)

    def buildings(self) -> list[str]:
        return [area.code for area in self.roster.areas if area.kind is AreaKind.BUILDING]

    async def resident(self, building: str) -> Resident:
        self._residents += 1
        name = next(area.name for area in self.roster.areas if area.code == building)
        token = await self.town.token(building)
        return Resident(self.town, str(RESIDENTS + self._residents), name, token)

    async def report(self, moment: datetime, leaf: str, building: str) -> Resident:
        """Somebody of that building reports something at that time, in their own words."""
        person = await self.resident(building)
        words = self.stories.about(leaf, person.chance)
        self.town.at(moment, lambda: person.reports(leaf, words))
        return person

    def moment(self, day: int, chance: Random, first: int = 7, last: int = 21) -> datetime:
        """Some time of that day of the scenario, between two hours."""
        local = self.town.now.astimezone(self.town.zone)
        start = datetime.combine(local.date() + timedelta(days=day), time(first), self.town.zone)
        return (start + timedelta(hours=last - first) * chance.random()).astimezone(UTC)

    async def run(self, duration: timedelta, steps: int) -> None:
        """Let so much time pass; the progress bar moves in as many steps."""
        start = self.town.now
        for step in range(1, steps + 1):
            await self.town.run(start + duration * step / steps)
            self._step(step, steps)

    async def matters(self) -> list[Matter]:
        return await self.town.app.store.read(matters.stored, self.town.now)

    async def filed(self) -> dict[str, set[str]]:
        """The numbers of what each account has filed, by the account's address."""
        vault = Vault(self.town.app.settings.secret_key.get_secret_value())
        addresses = {vault.lookup(self.town.phones.name, one): one for one in self._addresses()}
        numbers: defaultdict[str, set[str]] = defaultdict(set)
        for lookup, number in await self.town.app.store.read(_filed):
            if lookup in addresses:
                numbers[addresses[lookup]].add(number)
        return numbers

    def heard(self, address: str) -> set[str]:
        """The numbers that an account has been told: its phone remembers what the office has forgotten."""
        shown = self.town.phones.screens[address].values()
        return {number for one in shown for number in NUMBER.findall(one.text)}

    def _addresses(self) -> list[str]:
        return [str(RESIDENTS + number) for number in range(1, self._residents + 1)]

    async def agreement(self) -> Figure:
        """Whether every request reads the same from its columns and from its history."""
        read = self.town.app.store.read
        told = {one.number: one for one in await read(matters.replayed, self.town.now)}
        differing = sum(told.get(one.number) != one for one in await self.matters())
        return exactly("requests whose history tells it otherwise", differing, 0)


def _filed(session: Session) -> list[tuple[str, str]]:
    query = select(Account.lookup, ServiceRequest.number)
    rows = session.execute(query.join(ServiceRequest, ServiceRequest.resident == Account.resident))
    return [(lookup, number) for lookup, number in rows]


def _inside(roster: Roster, area: str, ancestor: str) -> bool:
    parents = {one.code: one.parent for one in roster.areas}
    step: str | None = area
    while step is not None:
        if step == ancestor:
            return True
        step = parents[step]
    return False


# --- figures ----------------------------------------------------------------------------------


def share(name: str, hits: int, of: int, least: float) -> Figure:
    """So many of so many, at least this share; of nothing there is nothing to miss."""
    percent = 100 * hits / of if of else 100.0
    return Figure(name, f"{percent:.1f} % ({hits}/{of})", f"≥ {least:.0%}", hits >= least * of)


def within(name: str, taken: Sequence[timedelta], limit: timedelta) -> Figure:
    """The median of some durations."""
    middle = timedelta(seconds=median(one.total_seconds() for one in taken)) if taken else timedelta(0)
    shown = f"{middle.total_seconds() / 60:.1f} min of {len(taken)}"
    return Figure(name, shown, f"≤ {limit.total_seconds() / 60:.0f} min", bool(taken) and middle <= limit)


def exactly(name: str, found: object, wanted: object) -> Figure:
    return Figure(name, str(found), str(wanted), found == wanted)


def at_least(name: str, found: int, least: int) -> Figure:
    return Figure(name, str(found), f"≥ {least}", found >= least)


def at_most(name: str, found: float, most: float) -> Figure:
    return Figure(name, f"{found:g}", f"≤ {most:g}", found <= most)
