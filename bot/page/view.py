"""What a visitor sees: the talk, newest first, with what may be answered; and how their requests stand."""

import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import takewhile

from markupsafe import escape

from handlers.messages import Channel, InboundMessage, Kind, UnreadableError
from handlers.office import Office
from handlers.report import cut
from handlers.texts import Texts
from routing.transitions import OPEN
from storage.ids import to_base36
from storage.page import Visit
from storage.tables import Attachment, MediaState, Message, Notification, ServiceRequest

MOST = 100  # messages each way that are looked at
_ROOM = 12_000  # bytes that the talk may take of the page
_AROUND = 350  # bytes of markup around a message, and around a button
_NEWS = 3  # messages above the form, so that it is not far down
_OFFERS = 4  # matters that may be answered on one page
_YES = ("submit", "satisfied", "add_to", "same", "agree")  # what most people will press
_AT_THE_DOOR = ("welcome",)  # whoever came in has read it there


class Look(StrEnum):
    """How a button looks; the names are those of the style sheet."""

    MAIN = "main"
    ALARM = "alarm"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Button:
    data: str
    label: str
    look: Look


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the talk. `changed` is one of ours that was put in the place of another."""

    at: datetime
    when: str
    mine: bool
    text: str
    photos: tuple[int, ...] = ()
    buttons: tuple[Button, ...] = ()
    changed: bool = False

    @property
    def order(self) -> tuple[datetime, bool, bool]:
        """Of one moment, the answer comes after the question, and what is new after what was changed."""
        return self.at, not self.mine, not self.changed

    @property
    def size(self) -> int:
        """About how many bytes it takes on the page."""
        extras = len(self.photos) + len(self.buttons)
        return len(escape(self.text).encode()) + _AROUND * (1 + extras)


@dataclass(frozen=True, slots=True)
class Matter:
    """One of the visitor's requests, as it stands."""

    number: str
    lines: str


@dataclass(frozen=True, slots=True)
class Talk:
    """`news` is what was said since the visitor's last words and what can be answered, `earlier` the rest.

    `next` is where still earlier messages begin.
    """

    waiting: bool
    news: list[Entry]
    earlier: list[Entry]
    next: int | None
    matters: list[Matter]

    @property
    def asks(self) -> bool:
        """Whether a button is to be pressed rather than something written."""
        return any(button.look is Look.MAIN for one in self.news for button in one.buttons)


def talk(office: Office, channel: Channel, visit: Visit, now: datetime, start: int = 0) -> Talk:
    """As much of the talk as a page has room for, without the newest `start` messages."""
    entries = [*_sent(office, channel, visit), *_said(office, visit)]
    entries.sort(key=lambda one: one.order, reverse=True)
    fitting = list(_fitting(entries[start:]))
    answers = [] if start else list(takewhile(lambda one: not one.mine, fitting[:_NEWS]))
    rest = fitting[len(answers) :]
    end = start + len(fitting)
    return Talk(
        waiting=visit.waiting,
        # Whatever can be answered is among the news, however long ago it was asked.
        news=[*answers, *(one for one in rest if one.buttons)],
        earlier=[one for one in rest if not one.buttons],
        next=end if end < len(entries) else None,
        matters=list(_matters(office, visit.requests, now)),
    )


def _fitting(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The first always, cut where it must be."""
    room = _ROOM
    for entry in entries:
        if room == _ROOM and entry.size > room:
            yield replace(entry, text=cut(entry.text, len(entry.text) * room // entry.size))
            return
        room -= entry.size
        if room < 0:
            return
        yield entry


# --- what we said -----------------------------------------------------------------------------


def _said(office: Office, visit: Visit) -> list[Entry]:
    """Every message as it looks now: one that was changed later is seen in its last form only."""
    changed = {one.edits for one in visit.said}
    seen = [one for one in visit.said if one.id not in changed and one.template not in _AT_THE_DOOR]
    offers = _offers(seen)
    return [
        Entry(
            at=one.created_at,
            when=office.when(one.created_at),
            mine=False,
            text=text,
            photos=_shown([one.attachment], visit.photos),
            buttons=_buttons(one) if one.id in offers else (),
            changed=one.edits is not None,
        )
        for one in seen
        if (text := _rendered(office.texts, one))
    ]


def _offers(seen: Sequence[Notification]) -> set[int]:
    """What can be answered now: the latest question about each matter, and the latest question at all."""
    asked = [one for one in seen if one.choices]
    latest: dict[object, int] = {}
    for one in asked:
        about = one.request or ("draft" if one.subject else None)
        if about is not None or one is asked[0]:
            latest.setdefault(about, one.id)
    return set(list(latest.values())[:_OFFERS])


def _buttons(said: Notification) -> tuple[Button, ...]:
    offer = to_base36(said.id)
    return tuple(Button(f"{offer}:{one['id']}", one["label"], _look(one["id"])) for one in said.choices)


def _look(choice: str) -> Look:
    action = choice.partition(":")[0]
    if action == "danger":
        return Look.ALARM
    return Look.MAIN if action in _YES else Look.PLAIN


def _rendered(texts: Texts, said: Notification) -> str:
    """Nothing where retention has emptied what the sentence was about."""
    sentence = texts.templates.get(said.template, "")
    if not said.args and _names(sentence) - texts.facts.keys() - {"address"}:
        return ""
    return (
        texts.render(said.template, {"address": texts.label("page_no_id"), **said.args}) if sentence else ""
    )


def _names(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


# --- what they sent ---------------------------------------------------------------------------


def _sent(office: Office, channel: Channel, visit: Visit) -> Iterator[Entry]:
    photos = {one.remote: key for key, one in visit.photos.items() if one.channel == channel.name}
    for stored in visit.sent:
        message = _read(channel, stored)
        text = _words(office.texts, message, visit.said) if message else ""
        if message and text:
            own = _shown([photos.get(one.remote) for one in message.media], visit.photos)
            at = stored.received_at
            yield Entry(at, office.when(at), mine=True, text=text, photos=own)


def _words(texts: Texts, message: InboundMessage, said: Sequence[Notification]) -> str:
    """What they wrote or pressed; nothing of a scan."""
    if message.kind is Kind.TAP:
        return _chosen(texts, message, said)
    return message.text or (texts.label("page_photo") if message.media else "")


def _read(channel: Channel, stored: Message) -> InboundMessage | None:
    """None where it was erased."""
    try:
        return channel.parse(stored.body)
    except UnreadableError:
        return None


def _chosen(texts: Texts, message: InboundMessage, said: Sequence[Notification]) -> str:
    """What was on the button, as long as we know it."""
    offer, _, choice = (message.tapped or "").partition(":")
    labels = {
        one["id"]: one["label"] for known in said if to_base36(known.id) == offer for one in known.choices
    }
    return texts.render("page_tapped", {"label": labels[choice]}) if choice in labels else ""


def _shown(ids: Sequence[int | None], known: Mapping[int, Attachment]) -> tuple[int, ...]:
    """Those that can be looked at already."""
    found = [known[one] for one in ids if one is not None and one in known]
    return tuple(one.id for one in found if one.state is MediaState.STORED)


# --- what they have under way -----------------------------------------------------------------


def _matters(office: Office, requests: Sequence[ServiceRequest], now: datetime) -> Iterator[Matter]:
    """How each stands, in the words of 进度."""
    for one in requests:
        due = one.due_result if one.status in OPEN else None
        args = {
            "category": office.category_name(one.category),
            "place": office.place_name(one.area) or office.texts.label("place_unknown"),
            "status": office.texts.label(f"status_{one.status}"),
            "handler": office.title(one.assignee, now),
            "due": office.texts.render("result_by", {"due": office.when(due)}) if due else "",
        }
        yield Matter(one.number, office.texts.render("page_matter", args))
