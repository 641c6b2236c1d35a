"""Changing the secret key: nothing stays under the earlier one, and nobody becomes a stranger."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.app import listen, opened
from bot.channels.web import WebChannel
from bot.joining import make_codes
from bot.keys import check
from bot.limits import load_limits
from bot.resealing import keys_of, reseal, reseal_all
from bot.roster import load_roster
from bot.serving import serving
from bot.settings import DEFAULTS, ConfigError, Settings
from storage import resealing, schema
from storage.resealing import STEPS
from storage.secrets import Vault
from storage.store import Store
from storage.tables import Account, Chat, Conversation, Message
from tests import databases
from tests.browser import browser
from tests.process import KEY, huiyin
from tests.town import Town, sample

NEW = "quite another secret key"


async def _talks(town: Town) -> None:
    """Something of everything that is sealed or hashed: three platforms, a page, rooms, drafts, due times."""
    await town.staff(1001)
    resident = await town.at_home()
    await town.filed(resident, "501门口的楼道灯坏了，我的电话13800138000")
    await town.says(resident, "还有水管漏水")  # a draft, which falls due
    await town.writes(await town.follower(), "楼道灯坏了")
    async with browser(town) as phone:
        await phone.scans("YS-1-3")
        await phone.writes("垃圾没人收")


def _changed(town: Town, folder: Path) -> Settings:
    """The configuration of the same office with a new key, on a copy of its database."""
    settings = town.app.settings
    file = town.app.store.database.file
    assert file is not None
    (folder / "copy.db").unlink(missing_ok=True)
    schema.copy_to(file, folder / "copy.db")
    return settings.model_copy(
        update={
            "database_url": f"sqlite:///{folder}/copy.db",
            "secret_key": SecretStr(NEW),
            "previous_secret_key": settings.secret_key,
        }
    )


@asynccontextmanager
async def _store(url: str) -> AsyncIterator[Store]:
    store = Store(url)
    try:
        yield store
    finally:
        await store.close()


async def _reseal(settings: Settings, stop_after: int | None = None) -> int:
    """Do it; or be interrupted when so many transactions are committed."""
    committed = 0

    def advanced(_step: object, _rows: int) -> None:
        nonlocal committed
        committed += 1
        if committed == stop_after:
            raise KeyboardInterrupt

    async with _store(settings.database_url) as store:
        return await reseal(store, keys_of(settings), advanced)


def _dump(settings: Settings) -> str:
    with closing(sqlite3.connect(settings.database_url.removeprefix("sqlite:///"))) as connection:
        return "\n".join(connection.iterdump())


def _lookups(session: Session) -> set[str]:
    return {
        one
        for kind in (Account.lookup, Chat.lookup, Conversation.account)
        for one in session.scalars(select(kind))
    }


async def test_nothing_is_left_under_the_earlier_key(everywhere: Town, tmp_path: Path) -> None:
    await _talks(everywhere)
    earlier = everywhere.vault
    lookups = await everywhere.app.store.read(_lookups)
    settings = _changed(everywhere, tmp_path)
    before = _dump(settings)
    mark = f"X'{earlier.key_id.hex().upper()}"
    assert before.count(mark) > len(STEPS)
    assert all(one in before for one in lookups)
    await _reseal(settings)
    after = _dump(settings)
    assert mark not in after
    assert [one for one in lookups if one in after] == []
    assert len(after) == pytest.approx(len(before), rel=0.01), "and nothing is gone"
    page = WebChannel(Vault(NEW), tmp_path / "page")
    async with _store(settings.database_url) as store:
        forms = await store.read(lambda session: list(session.scalars(select(Message).where(_FORM))))
    assert forms
    for form in forms:
        assert form.account == Vault(NEW).lookup("web", page.parse(form.body).sender)


_FORM = Message.channel == "web"


@asynccontextmanager
async def _moved(town: Town, settings: Settings) -> AsyncIterator[Town]:
    """The same town, whose residents reach a bot on the copy now."""
    listening = listen("127.0.0.1", 0)
    home = "http://{}:{}".format(*listening.getsockname())
    channels = settings.channels.model_copy(
        update={
            "telegram": settings.channels.telegram.model_copy(
                update={"webhook_url": f"{home}/telegram/webhook"}
            ),
            "web": settings.channels.web.model_copy(update={"url": home}),
        }
    )
    settings = settings.model_copy(update={"channels": channels, "previous_secret_key": SecretStr("")})
    async with opened(settings, town.clock) as app, serving(app.asgi, listening):
        telegram = settings.channels.telegram
        assert app.telegram is not None
        await app.telegram.set_webhook(telegram.webhook_url, telegram.webhook_secret.get_secret_value())
        yield Town(town.clock, town.sandbox, app, town.people)


@pytest.mark.parametrize("interrupted_after", [(), (1,), (2, 3), (9, 1)])
async def test_the_talk_goes_on_however_often_it_was_interrupted(
    yueshi: Town, tmp_path: Path, interrupted_after: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "MOST_AT_ONCE", 3)
    (member,) = await yueshi.staff(1001)
    resident = await yueshi.at_home()
    request = await yueshi.filed(resident, "501门口的楼道灯坏了")
    neighbour = await yueshi.at_home(9002)
    await yueshi.says(neighbour, "垃圾没人收")
    async with browser(yueshi) as phone:
        await phone.scans("YS-1-3")
        visited = await phone.writes("水管漏水")
        settings = _changed(yueshi, tmp_path)
        for stop_after in interrupted_after:
            with pytest.raises(KeyboardInterrupt):
                await _reseal(settings, stop_after)
            for now, before in ((NEW, _key(yueshi)), (_key(yueshi), NEW)):
                keys = {"secret_key": SecretStr(now), "previous_secret_key": SecretStr(before)}
                with pytest.raises(ConfigError, match="not finished"):
                    async with opened(settings.model_copy(update=keys), yueshi.clock):
                        pass
        await _reseal(settings)
        async with _moved(yueshi, settings) as town:
            await town.taps(neighbour, "提交")
            assert "已提交，编号" in (await town.last(neighbour)).text
            await town.taps(member, "接单", message=(await town.card(member, request.number)).id)
            seen = await phone.opens(visited.url.replace(phone.base, town.app.settings.channels.web.url))
            assert "水管漏水" in seen.text
            assert "已接单" in "".join(one.text for one in await resident.sees())


def _key(town: Town) -> str:
    return town.app.settings.secret_key.get_secret_value()


# --- refusals ---------------------------------------------------------------------------------


async def test_a_bot_with_another_key_does_not_start(yueshi: Town, tmp_path: Path) -> None:
    await yueshi.at_home()
    settings = _changed(yueshi, tmp_path)
    with pytest.raises(ConfigError, match="under another HUIYIN_SECRET_KEY"):
        async with opened(settings, yueshi.clock):
            pass


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"previous_secret_key": SecretStr("")}, "HUIYIN_PREVIOUS_SECRET_KEY is missing"),
        ({"previous_secret_key": SecretStr("neither this one nor that one")}, "neither"),
        ({"secret_key": SecretStr("short")}, "shorter than 16"),
    ],
)
async def test_what_cannot_be_done_changes_nothing(
    yueshi: Town, tmp_path: Path, keys: dict[str, SecretStr], says: str
) -> None:
    await yueshi.at_home()
    settings = _changed(yueshi, tmp_path)
    before = _dump(settings)
    with pytest.raises(ConfigError, match=says):
        await _reseal(settings.model_copy(update=keys))
    assert _dump(settings) == before


async def test_what_was_begun_with_one_key_is_not_finished_with_another(yueshi: Town, tmp_path: Path) -> None:
    await yueshi.at_home()
    settings = _changed(yueshi, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        await _reseal(settings, 1)
    with pytest.raises(ConfigError, match="begun with another"):
        await _reseal(settings.model_copy(update={"secret_key": SecretStr("yet another secret key")}))


async def test_messages_of_strangers_are_handled_first(yueshi: Town, tmp_path: Path) -> None:
    stranger = await yueshi.person(9002)
    await stranger.says("楼道灯坏了")
    async with asyncio.timeout(20):
        while (await yueshi.sandbox.log())["undelivered"]:  # noqa: ASYNC110 (it is another server's state)
            await asyncio.sleep(0.002)
    with pytest.raises(ConfigError, match="1 messages wait"):
        await _reseal(_changed(yueshi, tmp_path))
    await yueshi.settle()
    await _reseal(_changed(yueshi, tmp_path))


async def _with_a_roster(url: str) -> None:
    """A database under the earlier key, with a joining code that nobody has used yet."""
    now = datetime.now(UTC)
    async with _store(url) as store:
        await store.write(load_roster, sample(), "test", Vault(KEY), _ZONE, now, "test")
        await store.write(make_codes, ["g1"], Vault(KEY), now, "test")
        with pytest.raises(ConfigError, match="huiyin privacy reseal"):
            await check(store, Vault(NEW))


async def _is_under_the_new_key(url: str) -> None:
    async with _store(url) as store:
        await check(store, Vault(NEW))
        again = await store.write(load_roster, sample(), "test", Vault(NEW), _ZONE, datetime.now(UTC), "test")
        assert again.nothing, "everybody is known under it"


_ZONE = load_limits(DEFAULTS / "limits.yaml").zone


async def test_the_command(tmp_path: Path) -> None:
    url = databases.fresh("sqlite", tmp_path)
    await _with_a_roster(url)
    env = {"HUIYIN_SECRET_KEY": NEW, "HUIYIN_PREVIOUS_SECRET_KEY": KEY, "HUIYIN_DATABASE_URL": url}
    code, printed, _ = await huiyin("privacy", "reseal", folder=tmp_path, env=env)
    assert code == 0
    assert "1 joining codes are void" in printed
    await _is_under_the_new_key(url)


async def test_on_a_server_once_nobody_else_is_connected(tmp_path: Path) -> None:
    url = databases.fresh("postgresql", tmp_path)
    await _with_a_roster(url)
    settings = Settings(database_url=url, secret_key=SecretStr(NEW), previous_secret_key=SecretStr(KEY))
    async with _store(url) as other:
        await other.read(resealing.newest)
        with pytest.raises(ConfigError, match="stop every huiyin"):
            await reseal_all(settings)
    assert await reseal_all(settings) == 1
    await _is_under_the_new_key(url)
