"""`huiyin rules …`: what a clerk does with rule files before they take effect."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bot.command import ConfigOption, out, refuse, refusing, settings_for
from bot.rules.measuring import NOTHING, LabelError, Labelled
from bot.settings import ConfigError, Settings

if TYPE_CHECKING:
    from bot.rules.proposing import Proposal
    from routing.organisation import Organisation
    from storage.lessons import Past

rules_app = typer.Typer(no_args_is_help=True, help="The rule files: check, explain, test, mine, propose.")

RulesOption = Annotated[Path | None, typer.Option("--rules", help="a rule file; the office's own by default")]
TextOption = Annotated[str, typer.Option("--text", help="the column with the texts")]
LabelOption = Annotated[str, typer.Option("--label", help="the column with the labels, several as A|B")]


def _file(rules: Path | None, config: Path | None) -> Path:
    return rules or settings_for(config, log_level="warning").rules_file


@rules_app.command("check")
@refusing
def check(rules: RulesOption = None, config: ConfigOption = None) -> None:
    """Check the rule files: every mistake with its file and line, or what they hold."""
    from bot.rules.reading import load_rules

    path = _file(rules, config)
    compiled = load_rules(path)
    words = len({index for votes in compiled.weights for index in votes})
    out.print(
        f"{path}: {len(compiled.leaves)} categories, {words} keywords, {len(compiled.combos)} combinations, "
        f"version {compiled.version}"
    )


@rules_app.command("explain")
@refusing
def explain(text: str, rules: RulesOption = None, config: ConfigOption = None) -> None:
    """Show how one text is decided: every word with its weight, for and against."""
    from bot.rules.explaining import explained
    from bot.rules.reading import load_rules

    out.print(explained(text, load_rules(_file(rules, config))))


@rules_app.command("test")
@refusing
def measure(
    file: Annotated[Path | None, typer.Argument(help="a CSV of labelled texts")] = None,
    rules: RulesOption = None,
    text: TextOption = "text",
    label: LabelOption = "label",
    part: Annotated[str | None, typer.Option("--part", help="only rows whose `part` is this")] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="another rule file, shown beside these rules")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="which past requests these rules would file differently")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Measure the rules on labelled texts, or (--history) on the requests of the past."""
    if history == (file is not None):
        raise ConfigError("give either a CSV of labelled texts or --history")
    if file is None:
        _test_history(rules, settings_for(config, log_level="warning"))
        return
    from bot.rules.measuring import figures, judge, read_labelled, report, trained_baseline
    from bot.rules.reading import load_rules

    try:
        rows = read_labelled(file, text, label, part)
    except LabelError as error:
        refuse(str(error))
    others = {baseline.name: figures(judge(rows, load_rules(baseline)))} if baseline else {}
    others["character SVM"] = trained_baseline(rows)
    out.print(report(judge(rows, load_rules(_file(rules, config))), others))


def _test_history(changed: Path | None, settings: Settings) -> None:
    """The changed file against the one in force; that one against what was decided at the time."""
    from rich.progress import track

    from bot.rules import history
    from bot.rules.reading import load_rules

    in_force = load_rules(settings.rules_file)
    before, after = (in_force, load_rules(changed)) if changed else (None, in_force)
    pasts, _ = _past(settings, _EVER)
    shown = track(pasts, "deciding", console=Console(stderr=True))
    compared = list(history.compare(shown, before, after))
    out.print(history.report(compared, len(pasts) - len(compared)))


_EVER = datetime.fromtimestamp(0, UTC)


def _past(settings: Settings, since: datetime) -> tuple[list["Past"], "Organisation"]:
    """The requests of the past, and the places and people that they may name."""
    from bot.app import ready_store
    from storage import directory, lessons

    async def read() -> "tuple[list[Past], Organisation]":
        async with ready_store(settings) as store:
            return await store.read(lambda session: (lessons.past(session, since), directory.load(session)))

    return asyncio.run(read())


@rules_app.command("propose")
@refusing
def propose(
    rules: RulesOption = None,
    since: Annotated[
        int | None, typer.Option("--since", min=1, max=36500, help="only the requests of so many days")
    ] = None,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", help="the id of a proposal to take; may be repeated")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Propose words that corrected requests ask for; --accept writes them into the office's rules."""
    from bot.rules import accepting

    settings = settings_for(config, log_level="warning")
    main = rules or settings.rules_file
    if accept:
        accepting.check_own(main)
    proposals = _proposals(main, settings, datetime.now(UTC) - timedelta(days=since) if since else _EVER)
    if not accept:
        _show(proposals)
        return
    known = {one.id: one for one in proposals}
    if unknown := [one for one in accept if one not in known]:
        refuse(f"there is no proposal {', '.join(unknown)} (any more): run `huiyin rules propose` again")
    written = accepting.accept(main, [known[one] for one in dict.fromkeys(accept)])
    for one in dict.fromkeys(accept):
        out.print(f"{written}: {known[one].word} {known[one].weight:+d} for {known[one].category}")


def _proposals(main: Path, settings: Settings, since: datetime) -> list["Proposal"]:
    from bot.rules import proposing
    from bot.rules.reading import read_document

    document = read_document(main)
    pasts, organisation = _past(settings, since)
    lessons = [
        proposing.Lesson(one.text, one.resident, one.right)
        for one in pasts
        if one.text is not None and one.right is not None
    ]
    names = [member.name for member in organisation.members.values()]
    names += [name for area in organisation.areas.values() for name in (area.name, *area.aliases)]
    with Console(stderr=True).status(f"trying words on {len(lessons)} past requests"):
        return proposing.propose(lessons, document, names)


def _show(proposals: Sequence["Proposal"]) -> None:
    if not proposals:
        out.print("nothing to propose: no word would put enough past requests right")
        return
    for one in proposals:
        out.print(
            f"{one.id}  add {one.word} {one.weight:+d} to {one.category}: {one.after} of {one.messages} past "
            f"messages right ({one.before} before), {one.worse} would change for the worse"
        )
    out.print("accept with: huiyin rules propose --accept ID")


@rules_app.command("mine")
@refusing
def learn(
    train: Annotated[list[Path], typer.Option("--train", help="a CSV of labelled texts; may be given again")],
    target: Annotated[Path, typer.Option("--out", help="the rule file to write")],
    most: Annotated[
        int, typer.Option("--max-keywords", min=1, help="at most so many different words")
    ] = 1000,
    text: TextOption = "text",
    label: LabelOption = "label",
    part: Annotated[str | None, typer.Option("--part", help="only rows whose `part` is this")] = None,
    office: Annotated[
        Path | None,
        typer.Option("--for", help="write words for this file's categories, to be included there"),
    ] = None,
) -> None:
    """Learn weighted keywords from labelled texts; the file can be read, edited and used like any other."""
    from bot.rules import mining
    from bot.rules.measuring import read_labelled

    try:
        rows = [row for file in train for row in read_labelled(file, text, label, part)]
        written = _mined(rows, most, office, train[0].stem)
    except (LabelError, mining.MiningError) as error:
        refuse(f"{', '.join(map(str, train))}: {error}")
    except ImportError:
        refuse("mining needs scikit-learn: pip install 'huiyin[mine]'")
    target.write_text(written, encoding="utf-8")
    out.print(f"{target}: learned from {len(rows)} texts")


_TIMES = 4  # how many ordinary messages an example is worth
_SENSE_SHARE = 4  # the senses together get a quarter of the words that the categories get


def _mined(rows: list[Labelled], most: int, office: Path | None, title: str) -> str:
    from bot.rules import mining
    from bot.rules.reading import load_taxonomy
    from routing.rules import Scope

    with out.status("mining keywords …"):
        if office is None:
            return mining.rule_file(title, mining.mine(mining.of_categories(rows), most))
        leaves = [leaf for _, _, leaf in load_taxonomy(office).leaves()]
        codes = frozenset(leaf.service_code for leaf in leaves)
        urgent = frozenset(leaf.service_code for leaf in leaves if leaf.scope is Scope.URGENT)
        # The file's own examples are the least that its words must understand.
        rows += [Labelled(text, (leaf.service_code,)) for leaf in leaves for text in leaf.examples] * _TIMES
        if unknown := {row.labels[0] for row in rows} - codes - {NOTHING}:
            raise LabelError(f"{office} 没有这些类别：{'、'.join(sorted(unknown))}")
        words = mining.mine(mining.of_categories(rows), most, codes)
        senses = {
            "danger": mining.mine_sense(mining.of_danger(rows, urgent), most // _SENSE_SHARE),
            "nothing": mining.mine_sense(mining.of_nothing(rows), most // (8 * _SENSE_SHARE)),
        }
        return mining.word_file(f"{title}: mined, and free to edit", words, senses)
