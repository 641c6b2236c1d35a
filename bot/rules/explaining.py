"""One decision in words: what `huiyin rules explain` shows."""

from rich.console import Group, RenderableType
from rich.table import Table

from routing.classify import Decision, Reason, decide, reasons
from routing.rules import Rules, Sense

_SENSES = {Sense.DANGER: "危险", Sense.NOTHING: "不用登记", Sense.QUESTION: "咨询"}


def explained(text: str, rules: Rules) -> RenderableType:
    """The decision, then every word that spoke for or against a candidate or a sense."""
    decision, said = decide(text, rules), reasons(text, rules)
    owners = [one.category for one in decision.candidates] + [sense for sense in Sense if sense in said]
    return Group(_verdict(decision, rules), *(_words(owner, said[owner], rules) for owner in owners))


def _verdict(decision: Decision, rules: Rules) -> str:
    leaf = rules.leaves[decision.category].name if decision.category else ""
    kind = "  咨询" if decision.question else ""
    return f"{decision.outcome}  {decision.category or '–'} {leaf}  danger: {decision.danger}{kind}"


def _words(owner: str, said: tuple[Reason, ...], rules: Rules) -> Table:
    name = _SENSES[Sense(owner)] if owner in set(Sense) else f"{owner} {rules.leaves[owner].name}"
    table = Table(box=None, pad_edge=False, title=name, title_justify="left", show_header=False)
    for reason in said:
        table.add_row(f"{reason.weight:+d}", reason.words)
    table.add_row(f"= {sum(reason.weight for reason in said)}", "")
    return table
