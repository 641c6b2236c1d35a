"""The service account's menu: the office's file, every mistake in it, and what the platform then has."""

from pathlib import Path
from typing import Any

import pytest

from bot.channels import facts
from bot.channels.wechat import Menu
from bot.clock import Clock
from bot.files import FileError
from bot.manners import load_manners
from bot.sandbox.official.spec import OfficialSpec, Permission
from bot.sandbox.server import build, serve
from bot.settings import DEFAULTS, ConfigError, Settings
from bot.texts import load_texts
from bot.wechat_menu import lines, load_menu, put_up, shown
from routing.manners import listen
from tests.process import huiyin

APP, KEY = "wx00000000000000aa", "a" * 43
SHIPPED = DEFAULTS / "wechat-menu.yaml"


def file(folder: Path, text: str) -> Path:
    path = folder / "menu.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def words_of(menu: Menu) -> list[str]:
    return [
        word
        for target in menu.values()
        for word in ([target] if isinstance(target, str) else target.values())
    ]


def test_the_shipped_menu_says_what_the_bot_knows() -> None:
    menu, texts = load_menu(SHIPPED), load_texts(DEFAULTS / "texts" / "zh.yaml")
    assert next(iter(menu.values())) == "有危险"
    commands = {word: texts.command(word) for word in words_of(menu)}
    assert commands.pop("我要反映") is None
    assert commands == {"有危险": "danger", "查进度": "progress", "叫网格员": "person", "帮助": "help"}
    assert listen("我要反映", load_manners(DEFAULTS / "rules" / "manners.yaml")).small_talk


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("buttons: {}\n", 1, "1到3个按钮，现在是0个"),
        ("buttons: {a: b, c: d, e: f, g: h}\n", 1, "1到3个按钮，现在是4个"),
        (
            "buttons:\n  多:\n    {a: b, c: d, e: f, g: h, i: j, k: l}\n",
            2,
            "多 下面要有1到5个按钮，现在是6个",
        ),
        ("buttons:\n  一二三四五六: 帮助\n", 2, "最多16个字节"),
        (f"buttons:\n  多:\n    {'字' * 21}: 帮助\n", 3, "最多60个字节"),
        (f"buttons:\n  a: {'字' * 43}\n", 2, "话要有字，最多128个字节"),
        (f"buttons:\n  a: https://a.example/{'x' * 1024}\n", 2, "网址要有字，最多1024个字节"),
        ("buttons:\n  a: 'https://'\n", 2, "网址不完整"),
        ("buttons:\n  a: 7\n", 2, "要写一句话"),
        ("buttons:\n  多:\n    b: {c: d}\n", 3, "要写一句话"),
        ("buttons:\n  a: ''\n", 2, "话要有字"),
        ("buttons:\n  a: b\n  a: c\n", 3, "键 a 重复了"),
        ("button:\n  a: b\n", 1, "不认识的键 button"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(FileError) as refused:
        load_menu(file(tmp_path, text))
    found = [(one.line, one.message) for one in refused.value.problems]
    assert any(where == line and says in message for where, message in found), found


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileError) as refused:
        load_menu(file(tmp_path, "buttons:\n  一二三四五六: 7\n  b: ''\n"))
    assert len(refused.value.problems) == 3


def test_what_just_fits_is_taken(tmp_path: Path) -> None:
    name, sub = "一二三四五六"[:5] + "1", "字" * (facts.MENU_SUB_NAME // 3)
    text = f"buttons:\n  {name}: {'字' * 42}\n  b: https://a.example/p?q=1\n  c: {{{sub}: 帮助, d: e}}\n"
    assert list(load_menu(file(tmp_path, text))) == [name, "b", "c"]


def test_a_menu_is_told_in_lines() -> None:
    menu: Menu = {"有危险": "有危险", "我的事": {"查进度": "查进度", "网页": "https://a.example"}}
    assert list(lines(menu)) == [
        "有危险  “有危险”",
        "我的事",
        "  查进度  “查进度”",
        "  网页  https://a.example",
    ]


# --- on the platform --------------------------------------------------------------------------


def settings(base: str, **more: Any) -> Settings:
    bases = dict.fromkeys(("api_base", "pages_base", "open_base"), base)
    account = {"app_id": APP, "secret": "secret", "token": "callbacktoken", "aes_key": KEY}
    return Settings(channels={"wechat": account | bases}, **more)


def spec(**more: Any) -> OfficialSpec:
    return OfficialSpec(APP, "secret", "callbacktoken", KEY, "http://127.0.0.1:9/wechat", **more)


async def test_the_file_is_put_up_and_what_is_there_is_told(tmp_path: Path) -> None:
    async with serve(build(Clock(), [], spec())) as running:
        ours = settings(running.base_url)
        assert await shown(ours) == {}
        assert await put_up(ours) == load_menu(SHIPPED) == await shown(ours)
        other = settings(
            running.base_url, menu_file=file(tmp_path, "buttons: {看看: 'https://a.example/x'}\n")
        )
        assert await put_up(other) == {"看看": "https://a.example/x"}


async def test_row_23_an_account_without_a_menu_says_what_residents_do_instead() -> None:
    may = frozenset(Permission) - {Permission.MENU}
    async with serve(build(Clock(), [], spec(permissions=may))) as running:
        for work in (put_up, shown):
            with pytest.raises(ConfigError, match=r"48001.*type the words"):
                await work(settings(running.base_url))


async def test_the_command_says_what_is_there(tmp_path: Path) -> None:
    async with serve(build(Clock(), [], spec())) as running:
        account = {"APP_ID": APP, "SECRET": "secret", "TOKEN": "callbacktoken", "AES_KEY": KEY}
        bases = dict.fromkeys(("API_BASE", "PAGES_BASE", "OPEN_BASE"), running.base_url)
        env = {f"HUIYIN_CHANNELS__WECHAT__{name}": value for name, value in (account | bases).items()}
        told = [await huiyin("wechat", "menu", *more, folder=tmp_path, env=env) for more in (["--show"], [])]
    assert told[0] == (0, "there is no menu\n", "")
    assert told[1][1].splitlines() == list(lines(load_menu(SHIPPED)))


async def test_without_an_account_there_is_no_menu() -> None:
    with pytest.raises(ConfigError, match="APP_ID"):
        await put_up(Settings())
