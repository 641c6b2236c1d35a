"""The organisation as a value: the tree of areas, who holds which post there, and since when."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


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
class Member:
    code: str
    name: str
    expertise: tuple[str, ...] = ()

    @property
    def surname(self) -> str:
        return self.name[:1]


@dataclass(frozen=True, slots=True)
class StaffChat:
    id: int
    area: str


@dataclass(frozen=True)
class Organisation:
    """One loaded state of the roster. Areas form a forest; every parent named exists."""

    areas: Mapping[str, Area] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    appointments: tuple[Appointment, ...] = ()
    chats: tuple[StaffChat, ...] = ()

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
        found = [area for area in self.areas.values() if area.kind is AreaKind.COMMUNITY]
        return found[0] if len(found) == 1 else None

    def holders(self, area: str, role: Role, now: datetime) -> list[Member]:
        """Who holds `role` in just this area now, in the order of their codes."""
        codes = {
            post.member
            for post in self.appointments
            if post.area == area and post.role is role and post.active(now)
        }
        return [self.members[code] for code in sorted(codes)]

    def posts(self, member: str, now: datetime) -> list[Appointment]:
        return [post for post in self.appointments if post.member == member and post.active(now)]

    def serves(self, member: str, area: str | None, now: datetime) -> bool:
        """Whether the member holds any post now in the area or above it, or below the grid it lies in."""
        grid = self.grid(area)
        return any(
            self.within(area, post.area) or (grid is not None and self.within(post.area, grid.code))
            for post in self.posts(member, now)
        )

    def held(self, area: str | None, now: datetime) -> set[Role]:
        """The roles that anybody holds now in the area or above it."""
        return {post.role for post in self.appointments if post.active(now) and self.within(area, post.area)}

    def holds(self, member: str, roles: tuple[Role, ...], area: str | None, now: datetime) -> bool:
        return any(post.role in roles and self.within(area, post.area) for post in self.posts(member, now))

    def staff_chat(self, area: str | None) -> StaffChat | None:
        """The nearest staff group going up the tree."""
        for step in self.up(area):
            for chat in self.chats:
                if chat.area == step.code:
                    return chat
        return None
