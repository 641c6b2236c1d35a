"""Formatted text as Telegram knows it: HTML to plain text with entities (in UTF-16 units), and back."""

import re
from html import escape
from typing import Any

from bot.sandbox.limits import bad_request

Entity = dict[str, Any]

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
}
SHOWN_AS = {"bold": "b", "italic": "i", "underline": "u", "strikethrough": "s", "code": "code", "pre": "pre"}
NAMED = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"'}

REFERENCE = re.compile(r"&(?:lt|gt|amp|quot|#\d{1,7}|#x[0-9a-fA-F]{1,6});")
MARKUP = re.compile(rf"""<(?:[^>"']|"[^"]*"|'[^']*')*>?|{REFERENCE.pattern}""")
HREF = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+))""")
SAFE_LINK = re.compile(r"(?:https?|tg)://|mailto:", re.IGNORECASE)
TYPED = re.compile(
    r"(?<!\S)(?P<bot_command>/[A-Za-z0-9_]{1,32}(?:@\w+)?)|(?<!\w)(?P<mention>@[A-Za-z]\w{3,31})"
)


def utf16(text: str) -> int:
    """Length as Telegram counts it: characters beyond the basic plane count twice."""
    return len(text) + sum(char > "\uffff" for char in text)


def typed_entities(text: str) -> list[Entity]:
    """The commands and mentions that Telegram marks by itself in what a person types."""
    if "/" not in text and "@" not in text:
        return []
    return [
        {"type": match.lastgroup, "offset": utf16(text[: match.start()]), "length": len(match.group())}
        for match in TYPED.finditer(text)
    ]


def parse_html(text: str) -> tuple[str, list[Entity]]:
    """Plain text and entities. Raises ApiError with the platform's own words for anything it cannot parse."""
    if "<" not in text and "&" not in text:
        return text, []
    return _HtmlReader(text).read()


class _HtmlReader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.plain: list[str] = []
        self.length = 0
        self.open: list[tuple[str, Entity]] = []
        self.entities: list[Entity] = []

    def read(self) -> tuple[str, list[Entity]]:
        position = 0
        for match in MARKUP.finditer(self.source):
            self._add(self.source[position : match.start()])
            self._markup(match.group(), match.start())
            position = match.end()
        self._add(self.source[position:])
        if self.open:
            self._refuse(f'Can\'t find end tag corresponding to start tag "{self.open[-1][0]}"')
        self.entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
        return "".join(self.plain), self.entities

    def _add(self, text: str) -> None:
        self.plain.append(text)
        self.length += utf16(text)

    def _markup(self, token: str, at: int) -> None:
        if token[0] == "&":
            self._add(_character(token))
        elif not token.endswith(">"):
            self._refuse(f"Unclosed start tag at byte offset {self._bytes(at)}")
        elif token.startswith("</"):
            self._end(token[2:-1].strip().lower(), at)
        else:
            self._start(token[1:-1], at)

    def _start(self, inside: str, at: int) -> None:
        name = inside.split(maxsplit=1)[0].lower() if inside.strip() else ""
        if name not in TAGS or inside[0].isspace():
            self._refuse(f'Unsupported start tag "{name}" at byte offset {self._bytes(at)}')
        entity: Entity = {"type": TAGS[name], "offset": self.length}
        if name == "a" and (href := HREF.search(inside)):
            value = next(value for value in href.groups() if value is not None)
            entity["url"] = REFERENCE.sub(lambda found: _character(found.group()), value)
        self.open.append((name, entity))

    def _end(self, name: str, at: int) -> None:
        if not self.open:
            self._refuse(f"Unexpected end tag at byte offset {self._bytes(at)}")
        started, entity = self.open.pop()
        if name not in ("", started):
            where = f"at byte offset {self._bytes(at)}"
            self._refuse(f'Unmatched end tag {where}, expected "</{started}>", found "</{name}>"')
        entity["length"] = self.length - entity["offset"]
        linked = entity["type"] != "text_link" or SAFE_LINK.match(entity.get("url", ""))
        if entity["length"] and linked:
            self.entities.append(entity)

    def _bytes(self, position: int) -> int:
        return len(self.source[:position].encode())

    def _refuse(self, reason: str) -> None:
        raise bad_request(f"can't parse entities: {reason}")


def _character(token: str) -> str:
    if token in NAMED:
        return NAMED[token]
    digits = token[2:-1]
    code = int(digits[1:], 16) if digits[0] == "x" else int(digits)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else token


def to_html(text: str, entities: list[Entity]) -> str:
    """Safe HTML for a page: everything a person wrote is escaped."""
    opening: dict[int, list[str]] = {}
    closing: dict[int, list[str]] = {}
    for entity in sorted(entities, key=lambda each: (each["offset"], -each["length"])):
        if tags := _shown(entity):
            opening.setdefault(entity["offset"], []).append(tags[0])
            closing.setdefault(entity["offset"] + entity["length"], []).insert(0, tags[1])
    units, parts, last = text.encode("utf-16-le"), [], 0
    for cut in sorted({*opening, *closing, len(units) // 2}):
        parts.append(escape(units[last * 2 : cut * 2].decode("utf-16-le", "replace")))
        parts += [*closing.get(cut, []), *opening.get(cut, [])]
        last = cut
    return "".join(parts)


def _shown(entity: Entity) -> tuple[str, str] | None:
    if entity["type"] == "text_link" and SAFE_LINK.match(entity.get("url", "")):
        return f'<a href="{escape(entity["url"])}">', "</a>"
    tag = SHOWN_AS.get(entity["type"])
    return (f"<{tag}>", f"</{tag}>") if tag else None
