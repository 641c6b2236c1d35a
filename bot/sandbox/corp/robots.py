"""Group robots: one-way messages into a group, by the key in their address, without a token."""

from bot.sandbox.corp.cards import Wire
from bot.sandbox.corp.limits import ROBOT_SILENCE
from bot.sandbox.corp.messages import ROBOT, content_of
from bot.sandbox.corp.methods import Call
from bot.sandbox.corp.refusals import Code, RefusedError
from bot.sandbox.corp.state import Corp


def send_robot(corp: Corp, call: Call) -> Wire:
    key = call.query.get("key", "")
    name = next((name for name, known in corp.spec.robots.items() if known == key), None)
    if name is None:
        raise RefusedError(Code.WRONG_ROBOT, "invalid webhook url")
    _check_pace(corp, name)
    corp.post([corp.talks[name]], content_of(corp, call.body, ROBOT), sender=name)
    return {}


def _check_pace(corp: Corp, name: str) -> None:
    """Who is too fast is not heard for a while."""
    now = corp.now()
    silent = now < corp.silent_until.get(name, now)
    if not silent and corp.per_robot[name].takes(now):
        return
    if not silent:
        corp.silent_until[name] = now + ROBOT_SILENCE
    raise RefusedError(Code.ROBOT_TOO_FAST, "send too fast, exceed 20 times per minute")
