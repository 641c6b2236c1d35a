"""WeCom's template cards: a rendered message as a card with buttons, in JSON and in XML."""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from bot.channels import facts
from bot.channels.weixin_xml import Node
from handlers.messages import Button

Json = dict[str, Any]

_QUOTATION = re.compile("^“.*?”$", re.MULTILINE | re.DOTALL)  # a resident's own words
_BETWEEN = "|"  # in a button's key: its data, and the group that its card was sent for


def button_key(data: str, group: str | None) -> str:
    return data if group is None else f"{data}{_BETWEEN}{group}"


def split_key(key: str) -> tuple[str, str | None]:
    """The button's data and the group, if the card was sent for one."""
    data, _, group = key.partition(_BETWEEN)
    return data, group or None


def fits(text: str) -> bool:
    """Whether a card shows the whole text."""
    title, quote, rest = _parts(text)
    return len(title) <= facts.CARD_TITLE and len(quote) <= facts.CARD_QUOTE and len(rest) <= facts.CARD_TEXT


def card(text: str, buttons: Sequence[Button], task: str, group: str | None = None) -> Json:
    """The first line as title, what somebody said as quotation, the rest as text.

    Without buttons it is what a card becomes when nothing is left to tap: its last line takes their place.
    """
    title, quote, rest = _parts(text)
    shown: Json = {
        "card_type": "button_interaction",
        "main_title": {"title": shorten(title, facts.CARD_TITLE)},
        "task_id": task,
    }
    if rest:
        shown["sub_title_text"] = shorten(rest, facts.CARD_TEXT)
    if quote:
        shown["quote_area"] = {"quote_text": shorten(quote, facts.CARD_QUOTE)}
    if buttons:
        return shown | {"button_list": [_button(one, group) for one in buttons[: facts.MOST_CARD_BUTTONS]]}
    last = shorten((rest or title).rsplit("\n", 1)[-1], facts.CARD_TITLE)
    # the platform demands a button even where its text is replaced and it cannot be tapped
    return shown | {"button_list": [{"text": last, "style": 1, "key": "-"}], "replace_text": last}


def new_task(key: str) -> str:
    """A name for a card, new for every try: one that the platform took, perhaps to lose it, is used up."""
    return f"{key}@{secrets.token_hex(4)}"


def as_xml(part: Mapping[str, Any]) -> dict[str, Node]:
    """The same card as passive replies have it: names in capitals, lists as repeated elements."""
    return {"".join(word.title() for word in name.split("_")): _node(value) for name, value in part.items()}


def _node(value: Any) -> Node:
    if isinstance(value, Mapping):
        return as_xml(value)
    if isinstance(value, list):
        return [as_xml(one) for one in value]
    return value if isinstance(value, int) else str(value)


def _parts(text: str) -> tuple[str, str, str]:
    title, _, body = text.strip().partition("\n")
    found = _QUOTATION.search(body)
    quote = found[0] if found else ""
    lines = body.replace(quote, "", 1).splitlines()
    return title, quote, "\n".join(line for line in lines if line.strip())


def _button(button: Button, group: str | None) -> Json:
    return {
        "text": shorten(button.label, facts.CARD_BUTTON),
        "style": 1,
        "key": button_key(button.data, group),
    }


# --- lengths ----------------------------------------------------------------------------------


def shorten(text: str, longest: int) -> str:
    """At most so many characters, with an ellipsis where something is left out."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
