"""People and their data: staying unnamed, seeing what is kept, having it erased; and who else may look."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from handlers import cards, drafts, lifecycle, report
from handlers.desk import Desk, RefusalError, subject_of, to_account, to_member, to_resident
from handlers.turn import Turn
from routing.choose import candidates
from routing.organisation import Role
from routing.privacy import redact
from routing.transitions import OPEN, Actor, Event
from storage import privacy, queries
from storage.ids import new_id
from storage.tables import NOBODY, AccessLog, Conversation, Deadline, Resident, ServiceRequest

LEAST_PURPOSE = 4
FAREWELL = timedelta(minutes=10)  # the address stays until the last words have been delivered
SWEEP_EVERY = timedelta(days=1)
_PART = 3000  # characters of one message of 我的数据; the platform takes 4096
_LAW = "law"  # the purpose of which the resident is not told
_UNSEAL, _IDENTITY = "unseal", "identity"


# --- not to be named --------------------------------------------------------------------------


async def unnamed(turn: Turn) -> None:
    """匿名: whoever handles what is being written will not learn whose it is."""
    draft = drafts.load(turn.conversation.draft)
    if draft is None:
        turn.desk.say(turn.reply_to, "unnamed_how")
        return
    await report.show(turn, draft.with_(anonymous=True), turn.office.decide(draft.text))


# --- what is kept about me --------------------------------------------------------------------


async def my_data(turn: Turn) -> None:
    """我的数据: everything a resident has reported, as messages."""
    found = await turn.desk.unit.run(privacy.requests_of, turn.home().id)
    if not found:
        turn.desk.say(turn.reply_to, "progress_none")
    for part in _parts([await _in_words(turn.desk, one) for one in found]):
        turn.desk.say(turn.reply_to, "my_data", text=part)


async def _in_words(desk: Desk, request: ServiceRequest) -> str:
    notes, _ = await desk.content(request)
    said = [note.body for note in notes if note.body]
    done = [note.body for note in await desk.unit.run(queries.notes, request.id, "result")]
    args = {
        "number": request.number,
        "at": desk.office.when(request.created_at),
        "category": desk.office.category_name(request.category),
        "status": desk.office.texts.label(f"status_{request.status}"),
        "text": "\n".join(said),
        "result": "\n".join(done) or desk.office.texts.label("nothing_yet"),
    }
    return desk.office.texts.render("my_data_one", args)


def _parts(pieces: list[str]) -> list[str]:
    """The pieces joined into as few messages as the platform's length allows."""
    parts: list[str] = []
    for piece in pieces:
        if parts and len(parts[-1]) + len(piece) < _PART:
            parts[-1] += "\n\n" + piece
        else:
            parts.append(report.cut(piece, _PART))
    return parts


# --- being forgotten --------------------------------------------------------------------------


async def ask_to_erase(turn: Turn) -> None:
    turn.desk.say(turn.reply_to, "erase_confirm", choices=turn.desk.choices("erase_yes", "erase_no"))


async def keep(turn: Turn) -> None:
    turn.desk.say(turn.reply_to, "erase_called_off")


async def erase_me(turn: Turn) -> None:
    """[确认删除]. Raises RefusalError while an emergency is open."""
    await erase(turn.desk, turn.home())
    turn.resident = None
    turn.desk.say(to_account(turn.account.id), "erased")


async def left(turn: Turn) -> None:
    """They want nothing of us any more, and the platform wants everything about them gone; nobody is told.

    What is being done about an open emergency goes on, for a person without address or name.
    """
    turn.account.unreachable_at = turn.now
    if turn.resident is None:
        turn.desk.due("forget", turn.now, account=turn.account.lookup)
        return
    requests = await turn.desk.unit.run(privacy.requests_of, turn.resident.id)
    if any(map(_in_danger, requests)):
        await _forget_accounts(turn.desk, turn.resident, timedelta(0))
    else:
        await erase(turn.desk, turn.resident, timedelta(0))
    turn.resident = None


def _in_danger(request: ServiceRequest) -> bool:
    return request.urgent and request.status in OPEN


async def erase(desk: Desk, resident: Resident, farewell: timedelta = FAREWELL) -> None:
    """Forget a resident: what they wrote and sent, where they can be reached, that they were here.

    Their requests stay as numbers of nobody; those still open that nobody else has joined are withdrawn.
    Raises RefusalError while one of them is an open emergency.
    """
    requests = await desk.unit.run(privacy.requests_of, resident.id)
    for request in filter(_in_danger, requests):
        raise RefusalError("erase_later", number=request.number)
    for request in requests:
        if request.status in OPEN and not request.endorsements:
            await lifecycle.advance(desk, request, Event.WITHDRAW, Actor.RESIDENT, "resident")
    gone, ids = {"text": desk.office.texts.label("words_erased")}, [one.id for one in requests]
    await desk.unit.run(privacy.erase_content, ids, gone)
    await desk.unit.run(privacy.erase_echoes, ids)
    for request in requests:
        await _leave_to_nobody(desk, request, gone)
    await _forget_accounts(desk, resident, farewell)
    await desk.unit.run(privacy.erase_resident, resident.id)


async def _leave_to_nobody(desk: Desk, request: ServiceRequest, gone: dict[str, Any]) -> None:
    """The number stays; the cards that staff have already seen lose what it was about."""
    request.resident, request.latitude, request.longitude = NOBODY, None, None
    for card in (await desk.cards(subject_of(request))).values():
        if card.chat.startswith("member:"):
            card.args = gone
    await cards.refresh(desk, request)


async def _forget_accounts(desk: Desk, resident: Resident, farewell: timedelta) -> None:
    """Of somebody on the roster the account stays, as a member's; others' go after their last words."""
    accounts = await desk.unit.run(privacy.accounts_of, resident.id)
    lookups = [account.lookup for account in accounts]
    chats = [to_resident(resident.id), *(to_account(account.id) for account in accounts)]
    for account in accounts:
        await _forget_conversation(desk, account.lookup)
        account.resident, account.ledger, account.kept = None, None, False
        desk.drop_deadlines(account=account.lookup)
        desk.due_in("forget", farewell, account=account.lookup)
    await desk.unit.run(privacy.erase_messages, lookups, desk.now)
    await desk.unit.run(privacy.erase_chats, chats)
    desk.unsay(chats)


async def _forget_conversation(desk: Desk, lookup: str) -> None:
    conversation = await desk.unit.get(Conversation, lookup)
    if conversation is None:
        return
    draft = drafts.load(conversation.draft)
    if draft is not None:
        await desk.unit.run(privacy.erase_attachments, draft.attachments)
    conversation.draft = conversation.prompt = conversation.repeated = None
    conversation.place = conversation.last_request = conversation.touched_at = None


async def forget(desk: Desk, deadline: Deadline) -> None:
    """The last words have been delivered: the address goes too, unless its owner is back or on the roster."""
    lookup = deadline.account or ""
    account = (await desk.unit.run(queries.accounts_by_lookup, [lookup])).get(lookup)
    if account is None or account.resident is not None or account.member is not None:
        await desk.unit.run(privacy.erase_messages, [lookup], deadline.due_at - FAREWELL)
        return
    await desk.unit.run(privacy.erase_messages, [lookup], desk.now)
    await desk.unit.run(privacy.erase_chats, [to_account(account.id)])
    await desk.unit.run(privacy.erase_account, lookup)


async def sweep(desk: Desk, _deadline: Deadline) -> None:
    """Erase a little of everything that is older than it may be; again at once while more is left."""
    kept = desk.office.roles.retention
    more = [
        await desk.unit.run(one, desk.now - period)
        for one, period in (
            (privacy.sweep_payloads, kept.originals),
            (privacy.sweep_originals, kept.originals),
            (privacy.sweep_voices, kept.voices),
            (privacy.sweep_requests, kept.requests),
            (privacy.sweep_sent, kept.sent),
            (privacy.sweep_accesses, kept.accesses),
        )
    ]
    desk.due_in(privacy.RETENTION, timedelta() if any(more) else SWEEP_EVERY)


# --- who may look, and what for ---------------------------------------------------------------


def asked(turn: Turn) -> bool:
    """查看原文, 解除保密 or 查看身份, by somebody on the roster, with more words behind it or none."""
    return turn.member is not None and _wish(turn) is not None


def _wish(turn: Turn) -> tuple[str, str] | None:
    """What a member wishes, and the rest of what they wrote."""
    text = turn.message.text.strip()
    for wish in _WISHES:
        for word in turn.office.texts.words.get(wish, ()):
            if text.startswith(word):
                return wish, text.removeprefix(word).strip(" ,，:：")
    return None


async def ask(turn: Turn) -> None:
    """A wish in words, in answer to a card or with the request's number."""
    wish, rest = _wish(turn) or ("", "")
    request = await turn.request_of(turn.card)
    if request is None:
        number, _, rest = rest.partition(" ")
        request = await turn.desk.unit.run(queries.request_by_number, number)
    if request is None:
        raise RefusalError("which_request")
    await _WISHES[wish](turn, request, rest.strip())


async def _reveal(turn: Turn, request: ServiceRequest, purpose: str) -> None:
    """查看原文: with a purpose at once; without one it is asked for."""
    _may_reveal(turn, request)
    if purpose:
        await _show_original(turn, request, purpose)
        return
    turn.conversation.prompt = {"kind": "reveal", "request": request.id}
    offered = turn.desk.choices("purpose:verify", "purpose:contact", f"purpose:{_LAW}")
    turn.desk.say(turn.staff_reply_to, "ask_purpose", choices=offered, request=request, number=request.number)


async def purpose_given(turn: Turn) -> None:
    """The purpose, as a button or in words."""
    prompt = turn.conversation.prompt or {}
    about = prompt.get("request") if turn.tap is None else turn.tap.offer.request
    request = await turn.desk.unit.get(ServiceRequest, about)
    if request is None:
        raise RefusalError("which_request")
    _may_reveal(turn, request)
    purpose = turn.office.texts.label(turn.tap.choice) if turn.tap else turn.message.text.strip()
    _check_purpose(purpose)
    turn.conversation.prompt = None
    told = turn.tap is None or turn.tap.value != _LAW
    await _show_original(turn, request, purpose, told=told)


def _may_reveal(turn: Turn, request: ServiceRequest) -> None:
    """Raise RefusalError for those who may not; the words of somebody unnamed may tell who it is."""
    member, roles = _member(turn), tuple(turn.office.roles.reveal)
    area = request.area or request.community
    if not turn.office.organisation.holds(member, roles, area, turn.now):
        raise RefusalError("reveal_refused")
    cards.check_may_see(turn.desk, member, request)
    if request.anonymous:
        raise RefusalError("reveal_unnamed", number=request.number)


async def _show_original(turn: Turn, request: ServiceRequest, purpose: str, *, told: bool = True) -> None:
    _check_purpose(purpose)
    desk, member = turn.desk, _member(turn)
    notes, _ = await desk.content(request)
    originals = [note.id for note in notes if note.original]
    if not originals:
        raise RefusalError("original_gone", number=request.number)
    _log(desk, request, member, "original", purpose)
    sealed = {"originals": originals}
    desk.say(to_member(member), "original", request=request, number=request.number, sealed=sealed)
    if told:
        _tell_looked(desk, request, "looked_at", member, purpose)


def _check_purpose(purpose: str) -> None:
    if len(purpose) < LEAST_PURPOSE:
        raise RefusalError("purpose_missing", least=LEAST_PURPOSE)


def _log(desk: Desk, request: ServiceRequest, member: str, subject: str, purpose: str) -> None:
    desk.unit.add(
        AccessLog(
            id=new_id(),
            at=desk.now,
            who=f"member:{member}",
            request=request.id,
            subject=subject,
            purpose=redact(purpose),
        )
    )


def _tell_looked(desk: Desk, request: ServiceRequest, template: str, member: str, purpose: str) -> None:
    who = desk.office.title(member, desk.now)
    desk.say(
        to_resident(request.resident),
        template,
        request=request,
        number=request.number,
        who=who,
        reason=redact(purpose),
    )


def _member(turn: Turn) -> str:
    return turn.member.code if turn.member else ""


# --- what takes two ---------------------------------------------------------------------------


def _two(wish: str) -> Callable[[Turn, ServiceRequest, str], Awaitable[None]]:
    """The supervisor asks with a reason; it happens once a privacy officer agrees."""

    async def propose(turn: Turn, request: ServiceRequest, reason: str) -> None:
        desk, member, area = turn.desk, _member(turn), request.area or request.community
        if not turn.office.organisation.holds(member, (Role.SUPERVISOR,), area, turn.now):
            raise RefusalError("reveal_refused")
        if not (request.sealed if wish == _UNSEAL else request.anonymous):
            raise RefusalError("nothing_sealed", number=request.number)
        _check_purpose(reason)
        officers = _officers(desk, request, member)
        if not officers:
            raise RefusalError("no_privacy_officer")
        for officer in officers:
            desk.say(
                to_member(officer),
                f"ask_{wish}",
                subject=f"{wish}:{request.id}:{member}",
                choices=desk.choices(f"agree:{wish}", f"disagree:{wish}"),
                request=request,
                number=request.number,
                who=desk.office.title(member, desk.now),
                asked_by=member,
                reason=redact(reason),
            )
        desk.say(turn.staff_reply_to, "asked_officer", number=request.number)

    return propose


def _officers(desk: Desk, request: ServiceRequest, asking: str) -> list[str]:
    """The privacy officers for a request, other than whoever asks."""
    found = candidates(
        desk.office.organisation, request.area or request.community, (Role.PRIVACY_OFFICER,), desk.now
    )
    return [code for code in dict.fromkeys(one.member.code for one in found) if code != asking]


async def decided(turn: Turn) -> None:
    """The privacy officer's answer; the first of several counts."""
    assert turn.tap is not None  # noqa: S101 (the table of handlers matched on it)
    desk, offer, request = turn.desk, turn.tap.offer, await turn.request_of(turn.tap.offer)
    asking, subject = offer.args.get("asked_by", ""), offer.subject or ""
    if request is None or _member(turn) not in _officers(desk, request, asking):
        raise RefusalError("reveal_refused")
    cards_ = await desk.cards(subject)
    if not cards_[offer.chat].choices:
        raise RefusalError("decided_already", number=request.number)
    for chat in list(cards_):
        await desk.show(chat, subject, "officer_decided", request=request, number=request.number)
    if turn.tap.action == "agree":
        await _open_up(turn, request, turn.tap.value, asking, offer.args["reason"])
    else:
        desk.say(to_member(asking), "officer_disagrees", number=request.number)


async def _open_up(turn: Turn, request: ServiceRequest, wish: str, asking: str, reason: str) -> None:
    desk, officer = turn.desk, _member(turn)
    await lifecycle.advance(
        desk, request, Event.UNSEAL, Actor.SUPERVISOR, f"member:{asking}", what=wish, agreed=officer
    )
    for member in (asking, officer):
        _log(desk, request, member, wish, reason)
    await (_unseal if wish == _UNSEAL else _show_identity)(desk, request, asking)
    _tell_looked(desk, request, f"told_{wish}", asking, reason)


async def _unseal(desk: Desk, request: ServiceRequest, member: str) -> None:
    """Those who only knew that there is something now learn what it is."""
    request.sealed, told = False, await cards.brief(desk, request)
    for card in list((await desk.cards(subject_of(request))).values()):
        kind, _, key = card.chat.partition(":")
        if kind == "member" and card.template == "sealed_card":
            await cards.post_to_member(desk, request, key, told)
    await cards.refresh(desk, request)
    desk.say(to_member(member), "unsealed", request=request, number=request.number)


async def _show_identity(desk: Desk, request: ServiceRequest, member: str) -> None:
    accounts = await desk.unit.run(privacy.accounts_of, request.resident)
    own = next((one.id for one in accounts if one.channel == request.channel), None)
    desk.say(
        to_member(member),
        "identity",
        request=request,
        number=request.number,
        channel=desk.office.texts.label(request.channel),
        sealed={"account": own},
    )


_WISHES: dict[str, Callable[[Turn, ServiceRequest, str], Awaitable[None]]] = {
    "reveal": _reveal,
    _UNSEAL: _two(_UNSEAL),
    _IDENTITY: _two(_IDENTITY),
}
_ACTIONS: dict[str, Callable[[Turn], Awaitable[None]]] = {
    "unnamed": unnamed,
    "my_data": my_data,
    "erase": ask_to_erase,
    "erase_yes": erase_me,
    "erase_no": keep,
}
ACTIONS = frozenset(_ACTIONS)


async def act(turn: Turn) -> None:
    """What a resident wants with their own data, as a word or a button."""
    await _ACTIONS[turn.tap.action if turn.tap else turn.command or ""](turn)
