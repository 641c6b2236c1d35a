"""People with phones, for tests and replays: a thin client of the control interface, through HTTP only."""

import asyncio
import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

from bot.sandbox.faults import FaultKind

LOOK_AGAIN = 0.02


class SandboxError(Exception):
    """The sandbox would not do it; the message says why."""


@dataclass(frozen=True)
class SeenMessage:
    """`text` is also the caption of a photo, the place of a location, the name and number of a contact."""

    id: int
    sender: str
    is_me: bool
    kind: str
    text: str
    html: str
    buttons: list[list[str]]
    photo: str | None
    album: str | None
    edited: bool
    reply_to: int | None
    date: int
    url: str | None = None  # of the page behind a template message
    disabled: bool = False  # its buttons cannot be pressed any more

    @property
    def labels(self) -> list[str]:
        return [label for row in self.buttons for label in row]


@dataclass(frozen=True)
class Tapped:
    """What a tap led to: the bot's answer (None if none came in time), or the address of a link button."""

    query: str | None
    answer: str | None
    alert: bool
    url: str | None


class Sandbox:
    """Used with `async with`; one instance serves any number of people."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    @property
    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use `async with Sandbox(...)`")
        return self._session

    async def call(self, verb: str, path: str, body: Any = None, **query: Any) -> Any:
        """One request under /control; raises SandboxError with the sandbox's reason."""
        params = {name: str(value) for name, value in query.items() if value is not None}
        url = f"{self.base_url}/control/{path}"
        async with self._http.request(verb, url, json=body, params=params) as answer:
            content = await answer.json(content_type=None)
            if answer.status != 200:
                raise SandboxError(content["error"])
            return content

    async def user(self, user_id: int, first_name: str, username: str | None = None) -> "Person":
        await self.call("POST", "users", {"id": user_id, "first_name": first_name, "username": username})
        return Person(self, user_id, first_name)

    async def group(
        self,
        chat_id: int,
        title: str,
        members: "Sequence[Person]",
        bots: Sequence[str] | None = None,
        admin: bool = False,
        supergroup: bool = False,
    ) -> int:
        """The first member is the creator; without `bots` the first bot is in it. Returns the chat's id."""
        new = {"id": chat_id, "title": title, "members": [person.id for person in members], "admin": admin}
        await self.call("POST", "groups", new | {"bots": bots, "supergroup": supergroup})
        return chat_id

    async def advance(self, seconds: float) -> None:
        await self.call("POST", "clock", {"advance_seconds": seconds})

    async def clock(self, after: float | None = None) -> dict[str, Any]:
        return dict(await self.call("GET", "clock", after=after))

    async def fails(
        self, kind: FaultKind, method: str | None = None, chat: int | str | None = None, **more: Any
    ) -> None:
        """Script trouble; `more` may hold times, retry_after, seconds, description, errcode."""
        await self.call("POST", "faults", {"kind": kind.value, "method": method, "chat": chat, **more})

    async def heals(self) -> None:
        """Forget scripted trouble and release held connections and updates."""
        await self.call("DELETE", "faults")

    async def limits(self, on: bool) -> None:
        await self.call("POST", "limits", {"on": on})

    async def injects(self, update: dict[str, Any], bot: str | None = None) -> int:
        """Deliver a raw update as given, as often as asked; returns its update_id."""
        return int((await self.call("POST", "update", {"update": update, "bot": bot}))["update_id"])

    async def redelivers(self, count: int = 1, bot: str | None = None) -> int:
        return int((await self.call("POST", "redeliver", {"count": count, "bot": bot}))["redelivered"])

    async def log(self) -> dict[str, Any]:
        return dict(await self.call("GET", "log"))

    async def telegram(self, token: str, method: str, **arguments: Any) -> Any:
        """A bot's own call; the raw answer, refused or not."""
        async with self._http.post(f"{self.base_url}/bot{token}/{method}", json=arguments) as answer:
            return await answer.json(content_type=None)

    async def file(self, url: str) -> bytes:
        """A photo by the address that SeenMessage.photo gives."""
        async with self._http.get(self.base_url + url) as answer:
            return await answer.read()


@dataclass(frozen=True)
class Person:
    """Acts in the private chat with the first bot unless told a `chat` (group id) or a `bot` (username)."""

    sandbox: Sandbox
    id: int
    name: str

    async def does(self, do: str, chat: int | None = None, bot: str | None = None, **more: Any) -> Any:
        act = {"user": self.id, "do": do, "chat": chat, "bot": bot, **more}
        return await self.sandbox.call("POST", "act", act)

    async def _sends(self, do: str, chat: int | None, bot: str | None, **more: Any) -> int:
        return int((await self.does(do, chat, bot, **more))["messages"][0])

    async def says(
        self, text: str, chat: int | None = None, reply_to: int | None = None, bot: str | None = None
    ) -> int:
        """Returns the message's id; of a text too long for one message, that of its first part."""
        return await self._sends("text", chat, bot, text=text, reply_to=reply_to)

    async def scans(self, payload: str = "", bot: str | None = None) -> int:
        """Opens the bot by a QR code's link and presses START."""
        return await self._sends("scan", None, bot, payload=payload)

    async def sends_photo(
        self,
        caption: str = "",
        data: bytes | None = None,
        chat: int | None = None,
        reply_to: int | None = None,
        bot: str | None = None,
    ) -> int:
        encoded = base64.b64encode(data).decode() if data else None
        return await self._sends("photo", chat, bot, caption=caption, data=encoded, reply_to=reply_to)

    async def sends_album(
        self, count: int, caption: str = "", chat: int | None = None, bot: str | None = None
    ) -> list[int]:
        return list((await self.does("album", chat, bot, count=count, caption=caption))["messages"])

    async def sends_voice(
        self,
        duration: int = 3,
        data: bytes | None = None,
        chat: int | None = None,
        bot: str | None = None,
    ) -> int:
        encoded = base64.b64encode(data).decode() if data else None
        return await self._sends("voice", chat, bot, duration=duration, data=encoded)

    async def sends_location(
        self, latitude: float, longitude: float, chat: int | None = None, bot: str | None = None
    ) -> int:
        return await self._sends("location", chat, bot, latitude=latitude, longitude=longitude)

    async def sends_contact(
        self,
        of: "Person | None" = None,
        phone: str | None = None,
        chat: int | None = None,
        bot: str | None = None,
    ) -> int:
        """Their own card, or somebody else's."""
        return await self._sends("contact", chat, bot, of=of.id if of else None, phone=phone)

    async def sends_sticker(self, emoji: str = "👍", chat: int | None = None, bot: str | None = None) -> int:
        return await self._sends("sticker", chat, bot, emoji=emoji)

    async def edits(self, message: int, text: str, chat: int | None = None, bot: str | None = None) -> None:
        await self.does("edit", chat, bot, message=message, text=text)

    async def taps(
        self,
        label: str,
        chat: int | None = None,
        message: int | None = None,
        wait: float = 0.0,
        bot: str | None = None,
    ) -> Tapped:
        """Taps the newest button of this label, else the reply keyboard's; waits for the answer if asked."""
        result = await self.does("tap", chat, bot, label=label, message=message, wait=wait)
        said = result["answer"] or {"text": None, "show_alert": False}
        return Tapped(result["query"], said["text"], said["show_alert"], result["url"])

    async def sees(self, chat: int | None = None, bot: str | None = None) -> list[SeenMessage]:
        shown = (await self.sandbox.call("GET", "chat", user=self.id, chat=chat, bot=bot))["messages"]
        return [SeenMessage(sender=message.pop("from"), **message) for message in shown]

    async def sees_keyboard(self, chat: int | None = None, bot: str | None = None) -> list[list[str]]:
        shown = await self.sandbox.call("GET", "chat", user=self.id, chat=chat, bot=bot)
        return list(shown["keyboard"])

    async def hears(
        self, words: str, chat: int | None = None, within: float = 5.0, bot: str | None = None, after: int = 0
    ) -> SeenMessage:
        """Waits for the newest message of somebody else, later than `after`, that holds these words.

        Raises TimeoutError, telling what was seen instead.
        """
        deadline = time.monotonic() + within
        while True:
            heard = [each for each in await self.sees(chat, bot) if not each.is_me and each.id > after]
            for message in reversed(heard):
                if words in message.text:
                    return message
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} did not hear {words!r} but {[each.text for each in heard]}")
            await asyncio.sleep(LOOK_AGAIN)

    async def blocks(self, bot: str | None = None) -> None:
        await self.does("block", bot=bot)

    async def unblocks(self, bot: str | None = None) -> None:
        await self.does("unblock", bot=bot)

    async def joins(self, chat: int) -> None:
        await self.does("join", chat)

    async def leaves(self, chat: int) -> None:
        await self.does("leave", chat)

    async def adds_bot(self, chat: int, bot: str | None = None) -> None:
        await self.does("add_bot", chat, bot)

    async def promotes_bot(self, chat: int, bot: str | None = None) -> None:
        await self.does("promote_bot", chat, bot)

    async def removes_bot(self, chat: int, bot: str | None = None) -> None:
        await self.does("remove_bot", chat, bot)

    async def migrates(self, chat: int, new_id: int | None = None) -> int:
        """Turns the group into a supergroup and returns its new id."""
        return int((await self.does("migrate", chat, new_id=new_id))["chat"])
