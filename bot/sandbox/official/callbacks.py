"""Calls to the product: each message is sealed, posted up to three times, its answer shown to the person."""

import asyncio
import secrets
from collections import Counter, deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bot.sandbox.faults import FaultKind
from bot.sandbox.official import xml
from bot.sandbox.official.account import Account, User, Wire
from bot.sandbox.official.limits import TEXT_BYTES, RefusedError
from bot.sandbox.official.spec import Mode
from bot.sandbox.sealing import NotOursError, Sealer, signature

TRIES = 3
PAUSE = 0.02
REMEMBERED = 1000
SORRY = "该公众号提供的服务出现故障，请稍后再试"
NOTHING_TO_SAY = (b"", b"success")


class BadAnswerError(ValueError):
    """The bot's answer is none that the platform would show."""


@dataclass(eq=False)
class Call:
    """One message on its way, the same bytes at each try. `spoken`: somebody waits for an answer to it."""

    user: User
    query: dict[str, str]
    body: bytes
    sealer: Sealer
    spoken: bool
    answered: bool = False


@dataclass
class Report:
    """What became of the calls; `sorry` counts the apologies."""

    delivered: int = 0
    tries: int = 0
    sorry: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class Courier:
    """Keeps the order of one person's messages; different people's go at the same time."""

    def __init__(self, account: Account) -> None:
        self.account, self.report = account, Report()
        self._lanes: dict[str, deque[Call]] = {}
        self._held: list[Call] = []
        self._sent: deque[Call] = deque(maxlen=REMEMBERED)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._patience = aiohttp.ClientTimeout(total=account.spec.answer_within)
        account.send = self.send

    @property
    def _http(self) -> aiohttp.ClientSession:
        self._session = self._session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self._session

    def undelivered(self) -> int:
        """A message counts until its answer is there."""
        return len(self._held) + sum(map(len, self._lanes.values()))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    # Putting into order

    def send(self, user: User, message: Wire, spoken: bool) -> None:
        """Queue a message, unless a scripted fault doubles it or holds it behind the next one."""
        call = self._call(user, message, spoken)
        fault = self.account.world.faults.take_update(user.openid)
        if fault is FaultKind.REORDER_UPDATES:
            self._held.append(call)
            self._start(self._release_when_healed())
            return
        self._put(call)
        if fault is FaultKind.DUPLICATE_UPDATE:
            self._put(call)
        self._release_held()

    async def _release_when_healed(self) -> None:
        await self.account.world.faults.released.wait()
        self._release_held()

    def _release_held(self) -> None:
        held, self._held = self._held, []
        for call in held:
            self._put(call)

    def redeliver(self, count: int) -> int:
        """The last messages once more, byte for byte."""
        again = list(self._sent)[-count:]
        for call in again:
            self._put(call)
        return len(again)

    def _put(self, call: Call) -> None:
        self._sent.append(call)
        lane = self._lanes.setdefault(call.user.openid, deque())
        lane.append(call)
        if len(lane) == 1:
            self._start(self._serve(lane))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, lane: deque[Call]) -> None:
        while lane:
            await self._deliver(lane[0])
            lane.popleft()

    # Writing down

    def _call(self, user: User, message: Wire, spoken: bool) -> Call:
        addressed = {"ToUserName": self.account.spec.original, "FromUserName": user.openid}
        plain = {**addressed, "CreateTime": self.account.moment_of(user, message), **message}
        timestamp, nonce = str(self.account.seconds()), str(secrets.randbelow(10**10))
        query, sealer = self._signed(timestamp, nonce) | {"openid": user.openid}, self.account.sealer
        if self.account.spec.mode is Mode.PLAIN:
            return Call(user, query, xml.write(plain), sealer, spoken)
        sealed = sealer.seal(xml.write(plain))
        query |= {"encrypt_type": "aes", "msg_signature": sealer.signature(timestamp, nonce, sealed)}
        outside = plain if self.account.spec.mode is Mode.MIXED else {"ToUserName": plain["ToUserName"]}
        return Call(user, query, xml.write({**outside, "Encrypt": sealed}), sealer, spoken)

    def _signed(self, timestamp: str, nonce: str) -> dict[str, str]:
        mark = signature(self.account.spec.token, timestamp, nonce)
        return {"signature": mark, "timestamp": timestamp, "nonce": nonce}

    # Calling

    async def verify(self) -> bool:
        """The platform's check of our address: it must send back exactly what it was sent."""
        echo = str(secrets.randbelow(10**19))
        query = self._signed(str(self.account.seconds()), str(secrets.randbelow(10**10))) | {"echostr": echo}
        try:
            async with self._http.get(
                self.account.spec.callback, params=query, timeout=self._patience
            ) as answer:
                return answer.status == 200 and await answer.read() == echo.encode()
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _deliver(self, call: Call) -> None:
        for _ in range(TRIES):
            self.report.tries += 1
            try:
                answer = await self._post(call)
            except (aiohttp.ClientError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                await asyncio.sleep(PAUSE)
                continue
            self.report.delivered += 1
            return self._take(call, answer)
        return self._apologise(call, reason)

    async def _post(self, call: Call) -> bytes:
        """A status other than 200 is tried again, like silence (others' experience; nothing official)."""
        async with self._http.post(
            self.account.spec.callback,
            data=call.body,
            params=call.query,
            headers={"Content-Type": "text/xml"},
            timeout=self._patience,
            allow_redirects=False,
        ) as answer:
            if answer.status != 200:
                raise aiohttp.ClientError(f"status {answer.status}")
            return await answer.read()

    # Answering

    def _take(self, call: Call, answer: bytes) -> None:
        """A second delivery of the same message shows nothing again."""
        if call.answered or answer in NOTHING_TO_SAY:
            call.answered = True
            return
        try:
            self._show(call, self._opened(call, answer))
        except (NotOursError, RefusedError, ValueError, LookupError, TypeError) as error:
            self._apologise(call, f"{type(error).__name__}: {error}")
        call.answered = True

    def _opened(self, call: Call, answer: bytes) -> Wire:
        fields = xml.read(answer)
        if "Encrypt" not in fields:
            if self.account.spec.mode is Mode.SAFE:
                raise BadAnswerError("an open answer in safe mode")
            return fields
        mark, timestamp, nonce = (fields[name] for name in ("MsgSignature", "TimeStamp", "Nonce"))
        return xml.read(call.sealer.open(fields["Encrypt"], mark, timestamp, nonce))

    def _show(self, call: Call, fields: Wire) -> None:
        if (fields["ToUserName"], fields["FromUserName"]) != (call.user.openid, self.account.spec.original):
            raise BadAnswerError("it is for somebody else")
        int(fields["CreateTime"])
        kind, content = _content(self.account, fields)
        if call.spoken:
            self.account.show(call.user, kind, **content)

    def _apologise(self, call: Call, reason: str) -> None:
        self.report.reasons[reason] += 1
        if call.spoken and not call.answered:
            self.report.sorry += 1
            self.account.show(call.user, "text", SORRY)


def _content(account: Account, fields: Wire) -> tuple[str, dict[str, Any]]:
    """Raises BadAnswerError, KeyError or RefusedError."""
    kind = fields["MsgType"]
    if kind == "text":
        if not 0 < len(fields["Content"].encode()) <= TEXT_BYTES:
            raise BadAnswerError("an empty or too long text")
        return kind, {"text": fields["Content"]}
    if kind == "image":
        return "photo", {"text": "", "photo": account.medium(fields["Image"]["MediaId"], "image").path}
    if kind == "voice":
        account.medium(fields["Voice"]["MediaId"], "voice")
        return kind, {"text": ""}
    raise BadAnswerError(f"an answer of type {kind}")
