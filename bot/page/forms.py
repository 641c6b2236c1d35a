"""The page's forms: the proof that we made them, and reading them without taking more than is allowed."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

LONGEST_TEXT = 2000  # characters
MOST_PHOTOS = 6
LARGEST_PHOTO = 8 * 1024 * 1024
LIMITS = {"longest": LONGEST_TEXT, "most_photos": MOST_PHOTOS, "megabytes": LARGEST_PHOTO // 1024**2}
_LARGEST_FORM = 100 * 1024 * 1024  # read, not kept: somebody with huge photos is told so, on the page
_MOST_FILES = 30
_MOST_FIELDS = 10
_LARGEST_FIELD = 64 * 1024
_READ_WITHIN = 300.0  # seconds; six photos over a weak connection take minutes
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


class FormError(Exception):
    """This is no form of ours, or far too large."""


class Proofs:
    """A form's id is ours, and made for this visit, if its proof says so."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"huiyin page", "sha256")

    def new(self, visit: str) -> tuple[str, str]:
        """A form's id and its proof."""
        form = secrets.token_urlsafe(12)
        return form, self._of(visit, form)

    def _of(self, visit: str, form: str) -> str:
        return hmac.digest(self._key, f"{visit}\0{form}".encode(), "sha256").hex()

    def holds(self, visit: str, form: str, proof: str) -> bool:
        return hmac.compare_digest(self._of(visit, form).encode(), proof.encode())


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody sent. `problem` names the sentence about what is wrong with it."""

    id: str
    proof: str
    text: str
    tapped: str | None
    photos: tuple[bytes, ...]
    problem: str | None

    @property
    def external(self) -> str:
        """The same for the same content of the same form: however often it arrives, it is one message."""
        content = hashlib.sha256(f"{self.tapped}\0{self.text}".encode())
        for name in self.names:
            content.update(name.encode())
        return f"{self.id}.{content.hexdigest()[:16]}"

    @property
    def names(self) -> tuple[str, ...]:
        """What the photos are called here; nothing of their names on the phone."""
        return tuple(f"{self.id}-{hashlib.sha256(one).hexdigest()[:16]}" for one in self.photos)


async def read(request: Request) -> Form:
    """Raises FormError, and ClientDisconnect."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise FormError("not multipart")
    parser = _Sparing(
        _in_utf8(request.headers),
        _bounded(request),
        max_files=_MOST_FILES,
        max_fields=_MOST_FIELDS,
        max_part_size=_LARGEST_FIELD,
    )
    try:
        async with asyncio.timeout(_READ_WITHIN):
            fields = await parser.parse()
    except (MultiPartException, FormParserError, TimeoutError) as error:
        raise FormError(type(error).__name__) from None
    try:
        return await _form(fields)
    finally:
        await fields.close()


def _in_utf8(headers: Headers) -> Headers:
    """Only the boundary counts: our pages are in UTF-8, and some character sets take long or make no text."""
    _, parameters = parse_options_header(headers["content-type"])
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise FormError("no boundary")
    return Headers({"content-type": f'multipart/form-data; boundary="{boundary.decode("latin-1")}"'})


async def _form(fields: FormData) -> Form:
    uploads = [one for one in fields.getlist("photo") if isinstance(one, UploadFile) and one.size]
    sizes = [one.size or 0 for one in uploads]
    allowed = len(uploads) <= MOST_PHOTOS and max(sizes, default=0) <= LARGEST_PHOTO
    photos = tuple([await one.read() for one in uploads]) if allowed else ()
    text = _word(fields, "text").replace("\r\n", "\n").strip()
    tapped = _word(fields, "tap")[:64] or None
    return Form(
        id=_word(fields, "form")[:32],
        proof=_word(fields, "proof"),
        text=text[:LONGEST_TEXT],
        tapped=tapped,
        photos=photos,
        problem=_problem(text, tapped, sizes, photos),
    )


def _word(fields: FormData, name: str) -> str:
    value = fields.get(name)
    return value.replace("\0", "") if isinstance(value, str) else ""


def _problem(text: str, tapped: str | None, sizes: list[int], photos: tuple[bytes, ...]) -> str | None:
    if len(sizes) > MOST_PHOTOS:
        return "page_too_many"
    if any(size > LARGEST_PHOTO for size in sizes):
        return "page_too_large"
    if not all(photo.startswith(_PICTURES) for photo in photos):
        return "page_no_photo"
    if len(text) > LONGEST_TEXT:
        return "page_too_long"
    return None if text or tapped or photos else "page_empty"


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > _LARGEST_FORM:
            raise FormError("too large")
        yield chunk


class _Sparing(MultiPartParser):
    """Of a file it keeps one byte more than is allowed, which says that it is too large."""

    _kept = 0

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._kept = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is not None:
            end = min(end, start + LARGEST_PHOTO + 1 - self._kept)
            self._kept += end - start
        super().on_part_data(data, start, end)
