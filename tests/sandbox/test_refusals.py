"""What the platform refuses, in its words, as both client libraries understand them."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bot.sandbox.faults import FaultKind
from bot.sandbox.media import tiny_png
from bot.sandbox.people import Person, Sandbox
from tests.sandbox.clients import Client, ClientError, connect


async def refusal(bot: Client, method: str, **arguments: Any) -> ClientError:
    with pytest.raises(ClientError) as refused:
        await bot.call(method, **arguments)
    return refused.value


def keyboard(*rows: list[str]) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "x", "callback_data": data} for data in row] for row in rows]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": " \n "}, "message text is empty"),
        ({"text": "<b></b>", "parse_mode": "HTML"}, "message text is empty"),
        ({"text": "字" * 4097}, "message is too long"),
        ({"text": "😀" * 2049}, "message is too long"),
        ({"text": "x", "reply_markup": keyboard(["字" * 22])}, "button_data_invalid"),
        ({"text": "x", "reply_markup": keyboard(["a"] * 9)}, "reply markup is too long"),
        ({"text": "x", "reply_markup": keyboard(*[["a"]] * 101)}, "reply markup is too long"),
        ({"text": "<table>", "parse_mode": "HTML"}, 'unsupported start tag "table" at byte offset 0'),
        ({"text": "字<b>x", "parse_mode": "HTML"}, 'can\'t find end tag corresponding to start tag "b"'),
        ({"text": "字</b>", "parse_mode": "HTML"}, "unexpected end tag at byte offset 3"),
        ({"text": "<b><i>x</b></i>", "parse_mode": "HTML"}, 'expected "</i>", found "</b>"'),
        ({"text": "1 <2", "parse_mode": "HTML"}, "unclosed start tag at byte offset 2"),
        ({"text": "x", "parse_mode": "Klingon"}, "unsupported parse_mode"),
        ({"text": "x", "reply_to_message_id": 99}, "message to be replied not found"),
    ],
)
async def test_messages_that_cannot_be_sent(
    bot: Client, wang: Person, arguments: dict[str, Any], words: str
) -> None:
    await wang.scans()
    refused = await refusal(bot, "send_message", chat_id=5001, **arguments)
    assert refused.kind == "400"
    assert words in refused.text


@pytest.mark.parametrize("text", ["字" * 4096, "<b>" + "字" * 4096 + "</b>", "😀" * 2048, "&lt;" * 4096])
async def test_the_longest_text_is_counted_after_parsing(bot: Client, wang: Person, text: str) -> None:
    await wang.scans()
    mode = "HTML" if text[0] in "<&" else None
    await bot.call("send_message", chat_id=5001, text=text, parse_mode=mode)


async def test_captions_are_shorter(bot: Client, wang: Person) -> None:
    await wang.scans()
    await bot.photo(5001, tiny_png(), "字" * 1024)
    with pytest.raises(ClientError, match="message caption is too long"):
        await bot.photo(5001, tiny_png(), "字" * 1025)
    with pytest.raises(ClientError, match="image_process_failed"):
        await bot.photo(5001, b"not a picture")


async def test_edits_that_cannot_be_made(bot: Client, wang: Person) -> None:
    own = await wang.says("路灯")
    sent = await bot.call("send_message", chat_id=5001, text="?", reply_markup=keyboard(["a"]))
    photo = await bot.photo(5001, tiny_png())

    async def edit(message_id: int, text: str = "!") -> str:
        where = {"chat_id": 5001, "message_id": message_id}
        return (await refusal(bot, "edit_message_text", text=text, **where)).text

    assert "message to edit not found" in await edit(999)
    assert "message can't be edited" in await edit(own)
    assert "there is no text in the message to edit" in await edit(photo["message_id"])
    assert "message text is empty" in await edit(sent["message_id"], "")
    same = {"chat_id": 5001, "message_id": sent["message_id"], "reply_markup": keyboard(["a"])}
    assert "message is not modified" in (await refusal(bot, "edit_message_reply_markup", **same)).text


async def test_deleting_ends_after_two_days(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    await wang.scans()
    sent = await bot.call("send_message", chat_id=5001, text="旧")
    where = {"chat_id": 5001, "message_id": sent["message_id"]}
    await sandbox.advance(48 * 3600 + 1)
    assert "message can't be deleted" in (await refusal(bot, "delete_message", **where)).text
    where["message_id"] = 999
    assert "message to delete not found" in (await refusal(bot, "delete_message", **where)).text


async def test_answers_come_within_fifteen_seconds_and_once(
    bot: Client, wang: Person, sandbox: Sandbox
) -> None:
    await wang.scans()
    await bot.call("send_message", chat_id=5001, text="?", reply_markup=keyboard(["a"]))
    in_time, late = (await wang.taps("x")).query, (await wang.taps("x")).query
    long = await refusal(bot, "answer_callback_query", callback_query_id=in_time, text="字" * 201)
    assert long.kind == "400"
    await sandbox.advance(15)
    assert await bot.call("answer_callback_query", callback_query_id=in_time, text="字" * 200)
    await sandbox.advance(0.1)
    for query in (in_time, late, "404"):
        refused = await refusal(bot, "answer_callback_query", callback_query_id=query)
        assert "query is too old and response timeout expired or query id is invalid" in refused.text


async def test_people_who_cannot_be_reached(bot: Client, wang: Person, li: Person) -> None:
    async def write(chat_id: int) -> tuple[str, str]:
        refused = await refusal(bot, "send_message", chat_id=chat_id, text="在吗")
        return refused.kind, refused.text

    kind, text = await write(424242)
    assert kind == "400"
    assert "chat not found" in text
    kind, text = await write(li.id)
    assert kind == "403"
    assert "bot can't initiate conversation with a user" in text
    await li.sees()
    assert (await write(li.id))[0] == "403"
    await wang.scans()
    await wang.blocks()
    kind, text = await write(wang.id)
    assert kind == "403"
    assert "bot was blocked by the user" in text


async def test_groups_that_shut_the_bot_out(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    group = await sandbox.group(-1001, "一网格", [wang], supergroup=True)
    await wang.removes_bot(group)
    refused = await refusal(bot, "send_message", chat_id=group, text="在吗")
    assert refused.kind == "403"
    assert "bot was kicked from the supergroup chat" in refused.text
    other = await sandbox.group(-1002, "二网格", [wang], bots=[])
    assert (
        "bot is not a member of the group chat"
        in (await refusal(bot, "send_message", chat_id=other, text="?")).text
    )


async def test_a_migrated_group_names_its_new_id(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    group = await sandbox.group(-1001, "一网格", [wang])
    moved = await wang.migrates(group)
    refused = await refusal(bot, "send_message", chat_id=group, text="在吗")
    assert (refused.kind, refused.moved_to) == ("400", moved)
    sent = await bot.call("send_message", chat_id=moved, text="在")
    assert sent["chat"]["type"] == "supergroup"
    service = [each["message"] for each in await bot.call("get_updates") if "message" in each]
    assert [each.get("migrate_to_chat_id") for each in service] == [moved, None]
    assert [each.get("migrate_from_chat_id") for each in service] == [None, group]


@pytest.mark.parametrize("library", ["python-telegram-bot", "aiogram"])
async def test_a_wrong_token(library: str, sandbox: Sandbox) -> None:
    async with AsyncExitStack() as stack:
        stranger = await connect(library, sandbox.base_url, "300:nobody", stack)
        assert (await refusal(stranger, "get_me")).kind == "401"


async def test_an_unknown_method(bot: Client) -> None:
    with pytest.raises(ClientError) as refused:
        await bot.unknown_method()
    assert refused.value.kind == "404"


async def test_of_two_pollers_the_older_is_stopped(bot: Client, wang: Person) -> None:
    older = asyncio.create_task(refusal(bot, "get_updates", timeout=5))
    await asyncio.sleep(0.2)
    newer = asyncio.create_task(bot.call("get_updates", timeout=5))
    refused = await older
    assert refused.kind == "409"
    assert "terminated by other getupdates request" in refused.text
    await wang.says("喂")
    assert len(await newer) == 1


async def test_no_polling_beside_a_webhook(bot: Client) -> None:
    await bot.call("set_webhook", url="http://127.0.0.1:9/nowhere")
    refused = await refusal(bot, "get_updates")
    assert refused.kind == "409"
    assert "while webhook is active" in refused.text
    await bot.call("delete_webhook")
    assert await bot.call("get_updates") == []


async def test_real_limits(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    await wang.scans()
    group = await sandbox.group(-1001, "一网格", [wang])
    await sandbox.limits(on=True)

    async def write(chat_id: int) -> None:
        await bot.call("send_message", chat_id=chat_id, text="x")

    for _ in range(3):
        await write(5001)
    refused = await refusal(bot, "send_message", chat_id=5001, text="x")
    assert (refused.kind, refused.retry_after) == ("429", 1)
    await sandbox.advance(1)
    await write(5001)
    for _ in range(20):
        await sandbox.advance(1)
        await write(group)
    refused = await refusal(bot, "send_message", chat_id=group, text="x")
    assert (refused.kind, refused.retry_after) == ("429", 41)
    await sandbox.limits(on=False)
    await write(group)


async def test_thirty_messages_a_second_overall(bot: Client, sandbox: Sandbox) -> None:
    people = [await sandbox.user(6000 + number, "居民") for number in range(31)]
    for person in people:
        await person.scans()
    await sandbox.limits(on=True)
    for person in people[:30]:
        await bot.call("send_message", chat_id=person.id, text="x")
    assert (await refusal(bot, "send_message", chat_id=people[30].id, text="x")).kind == "429"


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (FaultKind.TOO_MANY, "429", ""),
        (FaultKind.BLOCKED, "403", "bot was blocked by the user"),
        (FaultKind.NOT_MODIFIED, "400", "message is not modified"),
        (FaultKind.BAD_ENTITIES, "400", "can't parse entities"),
        (FaultKind.SERVER_ERROR, "network", ""),
        (FaultKind.BAD_GATEWAY_HTML, "network", ""),
        (FaultKind.DROP, "network", ""),
    ],
)
async def test_scripted_trouble(
    bot: Client, wang: Person, sandbox: Sandbox, fault: FaultKind, kind: str, words: str
) -> None:
    await wang.scans()
    await sandbox.fails(fault, "sendMessage", chat=5001, times=1, retry_after=35)
    refused = await refusal(bot, "send_message", chat_id=5001, text="一")
    assert refused.kind == kind
    assert words in refused.text
    assert refused.retry_after == (35 if kind == "429" else None)
    await bot.call("send_message", chat_id=5001, text="二")
    assert [message.text for message in await wang.sees()] == ["/start", "二"]
