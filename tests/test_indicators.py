"""The figures of §4.6: formulas as tables, and what holds for any matters at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.indicators import (
    Indicators,
    Matter,
    Period,
    Share,
    busiest,
    figures,
    indicators,
    load,
    patrolled,
    rank,
)
from routing.replay import replay
from routing.transitions import Status

START = datetime(2026, 11, 1, tzinfo=UTC)
NOVEMBER = Period(START, datetime(2026, 12, 1, tzinfo=UTC))
HOUR = timedelta(hours=1)

# Reported on the second of the month, taken and done in time, and the resident was content.
GOOD = Matter(
    number="YS261102-0001",
    area="YS-1-3",
    category="PF01",
    limit_class="T1",
    urgent=False,
    created=START + 30 * HOUR,
    status=Status.CLOSED,
    due_ack=START + 31 * HOUR,
    due_contact=START + 32 * HOUR,
    due_result=START + 54 * HOUR,
    acknowledged=START + 31 * HOUR,
    contacted=START + 32 * HOUR,
    told=START + 40 * HOUR,
    done=START + 40 * HOUR,
    closed=START + 41 * HOUR,
    stopped=2 * HOUR,
    result_code="solved",
    verdict="satisfied",
    judged=START + 41 * HOUR,
    assignments=1,
)


def of(**changes: object) -> Indicators:
    return indicators([replace(GOOD, **changes)], NOVEMBER)  # type: ignore[arg-type]  # fields by name


def test_a_matter_that_went_well_counts_everywhere() -> None:
    found = of()
    assert (found.demand, found.matters, found.late, found.reds) == (1, 1, 0, 0)
    for name in ("acknowledged", "responded", "solved", "satisfied", "rated", "on_time", "told"):
        assert getattr(found, name) == Share(1, 1), name
    assert found.durations == {"T1": 8 * HOUR}


@pytest.mark.parametrize(
    ("name", "changes", "share"),
    [
        ("acknowledged", {"acknowledged": START + 31 * HOUR + timedelta(seconds=1)}, Share(0, 1)),
        ("acknowledged", {"acknowledged": None}, Share(0, 1)),
        ("acknowledged", {"due_ack": NOVEMBER.end}, Share(0, 0)),
        ("responded", {"contacted": None}, Share(0, 1)),
        (
            "responded",
            {"contacted": None, "status": Status.CANCELLED, "closed": START + 31 * HOUR},
            Share(0, 0),
        ),
        ("solved", {"verdict": None}, Share(1, 1)),
        ("solved", {"verdict": None, "result_code": "explained"}, Share(0, 1)),
        ("solved", {"verdict": "satisfied", "result_code": "explained"}, Share(1, 1)),
        ("solved", {"verdict": "not_solved"}, Share(0, 1)),
        ("solved", {"verdict": None, "result_code": "self_help"}, Share(1, 1)),
        ("solved", {"verdict": None, "result_code": "no_info"}, Share(0, 0)),
        ("solved", {"done": None, "closed": None, "status": Status.IN_PROGRESS}, Share(0, 1)),
        ("satisfied", {"verdict": "partly"}, Share(0, 1)),
        ("satisfied", {"verdict": None, "judged": None}, Share(0, 0)),
        ("rated", {"verdict": None, "judged": None}, Share(0, 1)),
        ("on_time", {"done": START + 55 * HOUR}, Share(0, 1)),
        ("told", {"told": None}, Share(0, 1)),
        ("reopened", {"reopened": 1}, Share(1, 1)),
        ("returned", {"returns": 1, "assignments": 2}, Share(1, 2)),
        ("repeated", {"endorsed": (START + 31 * HOUR, START + 32 * HOUR)}, Share(2, 3)),
    ],
)
def test_each_rate_by_its_formula(name: str, changes: dict[str, object], share: Share) -> None:
    assert getattr(of(**changes), name) == share


def test_late_is_what_was_due_and_is_open_at_the_end() -> None:
    open_ = {"done": None, "closed": None, "status": Status.IN_PROGRESS}
    assert of(**open_).late == 1
    assert of(**open_, reds=1).reds == 1
    assert of(**open_, due_result=NOVEMBER.end).late == 0


def test_merged_matters_count_for_demand_and_their_master_for_the_matter() -> None:
    found = indicators([GOOD, replace(GOOD, status=Status.MERGED, done=None)], NOVEMBER)
    assert (found.demand, found.matters) == (2, 1)
    assert found.repeated == Share(1, 2)
    assert found.told == Share(1, 1)


def test_emergencies_and_guidance_are_shown_apart() -> None:
    found = figures([GOOD, replace(GOOD, urgent=True), replace(GOOD, limit_class="T9")], NOVEMBER)
    assert (found.ordinary.matters, found.emergencies.matters, found.guidance.matters) == (1, 1, 1)


@pytest.mark.parametrize("status", [Status.GUIDED, Status.CLOSED])
def test_what_was_only_guided_stays_apart_when_it_closes_itself(status: Status) -> None:
    guided = replace(GOOD, status=status, done=None, result_code=None, verdict=None, assignments=0)
    found = figures([guided], NOVEMBER)
    assert (found.ordinary.matters, found.guidance.matters) == (0, 1)


def test_units_are_ranked_from_twenty_matters_on() -> None:
    small = indicators([GOOD] * 19, NOVEMBER)
    good = indicators([GOOD] * 20, NOVEMBER)
    bad = indicators([replace(GOOD, verdict="not_solved")] * 20, NOVEMBER)
    assert rank({"bad": bad, "small": small, "good": good}) == ["good", "bad"]


def test_places_people_and_days() -> None:
    twice = replace(GOOD, endorsed=(START + 31 * HOUR,))
    assert busiest([twice, replace(GOOD, area="YS-2-4")], NOVEMBER) == [("YS-1-3", 2)]
    found = load(["l1", "l2", "l1", "l1"])
    assert (found.people, found.median, found.most) == (2, 2, 3)
    days = {("YS-1", "2026-11-01"), ("YS-1", "2026-11-02"), ("YS-9", "2026-11-01")}
    assert patrolled(days, ["YS-1", "YS-2"], ["2026-11-01", "2026-11-02"]) == Share(2, 4)


def test_a_history_without_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="no history"):
        replay("YS261102-0001", [])


moments = st.none() | st.integers(-50, 900).map(lambda hours: START + hours * HOUR)
any_matter = st.builds(
    Matter,
    number=st.just("n"),
    area=st.sampled_from([None, "YS-1-3", "YS-2-4"]),
    category=st.just(None),
    limit_class=st.sampled_from([None, "T1", "T3", "T9"]),
    urgent=st.booleans(),
    created=st.integers(-50, 700).map(lambda hours: START + hours * HOUR),
    status=st.sampled_from(Status),
    due_ack=moments,
    due_contact=moments,
    due_result=moments,
    acknowledged=moments,
    contacted=moments,
    told=moments,
    done=moments,
    closed=moments,
    result_code=st.sampled_from([None, "solved", "explained", "no_info"]),
    verdict=st.sampled_from([None, "satisfied", "partly", "not_solved"]),
    judged=moments,
    reopened=st.integers(0, 2),
    endorsed=st.lists(st.just(START + HOUR), max_size=3).map(tuple),
)


@given(st.lists(any_matter, max_size=12), st.integers(0, 12))
def test_rates_stay_within_their_denominator_and_units_add_up(found: list[Matter], cut: int) -> None:
    whole = indicators(found, NOVEMBER)
    parts = [indicators(found[:cut], NOVEMBER), indicators(found[cut:], NOVEMBER)]
    for name in ("acknowledged", "responded", "solved", "satisfied", "rated", "on_time", "told", "reopened"):
        share: Share = getattr(whole, name)
        assert 0 <= share.hits <= share.of
        assert share == Share(
            sum(getattr(one, name).hits for one in parts), sum(getattr(one, name).of for one in parts)
        )
    assert whole.demand == sum(one.demand for one in parts)
