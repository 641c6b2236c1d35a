"""The helper that tests and replays use to act as people."""

import pytest

from bot.sandbox.people import Person, Sandbox, SandboxError


async def test_people_see_a_group_from_their_own_side(sandbox: Sandbox, wang: Person, li: Person) -> None:
    group = await sandbox.group(-1001, "一网格", [wang, li])
    first = await wang.says("<大家>好", chat=group)
    await li.says("好", chat=group, reply_to=first)
    of_wang, of_li = await wang.sees(group), await li.sees(group)
    assert [message.is_me for message in of_wang] == [True, False]
    assert [message.is_me for message in of_li] == [False, True]
    assert (of_li[0].sender, of_li[0].html, of_li[1].reply_to) == ("王某", "&lt;大家&gt;好", first)


async def test_hearing_waits_and_tells_what_came_instead(sandbox: Sandbox, wang: Person, li: Person) -> None:
    group = await sandbox.group(-1001, "一网格", [wang, li])
    await wang.says("早", chat=group)
    assert (await li.hears("早", chat=group)).sender == "王某"
    with pytest.raises(TimeoutError, match="早"):
        await li.hears("晚", chat=group, within=0.05)


async def test_edited_text_is_seen(wang: Person) -> None:
    message_id = await wang.says("路灯坏")
    await wang.edits(message_id, "路灯坏了")
    [message] = await wang.sees()
    assert (message.text, message.edited) == ("路灯坏了", True)


async def test_a_voice_and_a_card_are_put_into_words(wang: Person, li: Person) -> None:
    await wang.sends_contact(of=li, phone="13800000000")
    await wang.sends_location(30.0, 103.5)
    await wang.sends_album(2, "两张")
    card, place, *album = await wang.sees()
    assert card.text == "李某 13800000000"
    assert place.text == "30.0, 103.5"
    assert album[0].album == album[1].album is not None


@pytest.mark.parametrize(
    ("do", "more", "reason"),
    [
        ("tap", {"label": "没有"}, "no button"),
        ("dance", {}, "nobody can"),
        ("text", {"text": " "}, "empty"),
        ("text", {"text": "x", "chat": -5}, "no group"),
        ("text", {"text": "x", "chat": -1002}, "is not in chat"),
        ("text", {"txt": "x"}, "txt"),
        ("photo", {"caption": "字" * 1025}, "caption is too long"),
        ("photo", {"data": "AAAA"}, "IMAGE_PROCESS_FAILED"),
        ("join", {}, "not a group"),
        ("edit", {"message": 77, "text": "x"}, "no message 77"),
    ],
)
async def test_what_a_client_does_not_let_people_do(
    sandbox: Sandbox, wang: Person, li: Person, do: str, more: dict[str, object], reason: str
) -> None:
    await sandbox.group(-1002, "二网格", [li])
    with pytest.raises(SandboxError, match=reason):
        await sandbox.call("POST", "act", {"user": wang.id, "do": do, **more})


async def test_who_has_blocked_the_bot_cannot_write_to_it(wang: Person) -> None:
    await wang.scans()
    await wang.blocks()
    with pytest.raises(SandboxError, match="blocked"):
        await wang.says("喂")
    await wang.unblocks()
    await wang.says("喂")


async def test_link_buttons_only_tell_their_address(sandbox: Sandbox, wang: Person) -> None:
    await wang.scans()
    button = {"text": "地图", "url": "https://example.org/"}
    message = {"chat_id": 5001, "text": "?", "reply_markup": {"inline_keyboard": [[button]]}}
    await sandbox.telegram("100:first", "sendMessage", **message)
    tapped = await wang.taps("地图")
    assert (tapped.url, tapped.query) == ("https://example.org/", None)


async def test_people_list_their_chats(sandbox: Sandbox, wang: Person, li: Person) -> None:
    await wang.scans()
    await sandbox.group(-1001, "一网格", [li])
    await wang.joins(-1001)
    chats = await sandbox.call("GET", "chats", user=wang.id)
    assert [(chat["id"], chat["kind"]) for chat in chats] == [(5001, "private"), (-1001, "group")]
    assert [user["first_name"] for user in await sandbox.call("GET", "users")] == ["王某", "李某"]
