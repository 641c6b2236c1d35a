"""Which past requests other rules would file differently: what `huiyin rules test --history` prints."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table

from routing.classify import Danger, Outcome, decide
from routing.rules import Rules
from storage.lessons import Past

_SHOWN = 20
_NOBODY = "–"  # where no category was found, a person decides


@dataclass(frozen=True, slots=True)
class Filed:
    """The best guess at a request's category, whether it is sure, and whether there seems to be danger."""

    category: str | None
    alone: bool
    danger: Danger


_FIGURES: dict[str, Callable[[Filed], bool]] = {
    "filed alone": lambda filed: filed.alone,
    "alarm": lambda filed: filed.danger is Danger.ALARM,
    "asked about danger": lambda filed: filed.danger is Danger.ASK,
}


@dataclass(frozen=True, slots=True)
class Compared:
    past: Past
    before: Filed
    after: Filed

    @property
    def differs(self) -> bool:
        return self.before.category != self.after.category


def compare(pasts: Iterable[Past], before: Rules | None, after: Rules) -> Iterator[Compared]:
    """Those whose words are still there. Without `before`, with what was decided at the time."""
    for past in pasts:
        if past.text is not None:
            then = _by_rules(past.text, before) if before else _at_the_time(past)
            yield Compared(past, then, _by_rules(past.text, after))


def _by_rules(text: str, rules: Rules) -> Filed:
    decision = decide(text, rules)
    return Filed(decision.category, decision.outcome is Outcome.FILE, decision.danger)


def _at_the_time(past: Past) -> Filed:
    stored = past.decision
    return Filed(stored["category"], stored["outcome"] == Outcome.FILE, Danger(stored["danger"]))


# --- showing ----------------------------------------------------------------------------------


def report(compared: Sequence[Compared], skipped: int) -> RenderableType:
    """Counts, categories and numbers of requests: nobody's words."""
    differing = [one for one in compared if one.differs]
    details: list[RenderableType] = [_moves(differing), _numbers(differing)] if differing else []
    return Group(
        f"{len(compared)} past requests, {len(differing)} would be filed differently; "
        f"{skipped} skipped, as their words are erased or sealed",
        _judgement(compared),
        _figures(compared),
        *details,
    )


def _judgement(compared: Sequence[Compared]) -> str:
    known = [one for one in compared if one.past.right is not None]
    before = {one.past.number for one in known if one.before.category == one.past.right}
    after = {one.past.number for one in known if one.after.category == one.past.right}
    return (
        f"of {len(known)} whose right category is known: "
        f"{len(after - before)} get better, {len(before - after)} get worse"
    )


def _figures(compared: Sequence[Compared]) -> Table:
    table = Table("", "before", "after", box=None, pad_edge=False)
    for name, holds in _FIGURES.items():
        before, after = sum(holds(one.before) for one in compared), sum(holds(one.after) for one in compared)
        table.add_row(name, str(before), str(after))
    return table


def _moves(differing: Sequence[Compared]) -> Table:
    table = Table("from", "to", "requests", box=None, pad_edge=False)
    moves = Counter((one.before.category or _NOBODY, one.after.category or _NOBODY) for one in differing)
    for (source, target), count in moves.most_common():
        table.add_row(source, target, str(count))
    return table


def _numbers(differing: Sequence[Compared]) -> str:
    numbers = [one.past.number for one in differing[:_SHOWN]]
    more = len(differing) - len(numbers)
    return "\n".join(numbers) + (f"\nand {more} more" if more else "")
