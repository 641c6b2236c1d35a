"""A thin client of the Telegram Bot API: one method call over HTTP, its errors as values.

aiogram's own client costs about three times the CPU per call (docs/architecture.md), and the channel needs
to tell "never left" from "perhaps delivered", which its exceptions do not.
"""

from io import BytesIO
from typing import Any

import aiohttp
import msgspec
from aiohttp.payload import BytesPayload

from bot.channels.exchange import NoAnswer, NotSent, whole
from handlers.messages import Blob

_TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)


class _Parameters(msgspec.Struct):
    retry_after: float | None = None
    migrate_to_chat_id: int | None = None


class Reply(msgspec.Struct):
    """The platform's answer, whatever the HTTP status."""

    ok: bool
    result: Any = None
    error_code: int = 0
    description: str = ""
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


_decode = msgspec.json.Decoder(Reply).decode
_encode = msgspec.json.Encoder().encode


class TelegramApi:
    """One bot's access. The token is part of every address: addresses are never logged or raised."""

    def __init__(self, base: str, token: str) -> None:
        self._calls = f"{base}/bot{token}/"
        self._files = f"{base}/file/bot{token}/"
        self._http: aiohttp.ClientSession | None = None

    async def call(self, method: str, *, wait: float = 0, **parameters: Any) -> Reply | NotSent | NoAnswer:
        """Call a method with JSON parameters; `wait` is added to the time-out (long polling)."""
        body = _encode({key: value for key, value in parameters.items() if value is not None})
        return await self._post(method, wait, data=BytesPayload(body, content_type="application/json"))

    async def upload(
        self, method: str, field: str, file: Blob, **parameters: str
    ) -> Reply | NotSent | NoAnswer:
        """Call a method that carries a file."""
        form = aiohttp.FormData()
        for name, value in parameters.items():
            form.add_field(name, value)
        form.add_field(field, BytesIO(file.body), filename=file.name)
        return await self._post(method, 0, data=form)

    async def _post(self, method: str, wait: float, **request: Any) -> Reply | NotSent | NoAnswer:
        timeout = aiohttp.ClientTimeout(total=(_TIMEOUT.total or 0) + wait, connect=_TIMEOUT.connect)
        try:
            async with self._session().post(self._calls + method, timeout=timeout, **request) as response:
                return _read(response.status, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return NotSent("no connection to the platform")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(type(error).__name__)

    async def download(self, path: str) -> bytes | None:
        """A file's bytes; None where the platform does not have it. Raises OSError where it may later."""
        try:
            async with self._session().get(self._files + path, timeout=_TIMEOUT) as response:
                if response.status >= 500:
                    raise OSError(f"the platform answered {response.status}")
                return await whole(response) if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OSError(type(error).__name__) from None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None


def _read(status: int, body: bytes) -> Reply | NotSent:
    """A body that is not the platform's JSON comes from something in front of it: it was not delivered."""
    try:
        return _decode(body)
    except msgspec.DecodeError:
        return NotSent(f"HTTP {status} without an answer of the platform")
