"""What a request looks like to members and in the chiefs' group, and who may see it at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from handlers.desk import Desk, RefusalError, Urgency, subject_of, to_member
from handlers.messages import Choice
from routing.choose import candidates
from routing.organisation import DISPATCHERS, LEADERS, Role
from routing.privacy import MASK, redact_for_group
from routing.text import readable
from routing.transitions import WITH_HANDLER, Status
from storage import queries
from storage.tables import Attachment, MediaState, Note, ServiceRequest

SECOND_RETURN = 2
AFTER_TWO_RETURNS = (Role.SUPERVISOR, Role.COMMUNITY)
_DISPUTES = "DP"

_MEMBER_CHOICES = {
    Status.ASSIGNED: ("acknowledge", "start", "finish", "more_moves"),
    Status.ACKNOWLEDGED: ("start", "finish", "more_moves"),
    Status.IN_PROGRESS: ("finish", "ask", "more_moves"),
    Status.IN_MEDIATION: ("finish", "more_moves"),
    Status.IN_DELIBERATION: ("finish", "more_moves"),
    Status.SCHEDULED: ("resume",),
}
_CLAIMED_CHOICES = {
    Status.ACKNOWLEDGED: ("start", "finish"),
    Status.IN_PROGRESS: ("finish",),
}


def handlers_of(request: ServiceRequest) -> list[str]:
    """Who may act on the request as its handler: the assignee, and in an emergency all who were alerted."""
    return [code for code in dict.fromkeys([request.assignee, *request.alerted]) if code]


def reporters(request: ServiceRequest) -> int:
    """How many households have reported the matter."""
    return request.endorsements + 1


async def residents_of(desk: Desk, request: ServiceRequest) -> list[int]:
    """Everybody who waits for the request: its reporter, and whoever said that it is theirs too."""
    if not request.endorsements:
        return [request.resident]
    return [request.resident, *await desk.unit.run(queries.endorsers, request.id)]


def cleared(desk: Desk, request: ServiceRequest) -> tuple[Role, ...]:
    """The roles that may see a sealed request: its category's; if nobody holds one, the supervisor too."""
    roles = tuple(sorted(desk.office.roles.cleared(request.category) or ()))
    area = request.area or request.community
    held = candidates(desk.office.organisation, area, roles, desk.now)
    return roles if held else (*roles, Role.SUPERVISOR)


def may_see(desk: Desk, member: str, request: ServiceRequest) -> bool:
    """Whether a member may be told what a request is about."""
    if not request.sealed:
        return True
    area = request.area or request.community
    return desk.office.organisation.holds(member, cleared(desk, request), area, desk.now)


def check_may_see(desk: Desk, member: str, request: ServiceRequest) -> None:
    """Raise RefusalError for somebody whom a sealed request is closed to."""
    if not may_see(desk, member, request):
        raise RefusalError("sealed_refused", number=request.number)


# --- the cards that are out -------------------------------------------------------------------


async def refresh(desk: Desk, request: ServiceRequest) -> None:
    """Change the cards that members and groups already have to what is true now."""
    for card in list((await desk.cards(subject_of(request))).values()):
        kind, _, key = card.chat.partition(":")
        if kind == "member":
            await _show_member(desk, request, key, card.args)
        elif kind == "chat":
            await show_group(desk, request, card.chat)


# --- the member's private card ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Brief:
    """What those who handle a request are told of its content; `photos` are the stored ones, voices too.

    `masked` says that the resident wrote more than the text shows; `earlier` is the number of a like
    request that was ended just before; `rooms` are the notes that name rooms.
    """

    text: str
    contact: str | None
    location: str | None
    attachments: int
    photos: tuple[Attachment, ...]
    masked: bool = False
    earlier: str | None = None
    rooms: tuple[int, ...] = ()


def hides(note: Note) -> bool:
    """Whether more than a room is hidden: those who handle the request are shown that one anyway."""
    return note.original is not None and MASK in note.body


async def brief(desk: Desk, request: ServiceRequest) -> Brief:
    """The request's content as it is stored by now."""
    notes, found = await desk.content(request)
    theirs = [one for one in found if one.author is None]
    latest = {note.kind: note.body for note in notes}
    return Brief(
        "\n".join(note.body for note in notes if note.kind in ("report", "addition")),
        latest.get("contact"),
        latest.get("location"),
        len(theirs),
        tuple(one for one in theirs if one.state is MediaState.STORED),
        any(map(hides, notes)),
        latest.get("earlier"),
        tuple(note.id for note in notes if note.rooms),
    )


async def post_to_member(desk: Desk, request: ServiceRequest, member: str, told: Brief) -> None:
    """Give a member the card of a request, with its text and photos."""
    texts = desk.office.texts
    args = {
        "text": readable(told.text),
        "contact": texts.render("contact_line", {"contact": told.contact}) if told.contact else "",
        "location": texts.render("location_line", {"location": told.location}) if told.location else "",
        "photos": texts.render("photos_line", {"count": told.attachments}) if told.attachments else "",
        "masked": texts.render("masked_line", {}) if told.masked else "",
        "earlier": texts.render("earlier_line", {"number": told.earlier}) if told.earlier else "",
        "named_in": list(told.rooms),
    }
    await _show_member(desk, request, member, args)
    for photo in told.photos:
        send_photo(desk, request, member, photo)


async def post_again(desk: Desk, request: ServiceRequest, member: str) -> None:
    """The card once more, as a new message, for somebody who asks for it."""
    await desk.leaves(subject_of(request), to_member(member))
    await post_to_member(desk, request, member, await brief(desk, request))


def send_photo(desk: Desk, request: ServiceRequest, member: str, photo: Attachment) -> None:
    """The photo itself, or the voice to listen to; the sentence with it is named by its kind."""
    if may_see(desk, member, request):
        desk.say(to_member(member), photo.kind, request=request, attachment=photo.id, number=request.number)


_KNOWN = ("text", "contact", "location", "photos", "masked", "earlier", "named_in")


async def _show_member(desk: Desk, request: ServiceRequest, member: str, known: dict[str, Any]) -> None:
    if not desk.office.organisation.posts(member, desk.now):
        await _show_leaver(desk, request, member)
        return
    if not may_see(desk, member, request):
        await _show_sealed(desk, request, to_member(member))
        return
    await desk.show(
        to_member(member),
        subject_of(request),
        "triage_card" if _sorts(desk, request, member) else "member_card",
        choices=_member_choices(desk, request, member),
        urgency=_urgency(request),
        request=request,
        **{key: known.get(key, "") for key in _KNOWN},
        reporter=desk.office.texts.label("unnamed") if request.anonymous else "",
        **facts(desk, request),
        source=desk.office.texts.labels.get(f"source_{request.source}", ""),
        due=_due_line(desk, request),
        again=_again_line(desk, request),
        claimed=_claim_line(desk, request),
        votes=_count_line(desk, "not_here_line", request.not_here_by),
        many=_many_line(desk, request),
        caution=_caution_line(desk, request),
        **rooms_for(request, member, known.get("named_in", ())),
    )


def rooms_for(request: ServiceRequest, member: str, named_in: Sequence[int]) -> dict[str, Any]:
    """A reference to the rooms, filled in on the way out, for whoever has to go there.

    Those who share what nobody is responsible for may; those who only sort have no need to know.
    """
    shared = request.assignee is None and request.status in WITH_HANDLER
    if not named_in or not (shared or member in handlers_of(request)):
        return {}
    return {"sealed": {"rooms": list(named_in)}}


async def _show_sealed(desk: Desk, request: ServiceRequest, chat: str) -> None:
    """For those who may not see it: that there is something, and whose it is."""
    waits = "" if handlers_of(request) else desk.office.texts.render("sealed_waits", {})
    await desk.show(
        chat,
        subject_of(request),
        "sealed_card",
        urgency=_urgency(request),
        request=request,
        number=request.number,
        waits=waits,
    )


async def _show_leaver(desk: Desk, request: ServiceRequest, member: str) -> None:
    """Whoever has no post any more is left with the number, and no word of what the resident wrote."""
    to, subject = to_member(member), subject_of(request)
    await desk.show(to, subject, "card_passed_on", request=request, number=request.number)


def _member_choices(desk: Desk, request: ServiceRequest, member: str) -> list[Choice]:
    if _sorts(desk, request, member):
        return _triage_choices(desk, request)
    if request.status is Status.REFERRED:
        return desk.choices("take_over", "decline") if _answers_referral(desk, request, member) else []
    if member not in handlers_of(request):
        return []
    return desk.choices(*_MEMBER_CHOICES.get(request.status, ()))


def _answers_referral(desk: Desk, request: ServiceRequest, member: str) -> bool:
    """A receiver, or a leader on behalf of one who is not on the roster."""
    area = request.area or request.community
    receivers = (request.referral or {}).get("receivers", [])
    return member in receivers or desk.office.organisation.holds(member, LEADERS, area, desk.now)


def _sorts(desk: Desk, request: ServiceRequest, member: str) -> bool:
    """Whether the request waits for this member to say what it is."""
    return request.status is Status.TRIAGE and may_sort(desk, request, member)


def may_sort(desk: Desk, request: ServiceRequest, member: str) -> bool:
    area, roles = request.area or request.community, sorting_roles(desk, request)
    return desk.office.organisation.holds(member, roles, area, desk.now)


def sorting_roles(desk: Desk, request: ServiceRequest) -> tuple[Role, ...]:
    """Who says where a request goes. One that came back twice is not left to the desk that sent it out.

    A sealed one is sorted by the supervisor, where there is one who may see it.
    """
    area, organisation = request.area or request.community, desk.office.organisation
    cleared = desk.office.roles.cleared(request.category) or frozenset() if request.sealed else frozenset()
    if Role.SUPERVISOR in cleared and candidates(organisation, area, (Role.SUPERVISOR,), desk.now):
        return (Role.SUPERVISOR,)
    if len(request.returned_by) < SECOND_RETURN:
        return DISPATCHERS
    there = candidates(organisation, area, AFTER_TWO_RETURNS, desk.now)
    return AFTER_TWO_RETURNS if there else DISPATCHERS


def _triage_choices(desk: Desk, request: ServiceRequest) -> list[Choice]:
    """For the dispatcher: the likely categories, somebody else, or the community itself."""
    likely = [Choice(f"classify:{one}", desk.office.category_name(one)) for one in _likely(request)]
    merge = desk.choices("merge") if request.returned_by else []
    return [*likely[:2], *desk.choices("pass_on", "keep"), *merge]


def _likely(request: ServiceRequest) -> list[str]:
    if request.category or request.returned_by:
        return []
    return [one["category"] for one in request.decision.get("candidates", [])]


# --- the chiefs' group ------------------------------------------------------------------------


async def show_group(desk: Desk, request: ServiceRequest, chat: str) -> None:
    """The short card in a staff group; nothing of the resident's own words is in it."""
    if request.sealed:  # since the card was posted
        await _show_sealed(desk, request, chat)
        return
    await desk.show(
        chat,
        subject_of(request),
        "group_card",
        request=request,
        urgency=_urgency(request),
        choices=_group_choices(desk, request),
        **_group_args(desk, request),
    )


def _group_args(desk: Desk, request: ServiceRequest) -> dict[str, Any]:
    known = facts(desk, request)
    return {
        **known,
        "place": building(known["place"]),
        "claimed": _claim_line(desk, request),
        "seen": _count_line(desk, "seen_line", request.seen_by),
    }


@lru_cache(maxsize=1000)
def building(place: str) -> str:
    """A place as a group may see it, whatever the roster calls it."""
    return redact_for_group(place)


def _group_choices(desk: Desk, request: ServiceRequest) -> list[Choice]:
    if request.status not in WITH_HANDLER:
        return []
    if request.claimed_by:
        return desk.choices(*_CLAIMED_CHOICES.get(request.status, ()))
    return desk.choices("claim", "seen", "not_here")


# --- shared lines -----------------------------------------------------------------------------


def facts(desk: Desk, request: ServiceRequest) -> dict[str, Any]:
    """What everybody may know of a request: nothing of what was written, nothing finer than the building."""
    texts = desk.office.texts
    leaf = desk.office.leaf(request.category)
    return {
        "number": request.number,
        "category": desk.office.category_name(request.category),
        "place": desk.office.place_name(request.area) or texts.label("place_unknown"),
        "level": texts.label(f"level_{request.limit_class or (leaf.limit if leaf else 'T3')}"),
        "status": texts.label(f"status_{request.status}"),
        "handler": desk.office.title(request.assignee, desk.now),
    }


def _due_line(desk: Desk, request: ServiceRequest) -> str:
    """By when the handler must react next."""
    if request.status not in WITH_HANDLER:
        return ""
    waiting = request.status is Status.ASSIGNED
    due = request.due_ack if waiting else request.due_result
    template = "due_ack" if waiting else "due_result"
    return desk.office.texts.render(template, {"due": desk.office.when(due)}) if due else ""


def _again_line(desk: Desk, request: ServiceRequest) -> str:
    """Opened again: how often, and how long the resident has waited since the first report."""
    if not request.reopened:
        return ""
    since = desk.office.when(request.created_at)
    return desk.office.texts.render("again_line", {"count": request.reopened, "since": since})


def _many_line(desk: Desk, request: ServiceRequest) -> str:
    count = reporters(request)
    shown = count >= desk.office.together.alike.counts.card
    return desk.office.texts.render("many_line", {"count": count}) if shown else ""


def _caution_line(desk: Desk, request: ServiceRequest) -> str:
    """In a quarrel the other side must not learn who spoke."""
    leaf = desk.office.leaf(request.category)
    return desk.office.texts.render("caution_line", {}) if leaf and leaf.group == _DISPUTES else ""


def _claim_line(desk: Desk, request: ServiceRequest) -> str:
    if not request.claimed_by:
        return ""
    return desk.office.texts.render("claimed_line", {"who": desk.office.title(request.claimed_by, desk.now)})


def _count_line(desk: Desk, template: str, members: list[str]) -> str:
    return desk.office.texts.render(template, {"count": len(members)}) if members else ""


def _urgency(request: ServiceRequest) -> Urgency:
    return Urgency.URGENT if request.urgent else Urgency.ORDINARY
