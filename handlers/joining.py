"""A member binds their account with a one-time code, in private, so that nobody types numbers into a file."""

import re
from datetime import timedelta

from handlers.desk import RefusalError, to_account, to_chat
from handlers.messages import Kind
from handlers.turn import Turn
from routing.text import normalize
from storage import queries
from storage.ids import new_id
from storage.tables import Audit, JoinCode

BOUND = "bound"  # an account that its owner bound: no roster ever takes it away
PURPOSE = "join"  # what the keyed hash of a code is made for
MOST_WRONG, WITHIN = 5, timedelta(hours=1)
_SILENT = "web"  # the page tells nobody anything by itself: staff would never hear of their tasks
_BINDS = re.compile(r"绑定:?([0-9a-z]{6,12})")


def asked(turn: Turn) -> bool:
    """Whether this is a code; every text is asked, so the cheap question comes first."""
    return "绑定" in turn.message.text and turn.message.kind is Kind.TEXT and _code(turn) is not None


def _code(turn: Turn) -> str | None:
    found = _BINDS.fullmatch(normalize(turn.message.text))
    return found[1].upper() if found else None


async def bind(turn: Turn) -> None:
    """绑定 CODE: the account is the member's from now on, beside any that they have already."""
    if turn.message.channel == _SILENT:
        raise RefusalError("code_on_page")
    if await _is_guessing(turn):
        return
    code = await _usable(turn)
    if code is None or code.member not in turn.office.organisation.members:
        raise RefusalError("code_wrong")
    code.used_at = turn.now
    turn.account.member, turn.account.source = code.member, BOUND
    who, bound = f"account:{turn.account.id}", {"member": code.member}
    turn.desk.unit.add(
        Audit(id=new_id(), at=turn.now, who=who, subject="binding", digest="", difference=bound)
    )
    _greet(turn, code.member)


async def in_group(turn: Turn) -> None:
    """A code that others have read is worth nothing any more."""
    code = await _usable(turn)
    if code is not None:
        code.used_at = turn.now
    to = to_chat(turn.group.id) if turn.group else to_account(turn.room.id if turn.room else turn.account.id)
    turn.desk.say(to, "code_privately", reply_to=turn.message.ref)


async def _usable(turn: Turn) -> JoinCode | None:
    found = await turn.desk.unit.get(JoinCode, turn.desk.vault.lookup(PURPOSE, _code(turn) or ""))
    return found if found and found.used_at is None and turn.now < found.expires_at else None


async def _is_guessing(turn: Turn) -> bool:
    """Five wrong codes within an hour: for an hour after the last nothing is answered."""
    wrong = await turn.desk.unit.run(queries.said_at, turn.reply_to, "code_wrong", MOST_WRONG)
    return len(wrong) == MOST_WRONG and wrong[0] - wrong[-1] <= WITHIN and turn.now - wrong[0] < WITHIN


def _greet(turn: Turn, member: str) -> None:
    office = turn.office
    post = next(iter(office.organisation.posts(member, turn.now)), None)
    turn.desk.say(
        turn.reply_to,
        "code_bound",
        who=office.title(member, turn.now),
        place=office.place_name(post.area) if post else "",
    )
