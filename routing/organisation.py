"""The organisation as a value: the tree of areas, who holds which post there, and since when."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class AreaKind(StrEnum):
    STREET = "street"
    COMMUNITY = "community"
    GRID = "grid"
    SECTION = "section"
    GROUP = "group"
    NEIGHBOUR_UNIT = "neighbour_unit"
    BUILDING = "building"


class Role(StrEnum):
    """The posts that a roster may name; task roles of outside bodies come with the taxonomy."""

    GRID_MEMBER = "grid_member"
    GRID_HEAD = "grid_head"
    NEIGHBOR_CHIEF = "neighbor_chief"
    GROUP_CHIEF = "group_chief"
    AREA_CHIEF = "area_chief"
    COMMUNITY = "community"
    VILLAGE_COMMITTEE = "village_committee"
    STREET = "street"
    DEPT = "dept"
    DUTY_DESK = "duty_desk"
    MEDIATOR = "mediator"
    VILLAGE_DOCTOR = "village_doctor"
    ELDER_CARE = "elder_care"
    COUNSELOR = "counselor"
    PROPERTY = "property"
    OWNERS_COMMITTEE = "owners_committee"
    COMMUNITY_POLICE = "community_police"
    LEGAL_ADVISOR = "legal_advisor"
    SERVICE_HALL = "service_hall"
    VOLUNTEER = "volunteer"
    RIDER = "rider"
    PARTNER = "partner"
    SUPERVISOR = "supervisor"
    PRIVACY_OFFICER = "privacy_officer"
    MODERATOR = "moderator"
    ADMIN = "admin"


CHIEFS = (Role.NEIGHBOR_CHIEF, Role.GROUP_CHIEF, Role.AREA_CHIEF)
DISPATCHERS = (Role.DUTY_DESK, Role.COMMUNITY)
LEADERS = (Role.COMMUNITY, Role.VILLAGE_COMMITTEE, Role.GRID_HEAD, Role.STREET)


@dataclass(frozen=True, slots=True)
class Area:
    code: str
    kind: AreaKind
    name: str
    parent: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Appointment:
    """A member holds a role in an area from `starts` (inclusive) to `ends` (exclusive); None is open."""

    member: str
    role: Role
    area: str
    starts: datetime | None = None
    ends: datetime | None = None

    def active(self, now: datetime) -> bool:
        return (self.starts is None or self.starts <= now) and (self.ends is None or now < self.ends)


@dataclass(frozen=True, slots=True)
class Leave:
    """A member is away from `starts` (inclusive) to `ends` (exclusive); `deputy` has agreed to stand in."""

    member: str
    starts: datetime
    ends: datetime
    deputy: str | None = None

    def active(self, now: datetime) -> bool:
        return self.starts <= now < self.ends


@dataclass(frozen=True, slots=True)
class Duty:
    """Hours of certain days, as on the clock of the office; `ends` before `starts` is the next morning."""

    days: frozenset[int]
    starts: time
    ends: time

    def covers(self, local: datetime) -> bool:
        """Whether these hours hold the moment; `days` are numbered as in `date.weekday()`."""
        today, clock = local.weekday() in self.days, local.time()
        if self.starts < self.ends:
            return today and self.starts <= clock < self.ends
        yesterday = (local - timedelta(days=1)).weekday() in self.days
        return (today and clock >= self.starts) or (yesterday and clock < self.ends)


@dataclass(frozen=True, slots=True)
class Member:
    code: str
    name: str
    expertise: tuple[str, ...] = ()
    duties: tuple[Duty, ...] = ()

    @property
    def surname(self) -> str:
        return self.name[:1]


BY_HAND = "byhand"  # the channel of a group that no bot may enter: people post there, and answer elsewhere


@dataclass(frozen=True, slots=True)
class StaffChat:
    id: int
    area: str
    by_hand: bool = False


@dataclass(frozen=True)
class Organisation:
    """One loaded state of the roster. Areas form a forest; every parent named exists."""

    areas: Mapping[str, Area] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    appointments: tuple[Appointment, ...] = ()
    chats: tuple[StaffChat, ...] = ()
    leaves: tuple[Leave, ...] = ()

    def up(self, area: str | None) -> Iterator[Area]:
        """The area itself, then its parents, up to the root."""
        while area is not None and (found := self.areas.get(area)):
            yield found
            area = found.parent

    def within(self, area: str | None, ancestor: str) -> bool:
        return any(step.code == ancestor for step in self.up(area))

    def community(self, area: str | None) -> Area | None:
        return next((step for step in self.up(area) if step.kind is AreaKind.COMMUNITY), None)

    def grid(self, area: str | None) -> Area | None:
        return next((step for step in self.up(area) if step.kind is AreaKind.GRID), None)

    def only_community(self) -> Area | None:
        """The community of a place nobody has named yet, where there is no doubt."""
        return self._communities[0] if len(self._communities) == 1 else None

    def holders(self, area: str, role: Role, now: datetime) -> list[Member]:
        """Who holds `role` in just this area now, in the order of their codes."""
        codes = {post.member for post in self._by_place.get((area, role), ()) if post.active(now)}
        return [self.members[code] for code in sorted(codes)]

    def holders_within(self, area: str, now: datetime) -> set[str]:
        """Everybody who holds a post in the area or below it."""
        return {
            post.member for post in self.appointments if post.active(now) and self.within(post.area, area)
        }

    def posts(self, member: str, now: datetime) -> list[Appointment]:
        return [post for post in self._by_member.get(member, ()) if post.active(now)]

    # --- who is there -------------------------------------------------------------------------

    def away(self, member: str, now: datetime) -> bool:
        return any(leave.active(now) for leave in self._leaves.get(member, ()))

    def deputy_of(self, member: str, now: datetime) -> str | None:
        """Who stands in for a member on leave: has agreed, is there, and holds a post of their own."""
        for leave in self._leaves.get(member, ()):
            deputy = leave.deputy if leave.active(now) else None
            if deputy and not self.away(deputy, now) and self.posts(deputy, now):
                return deputy
        return None

    def on_duty(self, member: str, local: datetime) -> bool | None:
        """Whether the member is on duty at a time of the office's own clock; None where no hours are set."""
        duties = self.members[member].duties
        return any(duty.covers(local) for duty in duties) if duties else None

    def acting(self, member: str, now: datetime) -> list[Appointment]:
        """The member's own posts, and those of everybody for whom they stand in."""
        covered = {leave.member for leave in self._stand_ins.get(member, ())}
        others = sorted(one for one in covered if self.deputy_of(one, now) == member)
        return [post for one in (member, *others) for post in self.posts(one, now)]

    def serves(self, member: str, area: str | None, now: datetime) -> bool:
        """Whether the member acts in any post now in the area or above it, or below the grid it lies in."""
        grid = self.grid(area)
        return any(
            self.within(area, post.area) or (grid is not None and self.within(post.area, grid.code))
            for post in self.acting(member, now)
        )

    def held(self, area: str | None, now: datetime) -> set[Role]:
        """The roles that anybody holds now in the area or above it."""
        return {post.role for post in self.appointments if post.active(now) and self.within(area, post.area)}

    def holds(self, member: str, roles: tuple[Role, ...], area: str | None, now: datetime) -> bool:
        return any(post.role in roles and self.within(area, post.area) for post in self.acting(member, now))

    def there(self, member: str, area: str | None, now: datetime) -> bool:
        """Whether the member can be counted on at the place now: serves it, and is not on leave."""
        return not self.away(member, now) and self.serves(member, area, now)

    def role_at(self, member: str | None, area: str | None, now: datetime) -> Role | None:
        """In which post the member acts nearest to the place; any of their posts where none is above it."""
        posts = {post.area: post.role for post in reversed(self.acting(member or "", now))}
        above = (posts[step.code] for step in self.up(area) if step.code in posts)
        return next(above, None) or next(reversed(posts.values()), None)

    def next_change(self, now: datetime) -> datetime | None:
        """When somebody's post or leave begins or ends next."""
        dated: tuple[Appointment | Leave, ...] = (*self.appointments, *self.leaves)
        moments = (moment for one in dated for moment in (one.starts, one.ends))
        return min((moment for moment in moments if moment is not None and moment > now), default=None)

    def staff_chat(self, area: str | None) -> StaffChat | None:
        """The nearest staff group going up the tree."""
        return next((self._chats[step.code] for step in self.up(area) if step.code in self._chats), None)

    def people_of(self, chat: int, now: datetime) -> list[str]:
        """Everybody with a post in the area of a staff group."""
        area = next((one.area for one in self.chats if one.id == chat), None)
        return sorted(self.holders_within(area, now)) if area else []

    # --- built once for each state of the roster ----------------------------------------------

    @cached_property
    def _communities(self) -> list[Area]:
        return [area for area in self.areas.values() if area.kind is AreaKind.COMMUNITY]

    @cached_property
    def _by_place(self) -> Mapping[tuple[str, Role], list[Appointment]]:
        return _grouped(((post.area, post.role), post) for post in self.appointments)

    @cached_property
    def _by_member(self) -> Mapping[str, list[Appointment]]:
        return _grouped((post.member, post) for post in self.appointments)

    @cached_property
    def _leaves(self) -> Mapping[str, list[Leave]]:
        return _grouped((leave.member, leave) for leave in self.leaves)

    @cached_property
    def _stand_ins(self) -> Mapping[str, list[Leave]]:
        return _grouped((leave.deputy, leave) for leave in self.leaves if leave.deputy)

    @cached_property
    def _chats(self) -> Mapping[str, StaffChat]:
        return {chat.area: chat for chat in reversed(self.chats)}


def _grouped(pairs: Iterable[tuple[K, V]]) -> Mapping[K, list[V]]:
    groups: defaultdict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups
