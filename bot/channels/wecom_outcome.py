"""What became of a message, by the answers of WeCom's interfaces."""

from collections.abc import Sequence
from typing import Any

import structlog

from bot.channels import facts
from bot.channels.exchange import NoAnswer, NotSent
from bot.channels.weixin_api import STALE_TOKEN, Answer, Contents, Reply
from handlers.messages import Refused, Retry, SendResult, Sent, Unknown, Unreachable

log = structlog.get_logger()

_BUSY = {-1: None, 6000: None, 45033: None, 45009: facts.FREQUENCY_PAUSE, 130101: facts.ROBOT_SILENCE}
# The office's set-up is wrong: address not allow-listed, no right to this app or interface, wrong ids.
_SET_UP = {40013, 40056, 48002, 60011, 60020, 301002}
# Nobody, or no group, is there: person, people, app's group, group robot.
_GONE = {40003, 40031, 60111, 81013, 86001, 86003, 93000, 93004, 93008}


def outcome(answer: Answer, people: Sequence[str] = ()) -> SendResult:
    """`people` are those whom the message was for; whom it did not reach are in `Sent.missed`.

    A wrong set-up is a matter of time, not of the message: it is tried again until somebody puts it right.
    """
    if isinstance(answer, NotSent):
        return Retry(answer.reason)
    if isinstance(answer, NoAnswer):
        return Unknown(answer.reason)
    if answer.ok:
        return _sent(answer.body, people)
    reason = f"errcode {answer.errcode}"
    if answer.errcode in _BUSY:
        return Retry(reason, _BUSY[answer.errcode])
    if answer.errcode in _SET_UP:
        log.error("WeCom refuses this app", errcode=answer.errcode)
    if answer.errcode in _SET_UP | STALE_TOKEN:
        return Retry(reason)
    return Unreachable(reason) if answer.errcode in _GONE else Refused(reason)


def _sent(body: dict[str, Any], people: Sequence[str]) -> SendResult:
    wrong = {*_names(body.get("invaliduser")), *_names(body.get("unlicenseduser"))}
    missed = tuple(one for one in people if one.casefold() in wrong)
    if missed and len(missed) == len(people):
        return Unreachable("nobody of those it was for")
    code = body.get("response_code")
    return Sent(str(body.get("msgid", "")), code if isinstance(code, str) and code else None, missed)


def _names(found: Any) -> list[str]:
    """Given as `a|b` by one interface and as a list by another, in letters of any size."""
    names = found.split("|") if isinstance(found, str) else found if isinstance(found, list) else []
    return [str(name).casefold() for name in names if name]


def fetched(answer: Contents | Answer) -> bytes | None:
    """A file's bytes; None where it is gone for good. Raises OSError where it may be had later."""
    if isinstance(answer, Contents):
        return answer.body
    if not isinstance(answer, Reply) or answer.errcode in {*_BUSY, *_SET_UP, *STALE_TOKEN}:
        raise OSError("the platform does not give the file now")
    return None
