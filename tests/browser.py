"""A visitor's browser without scripts, for tests: keeps cookies, reads pages, fills in their forms."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import aiohttp
from multidict import CIMultiDictProxy

from tests.town import Town


@dataclass
class Form:
    """Its hidden fields, its buttons by their label, and whether one may write in it."""

    hidden: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)
    typed: str | None = None


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self._button: tuple[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self._inside.append(tag)
        if tag == "form":
            self.forms.append(Form())
        elif tag == "input" and given.get("type") == "hidden":
            self.forms[-1].hidden[given["name"] or ""] = given["value"] or ""
        elif tag == "button":
            self._button = (given.get("name") or "", given.get("value") or "")
        elif tag == "textarea" and self.forms and "readonly" not in given:
            self.forms[-1].typed = ""

    def handle_data(self, data: str) -> None:
        inside = self._inside[-1] if self._inside else ""
        if self._button is not None and data.strip():
            self.forms[-1].buttons[data.strip()] = self._button
            self._button = None
        elif inside == "textarea" and self.forms and self.forms[-1].typed is not None:
            self.forms[-1].typed += data
        if inside != "style":
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass


@dataclass
class Seen:
    """A page as it came."""

    url: str
    status: int
    headers: CIMultiDictProxy[str]
    html: str

    def __post_init__(self) -> None:
        self._read = _Reader(self.html)

    @property
    def text(self) -> str:
        return re.sub(r"\s*\n\s*", "\n", "".join(self._read.words))

    @property
    def forms(self) -> list[Form]:
        return self._read.forms

    @property
    def labels(self) -> list[str]:
        return [label for form in self.forms for label in form.buttons]

    @property
    def writing(self) -> Form:
        return next(form for form in self.forms if form.typed is not None)

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [given for tag, given in self._read.tags if tag == name]

    def pictures(self) -> list[str]:
        return [urljoin(self.url, given["src"] or "") for given in self.tags("img")]


class Browser:
    """One phone. What it sends is handled by the town while it waits for the page."""

    def __init__(self, town: Town, http: aiohttp.ClientSession) -> None:
        self.town = town
        self.http = http
        self.base = town.app.settings.channels.web.url
        self.page: Seen

    async def scans(self, area: str) -> Seen:
        return await self.opens(f"{self.base}/q/{await self.town.token(area)}")

    async def opens(self, url: str, **options: Any) -> Seen:
        self.page = await self._asked(self.http.get(url, **options))
        return self.page

    async def looks(self) -> Seen:
        """The page once more, after everything that happened meanwhile."""
        await self.town.settle()
        return await self.opens(self.page.url)

    async def writes(self, text: str = "", *photos: bytes, **other: str) -> Seen:
        """Fill in the page's form and send it; `other` replaces fields."""
        return await self._submits({**self.page.writing.hidden, "text": text, **other}, photos)

    async def presses(self, label: str) -> Seen:
        form = next(one for one in self.page.forms if label in one.buttons)
        name, value = form.buttons[label]
        return await self._submits({**form.hidden, name: value})

    async def _submits(self, fields: dict[str, str], photos: tuple[bytes, ...] = ()) -> Seen:
        self.page = await self.handled(self.sends(self.page.url, fields, *photos))
        await self.town.settle()
        return self.page

    async def sends(self, url: str, fields: dict[str, str], *photos: bytes) -> Seen:
        """The bare request, with whatever fields."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in fields.items():
            form.add_field(name, value)
        for photo in photos or (b"",):  # a browser sends an empty file where none was chosen
            name = "张三的家.jpg" if photo else ""
            form.add_field("photo", io.BytesIO(photo), filename=name, content_type="image/jpeg")
        return await self._asked(self.http.post(url, data=form))

    async def handled(self, request: Awaitable[Seen]) -> Seen:
        """What the request brings once the town has answered it."""
        task = asyncio.ensure_future(request)
        while not task.done():
            await self.town.app.drain()
            await asyncio.wait({task}, timeout=0.005)
        return await task

    async def _asked(self, request: Any) -> Seen:
        async with request as answer:
            return Seen(str(answer.url), answer.status, answer.headers, await answer.text())


@asynccontextmanager
async def browser(town: Town) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Browser(town, http)
