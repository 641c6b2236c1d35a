"""The figures of an office as values and as tables: the same for the digests and for the terminal."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from handlers.office import Office
from routing.indicators import (
    Figures,
    Indicators,
    Matter,
    Period,
    Share,
    busiest,
    figures,
    load,
    patrolled,
    rank,
)
from routing.organisation import CHIEFS, Area, AreaKind, Role
from storage import matters, work
from storage.tables import ServiceRequest


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the figures of a period are made of, loaded once for all units.

    `walked` are grids and days, `answers` the members who reacted to a card, `asked` the 邻长 who were
    given something, each as often as it happened.
    """

    period: Period
    matters: Sequence[Matter]
    walked: frozenset[tuple[str, str]]
    answers: Sequence[str]
    asked: Sequence[str]
    silent: Mapping[str, int]


def gather(session: Session, period: Period) -> Facts:
    return Facts(
        period,
        matters.stored(session, period.end),
        matters.patrols(session, period.start),
        matters.answers(session, period),
        matters.asked(session, Role.NEIGHBOR_CHIEF, period),
        work.inactive_chiefs(session, period.end),
    )


# --- periods ----------------------------------------------------------------------------------


def today(now: datetime, zone: ZoneInfo) -> Period:
    return Period(_midnight(now.astimezone(zone).date(), zone), now)


def last_week(now: datetime, zone: ZoneInfo) -> Period:
    """From the Monday before the latest one to that latest one."""
    local = now.astimezone(zone).date()
    monday = local - timedelta(days=local.weekday())
    return Period(_midnight(monday - timedelta(days=7), zone), _midnight(monday, zone))


def last_month(now: datetime, zone: ZoneInfo) -> Period:
    first = now.astimezone(zone).date().replace(day=1)
    return Period(_midnight((first - timedelta(days=1)).replace(day=1), zone), _midnight(first, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone)


def days(period: Period, zone: ZoneInfo) -> list[str]:
    """The days of the period, as patrols are stored."""
    first = period.start.astimezone(zone).date()
    last = (period.end - timedelta(microseconds=1)).astimezone(zone).date()
    return [str(first + timedelta(days=passed)) for passed in range((last - first).days + 1)]


# --- units ------------------------------------------------------------------------------------


def grids(office: Office, area: str) -> list[Area]:
    """The grids below an area, or the one that it lies in."""
    organisation = office.organisation
    below = [
        one
        for one in organisation.areas.values()
        if one.kind is AreaKind.GRID and organisation.within(one.code, area)
    ]
    own = organisation.grid(area)
    return below or ([own] if own else [])


def matters_in(facts: Facts, office: Office, area: str) -> list[Matter]:
    return [one for one in facts.matters if office.organisation.within(one.area, area)]


@dataclass(frozen=True, slots=True)
class Week:
    """One grid in one week; `missed` are the days nobody walked it."""

    grid: Area
    new: int
    done: int
    late: int
    open: int
    answers: int
    missed: tuple[str, ...]

    @property
    def eventful(self) -> bool:
        return bool(self.new or self.done or self.open)


def week(facts: Facts, office: Office, grid: Area) -> Week:
    found, period = matters_in(facts, office, grid.code), facts.period
    judged = figures(found, period)
    due = days(period, office.zone)
    return Week(
        grid,
        new=sum(period.covers(one.created) for one in found),
        done=sum(period.covers(one.done) for one in found),
        late=judged.ordinary.late + judged.emergencies.late,
        open=sum(one.open_at(period.end) for one in found),
        answers=sum(_is_chief_of(office, member, grid, period.end) for member in facts.answers),
        missed=tuple(day for day in due if (grid.code, day) not in facts.walked),
    )


def _is_chief_of(office: Office, member: str, grid: Area, now: datetime) -> bool:
    posts = office.organisation.posts(member, now)
    return any(post.role in CHIEFS and office.organisation.within(post.area, grid.code) for post in posts)


def repeats(facts: Facts, office: Office, area: str) -> list[tuple[str, int]]:
    """The places of the area that were reported more than once, in words."""
    found = busiest(matters_in(facts, office, area), facts.period)
    return [(office.place_name(place), count) for place, count in found]


def vacancies(office: Office, area: str, now: datetime) -> list[str]:
    """The grids of the area that have no grid member."""
    organisation = office.organisation
    return [
        grid.name
        for grid in grids(office, area)
        if not organisation.holders(grid.code, Role.GRID_MEMBER, now)
    ]


def silent_chiefs(facts: Facts, office: Office, area: str) -> list[tuple[str, int]]:
    """The chiefs of the area who let every card of the last weeks lie, with how many; people decide."""
    now = facts.period.end
    return [
        (office.title(one, now), count)
        for one, count in facts.silent.items()
        if _serves_in(office, one, area, now)
    ]


# --- words ------------------------------------------------------------------------------------


def subject_shown(office: Office, request: ServiceRequest) -> tuple[str, str]:
    """Category and place as a list may show them; of what is sealed only that it is."""
    if request.sealed or office.roles.cleared(request.category) is not None:
        return office.texts.label("sealed_matter"), ""
    place = office.place_name(request.area) or office.texts.label("place_unknown")
    return office.category_name(request.category), place


def due_of(request: ServiceRequest) -> datetime | None:
    """By when something must happen next."""
    return request.due_ack if request.status == "assigned" else request.due_result


def value_shown(office: Office, value: Any) -> str:
    if isinstance(value, Share):
        if value.value is None:
            return office.texts.label("figure_none")
        args = {"percent": round(value.value * 100), "hits": value.hits, "of": value.of}
        return office.texts.render("figure_share", args)
    if isinstance(value, timedelta):
        return office.texts.render("figure_hours", {"hours": f"{value.total_seconds() / 3600:.1f}"})
    return str(value)


def figure_rows(office: Office, found: Figures) -> Iterator[tuple[str, str]]:
    """Every indicator with its value in words; emergencies and guidance by their number alone."""
    label = office.texts.label
    for one in fields(Indicators):
        value = getattr(found.ordinary, one.name)
        if one.name == "durations":
            for name, taken in value.items():
                yield f"{label('figure_duration')}（{label(f'level_{name}')}）", value_shown(office, taken)
        else:
            yield label(f"figure_{one.name}"), value_shown(office, value)
    for name, part in (("emergencies", found.emergencies), ("guidance", found.guidance)):
        yield label(f"figure_{name}"), str(part.matters)


def month_rows(facts: Facts, office: Office, area: str) -> list[tuple[str, str]]:
    """The monthly figures of a unit."""
    codes = [grid.code for grid in grids(office, area)]
    due = days(facts.period, office.zone)
    inside = [one for one in facts.asked if _serves_in(office, one, area, facts.period.end)]
    asked = load(inside)
    label = office.texts.label
    return [
        *figure_rows(office, figures(matters_in(facts, office, area), facts.period)),
        (label("figure_patrols"), value_shown(office, patrolled(facts.walked, codes, due))),
        (
            label("figure_load"),
            office.texts.render("figure_load_of", {"most": asked.most, "people": asked.people}),
        ),
    ]


def _serves_in(office: Office, member: str, area: str, now: datetime) -> bool:
    return any(office.organisation.within(post.area, area) for post in office.organisation.posts(member, now))


# --- tables -----------------------------------------------------------------------------------


def daily_tables(session: Session, office: Office, area: str, now: datetime) -> list[Table]:
    """The ledger of each grid: all that is open."""
    found = matters.open_requests(session)
    return [_ledger_table(office, grid, found) for grid in grids(office, area)]


def _ledger_table(office: Office, grid: Area, found: Collection[ServiceRequest]) -> Table:
    mine = [one for one in found if office.organisation.within(one.area, grid.code)]
    rows = tuple(
        (
            one.number,
            *subject_shown(office, one),
            office.texts.label(f"status_{one.status}"),
            office.when(due_of(one)),
        )
        for one in mine
    )
    return Table(
        f"{grid.name} {len(mine)}", _headings(office, "number", "category", "place", "status", "due"), rows
    )


def weekly_tables(session: Session, office: Office, area: str, now: datetime) -> list[Table]:
    facts = gather(session, last_week(now, office.zone))
    weeks = [week(facts, office, grid) for grid in grids(office, area)]
    rows = tuple(
        (one.grid.name, *map(str, (one.new, one.done, one.late, one.open, one.answers, len(one.missed))))
        for one in weeks
    )
    headings = _headings(office, "unit", "new", "done", "late", "open", "answers", "missed")
    places = tuple((place, str(count)) for place, count in repeats(facts, office, area))
    return [
        Table(_span(office, facts.period), headings, rows),
        Table(office.texts.label("figure_repeats"), _headings(office, "place", "count"), places),
    ]


def monthly_tables(session: Session, office: Office, area: str, now: datetime) -> list[Table]:
    """The indicators of the area, and the order of its grids where all are large enough to be compared."""
    facts = gather(session, last_month(now, office.zone))
    rows = tuple(month_rows(facts, office, area))
    tables = [Table(_span(office, facts.period), _headings(office, "figure", "value"), rows)]
    units = {
        grid.name: figures(matters_in(facts, office, grid.code), facts.period).ordinary
        for grid in grids(office, area)
    }
    ranked = tuple((name, value_shown(office, units[name].solved)) for name in rank(units))
    if len(ranked) > 1:
        tables.append(
            Table(office.texts.label("figure_ranking"), _headings(office, "unit", "solved"), ranked)
        )
    return tables


def _headings(office: Office, *names: str) -> tuple[str, ...]:
    return tuple(office.texts.label(f"heading_{name}") for name in names)


def _span(office: Office, period: Period) -> str:
    covered = days(period, office.zone)
    return f"{covered[0]} – {covered[-1]}"
