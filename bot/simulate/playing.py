"""Plays one scenario from its roster to its figures, with a progress bar, and prints the table."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bot.settings import Settings
from bot.simulate.behaviour import load_behaviour
from bot.simulate.sc06 import SC06
from bot.simulate.sc07 import SC07
from bot.simulate.sc11 import SC11
from bot.simulate.sc13 import SC13
from bot.simulate.sc14 import SC14
from bot.simulate.sc16 import SC16
from bot.simulate.scenario import Figure, Scenario, Stage
from bot.simulate.stories import Stories
from bot.simulate.town import opened_town

SCENARIOS: dict[str, Scenario] = {one.code: one for one in (SC06, SC07, SC11, SC13, SC14, SC16)}


async def simulate(
    scenario: Scenario, files: Settings, behaviour: Path, seed: int, days: int
) -> list[Figure]:
    """The scenario's figures. The same seed and files give the same."""
    roster, stories = scenario.roster(), Stories(files.rules_file)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    async with opened_town(roster, scenario.start, files, load_behaviour(behaviour), seed) as town:
        with bar:
            task = bar.add_task(scenario.code, total=None)

            def step(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            stage = Stage(town, roster, stories, days, step)
            return [*await scenario.play(stage), await stage.agreement()]


def table(scenario: Scenario, figures: list[Figure]) -> Table:
    drawn = Table(title=f"{scenario.code} {scenario.about}")
    for heading in ("figure", "measured", "target", "met"):
        drawn.add_column(heading)
    for one in figures:
        drawn.add_row(one.name, one.shown, one.target, "yes" if one.met else "NO")
    return drawn
