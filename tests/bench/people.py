"""Residents of the bench's own, who report what is broken and press [提交]."""

import asyncio
import contextlib
import itertools
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.bench.town import FIRST_RESIDENT, TOWN
from tests.bench.wire import Call, Caller, Stub

TEXTS = (
    "{}号楼楼道灯坏了,晚上看不见",
    "{}号楼门口垃圾没人清运",
    "{}号楼前面路灯不亮",
    "{}号楼楼道堆满杂物",
    "{}号楼小广告贴满墙",
    "{}号楼附近有流浪狗咬人",
    "{}号楼下水道堵了，污水往外冒",
    "{}号楼门口井盖松动，一踩就响",
    "{}号楼前面的路坑坑洼洼，下雨积水",
    "{}号楼楼下有人把车停在消防通道上",
    "{}号楼半夜广场舞音响太吵",
    "{}号楼有人往楼下高空抛物",
    "{}号楼电动车在楼道里充电",
    "{}号楼停水一上午了，没有通知",
    "{}号楼健身器材断了一截",
    "{}号楼旁边的树枝断了，挡住了路",
    "{}号楼暖气不热",
    "{}号楼楼上装修天天敲，中午也不停",
    "{}号楼公共厕所没人打扫，臭得很",
    "{}号楼屋顶漏水，墙都湿了",
)
SENDS = ("sendMessage", "editMessageText")
NUMBER = re.compile(r"[A-Z]+\d{6}-\d{4,}")
_ids = itertools.count(1)


# --- updates as Telegram sends them ------------------------------------------------------------


def _person(user: int) -> dict[str, object]:
    return {"id": user, "is_bot": False, "first_name": "居民", "language_code": "zh-hans"}


def text_update(user: int, text: str) -> bytes:
    number = next(_ids)
    chat = {"id": user, "first_name": "居民", "type": "private"}
    message = {
        "message_id": number,
        "from": _person(user),
        "chat": chat,
        "date": int(time.time()),
        "text": text,
    }
    return json.dumps({"update_id": number, "message": message}).encode()


def sized_updates(users: int, start: int = 100_000_000, size: int = 400) -> Iterator[bytes]:
    """Text updates of exactly so many bytes, from so many people in turn."""
    slot = 999_999_999
    bare = json.loads(text_update(slot, TEXTS[0].format(3)))
    bare["update_id"] = bare["message"]["message_id"] = slot
    whole = json.dumps(bare).encode()
    bare["message"]["from"]["first_name"] = "x" * (size - len(whole) + len(json.dumps("居民")) - 2)
    template = json.dumps(bare).encode().replace(b"%", b"%%").replace(str(slot).encode(), b"%09d")
    for number in itertools.count(start):
        user = 200_000_000 + number % users
        yield template % (number, number, user, user)


def tap_update(user: int, data: str) -> bytes:
    number = next(_ids)
    chat = {"id": user, "first_name": "居民", "type": "private"}
    card = {"message_id": number, "chat": chat, "date": int(time.time()), "text": "卡片"}
    query = {"id": str(number), "from": _person(user), "message": card, "chat_instance": "1", "data": data}
    return json.dumps({"update_id": number, "callback_query": query}).encode()


# What files a report: as it stands, as no matter of the neighbour's, as not solved by what was done.
FILES = ("提交", "不是", "还没好，重新办")


# --- residents ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Report:
    """One resident's request on its way; times are planned or seen by `time.perf_counter`."""

    user: int
    planned: float
    tap_planned: float = 0.0
    decided: bool = False
    card: float = 0.0
    member: float = 0.0
    done: float = 0.0


@dataclass(slots=True)
class _Cards:
    """The three messages that make a request done, as they arrive in any order under its number."""

    member: float = 0.0
    group: float = 0.0
    receipt: int = 0


@dataclass
class Residents:
    """Sends reports and taps by webhook, watches the stub, and notes when each request is done.

    Every report comes from somebody new: whoever writes twice within half an hour is asked whether it
    is an addition, which is another path.
    """

    stub: Stub
    caller: Caller
    think: float | None = None  # seconds from text to tap, planned; None presses as soon as it can
    buildings: int = TOWN.buildings
    answers: bool = False  # done with the first thing that is said to them, whatever it is
    first: int = FIRST_RESIDENT
    done: list[Report] = field(default_factory=list)
    errors: int = 0
    asked: int = 0  # whether theirs is what a neighbour has reported
    _random: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311 (test texts)
    _open: dict[int, Report] = field(default_factory=dict)
    _cards: dict[str, _Cards] = field(default_factory=dict)
    _offers: dict[int, str] = field(default_factory=dict)
    _wanted: int = 0
    _left: int = 0
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._users = itertools.count(self.first)
        self.stub.seen = self._answered_first if self.answers else self._seen

    async def closed_loop(self, count: int, at_once: int, most_seconds: float) -> None:
        """`count` requests, so many residents at a time, each new one as soon as one is done."""
        self._wanted, self._left = len(self.done) + count, count
        self._ended.clear()
        for _ in range(min(at_once, count)):
            self._next()
        await self._end(most_seconds)
        self._left = 0

    async def open_loop(self, times: Sequence[float], most_seconds: float) -> None:
        """Reports at these times from now, which do not wait for one another."""
        loop = asyncio.get_running_loop()
        self._wanted = len(self.done) + len(times)
        self._ended.clear()
        base = time.perf_counter() + 0.05
        shift = loop.time() - time.perf_counter()
        for at in times:
            loop.call_at(base + at + shift, self._report, base + at)
        await self._end(most_seconds)

    @property
    def unfinished(self) -> int:
        return len(self._open)

    async def _end(self, most_seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_seconds):
                await self._ended.wait()

    def _next(self) -> None:
        if self._left > 0:
            self._left -= 1
            self._report(time.perf_counter())

    def _report(self, planned: float) -> None:
        user = next(self._users)
        self._open[user] = report = Report(user, planned)
        text = self._random.choice(TEXTS).format(building(self._random, self.buildings))
        self.caller.post(text_update(user, text), self._answered)
        if self.think is not None:
            report.tap_planned = planned + self.think
            loop = asyncio.get_running_loop()
            loop.call_later(max(report.tap_planned - time.perf_counter(), 0), self._decide, report)

    def _answered(self, status: int) -> None:
        self.errors += status != 200

    def _decide(self, report: Report) -> None:
        report.decided = True
        self._tap(report)

    def _tap(self, report: Report) -> None:
        """Press once the card is there and the resident has made up their mind, whichever is later."""
        if report.user in self._offers and report.decided:
            self.caller.post(tap_update(report.user, self._offers.pop(report.user)), self._answered)

    def _seen(self, at: float, method: str, call: Call) -> None:
        chat = int(call.chat_id)
        if method == "sendMessage" and (report := self._open.get(chat)) and not report.card:
            offer = next(filter(None, map(call.button, FILES)), None)
            if offer is None:
                self.errors += 1
                return
            report.card = at
            self.asked += call.button("提交") is None
            self._offers[chat] = offer
            if self.think is None:
                report.tap_planned, report.decided = at, True
            self._tap(report)
        elif chat in self._open and (offer := call.button("不是")):  # reported while this one was thinking
            self.caller.post(tap_update(chat, offer), self._answered)
        elif method in SENDS and (number := NUMBER.search(call.text)):
            self._carded(at, number[0], chat)

    def _answered_first(self, at: float, method: str, call: Call) -> None:
        report = self._open.pop(int(call.chat_id), None) if method in SENDS else None
        if report is not None:
            report.card = at
            self._finish(report, at, at)

    def _carded(self, at: float, number: str, chat: int) -> None:
        cards = self._cards.setdefault(number, _Cards())
        if chat < 0:
            cards.group = cards.group or at
        elif chat >= FIRST_RESIDENT:
            cards.receipt = chat
        else:
            cards.member = cards.member or at
        if cards.member and cards.group and cards.receipt:
            del self._cards[number]
            self._finish(self._open.pop(cards.receipt), cards.member, at)

    def _finish(self, report: Report, member: float, at: float) -> None:
        report.member, report.done = member, at
        self.done.append(report)
        if len(self.done) >= self._wanted:
            self._ended.set()
        else:
            self._next()


def building(chance: random.Random, buildings: int) -> int:
    """Not one that sounds like a call for help: who writes 1193号楼 is asked about danger first."""
    while True:
        number = chance.randrange(buildings) + 1
        if not any(call in str(number) for call in ("110", "119", "120")):
            return number


def poisson(chance: random.Random, rate: float, seconds: float) -> list[float]:
    """Times of people who do not know of each other."""
    times = [chance.expovariate(rate)]
    while times[-1] < seconds:
        times.append(times[-1] + chance.expovariate(rate))
    return times[:-1] or times
