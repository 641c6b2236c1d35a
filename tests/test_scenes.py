"""Codes of places: parametric ones of the service account, counted and reused, and what is printed."""

import io
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import segno
from PIL import Image
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from bot import poster
from bot.channels import facts
from bot.clock import Clock
from bot.codes import token_of
from bot.orders import Format, Order, Paper, Through
from bot.poster import CODE, WIDTH, Box, Font, Words
from bot.printing import choose, press, print_all
from bot.roster import load_roster, read_roster
from bot.sandbox.official.spec import OfficialSpec, Permission
from bot.sandbox.server import build, serve
from bot.settings import DEFAULTS, ConfigError, Settings
from storage import queries, schema
from storage.secrets import Vault
from storage.store import Store
from storage.tables import Area, QrToken, Scene
from tests.process import huiyin

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
APP, KEY = "wx00000000000000aa", "a" * 43
SHANGHAI = ZoneInfo("Asia/Shanghai")
WECHAT = Order(Through.WECHAT)


@asynccontextmanager
async def platform(folder: Path, **more: Any) -> AsyncIterator[tuple[Settings, Any]]:
    """A sandbox's service account with `more` about it, and an office with the sample roster."""
    spec = OfficialSpec(APP, "secret", "callbacktoken", KEY, "http://127.0.0.1:9/wechat", **more)
    async with serve(build(Clock(NOW), [], spec)) as running:
        base = running.base_url
        wechat = {"app_id": APP, "secret": "secret", "token": "callbacktoken", "aes_key": KEY}
        bases = dict.fromkeys(("api_base", "pages_base", "open_base"), base)
        yield (
            await office(folder, {"wechat": wechat | bases}),
            running.app.state.surfaces[0].account,
        )


async def office(folder: Path, channels: dict[str, Any]) -> Settings:
    path = folder / "huiyin.db"
    schema.migrate(path, NOW)
    store = Store(path)
    roster = read_roster(DEFAULTS / "roster.yaml")
    settings = Settings(database_url=f"sqlite:///{path}", channels=channels)
    await store.write(load_roster, roster, "sample", Vault("key"), SHANGHAI, NOW, "test")
    await store.close()
    return settings


async def printed(settings: Settings, order: Order, *areas: str) -> list[str]:
    async with press(settings, order, Clock(NOW)) as made:
        return [(await made.print(area)).decode().strip() for area in areas]


# --- parametric codes -------------------------------------------------------------------------


async def test_row_16_a_place_has_one_code_for_ever(tmp_path: Path) -> None:
    async with platform(tmp_path) as (settings, account):
        first, again, other = await printed(settings, WECHAT, "YS-1-3", "YS-1-3", "YS-1-2")
        assert first == again != other
        assert (await printed(settings, WECHAT, "YS-1-3")) == [first]
        assert len(account.permanent) == 2
        assert {scene.url for scene in account.permanent.values()} == {first, other}


async def test_row_16_a_renewed_token_has_a_new_code_and_the_old_one_stays_with_it(tmp_path: Path) -> None:
    async with platform(tmp_path) as (settings, account):
        (old,) = await printed(settings, WECHAT, "YS-1-3")
        (new,) = await printed(settings, Order(Through.WECHAT, renew=True), "YS-1-3")
        places = {}
        store = Store(tmp_path / "huiyin.db")
        for scene in account.permanent.values():
            places[scene.url] = await store.read(queries.place_of_token, scene.scene)
        await store.close()
        assert places == {old: None, new: "YS-1-3"}


async def test_row_16_a_code_may_expire_and_costs_none_of_the_permanent_ones(tmp_path: Path) -> None:
    async with platform(tmp_path) as (settings, account):
        order = Order(Through.WECHAT, lasts=timedelta(days=30))
        (url,) = await printed(settings, order, "YS-1-3")
        (scene,) = account.scenes.values()
        assert (scene.url, scene.until) == (url, NOW + timedelta(days=30))
        assert not account.permanent
        (lasting,) = await printed(settings, WECHAT, "YS-1-3")
        assert lasting != url


@pytest.mark.parametrize(("through", "days"), [(Through.WECHAT, 31), (Through.WECHAT, 0), (Through.WEB, 7)])
async def test_row_16_a_time_that_no_code_lasts_is_refused(
    tmp_path: Path, through: Through, days: int
) -> None:
    settings = await office(tmp_path, {"web": {"url": "https://huiyin.example"}})
    with pytest.raises(ConfigError, match="expire"):
        await printed(settings, Order(through, lasts=timedelta(days=days)), "YS-1-3")


def allocate(session: Session, count: int) -> None:
    tokens = [secrets.token_urlsafe(12) for _ in range(count)]
    session.execute(insert(QrToken), [{"token": one, "area": "YS", "created_at": NOW} for one in tokens])
    scenes = [{"token": one, "account": APP, "url": "u", "created_at": NOW} for one in tokens]
    session.execute(insert(Scene), scenes)


async def test_row_16_the_codes_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """100,001 are wanted: from nine tenths on there is a warning, and the last is never asked for."""
    async with platform(tmp_path) as (settings, account):
        store = Store(tmp_path / "huiyin.db")
        warned = round(facts.MOST_SCENES * facts.WARN_SCENES)
        await store.write(allocate, warned - 2)
        await printed(settings, WECHAT, "YS-1-1")
        assert capsys.readouterr().err == ""
        await printed(settings, WECHAT, "YS-1-2")
        assert f"{warned} of 100000" in capsys.readouterr().err
        await store.write(allocate, facts.MOST_SCENES - warned - 1)
        await printed(settings, WECHAT, "YS-1-3")
        asked = len(account.permanent)
        with pytest.raises(ConfigError, match="all 100000 permanent codes"):
            await printed(settings, WECHAT, "YS-2-4")
        assert len(account.permanent) == asked
        await printed(settings, WECHAT, "YS-1-3")
        await printed(settings, Order(Through.WECHAT, lasts=timedelta(days=1)), "YS-2-4")
        await store.close()


async def test_row_23_an_account_that_may_not_make_codes_says_what_to_do(tmp_path: Path) -> None:
    may = frozenset(Permission) - {Permission.SCENES}
    async with platform(tmp_path, permissions=may) as (settings, _):
        with pytest.raises(ConfigError, match=r"48001.*--channel web"):
            await printed(settings, WECHAT, "YS-1-3")
        store = Store(tmp_path / "huiyin.db")
        token = await store.write(token_of, "YS-1-3", NOW)
        await store.close()
        web = settings.model_copy(
            update={"channels": settings.channels.model_copy(update={"web": page("https://huiyin.example/")})}
        )
        assert await printed(web, Order(Through.WEB), "YS-1-3") == [f"https://huiyin.example/q/{token}"]


def page(url: str) -> Any:
    return Settings(channels={"web": {"url": url}}).channels.web


@pytest.mark.parametrize(
    ("channels", "wanted", "chosen"),
    [
        ({"telegram": {"username": "b"}, "wechat": {"app_id": APP}}, None, Through.TELEGRAM),
        ({"wechat": {"app_id": APP}, "web": {"url": "https://a.example"}}, None, Through.WECHAT),
        ({"web": {"url": "https://a.example"}}, None, Through.WEB),
        ({"telegram": {"username": "b"}, "wechat": {"app_id": APP}}, Through.WECHAT, Through.WECHAT),
        ({"telegram": {"username": "b"}}, Through.WEB, None),
        ({}, None, None),
    ],
)
def test_the_channel_of_a_code(
    channels: dict[str, Any], wanted: Through | None, chosen: Through | None
) -> None:
    settings = Settings(channels=channels)
    if chosen is not None:
        assert choose(settings, wanted) is chosen
        return
    with pytest.raises(ConfigError, match=r"channels\.web\.url is missing"):
        choose(settings, wanted)


# --- what is printed --------------------------------------------------------------------------


async def test_every_place_with_none_below_it_gets_a_file(tmp_path: Path) -> None:
    settings = await office(tmp_path, {"telegram": {"username": "huiyin_bot"}})
    assert await print_all(settings, Order(Through.TELEGRAM, Format.POSTER), tmp_path / "codes") == 18
    found = sorted(one.name for one in (tmp_path / "codes").iterdir())
    assert (found[0], found[-1], len(found)) == ("YS-1-1.svg", "YS-6-18.svg", 18)
    with pytest.raises(ConfigError, match="cannot be written"):
        await print_all(settings, Order(Through.TELEGRAM), tmp_path / "huiyin.db")


async def test_a_place_that_has_left_the_roster_gets_no_code(tmp_path: Path) -> None:
    settings = await office(tmp_path, {"telegram": {"username": "huiyin_bot"}})
    store = Store(tmp_path / "huiyin.db")
    await store.write(
        lambda session: session.execute(update(Area).values(active=False).where(Area.code == "YS-1-3"))
    )
    await store.close()
    with pytest.raises(ConfigError, match="no area YS-1-3; it has: YS, YS-1,"):
        await printed(settings, Order(Through.TELEGRAM, Format.POSTER), "YS-1-3")


def dark(boxes: list[Box]) -> list[list[int]]:
    """The modules that these boxes cover."""
    module = min(box.height for box in boxes)
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    size = round((max(box.x + box.width for box in boxes) - left) / module)
    rows = [[0] * size for _ in range(size)]
    for box in boxes:
        start, row = round((box.x - left) / module), round((box.y - top) / module)
        rows[row][start : start + round(box.width / module)] = [1] * round(box.width / module)
    return rows


async def poster_of(tmp_path: Path, order: Order) -> tuple[bytes, str]:
    settings = await office(tmp_path, {"telegram": {"username": "huiyin_bot"}})
    (link,) = await printed(settings, Order(Through.TELEGRAM), "YS-1-3")
    async with press(settings, order, Clock(NOW)) as made:
        return await made.print("YS-1-3"), link


def modules(link: str) -> list[list[int]]:
    return [list(row) for row in segno.make(link, error="q", micro=False).matrix]


def box(x: float, y: float, width: float, height: float) -> Box:
    return Box(x, y, width, height, "#000000")


BOX = re.compile(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"[^>]* fill="#000000"/>')


@pytest.mark.parametrize(("paper", "size"), [(Paper.A4, "210mm"), (Paper.A5, "148mm")])
async def test_a_poster_has_the_code_and_the_words(tmp_path: Path, paper: Paper, size: str) -> None:
    order = Order(Through.TELEGRAM, Format.POSTER, paper=paper)
    body, link = await poster_of(tmp_path, order)
    text = body.decode()
    assert dark([box(*map(float, found)) for found in BOX.findall(text)]) == modules(link)
    assert f'width="{size}"' in text
    said = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    assert said[:2] == ["岳师村 3号楼", "扫一扫，有事告诉我们"]
    assert "有危险先打 110／119／120" in said
    assert sum(one in ("1", "2", "3") for one in said) == 3


@pytest.mark.parametrize(("paper", "size"), [(Paper.A4, (2480, 3508)), (Paper.A5, (1748, 2472))])
def test_a_drawn_poster_has_a_code_of_clean_modules(paper: Paper, size: tuple[int, int]) -> None:
    """Looked at in the middle and near the corners of each module, as scanners do, with white around them."""
    link = "http://weixin.qq.com/q/02abcdefghijklmnopqrstuv"
    left, top = (WIDTH - CODE) / 2, 62.0
    sheet = list(poster.code(link, left, top))
    image = Image.open(io.BytesIO(poster.as_picture(sheet, paper, "png", Font(Path("unused"))))).convert("1")
    assert image.size == size
    expected = modules(link)
    dots, module = paper.scale * 300 / 25.4, CODE / (len(expected) + 8)

    def is_dark(row: int, column: int) -> bool:
        near = (0.15, 0.5, 0.85)
        spots = [(left + (column + 4 + x) * module, top + (row + 4 + y) * module) for x in near for y in near]
        (seen,) = {not image.getpixel((int(x * dots), int(y * dots))) for x, y in spots}
        return seen

    count = range(-4, len(expected) + 4)
    seen = [[is_dark(row, column) for column in count] for row in count]
    assert [row[4:-4] for row in seen[4:-4]] == expected
    assert not any(any(row[:4] + row[-4:]) for row in seen)
    assert not any(map(any, seen[:4] + seen[-4:]))


def test_a_drawn_poster_has_its_words() -> None:
    """With whatever Chinese font this machine has."""
    try:
        font = poster.chinese_font(None)
    except ConfigError as none:
        pytest.skip(str(none))
    words = Words("3号楼", "扫一扫", "打开微信", ["说"], "有危险先打 110", ["看"])
    sheet = list(poster.layout(words, "http://weixin.qq.com/q/0"))
    image = Image.open(io.BytesIO(poster.as_picture(sheet, Paper.A5, "png", font))).convert("RGB")
    dots = Paper.A5.scale * 300 / 25.4
    shades = {round(y): len(set(line_of(image, y * dots))) for y in (30, 55, 180, 255)}
    assert min(shades.values()) > 1, shades


def line_of(image: Image.Image, y: float) -> list[Any]:
    return [image.getpixel((x, int(y))) for x in range(image.width)]


@pytest.mark.parametrize("place", ["岳师村 3号楼", "长" * 40, "A" * 80, "<&>" * 9])
def test_whatever_a_place_is_called_all_stays_on_the_sheet(place: str) -> None:
    words = Words(place, "扫一扫" * 6, "打开" * 20, ["说" * 30] * 3, "有危险" * 9, ["看" * 50] * 3)
    for item in poster.layout(words, "https://t.me/huiyin_bot?start=abcdefghijklmnop"):
        if isinstance(item, Box):
            assert 0 <= item.x <= item.x + item.width <= WIDTH
        else:
            wide = poster.width(item.text) * item.size
            start = item.x - wide / 2 if item.centred else item.x
            assert 5 <= start <= start + wide <= WIDTH - 5
        assert 0 <= item.y <= poster.HEIGHT - 5


async def test_a_poster_that_expires_says_until_when(tmp_path: Path) -> None:
    async with platform(tmp_path) as (settings, _):
        order = Order(Through.WECHAT, Format.POSTER, lasts=timedelta(days=7))
        async with press(settings, order, Clock(NOW)) as made:
            text = (await made.print("YS-1-3")).decode()
        assert "这张码用到2026年11月30日为止" in text
        assert "打开微信" in text


async def test_a_font_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.ttf").write_bytes(b"no font")
    with pytest.raises(ConfigError, match="cannot be read as a font"):
        await poster_of(tmp_path, Order(Through.TELEGRAM, Format.PDF, font=tmp_path / "no.ttf"))


async def test_row_23_the_command_refuses_with_one_line(tmp_path: Path) -> None:
    may = frozenset(Permission) - {Permission.SCENES}
    async with platform(tmp_path, permissions=may) as (settings, _):
        base = settings.channels.wechat.api_base
        bases = {f"HUIYIN_CHANNELS__WECHAT__{kind}_BASE": base for kind in ("API", "PAGES", "OPEN")}
        env = {
            **bases,
            "HUIYIN_DATABASE_URL": settings.database_url,
            "HUIYIN_CHANNELS__WECHAT__APP_ID": APP,
            "HUIYIN_CHANNELS__WECHAT__SECRET": "secret",
            "HUIYIN_CHANNELS__WECHAT__TOKEN": "callbacktoken",
            "HUIYIN_CHANNELS__WECHAT__AES_KEY": KEY,
        }
        code, out, err = await huiyin("qr", "--area", "YS-1-3", folder=tmp_path, env=env)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "48001" in err
        code, _, err = await huiyin("qr", "--area", "YS-1-3", "--all", folder=tmp_path, env=env)
        assert (code, "either --area CODE or --all" in err) == (2, True)
