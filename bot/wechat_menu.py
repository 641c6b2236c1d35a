"""The service account's menu: read from the office's file, put up on the platform, told in lines."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from bot.channels import facts
from bot.channels.wechat import Menu, NotDone, WechatChannel
from bot.clock import Clock
from bot.files import Document, FileError, Location, Problem, load_document, validate
from bot.settings import ConfigError, Settings

_REFUSED = {
    48001: "this account may not have a menu (48001): residents type the words; 帮助 says which",
}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    buttons: dict[str, Any]


def load_menu(path: Path) -> Menu:
    """Raises FileError with every mistake found."""
    document = load_document(path)
    menu = validate(document, _File).buttons
    problems = list(_problems(document, menu))
    if problems:
        raise FileError(*problems)
    return menu


def _problems(document: Document, menu: Mapping[str, Any]) -> Iterator[Problem]:
    top: Location = ("buttons",)
    yield from _count(document, top, menu, facts.MENU_BUTTONS)
    for name, target in menu.items():
        yield from _long(document, (*top, name), "名字", name, facts.MENU_NAME)
        if not isinstance(target, dict):
            yield from _wrong_target(document, (*top, name), target)
            continue
        yield from _count(document, (*top, name), target, facts.MENU_SUB_BUTTONS)
        for sub, words in target.items():
            yield from _long(document, (*top, name, sub), "名字", sub, facts.MENU_SUB_NAME)
            yield from _wrong_target(document, (*top, name, sub), words)


def _count(document: Document, loc: Location, buttons: Mapping[str, Any], most: int) -> Iterator[Problem]:
    if not 1 <= len(buttons) <= most:
        yield document.problem(loc, f"{loc[-1]} 下面要有1到{most}个按钮，现在是{len(buttons)}个")


def _long(document: Document, loc: Location, what: str, text: str, most: int) -> Iterator[Problem]:
    if not text.strip() or len(text.encode()) > most:
        yield document.problem(loc, f"{loc[-1]} 的{what}要有字，最多{most}个字节（一个汉字3个）")


def _wrong_target(document: Document, loc: Location, target: Any) -> Iterator[Problem]:
    if not isinstance(target, str):
        yield document.problem(loc, f"{loc[-1]} 要写一句话，或者 https:// 开头的网址")
    elif _is_page(target):
        yield from _long(document, loc, "网址", target, facts.MENU_URL)
        if not urlsplit(target).hostname:
            yield document.problem(loc, f"{loc[-1]} 的网址不完整")
    else:
        yield from _long(document, loc, "话", target, facts.MENU_KEY)


def _is_page(target: str) -> bool:
    return target.startswith(("http://", "https://"))


# --- on the platform --------------------------------------------------------------------------


async def put_up(settings: Settings) -> Menu:
    """Set the menu of the file; what is there then. Raises FileError or ConfigError."""
    menu = load_menu(settings.menu_file)

    async def work(channel: WechatChannel) -> Menu | NotDone:
        return await channel.set_menu(menu) or await channel.menu()

    return await _on(settings, work)


async def shown(settings: Settings) -> Menu:
    """What is there. Raises ConfigError."""
    return await _on(settings, WechatChannel.menu)


async def _on(settings: Settings, work: Callable[[WechatChannel], Awaitable[Menu | NotDone]]) -> Menu:
    if not settings.channels.wechat.configured:
        raise ConfigError("wechat is not configured (HUIYIN_CHANNELS__WECHAT__APP_ID)")
    channel = WechatChannel(settings.channels.wechat, Clock())
    try:
        done = await work(channel)
    finally:
        await channel.close()
    if isinstance(done, NotDone):
        raise ConfigError(_REFUSED.get(done.errcode, f"the platform says: {done.reason}"))
    return done


def lines(menu: Menu, indent: str = "") -> Iterator[str]:
    """A line for each button, those below it further in."""
    for name, target in menu.items():
        if isinstance(target, str):
            yield f"{indent}{name}  {target if _is_page(target) else f'“{target}”'}"
        else:
            yield f"{indent}{name}"
            yield from lines(target, indent + "  ")
