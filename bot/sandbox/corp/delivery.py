"""Calls back to the company's server: five seconds, three tries, each person's in their order."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiohttp

from bot.sandbox.corp.limits import CALLBACK_TRIES
from bot.sandbox.faults import FaultKind, Faults

PAUSE = 0.1  # real seconds between tries


def nothing() -> None:
    """For whoever need not know that a call has ended."""


def unheard(answer: bytes) -> None:
    """For a second call at the same time: the platform takes one answer only."""


@dataclass(frozen=True)
class Parcel:
    """One call, sealed once: a second try is the same call again. `take` gets the accepted answer."""

    url: str
    query: dict[str, str]
    body: bytes
    content_type: str
    person: str
    lane: str
    take: Callable[[bytes], None]
    end: Callable[[], None] = nothing


class Courier:
    """`lost` counts the calls that nobody took in three tries; `tries` all attempts."""

    def __init__(self, answer_within: float, faults: Faults) -> None:
        self._faults = faults
        self.lost = self.tries = 0
        self._timeout = aiohttp.ClientTimeout(total=answer_within)
        self._session: aiohttp.ClientSession | None = None
        self._lanes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: Parcel | None = None

    def undelivered(self) -> int:
        return len(self._tasks)

    def send(self, parcel: Parcel) -> None:
        """Twice at once where a fault is scripted for this person."""
        self._last = parcel
        self._start(parcel)
        if self._faults.take_update(parcel.person) is FaultKind.DUPLICATE_UPDATE:
            self._start(replace(parcel, lane=f"{parcel.lane} again", take=unheard, end=nothing))

    def _start(self, parcel: Parcel) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(parcel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def send_again(self) -> bool:
        """The last call once more, as the platform repeats one whose answer got lost."""
        if self._last is not None:
            self._start(replace(self._last, end=nothing))
        return self._last is not None

    async def get(self, url: str, query: dict[str, str]) -> tuple[int, bytes]:
        async with self._http().get(url, params=query, allow_redirects=False) as answer:
            return answer.status, await answer.read()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _serve(self, parcel: Parcel) -> None:
        async with self._lanes[parcel.lane]:
            answer = await self._delivered(parcel)
        parcel.end()
        if answer is None:
            self.lost += 1
        else:
            parcel.take(answer)

    async def _delivered(self, parcel: Parcel) -> bytes | None:
        for number in range(CALLBACK_TRIES):
            await asyncio.sleep(PAUSE if number else 0)
            answer = await self._post(parcel)
            if answer is not None:
                return answer
        return None

    async def _post(self, parcel: Parcel) -> bytes | None:
        self.tries += 1
        headers = {"Content-Type": parcel.content_type}
        try:
            async with self._http().post(
                parcel.url, params=parcel.query, data=parcel.body, headers=headers, allow_redirects=False
            ) as answer:
                content = await answer.read()
                return content if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError):
            return None

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self._session
