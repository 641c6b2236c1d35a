"""Text as the rules compare it, and as people may read it: one spelling for what looks the same."""

import re
import unicodedata

from routing.characters import SIMPLE

# Controls, zero-width and direction marks, fillers, variation selectors, tags and lone surrogates.
_UNSEEN = (
    r"\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff"
)
_INVISIBLE = re.compile(f"[{_UNSEEN}]+")
_BLANK = re.compile(rf"[\s{_UNSEEN}]+")
_ASCII_SIGNS = frozenset("@-_+.#")


def normalize(text: str) -> str:
    """The form in which texts and keywords are compared: NFKC, lower case, simplified, no blanks."""
    return _BLANK.sub("", unicodedata.normalize("NFKC", text).casefold().translate(SIMPLE))


def readable(text: str) -> str:
    """For showing: full-width letters and digits made plain, invisible ones gone, the rest as written."""
    visible = _INVISIBLE.sub("", text)
    return visible if visible.isascii() else "".join(map(_plain, visible))


def _plain(character: str) -> str:
    folded = unicodedata.normalize("NFKC", character)
    return folded if folded.isalnum() or folded in _ASCII_SIGNS else character
