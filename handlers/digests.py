"""What staff get unasked: the morning's tasks, the evening's ledger, the summaries of week and month."""

from collections import defaultdict
from collections.abc import Sequence

from handlers import filing, patrol, reporting
from handlers.desk import Desk, Urgency, to_member
from handlers.office import Office
from handlers.reporting import Facts, Week
from routing.indicators import figures
from routing.organisation import Appointment, Area, Role
from routing.rhythm import Rhythm
from storage import matters, queries
from storage.tables import ServiceRequest

MOST_LINES = 10  # of a list in one message; the rest is a number

Posts = dict[str, list[Appointment]]


async def tasks(desk: Desk) -> None:
    """08:30: to each who has something in hand, what it is and by when; patrol for the grid members."""
    in_hand: defaultdict[str, list[ServiceRequest]] = defaultdict(list)
    for request in await desk.unit.run(matters.open_requests):
        for member in filing.in_charge(desk, request):
            in_hand[member].append(request)
    walked = await patrol.walked_today(desk)
    for member, posts in (await _readers(desk, desk.office.digests.tasks)).items():
        to_walk = [post for post in posts if post.role is Role.GRID_MEMBER and post.area not in walked]
        if in_hand[member] or to_walk:
            _say_tasks(desk, member, in_hand[member], walks=bool(to_walk))


def _say_tasks(desk: Desk, member: str, found: Sequence[ServiceRequest], *, walks: bool) -> None:
    texts, due = desk.office.texts, [one for one in found if _due_today(desk, one)]
    desk.say(
        to_member(member),
        "digest_tasks",
        urgency=Urgency.DIGEST,
        choices=desk.choices("patrol") if walks else (),
        count=texts.render("digest_count", {"count": len(found), "due": len(due)}) if found else "",
        lines=_lines(desk, found),
        patrol=texts.render("digest_patrol", {}) if walks else "",
    )


def _due_today(desk: Desk, request: ServiceRequest) -> bool:
    due, zone = reporting.due_of(request), desk.office.zone
    return due is not None and due.astimezone(zone).date() <= desk.now.astimezone(zone).date()


async def ledger(desk: Desk) -> None:
    """18:00: all that is open in a grid goes to its people, and is carried over to the next day."""
    found: defaultdict[str, list[ServiceRequest]] = defaultdict(list)
    for request in await desk.unit.run(matters.open_requests):
        grid = desk.office.organisation.grid(request.area)
        if grid is not None:
            found[grid.code].append(request)
    for member, posts in (await _readers(desk, desk.office.digests.ledger)).items():
        parts = [_ledger(desk, grid, found[grid.code]) for grid in _grids(desk, posts) if found[grid.code]]
        _say_parts(desk, member, "digest_ledger", parts)


def _ledger(desk: Desk, grid: Area, found: Sequence[ServiceRequest]) -> str:
    args = {"place": grid.name, "count": len(found), "lines": _lines(desk, found)}
    return desk.office.texts.render("digest_ledger_grid", args)


async def weekly(desk: Desk) -> None:
    """Monday 09:00: the week before, grid by grid, for those who answer for the grids."""
    facts = await desk.unit.run(reporting.gather, reporting.last_week(desk.now, desk.office.zone))
    for member, posts in (await _readers(desk, desk.office.digests.weekly)).items():
        weeks = [reporting.week(facts, desk.office, grid) for grid in _grids(desk, posts)]
        parts = [_week(desk, one) for one in weeks if one.eventful]
        areas = dict.fromkeys(post.area for post in posts)
        parts += [line for area in areas for line in _beside(desk, facts, area)]
        _say_parts(desk, member, "digest_weekly", parts)


def _week(desk: Desk, one: Week) -> str:
    texts = desk.office.texts
    missed = "、".join(day[5:] for day in one.missed)
    args = {name: getattr(one, name) for name in ("new", "done", "late", "open", "answers")}
    return texts.render(
        "digest_week_grid",
        {
            **args,
            "place": one.grid.name,
            "patrol": texts.render("digest_missed", {"days": missed}) if missed else "",
        },
    )


def _beside(desk: Desk, facts: Facts, area: str) -> list[str]:
    """What concerns an area as a whole: places that come again and again, posts that nobody holds."""
    render = desk.office.texts.render
    places = reporting.repeats(facts, desk.office, area)
    vacant = reporting.vacancies(desk.office, area, desk.now)
    silent = reporting.silent_chiefs(facts, desk.office, area)
    lines = [render("digest_repeat", {"place": place, "count": count}) for place, count in places]
    lines += [render("digest_vacant", {"place": place}) for place in vacant]
    return [*lines, *(render("digest_silent", {"who": who, "count": count}) for who, count in silent)]


async def monthly(desk: Desk) -> None:
    """The first of a month, 09:00: the month before in figures; for the community a draft to publish."""
    facts = await desk.unit.run(reporting.gather, reporting.last_month(desk.now, desk.office.zone))
    for member, posts in (await _readers(desk, desk.office.digests.monthly)).items():
        parts = [
            _month(desk, facts, area, drafts=any(post.role is Role.COMMUNITY for post in posts))
            for area in dict.fromkeys(post.area for post in posts)
            if reporting.matters_in(facts, desk.office, area)
        ]
        _say_parts(desk, member, "digest_monthly", parts)


def _month(desk: Desk, facts: Facts, area: str, *, drafts: bool) -> str:
    render, rows = desk.office.texts.render, reporting.month_rows(facts, desk.office, area)
    args = {
        "month": f"{facts.period.start.astimezone(desk.office.zone):%-m}",
        "place": desk.office.place_name(area),
    }
    lines = "\n".join(render("digest_figure", {"name": name, "value": value}) for name, value in rows)
    return render(
        "digest_month_unit",
        {**args, "lines": lines, "draft": _draft(desk, facts, area, args) if drafts else ""},
    )


def _draft(desk: Desk, facts: Facts, area: str, args: dict[str, str]) -> str:
    """What may be told to everybody, for a person of the community to read first."""
    found = figures(reporting.matters_in(facts, desk.office, area), facts.period).ordinary
    shown = {
        name: reporting.value_shown(desk.office, getattr(found, name))
        for name in ("demand", "matters", "solved", "satisfied", "told")
    }
    return desk.office.texts.render("digest_bulletin", {**args, **shown})


# --- to whom, and how much --------------------------------------------------------------------


async def _readers(desk: Desk, rhythm: Rhythm) -> Posts:
    """The members who can be reached and hold one of the digest's roles, with those posts."""
    found: Posts = {}
    for member in await desk.unit.run(queries.bound_members):
        posts = desk.office.organisation.posts(member, desk.now)
        mine = [post for post in posts if post.role in rhythm.roles]
        if mine:
            found[member] = mine
    return found


def _grids(desk: Desk, posts: Sequence[Appointment]) -> list[Area]:
    """The grids that these posts answer for, each once."""
    return list(dict.fromkeys(grid for post in posts for grid in reporting.grids(desk.office, post.area)))


def _lines(desk: Desk, found: Sequence[ServiceRequest]) -> str:
    """The requests as lines: number, category, place and by when; nothing that a resident wrote."""
    return cut(desk.office, [_line(desk, one) for one in found])


def _line(desk: Desk, request: ServiceRequest) -> str:
    office, due = desk.office, reporting.due_of(request)
    category, place = reporting.subject_shown(office, request)
    return office.texts.render(
        "digest_line",
        {
            "number": request.number,
            "category": category,
            "place": office.texts.render("digest_place", {"place": place}) if place else "",
            "due": office.texts.render("digest_due", {"due": office.when(due)}) if due else "",
        },
    )


def _say_parts(desk: Desk, member: str, template: str, parts: Sequence[str]) -> None:
    if parts:
        desk.say(to_member(member), template, urgency=Urgency.DIGEST, parts=cut(desk.office, parts))


def cut(office: Office, lines: Sequence[str]) -> str:
    """The lines as one text, the long end of a list as a number."""
    more = len(lines) - MOST_LINES
    rest = [office.texts.render("digest_more", {"count": more})] if more > 0 else []
    return "\n".join([*lines[:MOST_LINES], *rest])
