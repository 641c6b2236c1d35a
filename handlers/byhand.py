"""Groups that no bot may enter: a person posts a text with a code there, and who answers it does so to us."""

import secrets
from datetime import timedelta

from handlers import cards, choosing
from handlers.capacity import who
from handlers.desk import Desk, RefusalError, to_chat, to_member
from handlers.turn import Turn
from routing.organisation import DISPATCHERS, Member, Role, StaffChat
from storage import queries
from storage.tables import Chat, HandCode, ServiceRequest

LIVES = timedelta(hours=72)
LENGTH = 5
_FIRST = 10 ** (LENGTH - 1)  # a code never begins with 0, which people leave out


async def post_to_group(desk: Desk, request: ServiceRequest) -> None:
    """Post the card in the nearest staff group, or have a person post a text there."""
    group = desk.office.organisation.staff_chat(request.area or request.community)
    if group is None or request.sealed:
        return
    if group.by_hand:
        await _ask_to_post(desk, request, group)
    else:
        await cards.show_group(desk, request, to_chat(group.id))


# --- a person posts it ------------------------------------------------------------------------


async def _ask_to_post(desk: Desk, request: ServiceRequest, group: StaffChat) -> None:
    """Give whoever is nearest the text and the question to post it, unless it is in the group already."""
    hand = await _code_for(desk, request, group)
    if hand.posted_at is not None:
        return
    facts = cards.facts(desk, request)
    place = cards.building(facts["place"])
    page = desk.office.hand_page
    link = desk.office.texts.render("hand_link", {"url": f"{page}/{hand.code}"}) if page else ""
    told = {"number": request.number, "category": facts["category"], "place": place, "code": hand.code}
    name = await _name(desk, group.id)
    for member in _who_posts(desk, request):
        to = to_member(member)
        desk.say(to, "hand_text", request=request, **told, link=link)
        desk.say(
            to,
            "hand_hint",
            choices=desk.choices("posted"),
            subject=_subject(hand),
            request=request,
            **told,
            group=name,
        )


def _subject(hand: HandCode) -> str:
    return f"hand:{hand.code}"


async def _name(desk: Desk, chat: int) -> str:
    """What the roster calls the group."""
    found = await desk.unit.get(Chat, chat)
    return desk.vault.open(found.address) if found is not None else ""


def _who_posts(desk: Desk, request: ServiceRequest) -> list[str]:
    """Whoever has the request, else the grid's members, else the dispatchers."""
    if request.assignee is not None:
        return [request.assignee]
    area = request.area or request.community
    return choosing.nearest(desk, area, (Role.GRID_MEMBER, *DISPATCHERS))


async def _code_for(desk: Desk, request: ServiceRequest, group: StaffChat) -> HandCode:
    """The code of this request in this group: the one in use, or a new one."""
    known = await desk.unit.run(queries.hand_code, request.id, group.id, desk.now)
    if known is not None:
        return known
    hand = HandCode(
        code=await _unused(desk),
        request=request.id,
        chat=group.id,
        created_at=desk.now,
        expires_at=desk.now + LIVES,
    )
    desk.unit.add(hand)
    return hand


async def _unused(desk: Desk) -> str:
    """A random code that nobody can be answering with just now."""
    while True:
        code = str(_FIRST + secrets.randbelow(9 * _FIRST))
        known = await desk.unit.get(HandCode, code)
        if known is None:
            return code
        if known.expires_at <= desk.now:
            await desk.unit.run(queries.forget_hand_code, known)
            return code


async def posted(turn: Turn) -> None:
    """[已转发], pressed by whoever was asked to."""
    assert turn.tap is not None  # noqa: S101 (the table of handlers matched on it)
    hand = await behind(turn.desk, (turn.tap.offer.subject or "").partition(":")[2])
    if turn.member is None or hand is None:
        raise RefusalError("not_on_roster")
    await note_posted(turn, turn.member, hand)


async def note_posted(turn: Turn, member: Member, hand: HandCode) -> None:
    """Somebody says that they posted it: that is what the record says, and no more."""
    request = await request_of(turn.desk, hand)
    if hand.posted_at is None:
        hand.posted_by, hand.posted_at = member.code, turn.now
        turn.desk.record(request, "posted_by_hand", who(member), chat=hand.chat)
    number, name = request.number, await _name(turn.desk, hand.chat)
    shown = await turn.desk.cards(_subject(hand))
    for to in dict.fromkeys([*shown, to_member(member.code)]):
        await turn.desk.show(to, _subject(hand), "hand_posted", request=request, number=number, group=name)


# --- what is behind a code --------------------------------------------------------------------


async def behind(desk: Desk, code: str) -> HandCode | None:
    """The code that somebody answers with; None where it is none. Raises RefusalError for an expired one."""
    if len(code) != LENGTH or not code.isdigit():
        return None
    hand = await desk.unit.get(HandCode, code)
    if hand is not None and hand.expires_at <= desk.now:
        raise RefusalError("hand_expired", code=code)
    return hand


async def request_of(desk: Desk, hand: HandCode) -> ServiceRequest:
    request = await desk.unit.get(ServiceRequest, hand.request)
    assert request is not None  # noqa: S101 (the database refuses a code without its request)
    return request
