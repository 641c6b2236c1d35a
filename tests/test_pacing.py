"""The allowance of one person: so many messages a minute, so many an hour."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.channels import facts
from bot.pacing import Allowance

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def allowance(minute: int = facts.PER_MEMBER_MINUTE, hour: int = facts.PER_MEMBER_HOUR) -> Allowance:
    return Allowance(minute, hour)


def test_row_25_thirty_in_a_minute_and_the_next_when_the_first_is_a_minute_old() -> None:
    member = allowance()
    for second in range(30):
        assert member.left(NOW + timedelta(seconds=second)) == 30 - second
        member.take(NOW + timedelta(seconds=second))
    late = NOW + timedelta(seconds=59)
    assert member.left(late) == 0
    assert member.ready_at(late) == NOW + timedelta(minutes=1)
    assert member.left(NOW + timedelta(minutes=1)) == 1


def test_row_25_a_thousand_in_an_hour_however_slowly() -> None:
    member, now = allowance(), NOW
    for _ in range(1000):
        assert member.ready_at(now) == now
        member.take(now)
        now += timedelta(seconds=3)
    assert member.left(now) == 0
    assert member.ready_at(now) == NOW + timedelta(hours=1)
    assert member.left(NOW + timedelta(hours=1)) == 1


@given(st.lists(st.integers(0, 5000), max_size=60))
def test_row_25_no_minute_and_no_hour_sees_more(pauses: list[int]) -> None:
    """Whoever waits until it is ready is neither dropped nor kept waiting for nothing."""
    member, now, sent = allowance(3, 8), NOW, list[datetime]()
    for pause in pauses:
        now = member.ready_at(now + timedelta(seconds=pause))
        assert member.left(now) > 0
        member.take(now)
        sent.append(now)
    for most, window in ((3, timedelta(minutes=1)), (8, timedelta(hours=1))):
        assert all(later - earlier >= window for earlier, later in zip(sent, sent[most:], strict=False))


@given(st.lists(st.integers(0, 120), min_size=1, max_size=40), st.integers(0, 4000))
def test_row_25_what_is_ready_agrees_with_what_is_left(pauses: list[int], after: int) -> None:
    member, now = allowance(3, 8), NOW
    for pause in pauses:
        now += timedelta(seconds=pause)
        member.take(now)
    now += timedelta(seconds=after)
    assert (member.left(now) > 0) == (member.ready_at(now) == now)
    assert member.left(member.ready_at(now)) > 0
