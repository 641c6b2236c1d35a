"""News from the way out: somebody could not be reached, a photo has come or is lost."""

from handlers import cards, filing
from handlers.desk import Desk, to_member, to_resident
from handlers.messages import Outcome
from handlers.turn import Turn
from storage import outbox
from storage.outbox import Said
from storage.tables import Attachment, MediaState, SendState, ServiceRequest


async def undelivered(desk: Desk, said: Said, reason: str) -> None:
    """Show staff, once per request and person, that somebody did not get word of a request.

    Whoever has the request hears that the resident was not reached; the community hears of everybody.
    """
    request = await desk.unit.get(ServiceRequest, said.request) if said.request else None
    if request is None:
        return
    desk.record(request, "undelivered", filing.SYSTEM, to=said.chat, purpose=said.purpose, reason=reason)
    kind, _, key = said.chat.partition(":")
    whom = (
        desk.office.title(key, desk.now)
        if kind == "member"
        else desk.office.texts.label("resident" if kind == "resident" else "group")
    )
    concerned = filing.dispatchers(desk, request.area or request.community)
    if kind == "resident":
        concerned = list(dict.fromkeys([*filing.in_charge(desk, request), *concerned]))
    for member in concerned:
        if to_member(member) != said.chat:
            await desk.say_once(
                f"undelivered:{request.id}:{said.chat}:{member}",
                to_member(member),
                "undelivered",
                request=request,
                number=request.number,
                who=whom,
            )


async def outcome(turn: Turn) -> None:
    """The platform says what became of a message it had accepted: staff hear of one that was not seen."""
    message, desk = turn.message, turn.desk
    result = message.outcome or Outcome.FAILED
    said = await desk.unit.run(outbox.settle_outcome, turn.account.id, message.ref, result, turn.now)
    if said is None or said.state != SendState.SENT or result is Outcome.DELIVERED:
        return
    blocked = result is Outcome.BLOCKED
    said.state, said.error = SendState.UNREACHABLE if blocked else SendState.FAILED, str(result)
    if blocked:
        turn.account.unreachable_at = turn.now
    await undelivered(desk, outbox.said_of(said), str(result))


async def media_settled(desk: Desk, attachment: Attachment) -> None:
    """A photo was stored, or is lost for good: whoever has the request gets it, or hears so."""
    request = await desk.unit.get(ServiceRequest, attachment.request) if attachment.request else None
    if request is None:
        return
    if attachment.author is not None:
        await _to_residents(desk, request, attachment)
        return
    for member in filing.in_charge(desk, request):
        if attachment.state is MediaState.STORED:
            cards.send_photo(desk, request, member, attachment)
        else:
            desk.say(to_member(member), "photo_missing", request=request, number=request.number)


async def _to_residents(desk: Desk, request: ServiceRequest, attachment: Attachment) -> None:
    """A member's photo goes to everybody who waits; a lost one is said to whoever sent it."""
    if attachment.state is not MediaState.STORED:
        member = (attachment.author or "").partition(":")[2]
        desk.say(to_member(member), "photo_missing", request=request, number=request.number)
        return
    for resident in await cards.residents_of(desk, request):
        desk.say(
            to_resident(resident), "photo", request=request, attachment=attachment.id, number=request.number
        )
