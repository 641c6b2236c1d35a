"""What may be asked of `huiyin qr`: the channel of a code, its form, and how long it lasts."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path


class Through(StrEnum):
    """Where a scanned code leads."""

    TELEGRAM = "telegram"
    WECHAT = "wechat"
    WEB = "web"


class Format(StrEnum):
    """`poster` is an SVG; the two drawn ones need a Chinese font on this machine."""

    LINK = "link"
    SVG = "svg"
    PNG = "png"
    POSTER = "poster"
    POSTER_PNG = "poster-png"
    PDF = "pdf"

    @property
    def suffix(self) -> str:
        return {"link": "txt", "poster": "svg", "poster-png": "png"}.get(self.value, self.value)

    @property
    def drawn(self) -> bool:
        return self in (Format.POSTER_PNG, Format.PDF)


class Paper(StrEnum):
    A4 = "a4"
    A5 = "a5"

    @property
    def scale(self) -> float:
        return 1.0 if self is Paper.A4 else 148 / 210


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted. `lasts` of None is for ever; `renew` revokes each place's earlier code first."""

    through: Through
    format: Format = Format.LINK
    lasts: timedelta | None = None
    renew: bool = False
    paper: Paper = Paper.A4
    font: Path | None = None
