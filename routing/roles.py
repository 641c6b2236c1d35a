"""What each post may be asked to do and may see, as one value loaded from the office's file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from routing.organisation import Role
from routing.privacy import Retention


@dataclass(frozen=True, slots=True)
class Duties:
    """The bounds of one role. `asks_day` and `asks_week` count assignments that are not urgent."""

    asks_day: int | None = None
    asks_week: int | None = None
    refused_scopes: frozenset[str] = frozenset()
    refused_limits: frozenset[str] = frozenset()
    rule: str = ""

    def accepts(self, scope: str | None, limit_class: str | None) -> bool:
        """Whether the role may be given a request of this scope and limit class at all."""
        return scope not in self.refused_scopes and limit_class not in self.refused_limits

    @property
    def bounded(self) -> bool:
        """Whether there is a ceiling on how much the role may be asked."""
        return self.asks_day is not None or self.asks_week is not None


@dataclass(frozen=True, slots=True)
class Roles:
    """`sealed` maps a category, or the group that its code begins with, to the roles that may see it.

    `reveal` are the roles that may ask for what was masked, each time with a purpose.
    """

    duties: Mapping[Role, Duties] = field(default_factory=dict)
    sealed: Mapping[str, frozenset[Role]] = field(default_factory=dict)
    consent: frozenset[str] = frozenset()
    reveal: frozenset[Role] = frozenset()
    retention: Retention = field(default_factory=Retention)

    def of(self, role: Role) -> Duties:
        return self.duties.get(role, _FREE)

    def cleared(self, category: str | None) -> frozenset[Role] | None:
        """The roles that may see a category that is sealed by default; None where it is open to all."""
        return _longest(self.sealed, category) if category else None

    def needs_consent(self, category: str | None) -> bool:
        """Whether nobody may see a request of this category before the resident agrees."""
        return category is not None and any(category.startswith(code) for code in self.consent)


_FREE = Duties()


def _longest(by_prefix: Mapping[str, frozenset[Role]], category: str) -> frozenset[Role] | None:
    found = [code for code in by_prefix if category.startswith(code)]
    return by_prefix[max(found, key=len)] if found else None
