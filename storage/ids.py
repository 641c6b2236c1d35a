"""Row ids made before the row is written: unique, rising within a process, roughly in order of time."""

import itertools
import secrets
import time

_BITS = 20  # a random start and a count per millisecond: a million ids before the time part is disturbed
_count = itertools.count(secrets.randbelow(1 << (_BITS - 1)))
_last = 0


def new_id() -> int:
    """A positive 62-bit number; later ids of one process are always larger."""
    global _last
    _last = max(_last + 1, (time.time_ns() // 1_000_000 << _BITS) | (next(_count) & ((1 << _BITS) - 1)))
    return _last


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def to_base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits or "0"


def from_base36(text: str) -> int:
    """Raises ValueError where `text` is no base-36 number of at most 13 digits."""
    if not 0 < len(text) <= 13:
        raise ValueError("not an id")
    return int(text, 36)
