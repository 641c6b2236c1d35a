"""Photos as phones take them, for tests: with everything in them that nobody else should see."""

from io import BytesIO
from random import Random

from PIL import ExifTags, Image

CAMERA, COMMENT, XMP = "Huiyin Phone 12", b"taken by 5001", b"<x:xmpmeta>5001</x:xmpmeta>"


def phone_photo(width: int = 3000, height: int = 2000, orientation: int = 6) -> bytes:
    """A JPEG of some hundred kilobytes, with its place and camera; its left half, as stored, is red.

    With orientation 6 the camera lay on its side: that half is the upper one, as seen.
    """
    small = (width // 8, height // 8)
    noise = Random(1).randbytes(small[0] * small[1])  # noqa: S311 (makes a file large)
    picture = Image.frombytes("L", small, noise).resize((width, height)).convert("RGB")
    picture.paste((220, 20, 20), (0, 0, width // 2, height))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = CAMERA
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (35.0, 30.0, 1.0), 3: "E", 4: (112.0, 50.0, 1.0)})
    file = BytesIO()
    picture.save(file, "JPEG", quality=80, exif=exif, comment=COMMENT, xmp=XMP)
    return file.getvalue()


def encoded(picture: Image.Image, kind: str) -> bytes:
    file = BytesIO()
    picture.save(file, kind)
    return file.getvalue()
