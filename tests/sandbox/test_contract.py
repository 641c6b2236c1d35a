"""What the platform does, read through python-telegram-bot and aiogram alike."""

import asyncio
from typing import Any

import pytest

from bot.clock import Clock
from bot.sandbox.media import tiny_png
from bot.sandbox.people import Person, Sandbox
from tests.sandbox.clients import Client, ClientError
from tests.sandbox.conftest import START, TOKEN

KEYBOARD = {
    "inline_keyboard": [[{"text": "提交", "callback_data": "s:1"}, {"text": "取消", "callback_data": "c"}]]
}


async def updates(bot: Client, offset: int = 0, **more: Any) -> list[dict[str, Any]]:
    return list(await bot.call("get_updates", offset=offset, timeout=0, **more))


async def test_the_bot_knows_itself(bot: Client) -> None:
    me = await bot.call("get_me")
    assert (me["id"], me["is_bot"], me["username"]) == (100, True, "huiyin_bot")


async def test_a_talk_from_message_to_edited_answer(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    message_id = await wang.says("三号楼路灯坏了")
    [first] = await updates(bot)
    assert first["message"]["text"] == "三号楼路灯坏了"
    assert first["message"]["from"]["id"] == first["message"]["chat"]["id"] == 5001
    assert first["message"]["date"] == int(START.timestamp())

    sent = await bot.call(
        "send_message",
        chat_id=5001,
        text="<b>确认</b>?",
        parse_mode="HTML",
        reply_markup=KEYBOARD,
        reply_to_message_id=message_id,
    )
    assert sent["text"] == "确认?"
    assert sent["entities"] == [{"type": "bold", "offset": 0, "length": 2}]
    shown = await wang.hears("确认")
    assert (shown.html, shown.buttons, shown.reply_to) == ("<b>确认</b>?", [["提交", "取消"]], message_id)

    tapping = asyncio.create_task(wang.taps("提交", wait=5))
    [second] = await updates_when_there(bot, first["update_id"] + 1)
    query = second["callback_query"]
    assert second["update_id"] == first["update_id"] + 1
    assert (query["data"], query["message"]["message_id"]) == ("s:1", sent["message_id"])
    assert await bot.call("answer_callback_query", callback_query_id=query["id"], text="收到")
    assert (await tapping).answer == "收到"

    where = {"chat_id": 5001, "message_id": sent["message_id"]}
    await bot.call("edit_message_text", text="已提交", **where)
    shown = await wang.hears("已提交")
    assert shown.edited
    assert shown.buttons == []
    with pytest.raises(ClientError, match="message is not modified"):
        await bot.call("edit_message_text", text="已提交", **where)
    assert await updates(bot, second["update_id"] + 1) == []
    assert (await sandbox.log())["undelivered"] == 0


async def updates_when_there(bot: Client, offset: int) -> list[dict[str, Any]]:
    return list(await bot.call("get_updates", offset=offset, timeout=5))


async def test_a_long_poll_ends_as_soon_as_something_happens(bot: Client, wang: Person) -> None:
    waiting = asyncio.create_task(updates_when_there(bot, 0))
    await asyncio.sleep(0.05)
    await wang.says("喂")
    async with asyncio.timeout(1):
        assert len(await waiting) == 1


async def test_unconfirmed_updates_come_again(bot: Client, wang: Person) -> None:
    for text in ("一", "二", "三"):
        await wang.says(text)
    first, second, third = await updates(bot)
    assert await updates(bot) == [first, second, third]
    assert await updates(bot, second["update_id"]) == [second, third]
    assert await updates(bot, limit=1) == [second]
    assert await updates(bot, -1) == [third]


async def test_unwanted_kinds_are_not_queued(bot: Client, wang: Person) -> None:
    await updates(bot, allowed_updates=["edited_message"])
    message_id = await wang.says("路灯坏")
    await wang.edits(message_id, "路灯坏了")
    [update] = await updates(bot)
    assert update["edited_message"]["text"] == "路灯坏了"


async def test_photos_come_in_sizes_and_can_be_fetched(bot: Client, wang: Person) -> None:
    picture = tiny_png(width=1000, height=500)
    await wang.sends_photo("漏水", data=picture)
    [update] = await updates(bot)
    sizes = update["message"]["photo"]
    assert [size["width"] for size in sizes] == [90, 320, 800, 1000]
    assert update["message"]["caption"] == "漏水"
    assert len({size["file_unique_id"] for size in sizes}) == 4
    assert await bot.download(sizes[-1]["file_id"]) == picture


async def test_the_bot_sends_photos(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    await wang.scans()
    picture = tiny_png(7)
    sent = await bot.photo(5001, picture, "示意图")
    again = await bot.call("send_photo", chat_id=5001, photo=sent["photo"][-1]["file_id"])
    assert again["photo"] == sent["photo"]
    shown = await wang.hears("示意图")
    assert shown.photo is not None
    assert await sandbox.file(shown.photo) == picture
    await bot.call(
        "edit_message_caption",
        chat_id=5001,
        message_id=sent["message_id"],
        caption="改过",
        reply_markup=KEYBOARD,
    )
    assert (await wang.hears("改过")).labels == ["提交", "取消"]


async def test_the_bot_sends_files(bot: Client, wang: Person) -> None:
    await wang.scans()
    sent = await bot.document(5001, b"#!AMR\n", "录音")
    assert await bot.download(sent["document"]["file_id"]) == b"#!AMR\n"
    again = await bot.call("send_document", chat_id=5001, document=sent["document"]["file_id"])
    assert again["document"] == sent["document"]
    assert (await wang.hears("录音")).kind == "document"


async def test_albums_are_separate_messages_with_one_group(bot: Client, wang: Person) -> None:
    ids = await wang.sends_album(3, "三张")
    messages = [update["message"] for update in await updates(bot)]
    assert [message["message_id"] for message in messages] == ids
    assert len({message["media_group_id"] for message in messages}) == 1
    assert [message.get("caption") for message in messages] == ["三张", None, None]
    sent = await bot.album(5001, [tiny_png(1), tiny_png(2)], "两张")
    assert len({message["media_group_id"] for message in sent}) == 1
    assert (await wang.hears("两张")).album == sent[0]["media_group_id"]


async def test_voice_location_contact_and_sticker(bot: Client, wang: Person, li: Person) -> None:
    await wang.sends_voice(duration=7)
    await wang.sends_location(30.1, 103.9)
    await wang.sends_contact()
    await wang.sends_contact(of=li)
    await wang.sends_sticker()
    voice, place, own, foreign, sticker = [update["message"] for update in await updates(bot)]
    assert voice["voice"]["duration"] == 7
    assert (await bot.download(voice["voice"]["file_id"])).startswith(b"OggS")
    assert place["location"] == {"latitude": 30.1, "longitude": 103.9}
    assert own["contact"]["user_id"] == 5001
    assert foreign["contact"]["user_id"] == 1001
    assert sticker["sticker"]["emoji"] == "👍"
    await bot.call("send_location", chat_id=5001, latitude=30.5, longitude=104.0)
    assert (await wang.hears("30.5")).kind == "location"
    await bot.call("send_voice", chat_id=5001, voice=voice["voice"]["file_id"])
    assert (await wang.sees())[-1].kind == "voice"


async def test_scanning_starts_with_the_payload_that_the_person_does_not_see(
    bot: Client, wang: Person
) -> None:
    await wang.scans("YS-3")
    [update] = await updates(bot)
    assert update["message"]["text"] == "/start YS-3"
    assert update["message"]["entities"][0]["type"] == "bot_command"
    assert [message.text for message in await wang.sees()] == ["/start"]


async def test_what_people_type_is_cut_by_their_client(bot: Client, wang: Person) -> None:
    await wang.says("😀" * 2048 + "完")
    first, second = await updates(bot)
    assert first["message"]["text"] == "😀" * 2048
    assert second["message"]["text"] == "完"


async def test_reply_keyboards_say_their_label(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    await wang.scans()
    rows = [["报修"], [{"text": "发位置", "request_location": True}]]
    await sandbox.telegram(TOKEN, "sendMessage", chat_id=5001, text="?", reply_markup={"keyboard": rows})
    assert await wang.sees_keyboard() == [["报修"], ["发位置"]]
    await wang.taps("报修")
    await wang.taps("发位置")
    _, text, place = await updates(bot)
    assert text["message"]["text"] == "报修"
    assert "location" in place["message"]
    await sandbox.telegram(
        TOKEN, "sendMessage", chat_id=5001, text="!", reply_markup={"remove_keyboard": True}
    )
    assert await wang.sees_keyboard() == []


async def test_deleted_messages_are_gone(bot: Client, wang: Person, clock: Clock) -> None:
    await wang.scans()
    sent = await bot.call("send_message", chat_id=5001, text="错了")
    assert await bot.call("delete_message", chat_id=5001, message_id=sent["message_id"])
    assert [message.text for message in await wang.sees()] == ["/start"]


async def test_commands_and_chats_can_be_asked_for(bot: Client, wang: Person, sandbox: Sandbox) -> None:
    await wang.scans()
    await sandbox.group(-1001, "一网格", [wang], admin=True)
    commands = [{"command": "start", "description": "开始"}]
    await bot.call("set_my_commands", commands=commands)
    assert await bot.call("get_my_commands") == commands
    assert (await bot.call("get_chat", chat_id=5001))["username"] == "wang"
    assert (await bot.call("get_chat", chat_id=-1001))["title"] == "一网格"
    creator = await bot.call("get_chat_member", chat_id=-1001, user_id=5001)
    itself = await bot.call("get_chat_member", chat_id=-1001, user_id=100)
    assert (creator["status"], itself["status"]) == ("creator", "administrator")


async def test_blocking_and_coming_back(bot: Client, wang: Person) -> None:
    await wang.scans()
    await wang.blocks()
    await wang.scans("YS-1")
    _, gone, back, again = await updates(bot)
    assert gone["my_chat_member"]["new_chat_member"]["status"] == "kicked"
    assert back["my_chat_member"]["new_chat_member"]["status"] == "member"
    assert again["message"]["text"] == "/start YS-1"
