"""Files people and bots send: tiny generated ones, and the sizes in which Telegram offers a photo."""

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.limits import DOWNLOAD_BYTES, bad_request

LONGEST_SIDES = (90, 320, 800, 1280)


@dataclass(frozen=True)
class File:
    id: str
    unique_id: str
    path: str
    content: bytes = field(repr=False)
    mime_type: str

    def wire(self) -> dict[str, Any]:
        return {"file_id": self.id, "file_unique_id": self.unique_id, "file_size": len(self.content)}


class Files:
    def __init__(self) -> None:
        self._by_id: dict[str, File] = {}
        self._by_path: dict[str, File] = {}
        self._by_unique_id: dict[str, File] = {}
        self._photos: dict[str, list[dict[str, Any]]] = {}

    def add(self, folder: str, suffix: str, content: bytes, mime_type: str) -> File:
        number = len(self._by_id)
        path = f"{folder}/file_{number}.{suffix}"
        file = File(f"AgAC{number:08d}file", f"AQAD{number:06d}", path, content, mime_type)
        self._by_id[file.id] = self._by_path[path] = self._by_unique_id[file.unique_id] = file
        return file

    def get(self, file_id: str) -> File:
        if file_id not in self._by_id:
            raise bad_request("invalid file_id")
        file = self._by_id[file_id]
        if len(file.content) > DOWNLOAD_BYTES:
            raise bad_request("file is too big")
        return file

    def at(self, path: str) -> File | None:
        return self._by_path.get(path)

    def seen_as(self, unique_id: str) -> File | None:
        return self._by_unique_id.get(unique_id)

    def add_photo(self, content: bytes) -> list[dict[str, Any]]:
        """PhotoSize objects, smallest first. The sizes differ in name only: each holds the original bytes."""
        suffix, mime_type, width, height = _picture(content)
        longest = max(width, height)
        sizes = []
        for side in [*(side for side in LONGEST_SIDES if side < longest), longest]:
            file = self.add("photos", suffix, content, mime_type)
            shrunk = {"width": max(1, width * side // longest), "height": max(1, height * side // longest)}
            sizes.append(file.wire() | shrunk)
            self._photos[file.id] = sizes
        return sizes

    def photo(self, file_id: str) -> list[dict[str, Any]]:
        if file_id not in self._photos:
            raise bad_request("wrong file identifier/HTTP URL specified")
        return self._photos[file_id]


def _picture(content: bytes) -> tuple[str, str, int, int]:
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) > 24:
        return "png", "image/png", *struct.unpack(">II", content[16:24])
    if content.startswith(b"\xff\xd8") and (size := _jpeg_size(content)):
        return "jpg", "image/jpeg", *size
    raise bad_request("IMAGE_PROCESS_FAILED")


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(content):
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        if marker in (0xC0, 0xC1, 0xC2):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


def tiny_png(shade: int = 160, width: int = 400, height: int = 300) -> bytes:
    """A valid grey picture of a few hundred bytes."""
    row = b"\x00" + bytes([shade]) * width
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(row * height, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def tiny_ogg() -> bytes:
    """An Ogg page with an Opus header and no sound."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48000, 0, 0)
    return b"OggS" + struct.pack("<BBqIIIBB", 0, 2, 0, 1, 0, 0, 1, len(head)) + head
