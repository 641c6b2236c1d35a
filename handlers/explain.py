"""Why a request went to this person, in words for a clerk."""

from datetime import datetime

from handlers.office import Office
from routing.choose import WEIGHED
from storage.tables import Json

_NAMED = 3  # of what spoke for and against somebody, only what counted most


def explain(office: Office, reason: Json, now: datetime) -> list[str]:
    """The stored reason, a sentence each; last what counted most among those who could have had it."""
    terms = [(code, value) for code, value in reason.get("terms", ())]
    weighed = [(code, float(value)) for code, value in terms if code in WEIGHED]
    found = [_sentence(office, code, value, now) for code, value in terms if code not in WEIGHED]
    largest = sorted(weighed, key=lambda one: -abs(one[1]))[:_NAMED]
    if largest:
        words = "、".join(f"{office.texts.label(f'reason_{code}')}{weight:+g}" for code, weight in largest)
        found.append(office.texts.label("reason_weights").replace("{0}", words))
    return found


def _sentence(office: Office, code: str, value: str, now: datetime) -> str:
    if (code, value) == ("steps", "0"):
        return office.texts.label("reason_here")
    return office.texts.label(f"reason_{code}").replace("{0}", _words(office, code, value, now))


def _words(office: Office, code: str, value: str, now: datetime) -> str:
    if code == "area":
        return office.place_name(value)
    if value in office.organisation.members:
        return office.title(value, now)
    return office.texts.label(value)
