"""A whole town for a test: the sandbox, the product behind its webhook, and people with phones."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select

from bot.clock import Clock
from bot.rehearsal import Rehearsal, rehearsal
from bot.roster import Roster, read_roster
from bot.sandbox.corp.people import Colleague
from bot.sandbox.official.people import Follower, follower
from bot.sandbox.people import Person, SeenMessage
from bot.settings import DEFAULTS, Settings
from storage import matters, queries
from storage.secrets import Vault
from storage.tables import ServiceRequest, StatusUpdate
from tests import databases

MORNING = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # nine o'clock in Shanghai, a Monday
GROUP = -501
OFFICIALS = (3001, 3002, 3003, 3004)  # supervisor, street, mediator, 片长


@dataclass
class Town(Rehearsal):
    """The sample community with its staff; residents move in as tests need them."""

    people: dict[int, Person] = field(default_factory=dict)

    @property
    def vault(self) -> Vault:
        return Vault(self.app.settings.secret_key.get_secret_value())

    async def person(self, user: int, name: str = "居民") -> Person:
        if user not in self.people:
            self.people[user] = await self.sandbox.user(user, name)
        return self.people[user]

    async def staff(self, *users: int) -> list[Person]:
        """Members of the roster who have opened the bot and joined the first grid's group."""
        people = [await self.person(user, f"员工{user}") for user in users]
        for one in people:
            await one.scans()
            await one.joins(GROUP)
        await self.settle()
        return people

    async def officials(self) -> list[Person]:
        """Supervisor, street, mediator and 片长 open the bot."""
        return await self.staff(*OFFICIALS)

    async def at_home(self, user: int = 9001) -> Person:
        """A resident of building 3 who has scanned the code there."""
        resident = await self.person(user)
        await resident.scans(await self.token("YS-1-3"))
        await self.settle()
        return resident

    async def filed(self, resident: Person, text: str = "楼道灯坏了") -> ServiceRequest:
        """The resident reports a matter of its own and submits; the newest request."""
        await self.says(resident, text)
        for label in ("新问题", "不是", "提交"):
            if label in (await self.last(resident)).labels:
                await self.taps(resident, label)
        return (await self.requests())[-1]

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

    async def follower(self, name: str = "居民", area: str = "YS-1-3") -> Follower:
        """A resident on WeChat who has scanned the code of a building, and now follows."""
        found = await follower(self.sandbox, name)
        await found.follows(await self.token(area))
        await self.settle()
        return found

    async def writes(self, person: Follower | Colleague, text: str) -> SeenMessage:
        """What somebody on WeChat or WeCom writes; the newest message that they see then."""
        await person.says(text)
        await self.settle()
        return await self.newest(person)

    async def newest(self, person: Follower | Colleague) -> SeenMessage:
        return [one for one in await person.sees() if not one.is_me][-1]

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


def sample() -> Roster:
    return read_roster(DEFAULTS / "roster.yaml")


@contextlib.asynccontextmanager
async def town(
    folder: Path, files: Settings | None = None, *, everywhere: bool = False, roster: Roster | None = None
) -> AsyncIterator[Town]:
    """The sample community, running against a sandbox, on a clock that stands still.

    `everywhere`: on WeChat and WeCom too. `roster`: another one than the sample.
    """
    database, shared = databases.fresh(databases.chosen, folder), databases.beside(databases.chosen)
    office = (files or Settings()).model_copy(update={"redis_url": SecretStr(shared)})
    async with rehearsal(folder, Clock(MORNING), office, database=database, everywhere=everywhere) as here:
        found = Town(here.clock, here.sandbox, here.app)
        roster = roster or sample()
        await found.load(roster)
        manager = await found.person(8000, "群主")
        for chat in roster.chats:
            if chat.channel == "telegram":
                await found.sandbox.group(int(chat.id), f"{chat.area}工作群", [manager])
        await found.settle()
        yield found
        for request in await found.requests():
            assert_replays(request, await found.history(request))
        await assert_figures_agree(found)


def assert_replays(request: ServiceRequest, history: list[StatusUpdate]) -> None:
    """The history, read again, ends where the request stands, and every line begins where one ended."""
    status = "-"
    for line in history:
        assert line.before == status, f"{line.event} began at {line.before}, not at {status}"
        status = line.after
    assert status == request.status


async def assert_figures_agree(here: Town) -> None:
    """AT76: what the figures are made of is the same from the columns and from the history."""
    end = here.clock.now() + timedelta(days=1)
    told = await here.app.store.read(matters.replayed, end)
    for stored, replayed in zip(await here.app.store.read(matters.stored, end), told, strict=True):
        differs = {
            key: (value, getattr(replayed, key))
            for key, value in asdict(stored).items()
            if value != asdict(replayed)[key]
        }
        assert not differs, differs
