"""By what means somebody can be told something, where a platform lets us speak only after they did.

The rules are those of WeChat's service accounts: a message opens a long window, a tap or scan a short one,
each for a few free messages; beyond them there are template messages, and notices that people allowed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Means(StrEnum):
    """How a message travels. PLAIN is the only one of platforms without windows."""

    PLAIN = "plain"
    PASSIVE = "passive"
    SERVICE = "service"
    TEMPLATE = "template"
    SUBSCRIPTION = "subscription"
    KEPT = "kept"


class Reason(StrEnum):
    WINDOW_OPEN = "window_open"
    WINDOW_CLOSED = "window_closed"
    COUNT_USED = "count_used"
    NOT_WORTH_IT = "not_worth_it"
    ASKED_FOR = "asked_for"


@dataclass(frozen=True, slots=True)
class Term:
    """How long a window is open and for how many messages."""

    lasts: timedelta
    messages: int


@dataclass(frozen=True, slots=True)
class Window:
    until: datetime
    left: int

    def open_at(self, now: datetime) -> bool:
        return now < self.until


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one person lets us say: free messages in two windows, and notices by template."""

    talk: Window | None = None
    brief: Window | None = None
    grants: Mapping[str, int] = field(default_factory=dict)

    def _open(self, now: datetime) -> list[Window]:
        return [one for one in (self.talk, self.brief) if one is not None and one.open_at(now)]

    def left(self, now: datetime) -> int:
        """How many free messages may go: windows do not add up, the larger one counts."""
        return max((one.left for one in self._open(now)), default=0)

    def is_open(self, now: datetime) -> bool:
        return bool(self._open(now))

    # --- what changes it ----------------------------------------------------------------------

    def talked(self, now: datetime, term: Term) -> "Ledger":
        return replace(self, talk=Window(now + term.lasts, term.messages))

    def touched(self, now: datetime, term: Term) -> "Ledger":
        return replace(self, brief=Window(now + term.lasts, term.messages))

    def granted(self, templates: Collection[str]) -> "Ledger":
        return replace(
            self, grants={**self.grants, **{one: self.grants.get(one, 0) + 1 for one in templates}}
        )

    def spent(self, means: Means, template: str | None = None) -> "Ledger":
        """One message has gone. A free one counts in both windows: better one too few than a refusal."""
        if means is Means.SERVICE:
            return replace(self, talk=_less(self.talk), brief=_less(self.brief))
        if means is Means.SUBSCRIPTION and template is not None:
            return replace(self, grants=_without(self.grants, template, 1))
        return self

    def corrected(self, means: Means, template: str | None = None) -> "Ledger":
        """The platform says that these means are shut, whatever we believed."""
        if means is Means.SERVICE:
            return replace(self, talk=None, brief=None)
        if means is Means.SUBSCRIPTION and template is not None:
            return replace(self, grants=_without(self.grants, template, self.grants.get(template, 0)))
        return self


def _less(window: Window | None) -> Window | None:
    return None if window is None else replace(window, left=max(window.left - 1, 0))


def _without(grants: Mapping[str, int], template: str, count: int) -> dict[str, int]:
    left = {**grants, template: grants.get(template, 0) - count}
    return {name: number for name, number in left.items() if number > 0}


@dataclass(frozen=True, slots=True)
class Worth:
    """What a message is worth: `minor` ones leave the last free messages to others.

    `template` and `subscription` are the platform's ids under which it may go otherwise.
    """

    minor: bool = False
    template: str | None = None
    subscription: str | None = None


SPARED = 2  # free messages that minor ones leave for what matters


@dataclass(frozen=True, slots=True)
class Chosen:
    means: Means
    reason: Reason


def choose(ledger: Ledger, worth: Worth, now: datetime, barred: Collection[Means] = ()) -> Chosen:
    """The cheapest means that is open: free message, template, allowed notice, else kept until they write."""
    left, is_open = ledger.left(now), ledger.is_open(now)
    if worth.minor and left <= SPARED:
        return Chosen(Means.KEPT, Reason.NOT_WORTH_IT)
    if left > 0 and Means.SERVICE not in barred:
        return Chosen(Means.SERVICE, Reason.WINDOW_OPEN)
    why = Reason.COUNT_USED if is_open else Reason.WINDOW_CLOSED
    if worth.template is not None and Means.TEMPLATE not in barred:
        return Chosen(Means.TEMPLATE, why)
    allowed = worth.subscription is not None and ledger.grants.get(worth.subscription, 0) > 0
    if allowed and Means.SUBSCRIPTION not in barred:
        return Chosen(Means.SUBSCRIPTION, why)
    return Chosen(Means.KEPT, why)
