"""Our texts cut to what WeChat and WeCom take, and choices as numbered lines."""

import re
import unicodedata
from collections.abc import Sequence

from bot.channels import facts
from handlers.messages import Button

# Where buttons are but lines; together with the numbers it is part of the form, not of what is said.
HOW_TO_CHOOSE = "回复数字："
_ENDS = "。！？；\n"
_JOINER = "\u200d"
_EMOJI = re.compile("[\U0001f000-\U0001fbff\u203c\u2049\u3030\u303d\u3297\u3299\ufe0e\ufe0f\u200d\u20e3]")


def numbered(buttons: Sequence[Button]) -> list[Button]:
    """The same buttons with their numbers before the labels."""
    return [Button(button.data, f"{number} {button.label}") for number, button in enumerate(buttons, 1)]


def with_choices(text: str, buttons: Sequence[Button], most: int) -> str:
    """The text and its choices in at most `most` bytes: rather the text is cut than a choice."""
    if not buttons:
        return fit(text, most)
    choices = f"\n\n{HOW_TO_CHOOSE}" + "\u3000".join(one.label for one in numbered(buttons))
    return fit(text, most - len(choices.encode())) + choices


def fit(text: str, most: int) -> str:
    """The text in at most `most` bytes, cut before a whole character, with an ellipsis."""
    if len(text.encode()) <= most:
        return text
    return text[: _cut(text, most - len("…".encode()))] + "…"


def split(text: str, most: int) -> list[str]:
    """The text in parts of at most `most` bytes, which end where sentences do if they can."""
    parts = []
    while len(text.encode()) > most:
        longest = _cut(text, most)
        ends = [text.rfind(end, 0, longest) + 1 for end in _ENDS]
        at = max(ends) if max(ends) > longest // 3 else longest
        parts.append(text[:at])
        text = text[at:]
    return [one for one in map(str.strip, [*parts, text]) if one]


def _cut(text: str, most: int) -> int:
    """How many characters fit into so many bytes, without taking a composed one apart; at least one."""
    at = len(text.encode()[: max(most, 0)].decode(errors="ignore"))
    whole = at
    while whole > 0 and not _between(text, whole):
        whole -= 1
    return whole or max(at, 1)


def _between(text: str, at: int) -> bool:
    """Whether one seen character ends here and another begins."""
    if at >= len(text):
        return True
    follows = unicodedata.combining(text[at]) or text[at] in "\ufe0e\ufe0f\u20e3" or _is_tone(text[at])
    return not follows and _JOINER not in (text[at], text[at - 1])


def _is_tone(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"


def fit_field(text: str) -> str:
    """The text as a template takes it: one short line without emoji; no number or word is cut in two."""
    line = " ".join(_EMOJI.sub("", "".join(map(_plain, text))).split()) or "—"
    if len(line) <= facts.LONGEST_FIELD:
        return line
    at = facts.LONGEST_FIELD - 1
    run = re.search("[0-9A-Za-z]+$", line[:at])
    if run and re.match("[0-9A-Za-z]", line[at:]) and run.start() > 0:
        at = run.start()
    return line[:at].rstrip() + "…"


def _plain(character: str) -> str:
    """Nothing for signs like ☎ and for what cannot be seen, a space for line breaks."""
    category = unicodedata.category(character)
    if category in ("Zl", "Zp", "Cc"):
        return " "
    is_sign = category == "So" and "\u2190" <= character <= "\u2bff"
    return "" if is_sign or category in ("Cf", "Cs", "Co", "Cn") else character
