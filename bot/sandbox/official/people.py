"""People with WeChat, for tests and replays: a thin client of the control interface, through HTTP only."""

import base64
from dataclasses import dataclass
from typing import Any

from bot.sandbox.people import Sandbox, SeenMessage, heard


@dataclass(frozen=True)
class Follower:
    """Somebody who may follow the service account."""

    sandbox: Sandbox
    openid: str
    name: str

    async def does(self, act: str, **more: Any) -> dict[str, Any]:
        told = {
            "openid": self.openid,
            "do": act,
            **{name: one for name, one in more.items() if one is not None},
        }
        return dict(await self.sandbox.call("POST", "official/act", told))

    async def _sends(self, act: str, **more: Any) -> int:
        return int((await self.does(act, **more))["message"])

    async def follows(self, scene: str = "") -> None:
        await self.does("follow", scene=scene)

    async def scans(self, scene: str) -> None:
        """Scans a code; who does not follow yet, follows by it."""
        await self.does("scan", scene=scene)

    async def unfollows(self) -> None:
        await self.does("unfollow")

    async def says(self, text: str) -> int:
        """Returns the message's id."""
        return await self._sends("text", text=text)

    async def sends_photo(self, data: bytes | None = None) -> int:
        return await self._sends("photo", data=base64.b64encode(data).decode() if data else None)

    async def sends_voice(self, text: str | None = None) -> int:
        """`text` is what the platform understood: "" if nothing, None if it did not try."""
        return await self._sends("voice", recognition=text)

    async def sends_location(self, latitude: float, longitude: float, label: str = "") -> int:
        return await self._sends("location", latitude=latitude, longitude=longitude, text=label)

    async def sends_link(self, title: str, url: str) -> int:
        return await self._sends("link", title=title, url=url)

    async def clicks(self, key: str) -> str | None:
        """A button of the account's menu, by key or name; returns the page's address if it opens one."""
        url = (await self.does("click", label=key))["url"]
        return None if url is None else str(url)

    async def taps(self, label: str | int) -> int:
        """A line of the newest menu in the talk, by its words or its number."""
        return await self._sends("tap", label=str(label))

    async def allows(self, *templates: str) -> None:
        await self.does("allow", templates=templates)

    async def refuses(self, *templates: str) -> None:
        await self.does("refuse", templates=templates)

    async def reports_location(self, times: int = 1) -> None:
        """What the phone does by itself, every few seconds."""
        for _ in range(times):
            await self.does("report_location")

    async def gets_templates(self, status: str) -> None:
        """From now on: `success`, `failed:user block` or `failed: system failed`."""
        await self.does("template_status", status=status)

    async def sees(self) -> list[SeenMessage]:
        shown = (await self.sandbox.call("GET", "official/chat", openid=self.openid))["messages"]
        return [SeenMessage(sender=message.pop("from"), **message) for message in shown]

    async def hears(self, words: str, within: float = 5.0, after: int = 0) -> SeenMessage:
        """Waits for the newest message of the account, later than `after`, that holds these words.

        Raises TimeoutError, telling what was seen instead.
        """
        return await heard(self.sees, self.name, words, within, after)


async def follower(sandbox: Sandbox, name: str = "居民", openid: str = "") -> Follower:
    """Somebody new, who does not follow yet; without an `openid` they get one."""
    made = await sandbox.call("POST", "official/users", {"name": name, "openid": openid})
    return Follower(sandbox, made["openid"], made["name"])
