"""How updates reach a bot: webhook with secret and repetition, privacy mode, scripted disorder."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from bot.sandbox.faults import FaultKind
from bot.sandbox.people import Person, Sandbox
from tests.sandbox.clients import Client, ClientError


@dataclass
class Product:
    """A webhook that answers with the given statuses first and 200 from then on."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)
    secrets: set[str | None] = field(default_factory=set)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        self.secrets.add(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    def texts(self) -> list[str]:
        return [update["message"]["text"] for update in self.got]


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 the product is another server
            await asyncio.sleep(0.01)


@pytest.fixture
async def product() -> AsyncIterator[Product]:
    product = Product()
    app = web.Application()
    app.router.add_post("/hook", product.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    product.url = f"http://{host}:{port}/hook"
    yield product
    await runner.cleanup()


async def test_a_webhook_gets_the_secret_and_failed_updates_again(
    bot: Client, wang: Person, sandbox: Sandbox, product: Product
) -> None:
    product.statuses = [500, 302]
    await wang.says("之前")
    await bot.call("set_webhook", url=product.url, secret_token="s3cret", max_connections=2)
    await until(lambda: product.texts() == ["之前"] * 3)
    await wang.says("之后")
    await until(lambda: product.texts()[-1] == "之后")
    assert product.secrets == {"s3cret"}
    info = await bot.call("get_webhook_info")
    assert (info["url"], info["max_connections"]) == (product.url, 2)
    assert "302" in info["last_error_message"]
    async with asyncio.timeout(5):
        while (await sandbox.log())["undelivered"]:  # noqa: ASYNC110 the sandbox is only asked over HTTP
            await asyncio.sleep(0.01)


async def test_a_failing_chat_does_not_hold_up_another(
    bot: Client, wang: Person, li: Person, product: Product
) -> None:
    product.statuses = [500, 500]
    await bot.call("set_webhook", url=product.url)
    await wang.says("王一")
    await until(lambda: len(product.got) == 2)
    await wang.says("王二")
    await li.says("李一")
    await until(lambda: len(product.got) == 5)
    assert product.texts() == ["王一", "王一", "李一", "王一", "王二"]


async def test_pending_updates_can_be_dropped(bot: Client, wang: Person) -> None:
    await wang.says("旧")
    await bot.call("delete_webhook", drop_pending_updates=True)
    assert await bot.call("get_updates") == []


@pytest.mark.parametrize(
    ("webhook", "words"),
    [
        ({"url": "https://example.org/hook"}, "bad webhook"),
        ({"url": "http://127.0.0.1:9/", "secret_token": "密"}, "unallowed characters"),
    ],
)
async def test_webhooks_that_are_refused(bot: Client, webhook: dict[str, str], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        await bot.call("set_webhook", **webhook)


async def texts(bot: Client) -> list[str]:
    got = await bot.call("get_updates")
    return [update["message"].get("text", "service") for update in got if "message" in update]


async def test_privacy_mode(bot: Client, wang: Person, li: Person, sandbox: Sandbox) -> None:
    group = await sandbox.group(-1001, "一网格", [wang, li])
    card = (await bot.call("send_message", chat_id=group, text="新诉求"))["message_id"]
    await wang.says("今天吃什么", chat=group)
    await wang.says("好的", chat=group, reply_to=card)
    await wang.says("问问 @Huiyin_Bot", chat=group)
    await wang.says("/help", chat=group)
    await wang.says("/help@huiyin_bot", chat=group)
    await wang.says("/help@other_bot", chat=group)
    await wang.says("写信 a@b.c / 或者", chat=group)
    await li.leaves(group)
    assert await texts(bot) == ["好的", "问问 @Huiyin_Bot", "/help", "/help@huiyin_bot", "service"]


async def test_an_administrator_hears_everything(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    group = await sandbox.group(-1001, "一网格", [wang], admin=True)
    await wang.says("今天吃什么", chat=group)
    assert await texts(bot) == ["今天吃什么"]


async def test_joining_a_group_is_announced(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    group = await sandbox.group(-1001, "一网格", [wang], bots=[])
    await wang.adds_bot(group)
    await wang.promotes_bot(group)
    await wang.removes_bot(group)
    got = await bot.call("get_updates")
    changes = [
        each["my_chat_member"]["new_chat_member"]["status"] for each in got if "my_chat_member" in each
    ]
    assert changes == ["member", "administrator", "kicked"]


async def test_anybody_in_a_group_taps(bot: Client, wang: Person, li: Person, sandbox: Sandbox) -> None:
    group = await sandbox.group(-1001, "一网格", [wang, li])
    rows = {"inline_keyboard": [[{"text": "确认收到", "callback_data": "a:1"}]]}
    await bot.call("send_message", chat_id=group, text="新诉求", reply_markup=rows)
    await li.taps("确认收到", chat=group)
    query = (await bot.call("get_updates"))[-1]["callback_query"]
    assert (query["from"]["id"], query["message"]["chat"]["id"]) == (li.id, group)


async def test_bots_do_not_hear_each_others_talks(bot: Client, wang: Person) -> None:
    await wang.says("给别家", bot="other_bot")
    await wang.says("给回音")
    assert await texts(bot) == ["给回音"]


async def test_updates_may_come_twice_or_in_disorder(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    await sandbox.fails(FaultKind.REORDER_UPDATES)
    for text in ("一", "二", "三"):
        await wang.says(text)
    await sandbox.fails(FaultKind.DUPLICATE_UPDATE)
    await wang.says("四")
    await sandbox.redelivers(1)
    got = await bot.call("get_updates")
    assert [update["message"]["text"] for update in got] == ["二", "一", "三", "四", "四", "四"]
    assert len({update["update_id"] for update in got}) == 4


async def test_raw_updates_are_delivered_as_given(bot: Client, sandbox: Sandbox) -> None:
    raw = {"update_id": 7, "some_news_of_tomorrow": {"a": 1}}
    for _ in range(3):
        assert await sandbox.injects(raw) == 7
    assert [update["update_id"] for update in await bot.call("get_updates")] == [7, 7, 7]
