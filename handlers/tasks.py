"""A member acts on the private card: takes it, is there, sends it back, finishes it, or sorts it."""

from collections.abc import Awaitable, Callable

from handlers import cards, feedback, filing, ladder, lifecycle, moves, replies
from handlers.capacity import as_handler, leads, may_call_off, may_handle, supervises, who
from handlers.desk import RefusalError, to_account
from handlers.turn import Turn
from routing.organisation import Member
from routing.transitions import Actor, Event, Status
from storage import queries
from storage.tables import ServiceRequest

RETURN_REASONS = ("not_my_grid", "not_my_duty", "duplicate", "unclear")
OTHER_RESULTS = ("partly", "explained", "not_found", "self_help")
LEAST_RESULT = 10
LEAST_REASON = 4


async def tapped(turn: Turn) -> None:
    """A button on a private card."""
    assert turn.tap is not None  # noqa: S101 (the table of handlers matched on it)
    request = await turn.request_of(turn.tap.offer)
    member = turn.member
    if request is None or member is None:
        raise RefusalError("not_on_roster")
    cards.check_may_see(turn.desk, member.code, request)
    await _ACTIONS[turn.tap.action](turn, request, member)


async def _acknowledge(turn: Turn, request: ServiceRequest, member: Member) -> None:
    may_handle(turn, request, member)
    await lifecycle.advance(turn.desk, request, Event.ACKNOWLEDGE, Actor.HANDLER, who(member))


async def _start(turn: Turn, request: ServiceRequest, member: Member) -> None:
    may_handle(turn, request, member)
    await lifecycle.advance(turn.desk, request, Event.START, Actor.HANDLER, who(member))


async def _return(turn: Turn, request: ServiceRequest, member: Member) -> None:
    may_handle(turn, request, member)
    offered = turn.desk.choices(*(f"reason:{reason}" for reason in RETURN_REASONS))
    turn.desk.say(turn.staff_reply_to, "ask_reason", choices=offered, request=request, number=request.number)


async def _reason(turn: Turn, request: ServiceRequest, member: Member) -> None:
    may_handle(turn, request, member)
    reason = turn.tap.value if turn.tap else ""
    turn.conversation.prompt = {"kind": "return", "request": request.id, "reason": reason}
    turn.desk.say(turn.staff_reply_to, "ask_reason_text", request=request, number=request.number)


async def _finish(turn: Turn, request: ServiceRequest, member: Member) -> None:
    may_handle(turn, request, member)
    ask_result(turn, request)


async def _other_result(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """It was not simply solved: the code is kept, the words are still to come."""
    may_handle(turn, request, member)
    code = turn.tap.value if turn.tap else ""
    turn.conversation.prompt = {"kind": "result", "request": request.id, "code": code}
    result = turn.office.texts.label(f"result:{code}")
    turn.desk.say(turn.where, "ask_other_result", request=request, number=request.number, result=result)


def ask_result(turn: Turn, request: ServiceRequest, *, in_group: bool = False) -> None:
    """[办结]: a person must write what was done; the next text (in the group: reply) is that.

    It is asked in private on the account that wrote, as that talk is where the answer is awaited.
    """
    turn.conversation.prompt = {"kind": "result", "request": request.id, "code": "solved"}
    if in_group:
        ref = turn.tap.offer.ref if turn.tap else None
        turn.desk.say(turn.where, "ask_result_group", request=request, number=request.number, reply_to=ref)
        return
    choices = turn.desk.choices(*(f"result:{code}" for code in OTHER_RESULTS))
    to = to_account(turn.account.id)
    turn.desk.say(to, "ask_result", choices=choices, request=request, number=request.number)


async def _false_alarm(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """[误报]: what was found must be written down before an emergency is called off."""
    _may_call_off(turn, request, member)
    turn.conversation.prompt = {"kind": "false_alarm", "request": request.id}
    turn.desk.say(turn.staff_reply_to, "ask_false_alarm", request=request, number=request.number)


def _may_call_off(turn: Turn, request: ServiceRequest, member: Member) -> None:
    if not may_call_off(turn, request, member):
        raise RefusalError("not_yours", number=request.number)


# --- sorting what nobody has sorted yet -------------------------------------------------------


async def _classify(turn: Turn, request: ServiceRequest, member: Member) -> None:
    category = turn.tap.value if turn.tap else ""
    await classify(turn, request, member, category)


async def classify(turn: Turn, request: ServiceRequest, member: Member, category: str | None) -> None:
    """The dispatcher says what it is; it goes to whoever is responsible for that."""
    _may_sort(turn, request, member)
    told = await cards.brief(turn.desk, request)
    if category is not None:
        leaf = turn.office.leaf(category)
        if leaf is None:
            raise RefusalError("not_now", number=request.number)
        if request.category != category:
            feedback.remember(turn.desk, request, request.category, category, who(member), told.text)
        filing.put_under(turn.desk, request, leaf)
    await _accept(turn, request, member)
    await filing.assign(turn.desk, request, told)
    await replies.tell_assigned(turn.desk, request)


async def _pass_on(turn: Turn, request: ServiceRequest, member: Member) -> None:
    await classify(turn, request, member, None)


async def _keep(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """The dispatcher handles it in person."""
    _may_sort(turn, request, member)
    await _accept(turn, request, member)
    kept = [("kept", member.code)]
    told = await cards.brief(turn.desk, request)
    await filing.assign_to(turn.desk, request, told, member.code, Actor.DISPATCHER, who(member), kept)
    await replies.tell_assigned(turn.desk, request)


async def _accept(turn: Turn, request: ServiceRequest, member: Member) -> None:
    await lifecycle.advance(
        turn.desk, request, Event.CLASSIFY, Actor.DISPATCHER, who(member), category=request.category
    )


def _may_sort(turn: Turn, request: ServiceRequest, member: Member) -> None:
    if not cards.may_sort(turn.desk, request, member.code):
        raise RefusalError("not_yours", number=request.number)
    if request.status is not Status.TRIAGE:
        raise RefusalError("not_now", number=request.number)


async def _open_again(turn: Turn, request: ServiceRequest, member: Member) -> None:
    if not supervises(turn, request, member) and not leads(turn, request, member):
        raise RefusalError("not_yours", number=request.number)
    await ladder.open_again(turn.desk, request, who(member))


_ACTIONS: dict[str, Callable[[Turn, ServiceRequest, Member], Awaitable[None]]] = {
    "acknowledge": _acknowledge,
    "start": _start,
    "return": _return,
    "reason": _reason,
    "finish": _finish,
    "result": _other_result,
    "false_alarm": _false_alarm,
    "classify": _classify,
    "pass_on": _pass_on,
    "keep": _keep,
    "open_again": _open_again,
    **moves.ACTIONS,
}
ACTIONS = frozenset(_ACTIONS)


# --- the text that a button asked for ---------------------------------------------------------


async def prompted(turn: Turn) -> None:
    """The text that a button asked for has come."""
    prompt = turn.conversation.prompt or {}
    request = await turn.desk.unit.get(ServiceRequest, prompt["request"])
    member = turn.member
    if request is None or member is None:
        turn.conversation.prompt = None
        raise RefusalError("not_on_roster")
    cards.check_may_see(turn.desk, member.code, request)
    may_handle(turn, request, member)
    await _PROMPTS[prompt["kind"]](turn, request, member, turn.message.text.strip())


async def called_off(turn: Turn) -> None:
    turn.conversation.prompt = None
    turn.desk.say(turn.staff_reply_to, "prompt_called_off")


async def finish(turn: Turn, request: ServiceRequest, member: Member, text: str) -> None:
    """Done, with a result code and a person's words. Raises RefusalError for fewer than ten characters."""
    if len(text) < LEAST_RESULT:
        raise RefusalError("result_too_short", number=request.number, least=LEAST_RESULT)
    await _need_photo(turn, request)
    code = (turn.conversation.prompt or {}).get("code", "solved")
    actor = as_handler(request, member)
    lifecycle.check(request, Event.FINISH, actor)
    turn.conversation.prompt = None
    note = turn.desk.note(request, "result", text, who(member))
    photos = moves.attach(turn, request, member)
    request.result, request.result_code = note.id, code
    await lifecycle.advance(
        turn.desk, request, Event.FINISH, actor, who(member), note=note, code=code, photos=photos
    )
    if not turn.group:
        turn.desk.say(turn.staff_reply_to, "finished", request=request, number=request.number)


async def _need_photo(turn: Turn, request: ServiceRequest) -> None:
    """Raises RefusalError where the category wants a photo of the result and no member has sent one."""
    leaf = turn.office.leaf(request.category)
    if leaf is None or not leaf.photo_required or turn.message.media:
        return
    sent = await turn.desk.unit.run(queries.attachments, request.id)
    if not any(one.author for one in sent):
        raise RefusalError("photo_needed", number=request.number)


async def call_off(turn: Turn, request: ServiceRequest, member: Member, text: str) -> None:
    """It was no emergency. Raises RefusalError where nothing is written about what was found."""
    _may_call_off(turn, request, member)
    if len(text) < LEAST_REASON:
        raise RefusalError("reason_too_short", number=request.number, least=LEAST_REASON)
    turn.conversation.prompt = None
    actor = Actor.HANDLER if member.code in cards.handlers_of(request) else Actor.DISPATCHER
    note = turn.desk.note(request, "finding", text, who(member))
    request.result, request.result_code = note.id, "not_found"
    await lifecycle.advance(turn.desk, request, Event.FALSE_ALARM, actor, who(member), note=note)
    turn.desk.say(turn.staff_reply_to, "call_off_done", request=request, number=request.number)


async def send_back(turn: Turn, request: ServiceRequest, member: Member, text: str) -> None:
    """Back to the community, with the reason. Raises RefusalError where none is written."""
    if len(text) < LEAST_REASON:
        raise RefusalError("reason_too_short", number=request.number, least=LEAST_REASON)
    lifecycle.check(request, Event.RETURN, Actor.HANDLER)
    reason = (turn.conversation.prompt or {})["reason"]
    turn.conversation.prompt = None
    note = turn.desk.note(request, "return", text, who(member))
    await lifecycle.advance(
        turn.desk, request, Event.RETURN, Actor.HANDLER, who(member), note=note, reason=reason
    )
    await filing.post_to_dispatchers(turn.desk, request, await cards.brief(turn.desk, request))
    turn.desk.say(turn.staff_reply_to, "returned", request=request, number=request.number)


async def replied(turn: Turn) -> None:
    """A member answers a private card in words: a command, the category, a letter's answer, or a word."""
    request, member = await turn.request_of(turn.card), turn.member
    if request is None or member is None:
        raise RefusalError("not_on_roster")
    cards.check_may_see(turn.desk, member.code, request)
    if turn.command in WORDS:
        await worded(turn, request, member, turn.command)
    elif request.status is Status.TRIAGE:
        await classify(turn, request, member, _category_in(turn))
    elif turn.card is not None and turn.card.template == "letter":
        await _answer_letter(turn, request, member)
    else:
        await moves.word(turn, request, member, turn.message.text.strip())


async def worded(turn: Turn, request: ServiceRequest, member: Member, command: str) -> None:
    """One of WORDS, said by whoever has the request, does what the button on their card does."""
    await _WORDS[command](turn, request, member)


async def _answer_letter(turn: Turn, request: ServiceRequest, member: Member) -> None:
    text = turn.message.text.strip()
    if len(text) < LEAST_RESULT:
        raise RefusalError("result_too_short", number=request.number, least=LEAST_RESULT)
    note = turn.desk.note(request, "letter", text, who(member))
    number = await ladder.answer_letter(turn.desk, request, note)
    turn.desk.say(
        turn.staff_reply_to, "letter_answered" if number else "not_now", number=request.number, letter=number
    )


def _category_in(turn: Turn) -> str:
    """The category that a dispatcher named in words. Raises RefusalError where none is recognised."""
    decision = turn.office.decide(turn.message.text)
    if decision.category is None:
        raise RefusalError("category_unclear")
    return decision.category


_WORDS = {
    "seen": _acknowledge,
    "claim": _start,
    "start": _start,
    "finish": _finish,
    "return": _return,
    "not_here": _return,
}
WORDS = frozenset(_WORDS)


Worded = Callable[[Turn, ServiceRequest, Member, str], Awaitable[None]]


def _move(action: str) -> Worded:
    async def make(turn: Turn, request: ServiceRequest, member: Member, text: str) -> None:
        await moves.worded(turn, request, member, text, action)

    return make


_PROMPTS: dict[str, Worded] = {
    "result": finish,
    "return": send_back,
    "false_alarm": call_off,
    "extend": moves.extension_reason,
    **{action: _move(action) for action in moves.WORDED},
}
