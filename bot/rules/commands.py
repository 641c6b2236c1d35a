"""`huiyin rules …`: what a clerk does with rule files before they take effect."""

from pathlib import Path
from typing import Annotated

import typer

from bot.command import ConfigOption, out, refuse, refusing, settings_for
from bot.rules.measuring import NOTHING, LabelError, Labelled
from bot.settings import ConfigError

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
        _test_history(_file(rules, config), config)
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


def _test_history(path: Path, config: Path | None) -> None:
    raise NotImplementedError


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
        if unknown := {row.labels[0] for row in rows} - codes - {NOTHING}:
            raise LabelError(f"{office} 没有这些类别：{'、'.join(sorted(unknown))}")
        words = mining.mine(mining.of_categories(rows), most, codes)
        senses = {
            "danger": mining.mine_sense(mining.of_danger(rows, urgent), most // _SENSE_SHARE),
            "nothing": mining.mine_sense(mining.of_nothing(rows), most // (8 * _SENSE_SHARE)),
        }
        return mining.word_file(f"{title}: mined, and free to edit", words, senses)
