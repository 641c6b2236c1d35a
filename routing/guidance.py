"""What the bot answers itself, what needs the resident's consent first, and who helps when asked."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from routing.organisation import Role
from routing.roles import Roles
from routing.rules import Leaf, Scope
from routing.text import normalize

_ROLES = frozenset(Role)  # a category may also name bodies that no roster knows


class Way(StrEnum):
    """How a category is treated before anybody is told of it."""

    ORDINARY = "ordinary"
    GUIDE = "guide"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Guidance:
    """`frail` are words by which somebody says that they are old or disabled: volunteers may help them
    with the categories in `volunteers`. `becomes` is what a category turns into when help is asked for."""

    frail: tuple[str, ...] = ()
    volunteers: frozenset[str] = frozenset()
    becomes: Mapping[str, str] = field(default_factory=dict)

    def is_frail(self, text: str) -> bool:
        plain = normalize(text)
        return any(normalize(word) in plain for word in self.frail)


def way(leaf: Leaf | None, roles: Roles) -> Way:
    """Guided where the category is the bot's own; consent where it is private and people handle it."""
    if leaf is None:
        return Way.ORDINARY
    if leaf.guided:
        return Way.GUIDE
    private = leaf.scope is Scope.PRIVATE or roles.needs_consent(leaf.code)
    return Way.CONSENT if private else Way.ORDINARY


def helper(leaf: Leaf, held: Collection[Role], first: Iterable[Role] = ()) -> Role:
    """Who helps with what the bot would only guide: the first of its roles that anybody holds."""
    named = [Role(name) for name in (leaf.role, *leaf.support_roles) if name in _ROLES]
    return next((role for role in (*first, *named) if role in held), Role.COMMUNITY)
