"""What we keep of the photos and voices that people send: told by their bytes, photos without their story."""

from collections.abc import Mapping
from io import BytesIO

import structlog
from PIL import ExifTags, Image
from PIL.Image import Transpose

log = structlog.get_logger()

MOST_BYTES = 20 * 1024 * 1024
MOST_PIXELS = 52_000_000  # a phone's 50 megapixels; decoded they take 200 MB
LONGEST_SIDE = 2560
LONGEST_SMALL_SIDE = 320
_QUALITY = 85
PHOTO, SMALL = ".jpg", "-small.jpg"

# Pillow knows many more formats, some by way of other programs; phones and browsers send these.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")

_TURNS = {  # by the orientation that the camera noted
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_VOICES = (  # where the signature stands, what it is, the ending that says so
    (0, b"OggS", ".ogg"),
    (0, b"#!AMR", ".amr"),
    (0, b"ID3", ".mp3"),
    (0, b"\xff\xfb", ".mp3"),
    (0, b"\xff\xf3", ".mp3"),
    (4, b"ftypM4A", ".m4a"),
)
ENDINGS = (PHOTO, SMALL, *dict.fromkeys(ending for _, _, ending in _VOICES))


def kept(kind: str, body: bytes) -> Mapping[str, bytes]:
    """What to store, by the ending of its name, the main one first; nothing where it is no such thing.

    A photo is drawn anew, so that neither its place nor its camera goes with it, and once more in small.
    A voice keeps its bytes. Never raises, whatever the bytes are.
    """
    if len(body) > MOST_BYTES:
        return {}
    return _photo(body) if kind == "photo" else _voice(body)


def _voice(body: bytes) -> Mapping[str, bytes]:
    return next(({ending: body} for at, sign, ending in _VOICES if body.startswith(sign, at)), {})


def _photo(body: bytes) -> Mapping[str, bytes]:
    try:
        photo = _drawn(body)
        large = _jpeg(photo)
        photo.thumbnail((LONGEST_SMALL_SIDE, LONGEST_SMALL_SIDE))
        return {PHOTO: large, SMALL: _jpeg(photo)}
    except Exception as error:  # what Pillow raises over broken or hostile bytes is of every kind
        log.info("no photo that can be read", reason=type(error).__name__)
        return {}


def _drawn(body: bytes) -> Image.Image:
    """The picture itself, upright and no larger than needed."""
    with Image.open(BytesIO(body), formats=_FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:  # Pillow's own limit is higher, and at first warns only
            raise Image.DecompressionBombError
        image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a huge JPEG is decoded at a fraction
        image.load()
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    mode = "RGBA" if image.has_transparency_data else "RGB"
    drawn = image if image.mode == mode else image.convert(mode)
    drawn.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    opaque = _on_white(drawn) if mode == "RGBA" else drawn
    return opaque if turn is None else opaque.transpose(turn)


def _on_white(drawn: Image.Image) -> Image.Image:
    """JPEG knows no transparency, and would show black."""
    paper = Image.new("RGBA", drawn.size, "white")
    paper.alpha_composite(drawn)
    return paper.convert("RGB")


def _jpeg(image: Image.Image) -> bytes:
    image.info.clear()  # Pillow would write the old comment again
    file = BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
