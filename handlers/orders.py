"""What members tell the bot in words under a card: 并案 37号, 改分类 排水, 引导 or 不受理 with the reason."""

import re
from collections.abc import Awaitable, Callable

from handlers import cards, correcting, filing, guidance, tasks, together
from handlers.desk import RefusalError, to_member
from handlers.messages import Choice
from handlers.texts import Texts
from handlers.turn import Turn
from routing.organisation import DISPATCHERS, Member
from routing.text import normalize
from routing.transitions import Actor, Status
from storage import queries
from storage.tables import ServiceRequest

_SHORT = re.compile(r"#?(\d{1,4})号?")
_SEPARATORS = " ：:，,、"


def find(texts: Texts, text: str) -> tuple[str, str] | None:
    """Which order a text begins with, and what follows it."""
    for order in _ORDERS:
        for word in texts.words.get(order, ()):
            if text.startswith(word):
                return order, text[len(word) :].strip(_SEPARATORS)
    return None


async def given(turn: Turn) -> None:
    """A reply to a private card that begins with an order."""
    request, member = await turn.request_of(turn.card), turn.member
    order = find(turn.office.texts, turn.message.text.strip())
    if request is None or member is None or order is None:
        raise RefusalError("not_on_roster")
    await _ORDERS[order[0]](turn, request, member, order[1])


# --- 并案 -------------------------------------------------------------------------------------


async def _merge(turn: Turn, request: ServiceRequest, member: Member, words: str) -> None:
    """A dispatcher merges; a handler proposes it."""
    master = await _named_request(turn, request, words)
    if master is None or not turn.office.organisation.within(master.community, request.community):
        raise RefusalError("number_unknown", number=words[:40])
    if _dispatches(turn, request, member):
        await _merged(turn, request, master, member)
    elif member.code in cards.handlers_of(request):
        _propose(turn, request, master)
    else:
        raise RefusalError("not_yours", number=request.number)


async def _named_request(turn: Turn, request: ServiceRequest, words: str) -> ServiceRequest | None:
    plain = normalize(words)
    short = _SHORT.fullmatch(plain)
    if short:
        return await turn.desk.unit.run(queries.open_by_short_number, request.community, int(short[1]))
    return await turn.desk.unit.run(queries.request_by_number, plain)


def _dispatches(turn: Turn, request: ServiceRequest, member: Member) -> bool:
    area = request.area or request.community
    return turn.office.organisation.holds(member.code, DISPATCHERS, area, turn.now)


def _propose(turn: Turn, request: ServiceRequest, master: ServiceRequest) -> None:
    for code in filing.dispatchers(turn.desk, request.area or request.community):
        turn.desk.say(
            to_member(code),
            "merge_proposed",
            request=request,
            choices=[
                Choice(f"{action}:{master.id}", turn.office.texts.label(action))
                for action in ("merge_into", "merge_not")
            ],
            number=request.number,
            master=master.number,
        )
    turn.desk.say(turn.staff_reply_to, "merge_asked", number=request.number, master=master.number)


async def _merged(turn: Turn, request: ServiceRequest, master: ServiceRequest, member: Member) -> None:
    await together.merge(turn.desk, request, master, f"member:{member.code}")
    turn.desk.say(
        turn.staff_reply_to,
        "merge_done",
        request=master,
        number=request.number,
        master=master.number,
        count=cards.reporters(master),
    )


async def tapped(turn: Turn) -> None:
    """A button about merging: how it is done, or the answer to a handler's proposal."""
    assert turn.tap is not None  # noqa: S101 (the table of handlers matched on it)
    request, member = await turn.request_of(turn.tap.offer), turn.member
    if request is None or member is None or not _dispatches(turn, request, member):
        raise RefusalError("not_yours", number=request.number if request else "")
    if turn.tap.action == "merge_into":
        master = await turn.desk.unit.get(ServiceRequest, int(turn.tap.value))
        if master is not None:
            await _merged(turn, request, master, member)
        return
    template = "merge_how" if turn.tap.action == "merge" else "merge_kept_apart"
    turn.desk.say(turn.staff_reply_to, template, number=request.number)


TAPPED = frozenset({"merge", "merge_into", "merge_not"})


# --- 改分类, 引导, 不受理 ------------------------------------------------------------------------


async def _reclassify(turn: Turn, request: ServiceRequest, member: Member, words: str) -> None:
    leaf = correcting.named(turn.office.rules, words)
    if request.status is Status.TRIAGE:
        await tasks.classify(turn, request, member, leaf.code)
        return
    if member.code in cards.handlers_of(request):
        actor = Actor.HANDLER
    elif _dispatches(turn, request, member):
        actor = Actor.DISPATCHER
    else:
        raise RefusalError("not_yours", number=request.number)
    await correcting.put_right(turn.desk, request, leaf, actor, f"member:{member.code}")
    turn.desk.say(turn.staff_reply_to, "reclass_done", request=request, **cards.facts(turn.desk, request))


_ORDERS: dict[str, Callable[[Turn, ServiceRequest, Member, str], Awaitable[None]]] = {
    "merge": _merge,
    "reclass": _reclassify,
    "guide": guidance.guide,
    "refuse": guidance.refuse,
}
