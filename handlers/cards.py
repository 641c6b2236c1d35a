"""What a request looks like to each who is concerned: resident, members, the chiefs' group."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from handlers.desk import Desk, RefusalError, Urgency, subject_of, to_chat, to_member, to_resident
from handlers.messages import Choice
from routing.choose import candidates
from routing.guidance import Way, way
from routing.organisation import DISPATCHERS, LEADERS, Role
from routing.privacy import redact_for_group
from routing.rules import Scope
from routing.text import readable
from routing.transitions import OPEN, WITH_HANDLER, Event, Status
from storage import queries
from storage.tables import Attachment, MediaState, Note, Resident, ServiceRequest

MERGE_WITHIN = timedelta(minutes=30)  # small steps that follow each other closely are one message
SECOND_RETURN = 2
AFTER_TWO_RETURNS = (Role.SUPERVISOR, Role.COMMUNITY)
_STEPS = (Event.ACKNOWLEDGE, Event.START)
_DISPUTES = "DP"
_VERDICTS = (Event.SATISFIED, Event.PARTLY, Event.NOT_SOLVED, Event.EXPIRE)

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


# --- after a move -----------------------------------------------------------------------------


async def announce(desk: Desk, request: ServiceRequest, event: Event, who: str, note: Note | None) -> None:
    """Tell everybody who waits of the move and bring every card about the request up to date."""
    if event in _STEPS:
        for resident in await residents_of(desk, request):
            await _tell_step(desk, request, resident, event, who)
    if event is Event.FINISH:
        await _tell_result(desk, request, note)
    if event in _ENDS:
        await _tell_end(desk, request, event)
    if event in _VERDICTS:
        await _take_verdict_buttons(desk, request)
    await refresh(desk, request)


async def _tell_step(desk: Desk, request: ServiceRequest, resident: int, event: Event, who: str) -> None:
    """Acknowledged and on site: one message where they follow each other closely."""
    to, subject = to_resident(resident), f"steps:{request.id}"
    step = desk.office.texts.render(f"step_{event}", {"who": _name(desk, who)})
    earlier = (await desk.cards(subject)).get(to)
    if earlier is not None and desk.now - earlier.created_at < MERGE_WITHIN:
        lines = f"{earlier.args['steps']}\n{step}"
        await desk.show(to, subject, "steps", request=request, number=request.number, steps=lines)
    else:
        desk.say(to, "steps", subject=subject, request=request, number=request.number, steps=step)


async def _tell_result(desk: Desk, request: ServiceRequest, note: Note | None) -> None:
    """The result in a person's words: with the question to the reporter, as news to the others."""
    reporter, *others = await residents_of(desk, request)
    told: dict[str, Any] = {
        "number": request.number,
        "who": _name(desk, note.author) if note else "",
        "result": note.body if note else "",
        "code": desk.office.texts.label(f"told_{request.result_code or 'solved'}"),
    }
    desk.say(
        to_resident(reporter),
        "ask_verdict",
        subject=f"verdict:{request.id}",
        request=request,
        choices=await verdict_choices(desk, request),
        **told,
    )
    for resident in others:
        desk.say(to_resident(resident), "result_news", request=request, **told)


@dataclass(frozen=True, slots=True)
class _End:
    template: str
    reopens: bool = False


_ENDS: dict[Event, _End] = {
    Event.SATISFIED: _End("closed", reopens=True),
    Event.PARTLY: _End("closed_partly", reopens=True),
    Event.EXPIRE: _End("closed_unrated", reopens=True),
    Event.SILENT: _End("closed_no_info", reopens=True),
    Event.WITHDRAW: _End("withdrawn"),
    Event.FALSE_ALARM: _End("called_off", reopens=True),
}


async def _tell_end(desk: Desk, request: ServiceRequest, event: Event) -> None:
    """Closed one way or another: the reporter hears how, whoever joined in hears that it is."""
    if event is Event.EXPIRE and request.done_at is None:
        return  # guidance that nobody came back to ends in silence
    reporter, *others = await residents_of(desk, request)
    offered = desk.choices("reopen") if _ENDS[event].reopens else []
    template = _ENDS[event].template
    desk.say(to_resident(reporter), template, request=request, choices=offered, number=request.number)
    for resident in others:
        desk.say(to_resident(resident), "closed_news", request=request, number=request.number)


async def verdict_choices(desk: Desk, request: ServiceRequest) -> list[Choice]:
    """What the resident may answer; in 长者版 yes or no."""
    return desk.choices(*_verdicts(elder=await _is_elder(desk, request)))


async def _is_elder(desk: Desk, request: ServiceRequest) -> bool:
    resident = await desk.unit.get(Resident, request.resident)
    return resident is not None and resident.elder


def _verdicts(*, elder: bool) -> tuple[str, ...]:
    return ("satisfied", "not_solved") if elder else ("satisfied", "partly", "not_solved")


async def _take_verdict_buttons(desk: Desk, request: ServiceRequest) -> None:
    """The question has been answered, or nobody waits for the answer any more."""
    to, subject = to_resident(request.resident), f"verdict:{request.id}"
    asked = (await desk.cards(subject)).get(to)
    if asked is not None:
        await desk.show(to, subject, asked.template, request=request, **asked.args)


async def refresh(desk: Desk, request: ServiceRequest) -> None:
    """Change the cards that members and groups already have to what is true now."""
    for card in list((await desk.cards(subject_of(request))).values()):
        kind, _, key = card.chat.partition(":")
        if kind == "member":
            await _show_member(desk, request, key, card.args)
        elif kind == "chat":
            await _show_group(desk, request, card.chat)


# --- the member's private card ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Brief:
    """What those who handle a request are told of its content; `photos` are the stored ones, voices too.

    `masked` says that the resident wrote more than the text shows; `earlier` is the number of a like
    request that was ended just before.
    """

    text: str
    contact: str | None
    location: str | None
    attachments: int
    photos: tuple[Attachment, ...]
    masked: bool = False
    earlier: str | None = None


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
        any(note.original for note in notes),
        latest.get("earlier"),
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
    }
    await _show_member(desk, request, member, args)
    for photo in told.photos:
        send_photo(desk, request, member, photo)


def send_photo(desk: Desk, request: ServiceRequest, member: str, photo: Attachment) -> None:
    """The photo itself, or the voice to listen to; the sentence with it is named by its kind."""
    if may_see(desk, member, request):
        desk.say(to_member(member), photo.kind, request=request, attachment=photo.id, number=request.number)


_KNOWN = ("text", "contact", "location", "photos", "masked", "earlier")


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
    )


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


async def post_to_group(desk: Desk, request: ServiceRequest) -> None:
    """Post the short card in the nearest staff group; nothing of the resident's own words is in it."""
    group = desk.office.organisation.staff_chat(request.area or request.community)
    if group is not None and not request.sealed:
        await _show_group(desk, request, to_chat(group.id))


async def _show_group(desk: Desk, request: ServiceRequest, chat: str) -> None:
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
        "place": _building(known["place"]),
        "claimed": _claim_line(desk, request),
        "seen": _count_line(desk, "seen_line", request.seen_by),
    }


@lru_cache(maxsize=1000)
def _building(place: str) -> str:
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


def _name(desk: Desk, who: str) -> str:
    kind, _, key = who.partition(":")
    return desk.office.title(key, desk.now) if kind == "member" else desk.office.texts.label(f"actor_{who}")


# --- what the resident sees -------------------------------------------------------------------


def receipt(desk: Desk, request: ServiceRequest, *, elder: bool, masked: bool = False) -> dict[str, Any]:
    """The receipt of a filed request, as arguments of `Desk.show` and `Desk.say`."""
    offered = ["person", "progress"] if elder else ["progress", "withdraw", "danger"]
    if not elder and request.status is not Status.TRIAGE:
        offered.insert(0, "reclass")
    return {
        "template": "receipt_triage" if request.status is Status.TRIAGE else "receipt",
        "choices": desk.choices(*offered),
        "request": request,
        "purpose": "receipt",
        **facts(desk, request),
        "advice": _advice(desk, request),
        "lead": _lead_line(desk, request),
        "fix": desk.office.texts.render("fix_by_word" if elder else "fix_line", {}),
        "due_ack": desk.office.when(request.due_ack),
        "result": _result_line(desk, request),
        "masked": desk.office.texts.render("masked", {}) if masked else "",
        "unnamed": desk.office.texts.render("unnamed_line", {}) if request.anonymous else "",
        "danger": desk.office.texts.render("danger_by_word" if elder else "danger_line", {}),
    }


def _advice(desk: Desk, request: ServiceRequest) -> str:
    """The category's first words; where the resident was guided or asked first, they have read them."""
    leaf = desk.office.leaf(request.category)
    known = leaf is not None and way(leaf, desk.office.roles) is not Way.ORDINARY
    return "" if known else first_reply(desk, request)


def _lead_line(desk: Desk, request: ServiceRequest) -> str:
    """Who leads in a 大事: the community follows it up and does not decide it."""
    leaf = desk.office.leaf(request.category)
    if leaf is None or leaf.scope is not Scope.MAJOR:
        return ""
    texts = desk.office.texts
    unit = texts.labels.get(f"unit_{leaf.role}") or texts.label("unit_other")
    return texts.render("lead_line", {"unit": unit})


async def tell_assigned(desk: Desk, request: ServiceRequest, template: str = "assigned") -> None:
    """Tell the resident who has the request now, and by when they will hear."""
    told = receipt(desk, request, elder=await _is_elder(desk, request))
    desk.say(to_resident(request.resident), **{**told, "template": template})


def _result_line(desk: Desk, request: ServiceRequest) -> str:
    """By when there will be a result; nothing where the category's own first words say it."""
    leaf = desk.office.leaf(request.category)
    if request.due_result is None or (leaf is not None and "{deadline}" in leaf.first_reply):
        return ""
    return desk.office.texts.render("result_by", {"due": desk.office.when(request.due_result)})


def first_reply(desk: Desk, request: ServiceRequest) -> str:
    """The category's own first words, with handler and date filled in."""
    leaf = desk.office.leaf(request.category)
    if leaf is None:
        return ""
    args = {
        "handler": desk.office.title(request.assignee, desk.now),
        "deadline": desk.office.when(request.due_result),
    }
    return desk.office.texts.fill(leaf.first_reply, args)


def status_card(desk: Desk, request: ServiceRequest, *, elder: bool, joined: bool = False) -> dict[str, Any]:
    """How a request stands, for the resident whose it is, or who joined it."""
    offered = _resident_choices(request, elder)
    return {
        "template": "progress_one",
        "choices": desk.choices(*(one for one in offered if not joined or one in JOINED_MAY)),
        "request": request,
        **facts(desk, request),
        "due": desk.office.texts.render("result_by", {"due": desk.office.when(request.due_result)})
        if request.status in OPEN and request.due_result
        else "",
    }


JOINED_MAY = ("urge", "add_more", "withdraw")  # with a request that somebody else reported


def _resident_choices(request: ServiceRequest, elder: bool) -> tuple[str, ...]:
    if request.status in OPEN:
        return ("person", "urge") if elder else ("urge", "add_more", "withdraw")
    if request.status is Status.DONE:
        return _verdicts(elder=elder)
    return ("reopen",) if request.status is Status.CLOSED else ()
