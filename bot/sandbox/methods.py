"""The Bot API methods that answer at once, as functions of the world; a refusal is an ApiError."""

from collections.abc import Callable
from typing import Any

from bot.sandbox import limits
from bot.sandbox.entities import Entity, parse_html, utf16
from bot.sandbox.limits import ApiError, bad_request, forbidden
from bot.sandbox.params import Params
from bot.sandbox.world import Bot, Chat, ChatKind, Message, Standing, Wire, World, member_wire

Method = Callable[[World, Bot, Params], Any]


# Whom and what a call is about


def find_chat(world: World, bot: Bot, params: Params) -> Chat:
    """Raises ApiError for a chat that the bot has never met or that has moved."""
    if not params.text("chat_id"):
        raise bad_request("chat_id is empty")
    chat_id = _chat_number(world, params.text("chat_id"))
    chat = world.groups.get(chat_id) or world.private.get((bot.user.id, chat_id))
    if chat is None and chat_id not in world.users:
        raise bad_request("chat not found")
    if chat is None or (chat.private and not chat.last_id):
        raise forbidden("bot can't initiate conversation with a user")
    if chat.migrated_to is not None:
        reason = "Bad Request: group chat was upgraded to a supergroup chat"
        raise ApiError(400, reason, migrate_to_chat_id=chat.migrated_to)
    return chat


def _chat_number(world: World, written: str) -> int:
    if written.startswith("@"):
        named = (user.id for user in world.users.values() if user.username == written[1:])
        return next(named, 0)
    try:
        return int(written)
    except ValueError:
        raise bad_request("chat not found") from None


def open_chat(world: World, bot: Bot, params: Params, messages: int = 1) -> Chat:
    """The chat to speak in: the bot is not blocked or thrown out there, and not too fast."""
    chat = find_chat(world, bot, params)
    standing = chat.standing(bot.user.id)
    if not standing.present:
        raise forbidden(_shut_out(chat, standing))
    if "message_thread_id" in params:
        raise bad_request("message thread not found")
    bot.pace.check(chat.id, messages, world.clock.now())
    return chat


def _shut_out(chat: Chat, standing: Standing) -> str:
    if chat.private:
        return "bot was blocked by the user"
    place = "the supergroup chat" if chat.kind is ChatKind.SUPERGROUP else "the group chat"
    return (
        f"bot was kicked from {place}" if standing is Standing.KICKED else f"bot is not a member of {place}"
    )


def own_message(world: World, bot: Bot, params: Params) -> tuple[Chat, Message]:
    chat = open_chat(world, bot, params)
    message = chat.messages.get(params.integer("message_id"))
    if message is None:
        raise bad_request("message to edit not found")
    if message.sender != bot.user:
        raise bad_request("message can't be edited")
    return chat, message


def formatted(source: Params, name: str, entities_name: str) -> tuple[str, list[Entity]]:
    """The text argument with its formatting parsed and trailing space cut, as the platform stores it."""
    mode = source.text("parse_mode").lower()
    if mode not in ("", "html"):
        raise bad_request("unsupported parse_mode")
    if mode == "html":
        plain, entities = parse_html(source.text(name))
    else:
        plain, entities = source.text(name), source.decoded(entities_name) or []
    trimmed = plain.rstrip()
    return trimmed, _within(entities, utf16(trimmed))


def _within(entities: list[Entity], length: int) -> list[Entity]:
    clipped = [entity | {"length": min(entity["length"], length - entity["offset"])} for entity in entities]
    return [entity for entity in clipped if entity["length"] > 0]


def text_content(params: Params) -> Wire:
    text, entities = formatted(params, "text", "entities")
    if not text.strip():
        raise bad_request("message text is empty")
    if utf16(text) > limits.TEXT_LIMIT:
        raise bad_request("message is too long")
    return {"text": text, "entities": entities or None}


def caption_content(params: Params) -> Wire:
    caption, entities = formatted(params, "caption", "caption_entities")
    if utf16(caption) > limits.CAPTION_LIMIT:
        raise bad_request("message caption is too long")
    return {"caption": caption or None, "caption_entities": entities or None}


def inline_markup(params: Params) -> Wire:
    """The inline keyboard, checked; an empty one counts as none."""
    markup = _markup_object(params)
    rows = markup.get("inline_keyboard")
    if rows is not None:
        limits.check_inline_keyboard(rows)
    return {"reply_markup": {"inline_keyboard": rows} if rows else None}


def _markup_object(params: Params) -> Wire:
    markup = params.decoded("reply_markup") or {}
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    return markup


def change_keyboard(chat: Chat, params: Params) -> None:
    """Reply keyboards belong to the chat, not to the message."""
    markup = _markup_object(params)
    if "keyboard" in markup:
        chat.keyboard = [[_as_button(button) for button in row] for row in markup["keyboard"]]
    elif markup.get("remove_keyboard"):
        chat.keyboard = []


def _as_button(button: Any) -> Wire:
    return button if isinstance(button, dict) else {"text": str(button)}


def replied_to(chat: Chat, params: Params) -> int | None:
    reply = params.decoded("reply_parameters") or {}
    wanted = int(reply.get("message_id") or params.integer("reply_to_message_id"))
    if not wanted or wanted in chat.messages:
        return wanted or None
    if reply.get("allow_sending_without_reply") or params.flag("allow_sending_without_reply"):
        return None
    raise bad_request("message to be replied not found")


def say(world: World, bot: Bot, chat: Chat, params: Params, content: Wire) -> Wire:
    content = content | inline_markup(params)
    present = {name: value for name, value in content.items() if value is not None}
    message = world.post(chat, bot.user, present, replied_to(chat, params))
    change_keyboard(chat, params)
    return message.wire


# Sending


def send_message(world: World, bot: Bot, params: Params) -> Wire:
    chat = open_chat(world, bot, params)
    return say(world, bot, chat, params, text_content(params))


def send_photo(world: World, bot: Bot, params: Params) -> Wire:
    chat = open_chat(world, bot, params)
    content = {"photo": _photo(world, params, "photo"), **caption_content(params)}
    return say(world, bot, chat, params, content)


def _photo(world: World, params: Params, name: str) -> list[Wire]:
    upload = params.upload(name)
    if upload is not None:
        return world.files.add_photo(upload)
    return world.files.photo(params.text(name))


def send_media_group(world: World, bot: Bot, params: Params) -> list[Wire]:
    media = params.decoded("media") or []
    if not 2 <= len(media) <= 10:
        raise bad_request("media group must include 2-10 items")
    chat = open_chat(world, bot, params, len(media))
    contents = [_album_item(world, params, item) for item in media]
    group = world.new_id()
    return [say(world, bot, chat, params, {**content, "media_group_id": group}) for content in contents]


def _album_item(world: World, params: Params, item: Wire) -> Wire:
    if item.get("type") != "photo":
        raise bad_request("can't parse InputMedia: only photos are sent in albums here")
    source = Params(item, params.files)
    return {"photo": _photo(world, source, "media"), **caption_content(source)}


def send_voice(world: World, bot: Bot, params: Params) -> Wire:
    chat = open_chat(world, bot, params)
    upload = params.upload("voice")
    if upload is None:
        file = world.files.get(params.text("voice"))
    else:
        file = world.files.add("voice", "oga", upload, "audio/ogg")
    voice = file.wire() | {"duration": params.integer("duration"), "mime_type": file.mime_type}
    return say(world, bot, chat, params, {"voice": voice, **caption_content(params)})


def send_document(world: World, bot: Bot, params: Params) -> Wire:
    chat = open_chat(world, bot, params)
    upload = params.upload("document")
    if upload is None:
        file = world.files.get(params.text("document"))
    else:
        file = world.files.add("documents", "bin", upload, "application/octet-stream")
    document = file.wire() | {"mime_type": file.mime_type}
    return say(world, bot, chat, params, {"document": document, **caption_content(params)})


def send_location(world: World, bot: Bot, params: Params) -> Wire:
    chat = open_chat(world, bot, params)
    location = {"latitude": params.number("latitude"), "longitude": params.number("longitude")}
    return say(world, bot, chat, params, {"location": location})


# Changing and removing


def edit_text(world: World, bot: Bot, params: Params) -> Wire:
    chat, message = own_message(world, bot, params)
    content = text_content(params) | inline_markup(params)
    if "text" not in message.wire:
        raise bad_request("there is no text in the message to edit")
    world.edit(chat, message, content)
    return message.wire


def edit_caption(world: World, bot: Bot, params: Params) -> Wire:
    chat, message = own_message(world, bot, params)
    content = caption_content(params) | inline_markup(params)
    if "photo" not in message.wire and "voice" not in message.wire:
        raise bad_request("there is no caption in the message to edit")
    world.edit(chat, message, content)
    return message.wire


def edit_markup(world: World, bot: Bot, params: Params) -> Wire:
    chat, message = own_message(world, bot, params)
    world.edit(chat, message, inline_markup(params))
    return message.wire


def delete_message(world: World, bot: Bot, params: Params) -> bool:
    chat = find_chat(world, bot, params)
    message = chat.messages.get(params.integer("message_id"))
    if message is None:
        raise bad_request("message to delete not found")
    if world.now() - message.wire["date"] > limits.DELETABLE.total_seconds():
        raise bad_request("message can't be deleted for everyone")
    own = message.sender == bot.user or chat.private
    if not own and chat.standing(bot.user.id) is not Standing.ADMINISTRATOR:
        raise bad_request("message can't be deleted")
    world.remove(chat, message.id)
    return True


def answer_callback(world: World, bot: Bot, params: Params) -> bool:
    text = params.text("text")
    if utf16(text) > limits.ANSWER_LIMIT:
        raise bad_request("MESSAGE_TOO_LONG")
    query = world.open_query(bot, params.text("callback_query_id"))
    if query is None:
        raise bad_request(limits.QUERY_TOO_OLD)
    query.answer = {"text": text, "show_alert": params.flag("show_alert")}
    query.answered.set()
    return True


# Asking


def get_me(world: World, bot: Bot, params: Params) -> Wire:
    talents = {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
    }
    return bot.user.wire() | talents


def get_file(world: World, bot: Bot, params: Params) -> Wire:
    file = world.files.get(params.text("file_id"))
    return file.wire() | {"file_path": file.path}


def get_chat(world: World, bot: Bot, params: Params) -> Wire:
    gifts = (
        "unlimited_gifts",
        "limited_gifts",
        "unique_gifts",
        "premium_subscription",
        "gifts_from_channels",
    )
    details = {
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(gifts, False),
    }
    return find_chat(world, bot, params).wire() | details


def get_chat_member(world: World, bot: Bot, params: Params) -> Wire:
    chat = find_chat(world, bot, params)
    user_id = params.integer("user_id")
    people = {**world.users, **{each.user.id: each.user for each in world.bots.values()}}
    if user_id not in people:
        raise bad_request("user not found")
    return member_wire(people[user_id], chat.standing(user_id))


def set_commands(world: World, bot: Bot, params: Params) -> bool:
    commands = params.decoded("commands") or []
    if any(not 1 <= len(each["command"].removeprefix("/")) <= 32 for each in commands):
        raise bad_request("BOT_COMMAND_INVALID")
    bot.commands[_audience(params)] = commands
    return True


def get_commands(world: World, bot: Bot, params: Params) -> list[Wire]:
    return bot.commands.get(_audience(params), [])


def _audience(params: Params) -> str:
    scope = params.decoded("scope") or {"type": "default"}
    return f"{sorted(scope.items())} {params.text('language_code')}"


METHODS: dict[str, Method] = {
    "getme": get_me,
    "sendmessage": send_message,
    "sendphoto": send_photo,
    "sendmediagroup": send_media_group,
    "sendvoice": send_voice,
    "senddocument": send_document,
    "sendlocation": send_location,
    "editmessagetext": edit_text,
    "editmessagecaption": edit_caption,
    "editmessagereplymarkup": edit_markup,
    "deletemessage": delete_message,
    "answercallbackquery": answer_callback,
    "getfile": get_file,
    "getchat": get_chat,
    "getchatmember": get_chat_member,
    "setmycommands": set_commands,
    "getmycommands": get_commands,
}
