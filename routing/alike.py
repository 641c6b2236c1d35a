"""Whether reports may be about the same matter, and what follows when many are: pure decisions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import cos, hypot, radians

from routing.text import normalize

_METRES_PER_DEGREE = 111_320
_HIGHER = {"T4": "T3", "T3": "T2", "T2": "T1"}


@dataclass(frozen=True, slots=True)
class Counts:
    """From how many reporters on the card shows them, the limits tighten, and everybody around is told."""

    card: int = 3
    raised: int = 5
    many: int = 10


@dataclass(frozen=True, slots=True)
class Alike:
    """What may be one matter: which categories (or groups), how near, how long open or ended."""

    categories: frozenset[str] = frozenset()
    metres: int = 50
    open_for: timedelta = timedelta(days=30)
    ended_for: timedelta = timedelta(hours=72)
    counts: Counts = Counts()

    def concerns(self, category: str) -> bool:
        """Whether a category is of the kind that neighbours share: a lamp is, an allowance is not."""
        return any(category.startswith(code) for code in self.categories)


def higher(limit_class: str | None) -> str | None:
    """The next stricter class; None where it stays, as nothing becomes an emergency by being counted."""
    return _HIGHER.get(limit_class or "")


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """How far two (latitude, longitude) lie apart; exact enough within a town."""
    north = other[0] - one[0]
    east = (other[1] - one[1]) * cos(radians(one[0]))
    return hypot(north, east) * _METRES_PER_DEGREE


def box(centre: tuple[float, float], radius: float) -> tuple[float, float, float, float]:
    """South, north, west and east of everything within `radius` metres."""
    high = radius / _METRES_PER_DEGREE
    wide = high / max(cos(radians(centre[0])), 0.01)
    return centre[0] - high, centre[0] + high, centre[1] - wide, centre[1] + wide


def likeness(one: str, other: str) -> float:
    """How much two texts have in common, 0 to 1: the share of character pairs that both have."""
    first, second = _pairs(one), _pairs(other)
    total = len(first) + len(second)
    return 2 * len(first & second) / total if total else 0.0


def by_likeness(text: str, others: Mapping[int, str]) -> list[int]:
    """The keys of the other texts, the most similar first; equals stay in their order."""
    return sorted(others, key=lambda key: -likeness(text, others[key]))


def _pairs(text: str) -> set[str]:
    plain = normalize(text)
    return {plain[at : at + 2] for at in range(len(plain) - 1)}
