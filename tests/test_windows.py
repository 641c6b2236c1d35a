"""By what means somebody can be told something: the ladder as a table, the ledger as a property."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.windows import SPARED, Ledger, Means, Reason, Term, Window, Worth, choose

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
TALK, BRIEF = Term(timedelta(hours=48), 5), Term(timedelta(minutes=1), 3)
OPEN = Ledger().talked(NOW, TALK)
SPENT = Ledger(talk=Window(NOW + timedelta(hours=1), 0))
ALLOWED = Ledger(grants={"s": 1})
BOTH = Worth(template="t", subscription="s")


@pytest.mark.parametrize(
    ("ledger", "worth", "barred", "means", "reason"),
    [
        (OPEN, Worth(), (), Means.SERVICE, Reason.WINDOW_OPEN),
        (OPEN, BOTH, (), Means.SERVICE, Reason.WINDOW_OPEN),
        (OPEN, BOTH, (Means.SERVICE,), Means.TEMPLATE, Reason.COUNT_USED),
        (SPENT, BOTH, (), Means.TEMPLATE, Reason.COUNT_USED),
        (SPENT, Worth(), (), Means.KEPT, Reason.COUNT_USED),
        (Ledger(), BOTH, (), Means.TEMPLATE, Reason.WINDOW_CLOSED),
        (ALLOWED, BOTH, (Means.TEMPLATE,), Means.SUBSCRIPTION, Reason.WINDOW_CLOSED),
        (ALLOWED, Worth(subscription="s"), (), Means.SUBSCRIPTION, Reason.WINDOW_CLOSED),
        (ALLOWED, Worth(subscription="other"), (), Means.KEPT, Reason.WINDOW_CLOSED),
        (ALLOWED, BOTH, (Means.TEMPLATE, Means.SUBSCRIPTION), Means.KEPT, Reason.WINDOW_CLOSED),
        (OPEN, Worth(minor=True), (), Means.SERVICE, Reason.WINDOW_OPEN),
        (Ledger().touched(NOW, BRIEF), Worth(minor=True), (), Means.SERVICE, Reason.WINDOW_OPEN),
        (
            Ledger(talk=Window(NOW + BRIEF.lasts, SPARED)),
            Worth(minor=True),
            (),
            Means.KEPT,
            Reason.NOT_WORTH_IT,
        ),
        (Ledger(), Worth(minor=True, template="t"), (), Means.KEPT, Reason.NOT_WORTH_IT),
    ],
)
def test_the_cheapest_means_that_is_open(
    ledger: Ledger, worth: Worth, barred: tuple[Means, ...], means: Means, reason: Reason
) -> None:
    chosen = choose(ledger, worth, NOW, barred)
    assert (chosen.means, chosen.reason) == (means, reason)


def test_a_window_ends_to_the_second() -> None:
    ledger = Ledger().talked(NOW, TALK)
    last = NOW + TALK.lasts
    assert choose(ledger, Worth(), last - timedelta(seconds=1)).means is Means.SERVICE
    assert choose(ledger, Worth(), last).means is Means.KEPT


def test_windows_do_not_add_up() -> None:
    both = Ledger().talked(NOW, TALK).touched(NOW, BRIEF)
    assert both.left(NOW) == TALK.messages
    assert both.spent(Means.SERVICE).left(NOW) == TALK.messages - 1
    assert both.spent(Means.SERVICE).left(NOW + BRIEF.lasts) == TALK.messages - 1


def test_the_platforms_word_counts_more_than_the_ledger() -> None:
    assert OPEN.corrected(Means.SERVICE).left(NOW) == 0
    assert Ledger(grants={"s": 3}).corrected(Means.SUBSCRIPTION, "s").grants == {}
    assert OPEN.corrected(Means.TEMPLATE) == OPEN


STEPS = st.lists(
    st.sampled_from(["talk", "touch", "grant", "free", "notice", "template", "minute", "day"]), max_size=40
)


@given(STEPS)
def test_nothing_is_spent_that_is_not_there(steps: list[str]) -> None:
    ledger, now, sent = Ledger(), NOW, 0
    for step in steps:
        if step == "talk":
            ledger, sent = ledger.talked(now, TALK), 0
        elif step == "touch":
            ledger, sent = ledger.touched(now, BRIEF), 0
        elif step == "grant":
            ledger = ledger.granted(["s"])
        elif step in ("minute", "day"):
            now += timedelta(minutes=1) if step == "minute" else timedelta(days=1)
        else:
            chosen = choose(ledger, BOTH, now, _others(step))
            ledger = ledger.spent(chosen.means, "s")
            sent += chosen.means is Means.SERVICE
        assert sent <= TALK.messages
        assert all(one is None or one.left >= 0 for one in (ledger.talk, ledger.brief))
        assert all(count > 0 for count in ledger.grants.values())


def _others(step: str) -> set[Means]:
    wanted = {"free": Means.SERVICE, "notice": Means.SUBSCRIPTION, "template": Means.TEMPLATE}[step]
    return {Means.SERVICE, Means.SUBSCRIPTION, Means.TEMPLATE} - {wanted}
