"""What an office has decided: its people and places, rules, texts, limits, roles, manners, as one value."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache, partial
from zoneinfo import ZoneInfo

from handlers.notices import Notices
from handlers.texts import Texts
from routing.alike import Alike
from routing.cards import PolicyCards
from routing.classify import Danger, Decision, decide
from routing.guidance import Guidance
from routing.limits import Limits
from routing.manners import Manners
from routing.organisation import Area, AreaKind, Organisation, Role
from routing.places import PlaceName, Places, Spot, find_spot
from routing.rhythm import Schedule
from routing.roles import Roles
from routing.rules import Leaf, Rules

_PRESSED = re.compile("[0-9a-z]+:[a-z_]+")  # the data of a button: no words that need to be read
_DANGER = "danger"  # what [有危险] chooses, and 危险 commands
_REMEMBERED = 1000  # texts of people who are reporting just now
_HIGH = {AreaKind.STREET, AreaKind.COMMUNITY}


@dataclass(frozen=True, slots=True)
class Together:
    """What many share and what concerns only one: when reports are one matter, what is guided first."""

    alike: Alike
    guidance: Guidance


@dataclass(frozen=True)
class Office:
    organisation: Organisation
    rules: Rules
    texts: Texts
    limits: Limits
    roles: Roles
    manners: Manners
    together: Together
    digests: Schedule
    policies: PolicyCards
    notices: Notices
    hand_page: str = ""  # where the pages behind the codes of posted texts are; empty where there are none

    @property
    def zone(self) -> ZoneInfo:
        return self.limits.zone

    @cached_property
    def places(self) -> Places:
        """The places that a message may name: everything below the community."""
        return Places(
            tuple(
                PlaceName(
                    area.code,
                    (area.name, *area.aliases),
                    self._around(area),
                    self._community(area),
                )
                for area in self.organisation.areas.values()
                if area.kind not in _HIGH
            )
        )

    def _around(self, area: Area) -> tuple[str, ...]:
        return tuple(step.code for step in self.organisation.up(area.parent))

    def _community(self, area: Area) -> str | None:
        found = self.organisation.community(area.parent)
        return found.code if found else None

    def near(self, area: str | None) -> tuple[str, ...]:
        """Where a report may be about the same matter: the area, what it lies in up to the grid, and all
        that lies in it. An area above the grid says nothing about the place."""
        up = [step for step in self.organisation.up(area) if step.kind not in _HIGH]
        return (*(step.code for step in reversed(up)), *self.below(area)) if area and up else ()

    def below(self, area: str) -> list[str]:
        """Every area that lies within this one."""
        inner = self._children.get(area, ())
        return [code for child in inner for code in (child, *self.below(child))]

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        for area in self.organisation.areas.values():
            children.setdefault(area.parent or "", []).append(area.code)
        return children

    def is_shared(self, category: str) -> bool:
        """Whether neighbours may hear that somebody reported this: it is theirs too, and nothing secret."""
        return self.together.alike.concerns(category) and self.roles.cleared(category) is None

    @cached_property
    def decide(self) -> Callable[[str], Decision]:
        """What the rules make of a text: remembered, as card and button ask about the same words."""
        return lru_cache(maxsize=_REMEMBERED)(partial(decide, rules=self.rules))

    def may_be_danger(self, words: str) -> bool:
        """Of what was written, or of the data of a pressed button: whether somebody may be in danger."""
        if _PRESSED.fullmatch(words):
            return words.endswith(f":{_DANGER}")
        return self.texts.command(words) == _DANGER or self.decide(words).danger is not Danger.NONE

    @cached_property
    def spot(self) -> Callable[[str, str | None], Spot]:
        """Where a text says that something is, for somebody who is `near`: remembered likewise."""
        return lru_cache(maxsize=_REMEMBERED)(lambda text, near: find_spot(text, self.places, near))

    def leaf(self, category: str | None) -> Leaf | None:
        return self.rules.leaves.get(category) if category else None

    def category_name(self, category: str | None) -> str:
        leaf = self.leaf(category)
        return leaf.name if leaf else self.texts.label("unclassified")

    def place_name(self, area: str | None) -> str:
        """The place in words, from the grid down; never finer than a building."""
        steps = [step.name for step in self.organisation.up(area) if step.kind not in _HIGH]
        if steps:
            return " ".join(reversed(steps))
        found = self.organisation.areas.get(area) if area else None
        return found.name if found else ""

    def title(self, member: str | None, now: datetime) -> str:
        """Surname and post of a member, as residents and colleagues see them."""
        found = self.organisation.members.get(member) if member else None
        if found is None:
            return self.texts.label("community_desk")
        posts = self.organisation.posts(found.code, now)
        return found.surname + (self.texts.label(posts[0].role) if posts else "")

    def role(self, name: str) -> Role:
        """The roster's role for a taxonomy role; bodies outside the roster are reached by the community."""
        try:
            return Role(name)
        except ValueError:
            return Role.COMMUNITY

    def helpers(self, category: str | None) -> tuple[Role, ...]:
        """The posts of the roster that a category needs besides; outside bodies are reached by telephone."""
        leaf, known = self.leaf(category), {role.value for role in Role}
        return tuple(Role(name) for name in leaf.support_roles if name in known) if leaf else ()

    def when(self, moment: datetime | None) -> str:
        """A due time as people say it: month, day, hour and minute in the office's zone."""
        return f"{moment.astimezone(self.zone):%-m月%-d日%H:%M}" if moment else ""
