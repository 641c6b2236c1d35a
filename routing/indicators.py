"""What an office's work amounts to in a period: counts, rates and medians over its matters, nothing else."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from routing.transitions import Status

GUIDANCE = "T9"
LEAST_TO_RANK = 20  # matters; below that a place among others would be chance
_SOLVED = frozenset({"solved", "self_help"})
_NOT_JUDGED = frozenset({"withdrawn", "no_info", "private", "refused", "duplicate"})
_ENDED_ELSEWHERE = frozenset({Status.CANCELLED, Status.MERGED, Status.GUIDED, Status.REJECTED})


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to, not including, `end`. The end is never later than now: what is not due yet
    is no failure."""

    start: datetime
    end: datetime

    def covers(self, moment: datetime | None) -> bool:
        return moment is not None and self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class Matter:
    """What is known of one request, as far as the figures need it.

    `done` is the time of the result that stands; it is taken back when the resident says that nothing is
    solved. `asks` are the volunteers' assignments: who was asked, when, for whom it counts.
    """

    number: str
    area: str | None
    category: str | None
    limit_class: str | None
    urgent: bool
    created: datetime
    status: Status
    due_ack: datetime | None = None
    due_contact: datetime | None = None
    due_result: datetime | None = None
    acknowledged: datetime | None = None
    contacted: datetime | None = None
    told: datetime | None = None
    done: datetime | None = None
    closed: datetime | None = None
    stopped: timedelta = timedelta(0)
    result_code: str | None = None
    verdict: str | None = None
    judged: datetime | None = None
    reopened: int = 0
    assignments: int = 0
    returns: int = 0
    reds: int = 0
    urges: int = 0
    endorsed: tuple[datetime, ...] = ()

    @property
    def merged(self) -> bool:
        return self.status is Status.MERGED

    def open_at(self, moment: datetime) -> bool:
        return self.created < moment and not any(at and at < moment for at in (self.done, self.closed))


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """None where there was nothing to judge."""
        return self.hits / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Indicators:
    """The figures of one unit in one period, every rate with what it is made of."""

    demand: int
    matters: int
    acknowledged: Share
    responded: Share
    solved: Share
    satisfied: Share
    rated: Share
    on_time: Share
    told: Share
    reopened: Share
    returned: Share
    repeated: Share
    late: int
    reds: int
    urges: int
    durations: Mapping[str, timedelta]


@dataclass(frozen=True, slots=True)
class Figures:
    """Ordinary matters, with emergencies and mere guidance apart."""

    ordinary: Indicators
    emergencies: Indicators
    guidance: Indicators


def figures(matters: Iterable[Matter], period: Period) -> Figures:
    kinds: defaultdict[str, list[Matter]] = defaultdict(list)
    for one in matters:
        kinds["urgent" if one.urgent else "guided" if _guidance(one) else "ordinary"].append(one)
    return Figures(*(indicators(kinds[kind], period) for kind in ("ordinary", "urgent", "guided")))


def _guidance(matter: Matter) -> bool:
    """Nothing but guidance, also once it has closed itself: nobody was sent, and there is no result."""
    ended = matter.status is Status.CLOSED and matter.done is None and matter.result_code is None
    return ended or matter.limit_class == GUIDANCE or matter.status is Status.GUIDED


def indicators(matters: Collection[Matter], period: Period) -> Indicators:
    """Counts are over what was reported in the period, rates over what was due or done in it."""
    new = [one for one in matters if period.covers(one.created)]
    single = [one for one in matters if not one.merged]
    done = [one for one in single if period.covers(one.done)]
    rated = [one for one in single if period.covers(one.judged)]
    endorsed = sum(period.covers(at) for one in matters for at in one.endorsed)
    demand = len(new) + endorsed
    return Indicators(
        demand=demand,
        matters=sum(not one.merged for one in new),
        acknowledged=_kept(single, period, lambda one: one.due_ack, lambda one: one.acknowledged),
        responded=_kept(single, period, lambda one: one.due_contact, lambda one: one.contacted),
        solved=_solved(single, period),
        satisfied=Share(sum(one.verdict == "satisfied" for one in rated), len(rated)),
        rated=Share(sum(one.verdict is not None for one in done), len(done)),
        on_time=_kept(single, period, lambda one: one.due_result, lambda one: one.done),
        told=_kept(single, period, lambda one: one.due_result, lambda one: one.told),
        reopened=Share(sum(one.reopened > 0 for one in done), len(done)),
        returned=Share(sum(one.returns for one in new), sum(one.assignments for one in new)),
        repeated=Share(endorsed + sum(one.merged for one in new), demand),
        late=sum(_late(one, period.end) for one in single),
        reds=sum(one.reds > 0 and one.open_at(period.end) for one in single),
        urges=sum(one.urges for one in new),
        durations=_durations(done),
    )


_Moment = Callable[[Matter], datetime | None]


def _kept(matters: Iterable[Matter], period: Period, due: _Moment, done: _Moment) -> Share:
    """Of what was due in the period, what was done by then; what ended before it was due is not judged."""
    judged = [one for one in matters if period.covers(due(one)) and not _ended_before(one, due(one))]
    return Share(sum(_by(done(one), due(one)) for one in judged), len(judged))


def _by(moment: datetime | None, due: datetime | None) -> bool:
    return moment is not None and due is not None and moment <= due


def _ended_before(matter: Matter, due: datetime | None) -> bool:
    return matter.status in _ENDED_ELSEWHERE and _by(matter.closed, due)


def _solved(matters: Iterable[Matter], period: Period) -> Share:
    judged = [
        one
        for one in matters
        if (period.covers(one.due_result) or period.covers(one.done))
        and one.status not in _ENDED_ELSEWHERE
        and one.result_code not in _NOT_JUDGED
    ]
    return Share(sum(period.covers(one.done) and _is_solved(one) for one in judged), len(judged))


def _is_solved(matter: Matter) -> bool:
    """The resident's word counts before the code that the handler gave."""
    if matter.verdict is not None:
        return matter.verdict in ("satisfied", "partly")
    return matter.result_code in _SOLVED


def _late(matter: Matter, end: datetime) -> bool:
    return matter.due_result is not None and matter.due_result < end and matter.open_at(end)


def _durations(done: Iterable[Matter]) -> dict[str, timedelta]:
    """The median time from report to result, without what stopped the clock, by class."""
    taken: defaultdict[str, list[float]] = defaultdict(list)
    for one in done:
        if one.done is not None and one.limit_class is not None:
            taken[one.limit_class].append((one.done - one.created - one.stopped).total_seconds())
    return {name: timedelta(seconds=median(taken[name])) for name in sorted(taken)}


# --- places, people, days ---------------------------------------------------------------------


def rank(units: Mapping[str, Indicators]) -> list[str]:
    """The units by their rate of solved matters, best first; those with too few matters are left out."""
    large = [name for name, found in units.items() if found.matters >= LEAST_TO_RANK]
    return sorted(large, key=lambda name: -(units[name].solved.value or 0.0))


def busiest(matters: Iterable[Matter], period: Period, most: int = 3) -> list[tuple[str, int]]:
    """The places that were reported more than once, with how often."""
    counts: Counter[str] = Counter()
    for one in matters:
        if one.area is not None:
            reports = [one.created, *one.endorsed]
            counts[one.area] += sum(period.covers(at) for at in reports)
    return [(area, count) for area, count in counts.most_common(most) if count > 1]


@dataclass(frozen=True, slots=True)
class Load:
    """Asks per volunteer: the median and the most."""

    people: int
    median: float
    most: int


def load(asked: Iterable[str]) -> Load:
    """How the asks of a period fall on those who were asked at all."""
    counts = Counter(asked)
    return Load(len(counts), median(counts.values()) if counts else 0.0, max(counts.values(), default=0))


def patrolled(days: Collection[tuple[str, str]], units: Collection[str], due: Collection[str]) -> Share:
    """Of all units and days, those that were walked; `days` are (unit, day)."""
    walked = set(days)
    hits = sum((unit, day) in walked for unit in units for day in due)
    return Share(hits, len(units) * len(due))
