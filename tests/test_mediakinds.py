"""What is kept of photos and voices: only what they are, and nothing that tells about who made them."""

from io import BytesIO

import pytest
from PIL import Image
from structlog.testing import capture_logs

from bot.mediakinds import ENDINGS, MOST_BYTES, PHOTO, SMALL, kept
from bot.sandbox.media import tiny_ogg
from tests.pictures import CAMERA, COMMENT, XMP, encoded, phone_photo


def shown(body: bytes) -> Image.Image:
    picture = Image.open(BytesIO(body))
    assert picture.format == "JPEG"
    return picture.convert("RGB")


def colour(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    found = picture.getpixel((x, y))
    assert isinstance(found, tuple)
    return found


def is_red(picture: Image.Image, x: int, y: int) -> bool:
    red, green, blue = colour(picture, x, y)
    return red > 180 and green < 80 and blue < 80


def test_a_photo_loses_its_place_its_camera_and_its_comments() -> None:
    before = phone_photo(800, 600)
    secrets = (CAMERA.encode(), COMMENT, XMP, b"Exif")
    assert all(one in before for one in secrets)
    for body in kept("photo", before).values():
        assert [one for one in secrets if one in body] == []
        assert not Image.open(BytesIO(body)).getexif()


def test_a_photo_and_its_small_one_are_upright_and_of_limited_size() -> None:
    photo = kept("photo", phone_photo())
    assert list(photo) == [PHOTO, SMALL]
    large, small = map(shown, photo.values())
    assert (large.size, small.size) == ((1707, 2560), (213, 320))
    for one in (large, small):
        assert is_red(one, one.width // 2, one.height // 8)
        assert not is_red(one, one.width // 2, one.height * 7 // 8)


# where the left half, as stored, is seen: x and y in eighths
@pytest.mark.parametrize(
    ("orientation", "x", "y"),
    [(1, 1, 4), (2, 7, 4), (3, 7, 4), (4, 1, 4), (5, 4, 1), (6, 4, 1), (7, 4, 7), (8, 4, 7), (99, 1, 4)],
)
def test_every_orientation_is_turned(orientation: int, x: int, y: int) -> None:
    picture = shown(kept("photo", phone_photo(160, 80, orientation))[PHOTO])
    assert is_red(picture, picture.width * x // 8, picture.height * y // 8)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("PNG", mode) for mode in ("RGB", "RGBA", "L", "LA", "P", "1")),
        *(("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
        *(("WEBP", mode) for mode in ("RGB", "RGBA")),
        *(("GIF", mode) for mode in ("P", "L", "RGBA")),
        *(("BMP", mode) for mode in ("RGB", "RGBA", "L", "P", "1")),
    ],
)
def test_what_phones_and_browsers_send_is_kept_as_jpeg(kind: str, mode: str) -> None:
    body = encoded(Image.new("RGB", (40, 30), "white").convert(mode), kind)
    picture = shown(kept("photo", body)[PHOTO])
    assert picture.size == (40, 30)
    assert min(colour(picture, 0, 0)) > 250


def test_what_is_transparent_is_white() -> None:
    body = encoded(Image.new("RGBA", (40, 30), (0, 0, 0, 0)), "PNG")
    assert min(colour(shown(kept("photo", body)[PHOTO]), 0, 0)) > 250


@pytest.mark.parametrize(
    "body",
    [
        b"",
        "这是一段文字。".encode() * 20,
        b"\x89PNG\r\n\x1a\n" + b"no picture follows this" * 5,
        phone_photo(80, 60)[:500],
        b"%PDF-1.7\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        encoded(Image.new("RGB", (9, 9)), "TIFF"),
        tiny_ogg(),
    ],
    ids=["empty", "text", "cut PNG", "cut JPEG", "PDF", "EPS", "SVG", "TIFF", "voice"],
)
def test_row_19_what_is_no_photo_is_not_kept(body: bytes) -> None:
    assert kept("photo", body) == {}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8000, 10_500])
def test_a_decompression_bomb_is_refused_by_its_size(side: int) -> None:
    bomb = encoded(Image.new("1", (side, side)), "PNG")
    assert len(bomb) < 20_000
    with capture_logs() as logs:
        assert kept("photo", bomb) == {}
    assert logs[0]["reason"] == "DecompressionBombError"


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        (tiny_ogg(), ".ogg"),
        (b"#!AMR\n<sound>", ".amr"),
        (b"#!AMR-WB\n<sound>", ".amr"),
        (b"ID3\x04<sound>", ".mp3"),
        (b"\xff\xfb\x90<sound>", ".mp3"),
        (b"\x00\x00\x00\x20ftypM4A <sound>", ".m4a"),
    ],
)
def test_a_voice_is_known_by_its_bytes_and_keeps_them(body: bytes, ending: str) -> None:
    assert kept("voice", body) == {ending: body}
    assert ending in ENDINGS


@pytest.mark.parametrize("body", [b"", b"hello", b"\xff\xd8\xff\xe0", b'{"errcode":40007}'])
def test_row_19_what_is_no_voice_is_not_kept(body: bytes) -> None:
    assert kept("voice", body) == {}


def test_what_is_too_large_is_not_kept() -> None:
    assert kept("voice", b"OggS".ljust(MOST_BYTES, b"\0"))
    assert kept("voice", b"OggS".ljust(MOST_BYTES + 1, b"\0")) == {}
