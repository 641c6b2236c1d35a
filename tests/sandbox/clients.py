"""Two independent Bot API clients behind one small face, so that one suite reads the sandbox through both."""

import json
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import aiogram
import telegram
import telegram.request
from aiogram import exceptions
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.methods import TelegramMethod
from aiogram.types import BufferedInputFile, InputMediaPhoto, TelegramObject
from telegram import error
from telegram.error import TelegramError


class ClientError(Exception):
    """A refusal as the client library classified it."""

    def __init__(self, kind: str, text: str, retry_after: int | None, moved_to: int | None) -> None:
        super().__init__(f"{kind}: {text.lower()}")
        self.kind, self.text, self.retry_after, self.moved_to = kind, text.lower(), retry_after, moved_to


class Client(Protocol):
    async def call(self, method: str, **arguments: Any) -> Any:
        """Any method by its Python name; answers come back as the plain objects the library understood."""

    async def unknown_method(self) -> None: ...

    async def photo(self, chat_id: int, content: bytes, caption: str | None = None) -> Any: ...

    async def document(self, chat_id: int, content: bytes, caption: str) -> Any: ...

    async def album(self, chat_id: int, contents: list[bytes], caption: str) -> Any: ...

    async def download(self, file_id: str) -> bytes: ...


@dataclass(frozen=True)
class PtbClient:
    bot: telegram.Bot

    async def call(self, method: str, **arguments: Any) -> Any:
        if isinstance(markup := arguments.get("reply_markup"), dict):
            arguments["reply_markup"] = telegram.InlineKeyboardMarkup.de_json(markup, self.bot)
        if "commands" in arguments:
            arguments["commands"] = [tuple(each.values()) for each in arguments["commands"]]
        return await self._plain(getattr(self.bot, method)(**arguments))

    async def unknown_method(self) -> None:
        await self.bot.initialize()
        await self._plain(self.bot.do_api_request("noSuchMethod"))

    async def photo(self, chat_id: int, content: bytes, caption: str | None = None) -> Any:
        return await self._plain(self.bot.send_photo(chat_id, content, caption=caption))

    async def document(self, chat_id: int, content: bytes, caption: str) -> Any:
        return await self._plain(self.bot.send_document(chat_id, content, caption=caption))

    async def album(self, chat_id: int, contents: list[bytes], caption: str) -> Any:
        media = [telegram.InputMediaPhoto(content) for content in contents]
        return await self._plain(self.bot.send_media_group(chat_id, media, caption=caption))

    async def download(self, file_id: str) -> bytes:
        return bytes(await (await self.bot.get_file(file_id)).download_as_bytearray())

    async def _plain(self, answer: Awaitable[Any]) -> Any:
        try:
            return _from_ptb(await answer)
        except error.RetryAfter as refused:
            raise ClientError("429", refused.message, _seconds(refused.retry_after), None) from None
        except error.ChatMigrated as refused:
            raise ClientError("400", refused.message, None, refused.new_chat_id) from None
        except TelegramError as refused:
            raise ClientError(PTB_KINDS.get(type(refused), "network"), refused.message, None, None) from None


def _seconds(pause: int | timedelta) -> int:
    return int(pause.total_seconds()) if isinstance(pause, timedelta) else pause


PTB_KINDS: dict[type[Exception], str] = {
    error.BadRequest: "400",
    error.InvalidToken: "401",
    error.Forbidden: "403",
    error.EndPointNotFound: "404",
    error.Conflict: "409",
}


def _from_ptb(answer: Any) -> Any:
    if isinstance(answer, list | tuple):
        return [_from_ptb(each) for each in answer]
    return answer.to_dict() if isinstance(answer, telegram.TelegramObject) else answer


class NoSuchMethod(TelegramMethod[bool]):
    __returning__ = bool
    __api_method__ = "noSuchMethod"


@dataclass(frozen=True)
class AiogramClient:
    bot: aiogram.Bot

    async def call(self, method: str, **arguments: Any) -> Any:
        return await self._plain(getattr(self.bot, method)(**arguments))

    async def unknown_method(self) -> None:
        await self._plain(self.bot(NoSuchMethod()))

    async def photo(self, chat_id: int, content: bytes, caption: str | None = None) -> Any:
        return await self._plain(
            self.bot.send_photo(chat_id, BufferedInputFile(content, "a.png"), caption=caption)
        )

    async def document(self, chat_id: int, content: bytes, caption: str) -> Any:
        return await self._plain(
            self.bot.send_document(chat_id, BufferedInputFile(content, "a.amr"), caption=caption)
        )

    async def album(self, chat_id: int, contents: list[bytes], caption: str) -> Any:
        first, *rest = [BufferedInputFile(content, "a.png") for content in contents]
        media = [
            InputMediaPhoto(media=first, caption=caption),
            *(InputMediaPhoto(media=each) for each in rest),
        ]
        return await self._plain(self.bot.send_media_group(chat_id, list(media)))

    async def download(self, file_id: str) -> bytes:
        content = await self.bot.download(file_id)
        assert content is not None
        return content.read()

    async def _plain(self, answer: Awaitable[Any]) -> Any:
        try:
            return _from_aiogram(await answer)
        except exceptions.TelegramRetryAfter as refused:
            raise ClientError("429", refused.message, refused.retry_after, None) from None
        except exceptions.TelegramMigrateToChat as refused:
            raise ClientError("400", refused.message, None, refused.migrate_to_chat_id) from None
        except exceptions.TelegramAPIError as refused:
            kind = AIOGRAM_KINDS.get(type(refused), "network")
            raise ClientError(kind, refused.message, None, None) from None
        except exceptions.ClientDecodeError as refused:
            raise ClientError("network", refused.message, None, None) from None


AIOGRAM_KINDS: dict[type[Exception], str] = {
    exceptions.TelegramBadRequest: "400",
    exceptions.TelegramUnauthorizedError: "401",
    exceptions.TelegramForbiddenError: "403",
    exceptions.TelegramNotFound: "404",
    exceptions.TelegramConflictError: "409",
}


def _from_aiogram(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_from_aiogram(each) for each in answer]
    if isinstance(answer, TelegramObject):
        return json.loads(answer.model_dump_json(by_alias=True, exclude_none=True, exclude_unset=True))
    return answer


async def connect(library: str, base_url: str, token: str, stack: AsyncExitStack) -> Client:
    if library == "python-telegram-bot":
        calls, polls = (telegram.request.HTTPXRequest(connection_pool_size=8) for _ in range(2))
        for requests in (calls, polls):
            await requests.initialize()
            stack.push_async_callback(requests.shutdown)
        bot_url, file_url = f"{base_url}/bot", f"{base_url}/file/bot"
        return PtbClient(telegram.Bot(token, bot_url, file_url, request=calls, get_updates_request=polls))
    session = AiohttpSession(api=TelegramAPIServer.from_base(base_url))
    stack.push_async_callback((await session.create_session()).close)
    return AiogramClient(aiogram.Bot(token, session=session))
