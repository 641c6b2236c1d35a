"""The company's people at their phones, for tests: a thin client of the control interface."""

import asyncio
import base64
import time
from dataclasses import dataclass
from typing import Any

from bot.sandbox.people import LOOK_AGAIN, Sandbox, SeenMessage


@dataclass(frozen=True)
class Colleague:
    """Acts in the app's talk unless told a `group` (name or id), or `bot` for the smart robot's own talk."""

    sandbox: Sandbox
    userid: str

    @classmethod
    async def joins(cls, sandbox: Sandbox, userid: str, name: str) -> "Colleague":
        """A new member of the company, or another name for one."""
        await sandbox.call("POST", "corp/members", {"userid": userid, "name": name})
        return cls(sandbox, userid)

    async def says(self, text: str, bot: bool = False) -> None:
        await self._does("text", text=text, bot=bot)

    async def says_in(self, group: str, text: str, mention: bool = True) -> None:
        """Mentions the smart robot, which else does not hear it."""
        await self._does("text", text=text, group=group, mention=mention)

    async def sends_photo(self, data: bytes | None = None) -> None:
        await self._does("photo", data=base64.b64encode(data).decode() if data else None)

    async def sends_voice(self) -> None:
        await self._does("voice")

    async def sends_location(self, latitude: float, longitude: float, label: str = "") -> None:
        await self._does("location", latitude=latitude, longitude=longitude, text=label)

    async def enters(self, bot: bool = False) -> None:
        await self._does("enter", bot=bot)

    async def taps(self, label: str, group: str | None = None, bot: bool = False) -> None:
        """The newest button of this label."""
        await self._does("tap", text=label, group=group, bot=bot)

    async def sees(self, group: str | None = None, bot: bool = False) -> list[SeenMessage]:
        shown = await self.sandbox.call("GET", "corp/chat", user=self.userid, group=group, bot=bot)
        return [SeenMessage(sender=message.pop("from"), **message) for message in shown["messages"]]

    async def sees_group(self, name: str) -> list[SeenMessage]:
        return await self.sees(group=name)

    async def hears(
        self, words: str, group: str | None = None, within: float = 5.0, bot: bool = False
    ) -> SeenMessage:
        """Waits for the newest message of somebody else that holds these words. Raises TimeoutError."""
        deadline = time.monotonic() + within
        while True:
            heard = [each for each in await self.sees(group, bot) if not each.is_me]
            for message in reversed(heard):
                if words in message.text:
                    return message
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{self.userid} did not hear {words!r} but {[each.text for each in heard]}"
                )
            await asyncio.sleep(LOOK_AGAIN)

    async def _does(self, do: str, **more: Any) -> None:
        await self.sandbox.call("POST", "corp/act", {"user": self.userid, "do": do, **more})
