"""Loads the office's roster: all of a right file, nothing of a wrong one, and a line in the audit."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.files import Document, FileError, Problem, load_document, validate
from handlers.joining import BOUND
from routing.organisation import BY_HAND, AreaKind, Role
from storage import directory, queries
from storage.ids import new_id
from storage.secrets import Vault
from storage.tables import Account, Appointment, Area, Audit, Chat, Member

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,39}$")]
CommunityCode = r"[A-Za-z]{1,8}"
# Nobody is in office from before or after: the times of such days do not exist in every zone.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2999, 12, 31))]
Name = Annotated[str, StringConstraints(min_length=1, max_length=60)]
CHANNELS = ("telegram", "wechat", "wecom")
CHAT_CHANNELS = (*CHANNELS, BY_HAND)


def _comparable(accounts: dict[str, str]) -> dict[str, str]:
    """WeCom compares userids without regard to case, and tells them in small letters."""
    return {channel: one.lower() if channel == "wecom" else one for channel, one in accounts.items()}


Accounts = Annotated[dict[str, Name], AfterValidator(_comparable)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, coerce_numbers_to_str=True)


class AreaRow(_Model):
    code: Code
    kind: AreaKind
    name: Name
    parent: Code | None = None
    aliases: tuple[Name, ...] = ()


class Post(_Model):
    role: Role
    area: Code
    from_: Annotated[Day | None, Field(alias="from")] = None
    to: Day | None = None


class DutyRow(_Model):
    """Hours on duty; `to` before `from` is the next morning."""

    weekdays: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], Field(min_length=1)]
    from_: Annotated[time, Field(alias="from")]
    to: time

    def stored(self) -> dict[str, Any]:
        days = sorted({day - 1 for day in self.weekdays})
        return {"days": days, "from": f"{self.from_:%H:%M}", "to": f"{self.to:%H:%M}"}


class MemberRow(_Model):
    code: Code
    name: Name
    role: Role | None = None
    area: Code | None = None
    from_: Annotated[Day | None, Field(alias="from")] = None
    to: Day | None = None
    appointments: tuple[Post, ...] = ()
    accounts: Accounts = {}
    expertise: tuple[str, ...] = ()
    duty: tuple[DutyRow, ...] = ()

    def posts(self) -> tuple[Post, ...]:
        """All posts, however they were written."""
        if self.role is None or self.area is None:
            return self.appointments
        return (Post(role=self.role, area=self.area, from_=self.from_, to=self.to), *self.appointments)


class ChatRow(_Model):
    channel: str
    id: str
    area: Code
    purpose: str = "staff"


class Roster(_Model):
    areas: Annotated[tuple[AreaRow, ...], Field(min_length=1)]
    members: tuple[MemberRow, ...] = ()
    chats: tuple[ChatRow, ...] = ()
    sample: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load changed, as counts; all zero when the file was in force already."""

    areas: int
    members: int
    appointments: int
    ended: int
    accounts: int
    chats: int

    @property
    def nothing(self) -> bool:
        return not any(getattr(self, name) for name in self.__slots__)


def read_roster(path: Path) -> Roster:
    """Raises FileError with every wrong row and its line."""
    document = load_document(path)
    roster = validate(document, Roster)
    problems = [
        *_area_problems(document, roster),
        *_member_problems(document, roster),
        *_chat_problems(document, roster),
    ]
    if problems:
        raise FileError(*sorted(problems, key=lambda problem: problem.line or 0))
    return roster


# --- what a row cannot know by itself ---------------------------------------------------------


def _repeated(values: list[str]) -> set[str]:
    return {value for value, count in Counter(values).items() if count > 1}


def _area_problems(document: Document, roster: Roster) -> Iterator[Problem]:
    parents = {area.code: area.parent for area in roster.areas}
    repeated = _repeated([area.code for area in roster.areas])
    for row, area in enumerate(roster.areas):
        if area.code in repeated:
            yield document.problem(
                ("areas", row, "code"), f"areas[{row}] 的 code {area.code} 重复了，每个片区要有自己的编号"
            )
        if area.parent is not None and area.parent not in parents:
            yield document.problem(
                ("areas", row, "parent"), f"areas[{row}] 的 parent {area.parent} 不在 areas 里"
            )
        elif _circles(area.code, parents):
            yield document.problem(("areas", row, "parent"), f"areas[{row}] 的上级绕回了自己：{area.code}")
        if area.kind is AreaKind.COMMUNITY and not area.code.isalpha():
            yield document.problem(
                ("areas", row, "code"), f"areas[{row}] 社区的 code 会写进编号，只用字母，例如 YS"
            )


def _circles(code: str, parents: dict[str, str | None]) -> bool:
    seen, step = {code}, parents.get(code)
    while step is not None:
        if step in seen:
            return True
        seen.add(step)
        step = parents.get(step)
    return False


def _member_problems(document: Document, roster: Roster) -> Iterator[Problem]:
    areas = {area.code for area in roster.areas}
    repeated = _repeated([member.code for member in roster.members])
    bound = _repeated(
        [f"{channel}:{one}" for member in roster.members for channel, one in member.accounts.items()]
    )
    for row, member in enumerate(roster.members):
        here = f"members[{row}]"
        if member.code in repeated:
            yield document.problem(
                ("members", row, "code"), f"{here} 的 code {member.code} 重复了，每个人要有自己的编号"
            )
        if not member.posts():
            yield document.problem(("members", row), f"{here} 没有职务：写 role 和 area，或写 appointments")
        for post in member.posts():
            if post.area not in areas:
                yield document.problem(("members", row), f"{here} 的 area {post.area} 不在 areas 里")
            if post.from_ and post.to and post.to < post.from_:
                yield document.problem(("members", row), f"{here} 的任期 to 早于 from")
        for channel, one in member.accounts.items():
            if channel == BY_HAND:
                yield document.problem(
                    ("members", row, "accounts"),
                    f"{here} 的账号不能用 {BY_HAND}：它只用于 chats 里由人转发的群",
                )
            elif channel not in CHANNELS:
                yield document.problem(
                    ("members", row, "accounts"),
                    f"{here} 的账号渠道 {channel} 不认识，可用：{'、'.join(CHANNELS)}",
                )
            if f"{channel}:{one}" in bound:
                yield document.problem(
                    ("members", row, "accounts"), f"{here} 的 {channel} 账号还写在别人名下"
                )


def _chat_problems(document: Document, roster: Roster) -> Iterator[Problem]:
    areas = {area.code for area in roster.areas}
    repeated = _repeated([f"{chat.channel}:{chat.id}" for chat in roster.chats])
    for row, chat in enumerate(roster.chats):
        if chat.area not in areas:
            yield document.problem(("chats", row, "area"), f"chats[{row}] 的 area {chat.area} 不在 areas 里")
        if chat.channel not in CHAT_CHANNELS:
            yield document.problem(
                ("chats", row, "channel"),
                f"chats[{row}] 的 channel {chat.channel} 不认识，可用：{'、'.join(CHAT_CHANNELS)}",
            )
        if chat.purpose != "staff":
            yield document.problem(
                ("chats", row, "purpose"), f"chats[{row}] 的 purpose 现在只能是 staff（工作群）"
            )
        if f"{chat.channel}:{chat.id}" in repeated:
            yield document.problem(("chats", row, "id"), f"chats[{row}] 的群写了两次")


# --- loading ----------------------------------------------------------------------------------


def load_roster(
    session: Session, roster: Roster, digest: str, vault: Vault, zone: ZoneInfo, now: datetime, who: str
) -> Loaded:
    """Bring the tables to what the roster says, in the transaction at hand.

    Posts that came from an earlier roster and are no longer named end now. Accounts that their owner bound
    with a code are never removed. Loading the same file again changes nothing.
    """
    loaded = Loaded(
        areas=_load_areas(session, roster),
        members=_load_members(session, roster),
        appointments=_add_posts(session, roster, zone),
        ended=_end_posts(session, roster, zone, now),
        accounts=_bind_accounts(session, roster, vault, now),
        chats=_load_chats(session, roster, vault),
    )
    if not loaded.nothing:
        difference = {name: getattr(loaded, name) for name in loaded.__slots__}
        session.add(
            Audit(id=new_id(), at=now, who=who, subject="roster", digest=digest, difference=difference)
        )
        directory.changed(session, now)
    return loaded


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _change(row: Any, **values: Any) -> bool:
    """Set what differs; whether anything did."""
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    return bool(changed)


def _load_areas(session: Session, roster: Roster) -> int:
    known = {area.code: area for area in session.scalars(select(Area))}
    count = 0
    for position, row in enumerate(roster.areas):
        area = known.pop(row.code, None)
        if area is None:
            area = Area(code=row.code)
            session.add(area)
        count += _change(
            area,
            kind=row.kind.value,
            name=row.name,
            parent=row.parent,
            aliases=list(row.aliases),
            position=position,
            active=True,
        )
    session.flush()
    return count + sum(_change(gone, active=False) for gone in known.values())


def _load_members(session: Session, roster: Roster) -> int:
    known = {member.code: member for member in session.scalars(select(Member))}
    count = 0
    for row in roster.members:
        member = known.get(row.code)
        if member is None:
            member = Member(code=row.code)
            session.add(member)
        duty = [one.stored() for one in row.duty]
        count += _change(member, name=row.name, expertise=list(row.expertise), duty=duty)
    session.flush()
    return count


def _wanted(roster: Roster, zone: ZoneInfo) -> dict[tuple[str, str, str, datetime | None], datetime | None]:
    """Every post of the file: (member, role, area, start) → end. `to` is the last day in office."""
    return {
        (member.code, post.role.value, post.area, _midnight(post.from_, zone)): _midnight(
            post.to + timedelta(days=1) if post.to else None, zone
        )
        for member in roster.members
        for post in member.posts()
    }


def _midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    return datetime.combine(day, time.min, zone).astimezone(UTC) if day else None


def _posts(session: Session, now: datetime | None = None) -> list[Appointment]:
    query = select(Appointment).where(Appointment.source == "roster")
    if now is not None:
        query = query.where(Appointment.ends.is_(None) | (Appointment.ends > now))
    return list(session.scalars(query))


def _add_posts(session: Session, roster: Roster, zone: ZoneInfo) -> int:
    known = {(one.member, one.role, one.area, one.starts): one for one in _posts(session)}
    count = 0
    for key, ends in _wanted(roster, zone).items():
        post = known.get(key)
        if post is None:
            member, role, area, starts = key
            session.add(
                Appointment(
                    id=new_id(),
                    member=member,
                    role=role,
                    area=area,
                    starts=starts,
                    ends=ends,
                    source="roster",
                )
            )
            count += 1
        else:
            count += _change(post, ends=ends)
    session.flush()
    return count


def _end_posts(session: Session, roster: Roster, zone: ZoneInfo, now: datetime) -> int:
    wanted = _wanted(roster, zone)
    return sum(
        _change(post, ends=now)
        for post in _posts(session, now)
        if (post.member, post.role, post.area, post.starts) not in wanted
    )


def _bind_accounts(session: Session, roster: Roster, vault: Vault, now: datetime) -> int:
    wanted = {
        vault.lookup(channel, one): (member.code, channel, one)
        for member in roster.members
        for channel, one in member.accounts.items()
    }
    known = queries.accounts_by_lookup(session, wanted.keys())
    count = 0
    for lookup, (member, channel, address) in wanted.items():
        account = known.get(lookup)
        if account is None:
            account = Account(
                id=new_id(), channel=channel, lookup=lookup, address=vault.seal(address), created_at=now
            )
            session.add(account)
        if account.source != BOUND:
            count += _change(account, member=member, source="roster")
    session.flush()
    stale = select(Account).where(Account.source == "roster", Account.lookup.not_in(wanted.keys()))
    return count + sum(_change(gone, member=None, source="message") for gone in session.scalars(stale))


def _load_chats(session: Session, roster: Roster, vault: Vault) -> int:
    known = {chat.lookup: chat for chat in session.scalars(select(Chat))}
    count = 0
    for row in roster.chats:
        lookup = vault.lookup(row.channel, row.id)
        chat = known.pop(lookup, None)
        if chat is None:
            chat = Chat(id=new_id(), channel=row.channel, lookup=lookup, address=vault.seal(row.id))
            session.add(chat)
        count += _change(chat, area=row.area, purpose=row.purpose, active=True)
    session.flush()
    return count + sum(_change(gone, active=False) for gone in known.values())


# --- checking ---------------------------------------------------------------------------------


def coverage(roster: Roster) -> list[str]:
    """Every place without a grid member anywhere above it, in words."""
    parents = {area.code: area.parent for area in roster.areas}
    served = {
        post.area for member in roster.members for post in member.posts() if post.role is Role.GRID_MEMBER
    }
    has_children = {area.parent for area in roster.areas}
    return [
        f"{area.name}({area.code})没有网格员"
        for area in roster.areas
        if area.code not in has_children and not _served(area.code, parents, served)
    ]


def _served(code: str | None, parents: dict[str, str | None], served: set[str]) -> bool:
    while code is not None:
        if code in served:
            return True
        code = parents.get(code)
    return False
