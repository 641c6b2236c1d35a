"""The same matter from many: is it this one, one more who joins, and what follows when they are many."""

from collections.abc import Sequence
from typing import Any

from handlers import cards, clocks, drafts, filing, lifecycle
from handlers.desk import Desk, RefusalError, to_member, to_resident
from handlers.drafts import Draft, Ended
from handlers.messages import Choice
from handlers.office import Office
from handlers.turn import Turn
from routing.alike import box, by_likeness, higher, metres
from routing.choose import candidates
from routing.classify import Decision
from routing.organisation import Role
from routing.transitions import OPEN, Actor, Event, Status
from storage import queries
from storage.ids import new_id
from storage.queries import Cell
from storage.tables import Attachment, Endorsement, ServiceRequest

MOST_SHOWN = 2
_ENDED = (Status.DONE, Status.CLOSED)
_OVERSEERS = (Role.AREA_CHIEF, Role.GROUP_CHIEF)


# --- is it this one? --------------------------------------------------------------------------


async def look(turn: Turn, draft: Draft, decision: Decision) -> Draft:
    """The draft with what has been reported already and may be the same matter."""
    category = _shared(turn.office, draft, decision)
    if category is None:
        return draft.with_(alike=(), ended=None)
    found = await _alike(turn, draft, category)
    own = await _own(turn, found)
    mine = [one for one in found if one.id in own and one.status in OPEN]
    if mine and not draft.anew:
        return draft.with_(adds_to=mine[0].id)
    others = [one for one in found if one.id not in own]
    still_open = [one for one in others if one.status in OPEN]
    shown = await _most_likely(turn, draft, still_open)
    done = [one for one in others if one.status in _ENDED]
    ended = Ended(done[0].number, category, done[0].status_since) if done and not shown else None
    return draft.with_(alike=tuple(one.id for one in shown), ended=ended)


def cells(office: Office, draft: Draft, decision: Decision) -> list[Cell]:
    """Where what is in the draft may have been reported already."""
    category, community = _shared(office, draft, decision), community_of(office, draft)
    if category is None or community is None:
        return []
    return [Cell(community, category, area) for area in office.near(draft.place)]


def _shared(office: Office, draft: Draft, decision: Decision) -> str | None:
    """The category, settled or guessed, of a matter that may be the neighbours' too."""
    guess = None if draft.category_refused else decision.category
    category = drafts.settled_category(draft, decision) or guess
    return category if category and not draft.apart and office.is_shared(category) else None


def community_of(office: Office, draft: Draft) -> str | None:
    found = office.organisation.community(draft.place) or office.organisation.only_community()
    return found.code if found else None


async def _alike(turn: Turn, draft: Draft, category: str) -> list[ServiceRequest]:
    """The requests of this category at the place or close by, the most joined first."""
    desk, community, here = turn.desk, community_of(turn.office, draft), drafts.coordinates(draft)
    areas = turn.office.near(draft.place)
    if community is None:
        return []
    found = await desk.reported([Cell(community, category, area) for area in areas])
    filed = [one for one in desk.filed(community, category) if not one.urgent and not one.sealed]
    found += [one for one in filed if one.area in areas]
    if here:
        most = turn.office.together.alike.metres
        near = await desk.unit.run(
            queries.alike_around, community, category, desk.alike_since, *box(here, most)
        )
        found += [one for one in [*near, *filed] if _distance(one, here) <= most]
    known = {one.id: one for one in found if one.status in OPEN or one.status in _ENDED}
    return sorted(known.values(), key=lambda one: (-one.endorsements, one.id))


def _distance(request: ServiceRequest, here: tuple[float, float]) -> float:
    if request.latitude is None or request.longitude is None:
        return float("inf")
    return metres(here, (request.latitude, request.longitude))


async def _own(turn: Turn, found: Sequence[ServiceRequest]) -> set[int]:
    """Those that the resident reported or joined before."""
    if not found:
        return set()
    resident = turn.home().id
    joined = await turn.desk.joined(resident, [one.id for one in found])
    return joined | {one.id for one in found if one.resident == resident}


async def _most_likely(turn: Turn, draft: Draft, found: list[ServiceRequest]) -> list[ServiceRequest]:
    """Few enough to choose from; the wording only decides the order, never whether."""
    if len(found) > MOST_SHOWN:
        texts = await turn.desk.unit.run(queries.said_in, [one.id for one in found])
        order = by_likeness(draft.text, {one.id: texts.get(one.id, "") for one in found})
        found = sorted(found, key=lambda one: order.index(one.id))
    return found[: 1 if turn.home().elder else MOST_SHOWN]


async def described(turn: Turn, draft: Draft) -> str:
    """What somebody needs to recognise the matter; nobody's words and nobody's name."""
    if draft.ended is not None and not draft.alike:
        said = {"number": draft.ended.number, "time": turn.office.when(draft.ended.at)}
        return turn.office.texts.render("ended_line", said)
    found = [await turn.desk.unit.get(ServiceRequest, one) for one in draft.alike]
    lines = [_line(turn.desk, one) for one in found if one is not None]
    return "\n".join(
        lines if len(lines) < MOST_SHOWN else (f"{n}. {line}" for n, line in enumerate(lines, 1))
    )


def _line(desk: Desk, request: ServiceRequest) -> str:
    args = {**cards.facts(desk, request), "count": cards.reporters(request)}
    return desk.office.texts.render("same_line", {**args, "since": desk.office.when(request.created_at)})


def choices(desk: Desk, draft: Draft) -> list[Choice]:
    """One [是] for each suggestion, told apart where there are two."""
    if len(draft.alike) == 1:
        return desk.choices("same", "not_same")
    label = desk.office.texts.label("same_of_many")
    named = [Choice(f"same:{at}", f"{at + 1}. {label}") for at in range(len(draft.alike))]
    return [*named, *desk.choices("not_same")]


# --- one more ---------------------------------------------------------------------------------


async def join(turn: Turn, draft: Draft, which: int) -> bool:
    """[是，算我一个]: no new request; what was said is kept with the one there is.

    False where that is not open any more: then it has to be filed after all.
    """
    found = await turn.desk.unit.get(ServiceRequest, draft.alike[which]) if which < len(draft.alike) else None
    if found is None or found.status not in OPEN or found.sealed:
        return False
    if draft.text:
        turn.desk.note(found, "endorsement", draft.text, "resident")
    for one in draft.attachments:
        attachment = await turn.desk.unit.get(Attachment, one)
        if attachment is not None:
            attachment.request = found.id
    turn.conversation.draft, turn.conversation.last_request = None, found.id
    turn.desk.drop_deadlines(account=turn.conversation.account)
    await endorse(turn.desk, found, [turn.home().id])
    await turn.desk.show(turn.reply_to, draft.subject, **_welcome(turn, found))
    return True


async def me_too(turn: Turn) -> None:
    """[我家也是] under the notice that many have reported something here."""
    request = await turn.request_of(turn.tap.offer) if turn.tap else None
    if request is None or request.status not in OPEN:
        turn.desk.say(turn.reply_to, "nothing_open")
        return
    await endorse(turn.desk, request, [turn.home().id])
    turn.desk.say(turn.reply_to, **_welcome(turn, request))


def _welcome(turn: Turn, request: ServiceRequest) -> dict[str, Any]:
    offered = ("progress", "person") if turn.home().elder else ("progress", "danger")
    return {
        "template": "joined",
        "request": request,
        "choices": turn.desk.choices(*offered),
        "count": cards.reporters(request),
        **cards.facts(turn.desk, request),
        "danger": turn.office.texts.render("danger_by_word" if turn.home().elder else "danger_line", {}),
    }


async def endorse(desk: Desk, request: ServiceRequest, residents: Sequence[int]) -> None:
    """Count those who are not counted yet, and do what their number calls for."""
    known = {one.resident for one in await desk.unit.run(queries.endorsements, request.id)}
    new = [one for one in dict.fromkeys(residents) if one not in known | {request.resident}]
    if not new:
        return
    before = cards.reporters(request)
    desk.unit.add(*(Endorsement(id=new_id(), request=request.id, resident=one, at=desk.now) for one in new))
    request.endorsements += len(new)
    desk.joins_changed(request)
    desk.record(request, "endorse", "resident", count=len(new))
    await _grown(desk, request, before)
    await cards.refresh(desk, request)


# --- many -------------------------------------------------------------------------------------


async def _grown(desk: Desk, request: ServiceRequest, before: int) -> None:
    counts, now = desk.office.together.alike.counts, cards.reporters(request)
    if before < counts.raised <= now:
        _raise(desk, request)
    if before < counts.many <= now:
        await _proclaim(desk, request)


def _raise(desk: Desk, request: ServiceRequest) -> None:
    """Several households: the limits tighten, and the chiefs above the place hear of it."""
    raise_priority(desk, request)
    for member in dict.fromkeys([*filing.in_charge(desk, request), *_overseers(desk, request)]):
        _tell_member(desk, request, member, "raised")


def raise_priority(desk: Desk, request: ServiceRequest) -> None:
    """One limit class up, counted anew."""
    stricter = higher(request.limit_class)
    if stricter is None:
        return
    before, request.limit_class = request.limit_class, stricter
    clocks.renew(desk, request)
    changed = {**lifecycle.facts(request), "due": clocks.dues(request)}
    desk.record(request, "raise", filing.SYSTEM, before_class=before, after_class=stricter, **changed)


def _overseers(desk: Desk, request: ServiceRequest) -> list[str]:
    area = request.area or request.community
    found = [candidates(desk.office.organisation, area, (role,), desk.now)[:1] for role in _OVERSEERS]
    return [one.member.code for nearest in found for one in nearest]


async def _proclaim(desk: Desk, request: ServiceRequest) -> None:
    """集中诉求: whoever decides hears it once, and so do the neighbours who have not said anything."""
    area = request.area or request.community
    for member in dict.fromkeys([*filing.in_charge(desk, request), *filing.dispatchers(desk, area)]):
        _tell_member(desk, request, member, "crowd")
    inside = [area, *desk.office.below(area)] if desk.office.near(area) else []
    for resident in await desk.unit.run(queries.neighbours, inside, request):
        desk.say(
            to_resident(resident),
            "crowd_notice",
            request=request,
            choices=desk.choices("me_too"),
            count=cards.reporters(request),
            **cards.facts(desk, request),
        )


def _tell_member(desk: Desk, request: ServiceRequest, member: str, template: str) -> None:
    count = cards.reporters(request)
    desk.say(to_member(member), template, request=request, count=count, **cards.facts(desk, request))


async def withdraw(desk: Desk, request: ServiceRequest, resident: int) -> None:
    """One of many does not need it any more; the others do. The first of them takes the reporter's place."""
    joined = await desk.unit.run(queries.endorsements, request.id)
    gone = next((one for one in joined if one.resident == resident), joined[0])
    if request.resident == resident:
        request.resident = gone.resident
    await desk.unit.run(queries.forget_endorsement, gone)
    desk.joins_changed(request)
    request.endorsements -= 1
    desk.record(request, "leave", "resident", since=gone.at)
    await cards.refresh(desk, request)


# --- two requests become one ------------------------------------------------------------------


async def merge(desk: Desk, request: ServiceRequest, master: ServiceRequest, who: str) -> None:
    """并案: everybody who reported `request` has joined `master` from now on. Raises RefusalError."""
    lost = request.urgent and not master.urgent
    if lost or master.id == request.id or master.status not in OPEN or master.sealed or request.sealed:
        raise RefusalError("merge_impossible", number=request.number, master=master.number)
    lifecycle.check(request, Event.MERGE, Actor.DISPATCHER)
    joined = await desk.unit.run(queries.endorsements, request.id)
    people = [request.resident, *(one.resident for one in joined)]
    await desk.unit.run(queries.forget_endorsements, request.id)
    desk.joins_changed(request)
    request.master, request.endorsements = master.id, 0
    await lifecycle.advance(desk, request, Event.MERGE, Actor.DISPATCHER, who, master=master.id)
    await endorse(desk, master, people)
    for one in people:
        desk.say(
            to_resident(one),
            "merged",
            request=master,
            number=request.number,
            master=master.number,
            count=cards.reporters(master),
        )
