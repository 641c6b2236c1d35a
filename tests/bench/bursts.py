"""Row C, the bursts: very many at once against the shipped limits; the urgent first, the staff in lists."""

import asyncio
import contextlib
import time
from collections import defaultdict
from dataclasses import dataclass, field
from random import Random

from tests.bench import servers
from tests.bench.common import LINES, Bench
from tests.bench.databases import Kind
from tests.bench.limits import most, stored
from tests.bench.people import NUMBER, SENDS, TEXTS, building, tap_update, text_update
from tests.bench.report import Figure
from tests.bench.servers import Setup
from tests.bench.town import FIRST_RESIDENT
from tests.bench.wire import Call, Caller, Stub

URGENT_WITHIN, STAFF_WITHIN = 5.0, 60.0
MOST_IN_SECOND = 30
_URGENT_EVERY = 50  # one report in so many is an emergency
_URGENT = "{}号楼着火了，楼上有人被困"
_BUILDINGS = 150  # of one community of fifty grids: a storm, a power cut
_WITHIN = 0.5  # seconds in which all of them write


async def bursts(bench: Bench) -> list[Figure]:
    """So many at once with everything as shipped, until all that must be said has been said."""
    return [figure for count, seconds in bench.sizes.bursts for figure in await _burst(bench, count, seconds)]


async def _burst(bench: Bench, count: int, seconds: float) -> list[Figure]:
    bench.step(f"bursts: {count:,} requests at once, watched for up to {seconds:.0f} s")
    database = bench.database(Kind.SQLITE)
    async with (
        servers.product(bench.place(), bench.stub, Setup(database, pacing={})) as server,
        server.caller(LINES) as caller,
    ):
        crowd = Crowd(bench.stub, caller)
        await crowd.writes(count, seconds)
    said, queued = stored(database)
    return crowd.figures(count, said, queued)


@dataclass(slots=True)
class _One:
    """Somebody of the crowd; times by `time.perf_counter`, zero until then."""

    planned: float
    urgent: bool
    card: float = 0.0
    tapped: float = 0.0
    number: str = ""
    receipt: float = 0.0


@dataclass
class Crowd:
    """Residents of one community who all write within half a second, and press [提交] as soon as they can."""

    stub: Stub
    caller: Caller
    errors: int = 0
    sends: list[float] = field(default_factory=list)
    lists: int = 0  # messages that say many cards at once
    _people: dict[int, _One] = field(default_factory=dict)
    _staff: defaultdict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    _random: Random = field(default_factory=lambda: Random(8))  # noqa: S311 (test texts)
    _complete: asyncio.Event = field(default_factory=asyncio.Event)

    async def writes(self, count: int, seconds: float) -> None:
        """Everybody writes; returns once everything was said, or after so many seconds."""
        self.stub.seen = self._seen
        loop, base = asyncio.get_running_loop(), time.perf_counter() + 0.05
        shift = loop.time() - time.perf_counter()
        for at in range(count):
            planned = base + _WITHIN * at / count
            one = _One(planned, urgent=at % _URGENT_EVERY == _URGENT_EVERY // 2)
            self._people[FIRST_RESIDENT + at] = one
            loop.call_at(planned + shift, self._writes, FIRST_RESIDENT + at, one)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._complete.wait()

    def _writes(self, user: int, one: _One) -> None:
        text = _URGENT if one.urgent else self._random.choice(TEXTS)
        self.caller.post(text_update(user, text.format(building(self._random, _BUILDINGS))), self._answered)

    def _answered(self, status: int) -> None:
        self.errors += status != 200

    def _seen(self, at: float, method: str, call: Call) -> None:
        if method not in SENDS:
            return
        self.sends.append(at)
        chat, numbers = int(call.chat_id), NUMBER.findall(call.text)
        one = self._people.get(chat)
        if one is not None:
            self._told(at, chat, one, call, numbers)
        else:
            self.lists += len(numbers) > 1
            for number in numbers:
                self._staff[number].setdefault("group" if chat < 0 else "member", at)
        if numbers and self._is_complete():
            self._complete.set()

    def _told(self, at: float, chat: int, one: _One, call: Call, numbers: list[str]) -> None:
        """A resident reads: the card first, with what to press, and then the number."""
        one.card = one.card or at
        offer = call.button("提交") or call.button("不是")
        if offer is not None and not one.urgent:
            one.tapped = at
            self.caller.post(tap_update(chat, offer), self._answered)
        elif numbers and not one.number:
            one.number, one.receipt = numbers[0], at

    def _is_complete(self) -> bool:
        return all(one.number and self._reached(one) for one in self._people.values())

    def _reached(self, one: _One) -> bool:
        known = self._staff.get(one.number, {})
        return "member" in known and (one.urgent or "group" in known)

    # --- what came of it ----------------------------------------------------------------------

    def figures(self, count: int, said: int, queued: int) -> list[Figure]:
        row, everybody = f"C burst {count:,}", list(self._people.values())
        urgent, others = (
            [one for one in everybody if one.urgent],
            [one for one in everybody if not one.urgent],
        )
        untold = sum(not (one.number and self._reached(one)) for one in everybody)
        begun = min(one.planned for one in everybody)
        return [
            _slowest(
                row,
                "emergency → first card of staff",
                [self._waited(one, "member", one.planned) for one in urgent],
                URGENT_WITHIN,
            ),
            _slowest(
                row,
                "tap → member's card or list",
                [self._waited(one, "member", one.tapped) for one in others],
                STAFF_WITHIN,
            ),
            _slowest(
                row,
                "tap → group's card or list",
                [self._waited(one, "group", one.tapped) for one in others],
                STAFF_WITHIN,
            ),
            _slowest(row, "text → resident's card", [one.card - one.planned for one in others if one.card]),
            _slowest(
                row, "tap → resident's receipt", [one.receipt - one.tapped for one in others if one.receipt]
            ),
            Figure(row, "everything said after", [max(self.sends) - begun], "s"),
            Figure(row, "messages", [len(self.sends)]),
            Figure(row, "messages that say many cards at once", [self.lists]),
            Figure(row, "most sends in any second", [most(self.sends, 1)], at_most=MOST_IN_SECOND),
            Figure(row, "wrong or refused answers", [self.errors], at_most=0),
            Figure(row, "reports without number, member's or group's card", [untold], at_most=0),
            Figure(row, "notifications still queued at the end", [queued], at_most=0),
        ]

    def _waited(self, one: _One, who: str, since: float) -> float:
        return self._staff.get(one.number, {}).get(who, float("inf")) - since


def _slowest(row: str, what: str, waited: list[float], most_seconds: float | None = None) -> Figure:
    return Figure(row, f"{what}, slowest", [max(waited, default=0.0)], "s", at_most=most_seconds)
