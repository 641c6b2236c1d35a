"""Turns the body of a message, as the interfaces take it, into what people see."""

from typing import Any

from bot.sandbox.corp.cards import BUTTONS, NOTICE, Wire, checked_card
from bot.sandbox.corp.files import inline_picture, picture_type
from bot.sandbox.corp.limits import DESCRIPTION_BYTES, MARKDOWN_BYTES, TEXT_BYTES, TITLE_BYTES, cut
from bot.sandbox.corp.refusals import Code, RefusedError, wrong
from bot.sandbox.corp.state import Content, Corp

FILES = {"image": "photo", "voice": "voice", "video": "video", "file": "document"}
APP = ("text", "markdown", "textcard", "news", "template_card", *FILES)
GROUP = ("text", "markdown", "textcard", "news", *FILES)  # into a group of the app's own: no cards
ROBOT = ("text", "markdown", "markdown_v2", "news", "template_card", "image")


def content_of(corp: Corp, body: Wire, takes: tuple[str, ...]) -> Content:
    """Raises RefusedError."""
    kind = body.get("msgtype")
    if kind not in takes:
        raise RefusedError(Code.WRONG_MSGTYPE, "invalid message type")
    part = body.get(kind)
    if not isinstance(part, dict):
        raise wrong(f"{kind} is missing")
    return _read(corp, kind, part, takes is ROBOT)


def _read(corp: Corp, kind: str, part: Wire, robot: bool) -> Content:
    if kind in ("text", "markdown", "markdown_v2"):
        return Content("text", _text(kind, part, robot))
    if kind == "template_card":
        card = checked_card(part, (NOTICE,) if robot else (NOTICE, BUTTONS))
        return Content("card", card.text, card=card)
    if kind == "textcard":
        return Content("card", _text_card(part))
    if kind == "news":
        return Content("card", "\n".join(_titles(part)))
    if robot:
        picture = inline_picture(part)
        return Content("photo", "", media=corp.add_file("image", "", picture_type(picture), picture).id)
    return file_content(corp, kind, str(part.get("media_id")))


def file_content(corp: Corp, kind: str, media_id: str) -> Content:
    file = corp.file(media_id)
    if file.kind != kind:
        raise RefusedError(Code.WRONG_MEDIA, "invalid media_id, it is of another type")
    return Content(FILES[kind], "" if kind in ("image", "voice") else file.name, media=media_id)


def _text(kind: str, part: Wire, robot: bool) -> str:
    text = part.get("content")
    if not isinstance(text, str) or not text:
        raise RefusedError(Code.EMPTY, "empty content")
    if kind == "text" and not robot:
        return cut(text, TEXT_BYTES)
    most = TEXT_BYTES if kind == "text" else MARKDOWN_BYTES["robot" if robot else "app"]
    if len(text.encode()) > most:
        raise wrong(f"{kind}.content exceed max length {most}")
    return text


def _text_card(part: Wire) -> str:
    if not all(part.get(name) for name in ("title", "description", "url")):
        raise wrong("textcard needs title, description and url")
    return f"{cut(part['title'], TITLE_BYTES)}\n{cut(part['description'], DESCRIPTION_BYTES)}"


def _titles(part: Wire) -> list[str]:
    articles: Any = part.get("articles")
    if not isinstance(articles, list) or not 1 <= len(articles) <= 8:
        raise wrong("news.articles must hold 1 to 8")
    if not all(article.get("title") and article.get("url") for article in articles):
        raise wrong("news.articles need title and url")
    return [cut(article["title"], TITLE_BYTES) for article in articles]
