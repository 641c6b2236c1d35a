"""In which capacity a member acts on a request, and whether they may."""

from handlers import cards
from handlers.desk import RefusalError
from handlers.turn import Turn
from routing.organisation import DISPATCHERS, LEADERS, Member, Role
from routing.transitions import OPEN, Actor, Status
from storage.tables import ServiceRequest


def who(member: Member) -> str:
    """How history names a member."""
    return f"member:{member.code}"


def may_handle(turn: Turn, request: ServiceRequest, member: Member) -> None:
    """Raises RefusalError for somebody who has not got this request."""
    if member.code not in (*cards.handlers_of(request), request.claimed_by):
        raise RefusalError("not_yours", number=request.number)


def may_call_off(turn: Turn, request: ServiceRequest, member: Member) -> bool:
    """Who may say that an emergency was none: the desk at any time, others once somebody is there."""
    if not request.urgent or request.status not in OPEN:
        return False
    area = request.area or request.community
    on_site = request.status is Status.IN_PROGRESS and member.code in cards.handlers_of(request)
    return on_site or turn.office.organisation.holds(member.code, DISPATCHERS, area, turn.now)


def leads(turn: Turn, request: ServiceRequest, member: Member) -> bool:
    """Whether the member speaks for the community or the street at the place of the request."""
    area = request.area or request.community
    return turn.office.organisation.holds(member.code, LEADERS, area, turn.now)


def supervises(turn: Turn, request: ServiceRequest, member: Member) -> bool:
    area = request.area or request.community
    return turn.office.organisation.holds(member.code, (Role.SUPERVISOR,), area, turn.now)


def receives(request: ServiceRequest, member: Member) -> bool:
    """Whether the request was referred to this member."""
    return member.code in (request.referral or {}).get("receivers", [])


def as_handler(request: ServiceRequest, member: Member) -> Actor:
    return Actor.HANDLER if member.code in cards.handlers_of(request) else Actor.CHIEF
