"""Template cards: what WeCom demands of them, and how people see them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.corp.limits import KEY_BYTES, MOST_BUTTONS, MOST_LINES, TASK_ID_BYTES
from bot.sandbox.corp.refusals import wrong

TASK_ID = re.compile(r"[0-9A-Za-z_\-@]+")
NOTICE, BUTTONS = "text_notice", "button_interaction"

Wire = dict[str, Any]


@dataclass(frozen=True)
class Card:
    """`replaced` is what stands in place of the buttons once they are shut."""

    body: Mapping[str, Any]
    replaced: str = ""

    @property
    def kind(self) -> str:
        return str(self.body["card_type"])

    @property
    def task_id(self) -> str:
        return str(self.body.get("task_id", ""))

    @property
    def calls_back(self) -> bool:
        return self.kind == BUTTONS

    @property
    def text(self) -> str:
        return "\n".join(filter(None, self._lines()))

    @property
    def labels(self) -> list[list[str]]:
        if self.replaced:
            return [[self.replaced]]
        return [[button["text"]] for button in self.body.get("button_list", ())]

    def key(self, label: str) -> str | None:
        """What a tap on this button calls back with; None where there is no such button, or no more."""
        buttons = [] if self.replaced else self.body.get("button_list", ())
        return next((button.get("key") for button in buttons if button["text"] == label), None)

    def _lines(self) -> Iterator[str]:
        title = self.body.get("main_title") or {}
        yield str(title.get("title") or "")
        yield str(title.get("desc") or "")
        yield str(self.body.get("sub_title_text") or "")
        yield str((self.body.get("quote_area") or {}).get("quote_text") or "")
        for line in self.body.get("horizontal_content_list") or ():
            yield f"{line['keyname']}：{line.get('value', '')}"


def checked_card(body: Any, kinds: tuple[str, ...] = (NOTICE, BUTTONS)) -> Card:
    """Raises RefusedError for a card that WeCom would not show."""
    if not isinstance(body, dict):
        raise wrong("template_card is missing")
    if body.get("card_type") not in kinds:
        raise wrong("template_card.card_type is not supported")
    _check_words(body)
    _check_task_id(body.get("task_id"), needed=body["card_type"] == BUTTONS)
    if body["card_type"] == BUTTONS:
        _check_buttons(body.get("button_list"))
    elif not _leads_somewhere(body.get("card_action")):
        raise wrong("template_card.card_action is missing")
    return Card(body, str(body.get("replace_text") or ""))


def _check_words(body: Wire) -> None:
    if not (body.get("main_title") or {}).get("title") and not body.get("sub_title_text"):
        raise wrong("template_card needs main_title.title or sub_title_text")
    lines = body.get("horizontal_content_list") or []
    if len(lines) > MOST_LINES or not all(line.get("keyname") for line in lines):
        raise wrong("template_card.horizontal_content_list is too long or lacks a keyname")


def _check_task_id(task_id: Any, needed: bool) -> None:
    if task_id is None and not needed:
        return
    if not isinstance(task_id, str) or not TASK_ID.fullmatch(task_id) or len(task_id) > TASK_ID_BYTES:
        raise wrong("template_card.task_id is invalid")


def _check_buttons(buttons: Any) -> None:
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= MOST_BUTTONS:
        raise wrong(f"template_card.button_list must hold 1 to {MOST_BUTTONS}")
    for button in buttons:
        target = button.get("url" if button.get("type") == 1 else "key")
        if not button.get("text") or not target or len(target.encode()) > KEY_BYTES:
            raise wrong("template_card.button_list needs text and key, or url for a link")


def _leads_somewhere(action: Any) -> bool:
    return (
        isinstance(action, dict)
        and action.get("type") in (1, 2)
        and bool(action.get("url") or action.get("appid"))
    )
