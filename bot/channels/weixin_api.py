"""A thin client of the HTTP interfaces of WeChat and WeCom: one call, its errors as values.

wechatpy's own client blocks, has no time-outs, and repeats without end where a token is refused.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any, TypeVar

import aiohttp
import msgspec
from aiohttp.payload import BytesPayload

from bot.channels.exchange import NoAnswer, NotSent, whole
from bot.channels.tokens import Fetched, NoToken, TokenKeeper
from bot.clock import Clock
from handlers.messages import Blob

TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5, sock_read=10)
STALE_TOKEN = {40001, 40014, 42001}
_encode = msgspec.json.Encoder().encode


class Reply(msgspec.Struct, frozen=True):
    """The platform's answer. `body` has all of it; it may hold secrets, so it is never logged."""

    errcode: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return self.errcode == 0


class Contents(msgspec.Struct, frozen=True):
    """The bytes of a file, and what the platform says they are."""

    type: str
    body: bytes


Failure = NotSent | NoAnswer
Answer = Reply | Failure
_A = TypeVar("_A")


class Breaker:
    """After some failures in a row nobody waits for a platform that is away: for a while it is not asked."""

    PATIENCE = 5
    PAUSE = timedelta(seconds=30)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._until: datetime | None = None

    @property
    def open(self) -> bool:
        return self._until is not None and self._clock.now() < self._until

    def note(self, answer: object) -> None:
        self._failures = self._failures + 1 if isinstance(answer, NotSent | NoAnswer) else 0
        self._until = self._clock.now() + self.PAUSE if self._failures >= self.PATIENCE else None


class Http:
    """One base address. Parameters may hold tokens: addresses are never logged, raised or returned."""

    def __init__(self, base: str, clock: Clock, timeout: aiohttp.ClientTimeout = TIMEOUT) -> None:
        self._base = base
        self._timeout = timeout
        self._breaker = Breaker(clock)
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, **parameters: str) -> Answer:
        found = await self._request("GET", path, parameters)
        return _parsed(found) if isinstance(found, Contents) else found

    async def post(self, path: str, body: dict[str, Any], **parameters: str) -> Answer:
        data = BytesPayload(_encode(body), content_type="application/json")
        found = await self._request("POST", path, parameters, data)
        return _parsed(found) if isinstance(found, Contents) else found

    async def upload(self, path: str, file: Blob, **parameters: str) -> Answer:
        form = aiohttp.FormData()
        form.add_field("media", BytesIO(file.body), filename=file.name)
        found = await self._request("POST", path, parameters, form)
        return _parsed(found) if isinstance(found, Contents) else found

    async def download(self, path: str, **parameters: str) -> Contents | Answer:
        """A file; a Reply where the platform answers in JSON instead, whatever the HTTP status."""
        found = await self._request("GET", path, parameters)
        is_file = isinstance(found, Contents) and "json" not in found.type and "text" not in found.type
        return found if is_file or not isinstance(found, Contents) else _parsed(found)

    async def _request(
        self, method: str, path: str, parameters: dict[str, str], data: object = None
    ) -> Contents | Failure:
        if self._breaker.open:
            return NotSent("the platform did not answer lately")
        answer = await self._exchange(method, path, parameters, data)
        self._breaker.note(answer)
        return answer

    async def _exchange(
        self, method: str, path: str, parameters: dict[str, str], data: object
    ) -> Contents | Failure:
        try:
            async with self._http().request(
                method, f"{self._base}/{path}", params=parameters, data=data, allow_redirects=False
            ) as response:
                body = await whole(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return NotSent("no connection to the platform")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(type(error).__name__)
        if response.status != 200:  # the platforms always say 200: this is something in front of them
            return NotSent(f"HTTP {response.status} without an answer of the platform")
        return Contents(response.content_type, body) if body is not None else NotSent("larger than any file")

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=64)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _parsed(found: Contents) -> Answer:
    """A body that is not the platform's JSON comes from something in front of it: it was not delivered."""
    try:
        body = msgspec.json.decode(found.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NotSent("an answer that is not the platform's")
    errcode = body.get("errcode", 0)
    return Reply(errcode if isinstance(errcode, int) else -1, body)


def token_from(answer: Answer) -> Fetched | NoToken:
    """What a call for an access token gave."""
    if not isinstance(answer, Reply):
        return NoToken(answer.reason)
    value, seconds = answer.body.get("access_token"), answer.body.get("expires_in")
    if answer.ok and isinstance(value, str) and value and isinstance(seconds, int):
        return Fetched(value, seconds)
    return NoToken(f"errcode {answer.errcode}")


class WeixinApi:
    """Calls that need an access token: a refused one is renewed and the call repeated, once."""

    def __init__(self, http: Http, keeper: TokenKeeper) -> None:
        self._http = http
        self._keeper = keeper

    async def get(self, path: str, **parameters: str) -> Answer:
        return await self._call(lambda token: self._http.get(path, access_token=token, **parameters))

    async def post(self, path: str, body: dict[str, Any]) -> Answer:
        return await self._call(lambda token: self._http.post(path, body, access_token=token))

    async def upload(self, path: str, file: Blob, **parameters: str) -> Answer:
        return await self._call(lambda token: self._http.upload(path, file, access_token=token, **parameters))

    async def download(self, path: str, **parameters: str) -> Contents | Answer:
        return await self._call(lambda token: self._http.download(path, access_token=token, **parameters))

    async def _call(self, call: Callable[[str], Awaitable[_A]]) -> _A | NotSent:
        token = await self._keeper.token()
        if isinstance(token, NoToken):
            return NotSent(token.reason)
        answer = await call(token)
        if not isinstance(answer, Reply) or answer.errcode not in STALE_TOKEN:
            return answer
        other = await self._keeper.after(token)
        return answer if isinstance(other, NoToken) or other == token else await call(other)
