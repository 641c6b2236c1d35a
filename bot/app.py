"""The composition root: builds the running bot out of its parts, and runs its loops."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.routing import Route

from bot import metrics, ops, web
from bot.alone import TakenError, alone
from bot.callbacks import Callbacks
from bot.channels.callback import CallbackChannel
from bot.channels.telegram import TelegramChannel
from bot.clock import Clock
from bot.delays import Delays
from bot.dispatcher import Dispatcher
from bot.handpage.door import PageDoor
from bot.handpage.proofs import Proofs as HandProofs
from bot.handpage.routes import HandPage, SignIn
from bot.health import Health, reason_of
from bot.intake import Intake
from bot.keys import check, vault_of
from bot.limits import calendar_note
from bot.media import Media
from bot.mediastore import MediaStore, media_store
from bot.offices import OfficeFiles, Offices
from bot.outbox import Outbox
from bot.page.forms import Proofs
from bot.page.routes import ResidentsPage
from bot.parts import Part
from bot.passive import MOST_WAITING, Passive
from bot.platforms import connect
from bot.serving import serving
from bot.settings import ConfigError, Settings, TelegramMode
from bot.spool import Spool
from bot.ticker import Ticker
from bot.wakeups import Wakeups
from handlers.messages import Channel
from storage import directory, gauges, outbox, privacy, schema
from storage.database import Where
from storage.gauges import Queues
from storage.presence import Presence
from storage.schema import Standing
from storage.secrets import Vault
from storage.store import Database, Store, StoreError, is_away

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

_LOOK_AGAIN = timedelta(seconds=5)  # a loop looks again after this time even when nobody has woken it
_LOOK_AGAIN_SERVED = timedelta(seconds=1)  # for what other processes have made
_LOOK_AGAIN_UNTOLD = timedelta(seconds=0.2)  # where no bell tells of what others have stored
_LOOK_AT_OTHERS = 1.0
_LOOK_AT_OFFICE = 1.0
_FORWARD = 0.5  # seconds between two portions of what somebody floods us with
_GATHER = 0.002  # seconds in which finished sends are gathered, so that they share one commit
_AFTER_ERROR = 1.0
# These go round often; fetching and listening take long.
_WATCHED = frozenset({"dispatcher", "outbox", "clock", "office"})


class _Loop(Protocol):
    async def step(self) -> int | bool: ...


class App:
    """Everything that runs, wired together. It owns the store and the channels and closes both."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        store: Store,
        vault: Vault,
        files: OfficeFiles,
        pictures: MediaStore,
        spool: Spool,
        others: Sequence[Channel] = (),
        shared: "Redis | None" = None,
        part: Part = Part.ALL,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.store = store
        self.part = part
        self.presence = Presence(settings.database_url)
        self.platforms = connect(settings, clock, vault, shared, others)
        channels = self.platforms.by_name
        door, site = PageDoor(), settings.channels.web.url
        account: object = channels.get("wechat")
        signs_in = account if isinstance(account, SignIn) and site else None
        self.passive = Passive(MOST_WAITING if part.works else 0)
        self.offices = Offices(store, files, f"{site}/a" if signs_in else "")
        pacing = {name: getattr(settings.channels, name).pacing for name in channels}
        self.spool = spool
        self.health = Health()
        self.delays = Delays(self.offices, pacing, clock)
        self.intake = Intake(store, vault, clock, spool, self.delays, self.health)
        doors = {**channels, door.name: door}
        self.dispatcher = Dispatcher(store, vault, self.offices, doors, self.passive, clock)
        self.outbox = Outbox(store, vault, self.offices, channels, pictures, pacing, self.presence, clock)
        self.ticker = Ticker(store, vault, self.offices, clock)
        self.media = Media(store, vault, self.offices, channels, pictures, clock)
        self.pages: list[Route] = []
        secret = settings.secret_key.get_secret_value()
        if signs_in is not None:
            parts = (self.intake, self.passive, self.outbox, store, vault, self.offices)
            self.pages += HandPage(site, signs_in, door, *parts, HandProofs(secret, vault), clock).routes
        if self.platforms.web is not None:
            stored = (self.intake, store, vault, self.offices, pictures, Proofs(secret), clock)
            self.pages += ResidentsPage(settings.channels.web, self.platforms.web, *stored).routes
        self._gauges = ops.Gauges(self._queues, self.health, clock)
        self.served = store.database.file is None
        self.bell = Wakeups(shared, self.health) if shared is not None and part is not Part.CONSOLE else None
        self._led = False

    @property
    def telegram(self) -> TelegramChannel | None:
        return self.platforms.telegram

    @property
    def asgi(self) -> Starlette:
        if not self.part.takes_in:
            return web.build(self.intake, None, "", self.health, {})
        secret = self.settings.channels.telegram.webhook_secret.get_secret_value()
        called = self.platforms.called
        callbacks = {path: self._callbacks(channel) for path, channel in called.items()}
        return web.build(self.intake, self.telegram, secret, self.health, callbacks, self.pages)

    @property
    def internal(self) -> Starlette:
        """What is served to those who run it, on a listener of its own."""
        return ops.build(self.health, self._gauges)

    async def _queues(self) -> Queues:
        """What waits, under the names that its metrics have."""
        return await self.store.read(gauges.measure, self.clock.now())

    def _callbacks(self, channel: CallbackChannel) -> Callbacks:
        return Callbacks(channel, self.intake, self.delays, self.passive, self.outbox, self.clock)

    async def close(self) -> None:
        try:
            await self.outbox.finish()
        except SQLAlchemyError as error:
            log.error("what was sent last could not be noted and is sent again", error=type(error).__name__)
        await self.delays.close()
        await self.platforms.close()
        await self.intake.finish()
        await self.presence.close()
        await self.store.close()
        self.spool.close()

    # --- running for ever ---------------------------------------------------------------------

    async def run(self) -> None:
        """Run all loops until cancelled. A loop that fails says so, shows in /readyz, and goes on."""
        if self.telegram is not None:
            self.health.fails("telegram", "starting")
        loops = self._loops()
        for name in _WATCHED & loops.keys():
            self.health.watch(name)
        async with asyncio.TaskGroup() as tasks:
            for name, work in loops.items():
                tasks.create_task(self._keep_going(name, work))

    def _loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What goes on in this process, by its name in /readyz."""
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "office": self._look_at_office,
            "telegram": self._listen,
            "spool": self._drain_spool,
        }
        if self.part.works:
            loops |= {"dispatcher": self._dispatch, "outbox": self._send}
            loops |= {"clock": self._tick, "media": self._fetch, "flood": self._bring_forward}
        if self.part.works and self.served:
            loops["others"] = self._free_orphans
        if self.bell is not None:
            bell = self.bell.hear if self.part.works else self.bell.ring
            loops["bell"] = partial(bell, self.intake.stored)
        return loops

    async def _keep_going(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                self.health.well(name)
            except Exception as error:
                self._note(name, error)
                await asyncio.sleep(_AFTER_ERROR)

    def _note(self, name: str, error: Exception) -> None:
        """A database that is away is said once by each loop, not again with each try."""
        reason, before = reason_of(error), self.health.failing.get(name)
        self.health.fails(name, reason)
        metrics.failed.labels(name).inc()
        if not is_away(error):
            log.error("a loop failed and goes on", loop=name, exc_info=error)
        elif before != reason:
            log.error("a loop waits for the database", loop=name, error=type(error).__name__)

    async def _drain_spool(self) -> None:
        self.intake.spooled.clear()
        if not await self.intake.drain():
            await self.clock.wait(self.intake.spooled, self.clock.now() + _LOOK_AGAIN)

    async def _dispatch(self) -> None:
        self.intake.stored.clear()
        if await self.dispatcher.step():
            self.outbox.wake.set()
        if not self.dispatcher.full:
            await self.clock.wait(self.intake.stored, self.clock.now() + self._look_again)

    async def _bring_forward(self) -> None:
        await asyncio.sleep(_FORWARD)
        if await self.dispatcher.bring_forward():
            self.intake.stored.set()

    @property
    def _look_again(self) -> timedelta:
        """What other processes have stored is found at the latest after this time."""
        if not self.served:
            return _LOOK_AGAIN
        return _LOOK_AGAIN_SERVED if self.bell is not None and self.bell.heard else _LOOK_AGAIN_UNTOLD

    async def _send(self) -> None:
        if self.outbox.busy:
            await asyncio.sleep(_GATHER)
        self.outbox.wake.clear()
        await self.outbox.step()
        if not self.outbox.more:
            await self._rest(self.outbox.wake, self.outbox.next_due)

    async def _tick(self) -> None:
        if not await self._leads("clock"):
            await asyncio.sleep(_LOOK_AT_OTHERS)
        elif await self.ticker.step():
            self.outbox.wake.set()
        else:
            await self._rest(asyncio.Event(), self.ticker.next_due)

    async def _fetch(self) -> None:
        self.dispatcher.pictured.clear()
        if not await self.presence.leads("media"):
            await asyncio.sleep(_LOOK_AT_OTHERS)
        elif await self.media.step():
            self.outbox.wake.set()
        else:
            await self._rest(self.dispatcher.pictured, self.media.next_due)

    async def _rest(self, wake: asyncio.Event, next_due: Callable[[], Awaitable[datetime | None]]) -> None:
        """Sleep until woken, or until the clock reaches what is due next."""
        latest = self.clock.now() + (_LOOK_AGAIN_SERVED if self.served else _LOOK_AGAIN)
        due = await next_due()
        await self.clock.wait(wake, min(due, latest) if due else latest)

    async def _leads(self, what: str) -> bool:
        """Whether this process fires what is due. Whoever begins with it sets what the office does again."""
        leads = await self.presence.leads(what)
        if leads and not self._led:
            await self.store.write(privacy.make_ready, self.clock.now())
            await self.store.write(directory.review, self.clock.now())
            await self.ticker.arm()
        self._led = leads
        return leads

    async def _look_at_office(self) -> None:
        await asyncio.sleep(_LOOK_AT_OFFICE)
        if await self.offices.refresh() and self._led:
            await self.ticker.arm()

    async def _free_orphans(self) -> None:
        """What a process that is gone had in hand is sent by those that live."""
        await asyncio.sleep(_LOOK_AT_OTHERS)
        if await self.store.write(outbox.free_orphans):
            self.outbox.wake.set()

    async def _listen(self) -> None:
        """Warm the parser up; then poll, or register the webhook and leave the rest to the web."""
        if self.telegram is None:
            await asyncio.Event().wait()
            return
        telegram, settings = self.telegram, self.settings.channels.telegram
        if self.part.works:
            await telegram.warm_up()
        if not self.part.takes_in:
            self.health.well("telegram")
            await asyncio.Event().wait()
        if settings.mode is TelegramMode.POLLING:
            self.health.well("telegram")
            await self._poll(telegram)
            return
        await telegram.publish_commands(self.offices.current.texts.menu())
        secret = settings.webhook_secret.get_secret_value()
        if not await telegram.set_webhook(settings.webhook_url, secret):
            raise ConnectionError("the platform did not take the webhook")
        self.health.well("telegram")
        log.info("webhook registered", channel=telegram.name)
        await asyncio.Event().wait()

    async def _poll(self, telegram: TelegramChannel) -> None:
        """As long as this is the process that polls: the platform hands updates to one only."""
        if not await self.presence.leads("polling"):
            self.health.note("polling", "another process polls, this one waits for its end")
            await asyncio.sleep(_LOOK_AT_OTHERS)
            return
        self.health.note("polling", "")
        log.info("polling", channel=telegram.name)
        await telegram.publish_commands(self.offices.current.texts.menu())
        polling = asyncio.create_task(telegram.poll(lambda body: self.intake.receive(telegram, body)))
        try:
            while await self.presence.leads("polling"):
                if (await asyncio.wait({polling}, timeout=_LOOK_AT_OTHERS))[0]:
                    await polling  # it never ends by itself but for an error
        finally:
            polling.cancel()
            await asyncio.wait({polling})

    # --- running until nothing is left --------------------------------------------------------

    async def drain(self) -> None:
        """Do everything that can be done at this moment of the clock. For tests and replays."""
        while True:
            await self.intake.settle()
            await self.intake.drain()
            await self._leads("clock")
            steps: tuple[_Loop, ...] = (self.dispatcher, self.ticker, self.media, self.outbox)
            done = [await loop.step() for loop in steps] + [await self.dispatcher.bring_forward()]
            await self.outbox.settle()
            if not any(done) and not self.outbox.busy:
                return


# --- opening ----------------------------------------------------------------------------------


@asynccontextmanager
async def opened(
    settings: Settings, clock: Clock, others: Sequence[Channel] = (), part: Part = Part.ALL
) -> AsyncIterator[App]:
    """The app over an opened and current database; a file is used by no other process meanwhile.

    `others` are channels beside those of the configuration.
    Raises ConfigError, StoreError or FileError, one clear line each.
    """
    database = Database.at(settings.database_url)
    files = OfficeFiles.of(settings)
    pictures = media_store(settings)
    vault = vault_of(settings)
    async with AsyncExitStack() as stack:
        if database.file is not None:
            if part is not Part.ALL:
                raise ConfigError(
                    f"role {part} needs a database on a server: a file serves one process, role all"
                )
            stack.enter_context(only_one(database.file))
        ready_database(settings.database_url)
        store = Store(settings.database_url)
        shared = await _shared(stack, settings)
        app = App(settings, clock, store, vault, files, pictures, _spool(settings), others, shared, part)
        stack.push_async_callback(app.close)
        await check(store, vault)
        if database.file is not None:
            await store.write(outbox.release_all)
        await app.offices.refresh()
        if note := calendar_note(app.offices.current.limits, clock.now().date()):
            log.warning("holidays unknown", note=note)
        if part.works:
            await app._leads("clock")
        yield app


def _spool(settings: Settings) -> Spool:
    try:
        return Spool(settings.data_dir / "spool", settings.spool.megabytes * 1024**2)
    except OSError as error:
        raise StoreError(f"the spool in data_dir cannot be used: {error.strerror}") from None


async def _shared(stack: AsyncExitStack, settings: Settings) -> "Redis | None":
    """What several processes share beside the database, where the office has it."""
    url = settings.redis_url.get_secret_value()
    if not url:
        return None
    from bot.channels import tokens

    shared = tokens.connect(url)
    stack.push_async_callback(shared.aclose)
    return shared


def ready_database(where: Where) -> None:
    """A new database gets its tables; one of another version is refused, with what to do."""
    found, database = schema.standing(where), Database.at(where)
    if found is Standing.EMPTY:
        schema.migrate(where, datetime.now(UTC))
    elif found is Standing.BEHIND:
        raise StoreError(f"{database} has an older schema: run `huiyin migrate` (it backs a file up first)")
    elif found is Standing.AHEAD:
        raise StoreError(f"{database} was moved on by a newer huiyin: update the program")


@asynccontextmanager
async def ready_store(settings: Settings) -> AsyncIterator[Store]:
    """The database for a command that does one thing. Raises StoreError where it cannot be used."""
    ready_database(settings.database_url)
    store = Store(settings.database_url)
    try:
        yield store
    finally:
        await store.close()


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Keep other processes away from the database. Raises StoreError where one is there, or no folder is."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(alone(path.with_name(path.name + ".lock")))
        except TakenError:
            raise StoreError(f"another huiyin is already running on {path}") from None
        except OSError as error:
            reason = f"{path.parent} ({error.strerror})"
            raise StoreError(f"the database's folder cannot be used: {reason}") from None
        yield


# --- serving ----------------------------------------------------------------------------------


def listen(host: str, port: int, key: str = "web") -> socket.socket:
    """A listening socket. Raises ConfigError where the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named as TCP, or asyncio leaves Nagle's algorithm on and small answers wait for 40 ms
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"{key}: {host}:{port} cannot be used: {error.strerror}; choose another {key}.port"
        ) from None
    return listening


async def serve(settings: Settings, clock: Clock, part: Part = Part.ALL) -> None:
    """Open everything and run until SIGINT or SIGTERM; what is being done then is finished first."""
    listening = listen(settings.web.host, settings.web.port)
    stop = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    async with (
        opened(settings, clock, part=part) as app,
        _internal(app),
        serving(app.asgi, listening),
    ):
        running = asyncio.create_task(app.run())
        log.info("huiyin is running", address="http://{}:{}".format(*listening.getsockname()[:2]))
        await stop.wait()
        running.cancel()
        await asyncio.wait({running})


@asynccontextmanager
async def _internal(app: App) -> AsyncIterator[None]:
    """The listener for those who run it, where one is configured."""
    where = app.settings.ops
    if not where.port:
        yield
        return
    async with serving(app.internal, listen(where.host, where.port, "ops")):
        yield
