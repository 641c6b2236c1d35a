"""What residents are told outside a talk, where a platform allows only messages in its templates then."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.messages import Notice
from handlers.texts import Texts
from routing.windows import Worth


@dataclass(frozen=True, slots=True)
class Form:
    """A template of the platform: its ids there (empty where the office has none), and its fields.

    A field may hold {what}, the short word for the purpose, {time}, and whatever the message itself is about.
    """

    template: str
    subscription: str
    purposes: Mapping[str, str]
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Notices:
    """`minor` purposes are not worth one of the last free messages."""

    minor: frozenset[str] = frozenset()
    forms: tuple[Form, ...] = ()
    worths: dict[str, Worth] = field(default_factory=dict)  # found once for each purpose

    def worth(self, purpose: str) -> Worth:
        if purpose not in self.worths:
            form = self._form(purpose)
            self.worths[purpose] = Worth(
                purpose in self.minor,
                (form.template or None) if form else None,
                (form.subscription or None) if form else None,
            )
        return self.worths[purpose]

    def _form(self, purpose: str) -> Form | None:
        return next((form for form in self.forms if purpose in form.purposes), None)

    def notice(self, purpose: str, template: str, args: Mapping[str, Any], texts: Texts) -> Notice:
        """The message of that purpose in its template, every field filled."""
        form = self._form(purpose)
        assert form is not None  # noqa: S101 (the template was found in it)
        told = {**args, "what": form.purposes[purpose]}
        return Notice(template, {name: texts.fill(words, told) for name, words in form.fields.items()})
