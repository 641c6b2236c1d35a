"""The XML of WeChat and WeCom: hostile bodies read within narrow bounds, answers written.

The standard library's expat is enough: wechatpy's parser gives lists and dictionaries where a body repeats or
nests elements, knows no bounds, and leaves out fields that we need.
"""

import re
from collections.abc import Mapping, Sequence
from xml.parsers import expat

from bot.channels import facts
from handlers.messages import UnreadableError

DEEPEST = 6
MOST_ELEMENTS = 500
# Top elements that rightly have parts; in them names may repeat. Everything else is plain text, once.
NESTED = frozenset(
    {
        "ApprovalInfo",
        "BatchJob",
        "ExtAttr",
        "ScanCodeInfo",
        "SelectedItems",
        "SendLocationInfo",
        "SendPicsInfo",
        "SubscribeMsgChangeEvent",
        "SubscribeMsgPopupEvent",
        "SubscribeMsgSentEvent",
    }
)

Node = str | int | Mapping[str, "Node"] | Sequence[Mapping[str, "Node"]]


def parse(body: bytes) -> dict[str, str]:
    """The texts of the elements under the root, by name. Raises UnreadableError, and never takes long.

    Parts are named by their path, and by their number where they repeat: `SendLocationInfo.Label`,
    `SubscribeMsgPopupEvent.List.TemplateId`, `SubscribeMsgPopupEvent.List[1].TemplateId`.
    """
    if len(body) > facts.LARGEST_BODY:
        raise UnreadableError("larger than any message of the platform")
    if body.lstrip()[:1] in (b"{", b"["):
        raise UnreadableError("JSON: choose XML as the format of messages on the platform")
    if b"\0" in body:  # expat would take it for UTF-16
        raise UnreadableError("not XML in UTF-8: NUL")
    reader = _Reader()
    try:
        reader.parser.Parse(body.decode(), True)
    except (expat.ExpatError, UnicodeDecodeError) as error:
        raise UnreadableError(f"not XML in UTF-8: {type(error).__name__}") from None
    return reader.fields


class _Reader:
    """Walks through one body; refuses it as soon as it leaves the bounds."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.parser = expat.ParserCreate("UTF-8")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self._path: list[str] = []
        self._seen: set[str] = set()
        self._leaf = False
        self._text = ""

    def _doctype(self, *_: object) -> None:
        raise UnreadableError("a document type")

    def _start(self, name: str, _: object) -> None:
        if not self._path and name != "xml":
            raise UnreadableError("another root than xml")
        self._path.append(self._named(name))
        key = ".".join(self._path[1:])
        if len(self._path) > DEEPEST or len(self._seen) >= MOST_ELEMENTS:
            raise UnreadableError("too deep or too many elements")
        if len(self._path) > 2 and self._path[1] not in NESTED:
            raise UnreadableError("an element in a plain field")
        if self._text.strip():
            raise UnreadableError("text beside elements")
        if key in self._seen:
            raise UnreadableError("a repeated field")
        self._seen.add(key)
        self._leaf, self._text = True, ""

    def _named(self, name: str) -> str:
        """A repeated part gets its number, a repeated field does not, and is refused."""
        if len(self._path) < 2:
            return name
        above, number, named = ".".join(self._path[1:]), 0, name
        while f"{above}.{named}" in self._seen:
            number += 1
            named = f"{name}[{number}]"
        return named

    def _data(self, text: str) -> None:
        self._text += text

    def _end(self, _: str) -> None:
        if self._leaf and len(self._path) > 1:
            self.fields[".".join(self._path[1:])] = self._text
        elif self._text.strip():
            raise UnreadableError("text beside elements")
        self._path.pop()
        self._leaf, self._text = False, ""


def render(fields: Mapping[str, Node]) -> bytes:
    """A body with these fields: texts as CDATA, numbers bare, parts nested, lists as repeated elements."""
    return f"<xml>{_inner(fields)}</xml>".encode()


def _inner(fields: Mapping[str, Node]) -> str:
    return "".join(_element(name, value) for name, value in fields.items())


def _element(name: str, value: Node) -> str:
    if isinstance(value, int):
        return f"<{name}>{value}</{name}>"
    if isinstance(value, str):
        return f"<{name}><![CDATA[{_cdata(value)}]]></{name}>"
    if isinstance(value, Mapping):
        return f"<{name}>{_inner(value)}</{name}>"
    return "".join(_element(name, one) for one in value)


_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _cdata(text: str) -> str:
    """Nothing in it ends the section early, and nothing in it may not stand in XML."""
    return _NOT_XML.sub("", text).replace("]]>", "]]]]><![CDATA[>")
