"""`huiyin qr`: the codes of places, for each channel, as links, pictures and posters."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bot import poster
from bot.app import ready_store
from bot.channels import facts
from bot.clock import Clock
from bot.codes import link, page_link, picture, token_of
from bot.limits import load_limits
from bot.orders import Format, Order, Through
from bot.poster import Words
from bot.settings import ConfigError, Settings
from bot.texts import load_texts
from routing.organisation import AreaKind, Organisation
from storage import directory
from storage.store import Store


def choose(settings: Settings, wanted: Through | None) -> Through:
    """The wanted channel, or the first that is configured. Raises ConfigError where its key is missing."""
    channels = settings.channels
    needed = {
        Through.TELEGRAM: ("channels.telegram.username", channels.telegram.username),
        Through.WECHAT: ("channels.wechat.app_id", channels.wechat.app_id),
        Through.WEB: ("channels.web.url", channels.web.url),
    }
    asked = {one: needed[one] for one in ([wanted] if wanted else Through)}
    for one, (_, value) in asked.items():
        if value:
            return one
    raise ConfigError(f"{' or '.join(key for key, _ in asked.values())} is missing: it is part of every link")


def check_lasting(through: Through, lasts: timedelta | None) -> None:
    """Raises ConfigError for a time that no code of this channel may last."""
    if lasts is None:
        return
    if through is not Through.WECHAT:
        raise ConfigError(f"codes of {through} do not expire; --new revokes one")
    if not timedelta(0) < lasts <= facts.LONGEST_TEMPORARY_SCENE:
        raise ConfigError(f"--expires: 1 to {facts.LONGEST_TEMPORARY_SCENE.days} days")


Linking = Callable[[str], Awaitable[str]]
_errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


class Press:
    """Prints one place after the other. `linking` gives what the code of a token holds."""

    def __init__(
        self,
        settings: Settings,
        order: Order,
        store: Store,
        clock: Clock,
        linking: Linking,
    ) -> None:
        self._texts = load_texts(settings.texts_file)
        self._zone = load_limits(settings.limits_file).zone
        self._font = poster.chinese_font(order.font) if order.format.drawn else None
        self._order = order
        self._store = store
        self._clock = clock
        self._linking = linking

    async def places(self) -> list[str]:
        """Every place with none below it, in the roster's order."""
        areas = (await self._store.read(directory.load)).areas
        parents = {area.parent for area in areas.values()}
        return [code for code in areas if code not in parents]

    async def print(self, area: str) -> bytes:
        """Raises ConfigError for an unknown area, and where the platform gives no code.

        Where the code is renewed, the earlier one is revoked even then: whoever asks for that wants it gone.
        """
        token = await self._store.write(token_of, area, self._clock.now(), renew=self._order.renew)
        opens = await self._linking(token)
        if self._order.format is Format.LINK:
            return f"{opens}\n".encode()
        if self._order.format in (Format.SVG, Format.PNG):
            return picture(opens, self._order.format.value)
        return self._poster(_place(await self._store.read(directory.load), area), opens)

    def _poster(self, place: str, opens: str) -> bytes:
        sheet = list(poster.layout(self._words(place), opens))
        if self._font is None:
            return poster.as_svg(sheet, self._order.paper)
        return poster.as_picture(sheet, self._order.paper, self._order.format.suffix, self._font)

    def _words(self, place: str) -> Words:
        def said(name: str, **args: str) -> str:
            return self._texts.render(f"poster_{name}", args)

        small = said("privacy").splitlines()
        if (lasts := self._order.lasts) is not None:
            last = (self._clock.now() + lasts).astimezone(self._zone)
            small.append(said("until", day=f"{last.year}年{last.month}月{last.day}日"))
        how, steps = said(f"how_{self._order.through}"), said("steps").splitlines()
        return Words(place, said("sentence"), how, steps, said("danger"), small)


def _place(organisation: Organisation, area: str) -> str:
    """As its neighbours call it: the community and the place, without the grid between them."""
    place, *above = organisation.up(area)
    return " ".join([one.name for one in above if one.kind is AreaKind.COMMUNITY] + [place.name])


@asynccontextmanager
async def press(settings: Settings, order: Order, clock: Clock) -> AsyncIterator[Press]:
    """A press on the settings' database. Raises ConfigError, FileError or StoreError where it cannot work.

    Says on standard error when the account's permanent codes run short.
    """
    check_lasting(order.through, order.lasts)
    async with ready_store(settings) as store, _linking(settings, order, store, clock) as linking:
        yield Press(settings, order, store, clock, linking)


@asynccontextmanager
async def _linking(settings: Settings, order: Order, store: Store, clock: Clock) -> AsyncIterator[Linking]:
    if order.through is not Through.WECHAT:
        yield _ours(settings, order.through)
        return
    from bot.channels.wechat import WechatChannel  # its library is slow to import: only who needs it
    from bot.scenes import Scenes, warning

    channel = WechatChannel(settings.channels.wechat, clock)
    scenes = Scenes(store, channel, settings.channels.wechat.app_id, clock)
    try:
        yield lambda token: scenes.link(token, order.lasts)
        if note := warning(await scenes.used()):
            _errors.print(f"huiyin: WARNING {note}")
    finally:
        await channel.close()


def _ours(settings: Settings, through: Through) -> Linking:
    async def made(token: str) -> str:
        if through is Through.WEB:
            return page_link(settings.channels.web.url, token)
        return link(settings.channels.telegram.username, token)

    return made


async def print_one(settings: Settings, order: Order, area: str) -> bytes:
    async with press(settings, order, Clock()) as made:
        return await made.print(area)


async def print_all(settings: Settings, order: Order, folder: Path) -> int:
    """A file for each place, named by its code; how many. What was written stays where one fails."""
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=_errors)
    async with press(settings, order, Clock()) as made:
        places = await made.places()
        with bar:
            for area in bar.track(places, description="codes"):
                write(folder / f"{area}.{order.format.suffix}", await made.print(area))
    return len(places)


def write(path: Path, body: bytes) -> None:
    """Raises ConfigError where the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
