"""`huiyin rules …`: what a clerk does with rule files before they take effect."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bot.command import ConfigOption, out, refuse, refusing, settings_for
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
    from bot.rules.measuring import LabelError, figures, judge, read_labelled, report, trained_baseline
    from bot.rules.reading import load_rules

    try:
        rows = read_labelled(file, text, label)
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
    train: Annotated[Path, typer.Option("--train", help="a CSV of labelled texts")],
    target: Annotated[Path, typer.Option("--out", help="the rule file to write")],
    most: Annotated[
        int, typer.Option("--max-keywords", min=1, help="at most so many different words")
    ] = 1000,
    text: TextOption = "text",
    label: LabelOption = "label",
) -> None:
    """Learn weighted keywords from labelled texts; the file can be read, edited and used like any other."""
    from bot.rules import mining
    from bot.rules.measuring import LabelError, read_labelled

    try:
        rows = read_labelled(train, text, label)
        weights = mining.mine([mining.Example(row.text, row.labels[0]) for row in rows], most)
    except (LabelError, mining.MiningError) as error:
        refuse(f"{train}: {error}")
    except ImportError:
        refuse("mining needs scikit-learn: pip install 'huiyin[mine]'")
    target.write_text(mining.rule_file(train.stem, weights), encoding="utf-8")
    words = {word for one in weights.values() for word in one}
    out.print(f"{target}: {len(words)} keywords for {len(weights)} categories, from {len(rows)} texts")
