"""A member is away for some days: who stands in, whether they agree, and who is told."""

from datetime import date, datetime, time, timedelta

from handlers import choosing
from handlers.desk import Desk, RefusalError, to_member
from handlers.messages import Choice, Kind
from handlers.office import Office
from handlers.turn import Turn
from routing.choose import candidates, lead_roles
from routing.leave import asks_for_leave, read_leave
from routing.organisation import CHIEFS, Appointment, Member, Role
from routing.text import normalize
from storage import directory, queries
from storage.ids import new_id
from storage.tables import Leave

ANSWER_WITHIN = timedelta(hours=12)
SILENT = "leaves"  # the deadline at which deputies who have not answered are not waited for any more
_SHOWN = 4  # people among whom a member chooses; two in 长者版

_COMMUNITY = (Role.COMMUNITY, Role.DUTY_DESK)


def asked(turn: Turn) -> bool:
    return turn.message.kind is Kind.TEXT and turn.member is not None and asks_for_leave(turn.message.text)


async def ask(turn: Turn) -> None:
    """请假 4/12-4/15 代班 李四: the days count at once, the deputy once they agree."""
    member = _member(turn)
    found = read_leave(turn.message.text, turn.now.astimezone(turn.office.zone).date())
    if found is None:
        raise RefusalError("leave_unclear")
    deputies = find_members(turn.office, found.deputy, member, turn.now) if found.deputy else []
    if found.deputy and not deputies:
        raise RefusalError("leave_nobody", name=found.deputy)
    leave = await _note(turn, member, found.first, found.last)
    if len(deputies) > 1:
        _ask_which(turn, leave, deputies)
    elif deputies:
        _ask_deputy(turn.desk, leave, deputies[0])
    else:
        await _cover(turn.desk, leave)


async def _note(turn: Turn, member: Member, first: date, last: date) -> Leave:
    """Store the leave in place of an earlier one for the same days."""
    zone = turn.office.zone
    starts = max(datetime.combine(first, time.min, zone), turn.now)
    ends = datetime.combine(last + timedelta(days=1), time.min, zone)
    for other in await turn.desk.unit.run(queries.leaves_of, member.code, turn.now):
        if other.starts < ends and starts < other.ends:
            _end(other, turn.now)
    leave = Leave(id=new_id(), member=member.code, starts=starts, ends=ends, asked_at=turn.now)
    turn.desk.unit.add(leave)
    await turn.desk.unit.run(directory.changed, turn.now)
    return leave


def _ask_which(turn: Turn, leave: Leave, deputies: list[str]) -> None:
    most = _SHOWN // 2 if turn.resident and turn.resident.elder else _SHOWN
    choices = [Choice(f"deputy:{code}", _full_title(turn.desk, code)) for code in deputies[:most]]
    turn.desk.say(turn.staff_reply_to, "leave_which", choices=choices, subject=_subject(leave))


def _ask_deputy(desk: Desk, leave: Leave, deputy: str) -> None:
    """The deputy has half a day to answer; until then whoever stands in by the rules gets what comes."""
    leave.deputy, leave.asked_at = deputy, desk.now
    desk.due_in(SILENT, ANSWER_WITHIN)
    days, who = _days(desk, leave), desk.office.title(leave.member, desk.now)
    choices = desk.choices("stand_in:yes", "stand_in:no")
    desk.say(to_member(deputy), "leave_ask", choices=choices, subject=_subject(leave), who=who, days=days)
    desk.say(to_member(leave.member), "leave_asked", who=desk.office.title(deputy, desk.now), days=days)


# --- answers ----------------------------------------------------------------------------------


async def chosen(turn: Turn) -> None:
    """The member has said which of several they meant."""
    leave = await _leave_of(turn)
    if leave.member != _member(turn).code or leave.deputy is not None:
        raise RefusalError("leave_settled_already")
    _ask_deputy(turn.desk, leave, turn.tap.value if turn.tap else "")


async def answered(turn: Turn) -> None:
    """The deputy agrees, or does not."""
    leave = await _leave_of(turn)
    if leave.deputy != _member(turn).code or leave.agreed_at or leave.declined_at or leave.ends <= turn.now:
        raise RefusalError("leave_settled_already")
    if turn.tap and turn.tap.value == "yes":
        await _agree(turn.desk, leave, leave.deputy)
    else:
        await _cover(turn.desk, leave)


async def silent(desk: Desk) -> None:
    """Deputies who have not answered in half a day."""
    for leave in await desk.unit.run(queries.unanswered_leaves, desk.now - ANSWER_WITHIN):
        await _cover(desk, leave)


async def _cover(desk: Desk, leave: Leave) -> None:
    """No deputy has agreed: the next above covers without being asked."""
    declined, leave.declined_at = leave.deputy, desk.now if leave.deputy else None
    await _agree(desk, leave, _next_above(desk, leave, declined), *([declined] if declined else []))


async def _agree(desk: Desk, leave: Leave, deputy: str | None, *others: str) -> None:
    """It is settled who stands in: it counts from now on, and everybody concerned hears it once."""
    leave.deputy, leave.agreed_at = deputy, desk.now if deputy else None
    await desk.unit.run(directory.changed, desk.now)
    texts, title = desk.office.texts, desk.office.title
    cover = title(deputy, desk.now) if deputy else texts.label("community_desk")
    people = [leave.member, *([deputy] if deputy else []), *others, *_community(desk, leave.member)]
    for member in dict.fromkeys(people):
        desk.say(
            to_member(member),
            "leave_settled",
            who=title(leave.member, desk.now),
            days=_days(desk, leave),
            cover=cover,
        )


def _next_above(desk: Desk, leave: Leave, declined: str | None) -> str | None:
    """Who covers: 组长 for a 邻长, 片长 for a 组长, the grid's heads for its member; else the community."""
    organisation = desk.office.organisation
    for post in organisation.posts(leave.member, desk.now):
        above = (*lead_roles(post.role)[1:], *CHIEFS[1:], *_COMMUNITY)
        if post.role is Role.GRID_MEMBER:
            above = (Role.GRID_HEAD, *CHIEFS[1:], *_COMMUNITY)
        for one in candidates(organisation, post.area, above, desk.now):
            if one.member.code not in (leave.member, declined):
                return one.member.code
    return None


def _community(desk: Desk, member: str) -> list[str]:
    posts = desk.office.organisation.posts(member, desk.now)
    return choosing.nearest(desk, posts[0].area if posts else None, _COMMUNITY)


# --- back again -------------------------------------------------------------------------------


async def back(turn: Turn) -> None:
    """销假: every leave that runs or is to come ends now."""
    member = _member(turn)
    found = await turn.desk.unit.run(queries.leaves_of, member.code, turn.now)
    if not found:
        raise RefusalError("leave_none")
    for leave in found:
        _end(leave, turn.now)
        if leave.deputy is not None:
            who, days = turn.office.title(member.code, turn.now), _days(turn.desk, leave)
            turn.desk.say(to_member(leave.deputy), "leave_over", who=who, days=days)
    await turn.desk.unit.run(directory.changed, turn.now)
    turn.desk.say(turn.staff_reply_to, "leave_back")


def _end(leave: Leave, now: datetime) -> None:
    """Over now, or never begun; nobody's answer is waited for any more."""
    leave.ends = max(now, leave.starts)
    if leave.agreed_at is None:
        leave.declined_at = now


# --- names ------------------------------------------------------------------------------------


def find_members(office: Office, name: str, asking: Member, now: datetime) -> list[str]:
    """Colleagues of the same community who are called so: by name, by surname and post, by place and post."""
    wanted, organisation = normalize(name), office.organisation
    home = {organisation.community(post.area) for post in organisation.posts(asking.code, now)}
    found = {
        post.member
        for post in organisation.appointments
        if post.active(now)
        and post.member != asking.code
        and organisation.community(post.area) in home
        and wanted in map(normalize, _names(office, post))
    }
    return sorted(found)


def _names(office: Office, post: Appointment) -> list[str]:
    person, title = office.organisation.members[post.member], office.texts.label(post.role)
    place = office.organisation.areas.get(post.area)
    places = (place.name, *place.aliases) if place else ()
    return [person.name, person.surname + title, title, *(one + title for one in places)]


def _full_title(desk: Desk, code: str) -> str:
    """Surname, post and place, so that two of the same name can be told apart."""
    post = desk.office.organisation.posts(code, desk.now)[0]
    return f"{desk.office.title(code, desk.now)}（{desk.office.place_name(post.area)}）"


def _days(desk: Desk, leave: Leave) -> str:
    zone = desk.office.zone
    first, last = leave.starts.astimezone(zone), (leave.ends - timedelta(seconds=1)).astimezone(zone)
    days = [f"{day:%-m月%-d日}" for day in (first, last)]
    return "到".join(dict.fromkeys(days))


def _member(turn: Turn) -> Member:
    if turn.member is None:
        raise RefusalError("not_on_roster")
    return turn.member


def _subject(leave: Leave) -> str:
    return f"leave:{leave.id}"


async def _leave_of(turn: Turn) -> Leave:
    """The leave that the pressed button is about."""
    subject = (turn.tap.offer.subject or "") if turn.tap else ""
    leave = await turn.desk.unit.get(Leave, int(subject.partition(":")[2] or 0))
    if leave is None:
        raise RefusalError("leave_settled_already")
    return leave
