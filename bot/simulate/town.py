"""The simulated town: the real bot, a clock that jumps from event to event, and everybody's telephones."""

import heapq
import itertools
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from pydantic import SecretStr

from bot.app import App, opened
from bot.clock import Clock
from bot.codes import token_of
from bot.roster import Roster, load_roster
from bot.settings import Channels, Settings, Telegram
from bot.simulate.behaviour import Behaviour
from bot.simulate.phones import PhoneChannel, Shown
from storage.secrets import Vault

_SECRET = "a secret of nobody's"  # noqa: S105 (the database is thrown away; the same for every run)
_MOMENT = timedelta(milliseconds=1)

Hears = Callable[[Shown], None]


class Town:
    """Everything happens here in the order of the clock. People register what they hear and plan acts."""

    def __init__(self, app: App, clock: Clock, phones: PhoneChannel, behaviour: Behaviour, seed: int) -> None:
        self.app = app
        self.clock = clock
        self.phones = phones
        self.behaviour = behaviour
        self.seed = seed
        self.said: list[Shown] = []
        self.topics: dict[str, str] = {}
        self._acts: list[tuple[datetime, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._posted: list[bytes] = []
        self._ears: dict[str, list[Hears]] = {}

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    @property
    def zone(self) -> Any:
        return self.app.offices.current.zone

    def chance(self, *whose: object) -> Random:
        """Chance of one's own for everybody, so that nobody's doings shift anybody else's."""
        return Random(f"{self.seed}:{':'.join(map(str, whose))}")  # noqa: S311 (a simulation's dice)

    async def load(self, roster: Roster) -> None:
        vault = Vault(self.app.settings.secret_key.get_secret_value())
        await self.app.store.write(
            load_roster, roster, "simulation", vault, self.zone, self.now, "simulation"
        )
        await self.app.offices.refresh()
        await self.app.ticker.arm()

    def sentence(self, template: str) -> str:
        """One of the bot's fixed sentences."""
        return self.app.offices.current.texts.templates[template]

    def keyword(self, leaf: str) -> str:
        """How somebody who knows the rules names a category."""
        return self.app.offices.current.rules.leaves[leaf].name

    async def token(self, area: str) -> str:
        """The QR token of a place."""
        return await self.app.store.write(token_of, area, self.now)

    # --- planning and speaking ----------------------------------------------------------------

    def at(self, moment: datetime, act: Callable[[], object]) -> None:
        heapq.heappush(self._acts, (max(moment, self.now), next(self._order), act))

    def listen(self, chat: str, hears: Hears) -> None:
        """Call `hears` for every message that arrives or changes in this chat."""
        self._ears.setdefault(chat, []).append(hears)

    def post(self, sender: str, chat: str, kind: str, **said: Any) -> None:
        """Somebody sends something, exactly as a webhook would bring it."""
        number = next(self._order)
        message = {
            "external": f"p{number}",
            "sender": sender,
            "chat": chat,
            "kind": kind,
            "ref": f"p{number}",
        }
        self._posted.append(json.dumps({**message, **said}).encode())

    # --- running ------------------------------------------------------------------------------

    async def run(self, until: datetime) -> None:
        """Let everything happen that happens before `until`."""
        await self._settle()
        while (moment := await self._next()) is not None and moment <= until:
            self.clock.advance(max(moment - self.now, timedelta(0)))
            self._act()
            await self._settle()
        self.clock.advance(max(until - self.now, timedelta(0)))

    async def _next(self) -> datetime | None:
        """When something happens next; what is due already but must wait for pacing is a moment away."""
        app = self.app
        due = [await one.next_due() for one in (app.ticker, app.outbox, app.media)]
        later = [max(one, self.now + _MOMENT) for one in due if one is not None]
        return min([*later, *(act[0] for act in self._acts[:1])], default=None)

    def _act(self) -> None:
        while self._acts and self._acts[0][0] <= self.now:
            heapq.heappop(self._acts)[2]()

    async def _settle(self) -> None:
        """Bring in what was posted, let the bot do all that it can now, and let people hear it."""
        posted, self._posted = self._posted, []
        for body in posted:
            await self.app.intake.receive(self.phones, body)
        await self.app.drain()
        news, self.phones.news = self.phones.news, []
        self.said += news
        for shown in news:
            for hears in self._ears.get(shown.chat, ()):
                hears(shown)


@asynccontextmanager
async def opened_town(
    roster: Roster, start: datetime, files: Settings, behaviour: Behaviour, seed: int
) -> AsyncIterator[Town]:
    """A town with an office of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="huiyin-simulate-") as folder:
        settings = files.model_copy(
            update={
                "database_url": f"sqlite:///{folder}/huiyin.db",
                "data_dir": Path(folder),
                "media_url": SecretStr(""),
                "secret_key": SecretStr(_SECRET),
                "channels": Channels(telegram=Telegram(pacing=files.channels.telegram.pacing)),
            }
        )
        clock = Clock(start)
        phones = PhoneChannel(clock)
        async with opened(settings, clock, others=(phones,)) as app:
            town = Town(app, clock, phones, behaviour, seed)
            await town.load(roster)
            yield town
