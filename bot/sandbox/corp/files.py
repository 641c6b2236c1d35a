"""Files that are uploaded, sent along or fetched: what they may be."""

import base64
import binascii
import hashlib
from typing import Any

from bot.sandbox.corp.refusals import Code, RefusedError

SMALLEST = 6
LARGEST = {"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "file": 20 << 20}
MIME_TYPES = {"voice": "audio/amr", "video": "video/mp4", "file": "application/octet-stream"}
TINY_AMR = b"#!AMR\n" + b"\x7c" + bytes(31)


def checked_type(kind: str, content: bytes) -> str:
    """The MIME type of a file that is taken as this kind. Raises RefusedError."""
    if kind not in LARGEST:
        raise RefusedError(Code.WRONG_MEDIA_TYPE, "invalid media type")
    if not SMALLEST <= len(content) <= LARGEST[kind]:
        raise RefusedError(Code.WRONG_SIZE, "invalid media size")
    if kind == "image":
        return picture_type(content)
    if kind == "voice" and not content.startswith(b"#!AMR"):
        raise RefusedError(Code.WRONG_MEDIA_TYPE, "invalid media type, voice must be amr")
    return MIME_TYPES[kind]


def picture_type(content: bytes) -> str:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8"):
        return "image/jpeg"
    raise RefusedError(Code.WRONG_MEDIA_TYPE, "invalid media type, image must be png or jpg")


def inline_picture(part: dict[str, Any]) -> bytes:
    """The picture inside a group robot's message. Raises RefusedError."""
    try:
        content = base64.b64decode(part.get("base64") or "", validate=True)
    except binascii.Error:
        content = b""
    # WeCom's own choice of a checksum: it guards nothing.
    if not content or hashlib.md5(content, usedforsecurity=False).hexdigest() != part.get("md5"):
        raise RefusedError(Code.WRONG_PARAMETER, "invalid Request Parameter, image.base64 or image.md5")
    return content
