"""`python -m tests.bench`: all rows side by side, a table on the screen and in docs/performance.md."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tests.bench import chart, databases, report
from tests.bench.common import FULL, QUICK, Bench, Sizes
from tests.bench.report import Figure
from tests.bench.rows import ROWS
from tests.bench.servers import ROOT, ServerError
from tests.bench.wire import Stub

DOCUMENT = ROOT / "docs" / "performance.md"
CHART = DOCUMENT.with_suffix(".svg")
_out = Console(soft_wrap=True, highlight=False, markup=False)


def main(
    quick: Annotated[bool, typer.Option(help="small sizes, for trying; nothing is written")] = False,
    rows: Annotated[
        list[str] | None, typer.Option(help=f"only these, may be repeated: {', '.join(ROWS)}")
    ] = None,
    peer: Annotated[
        str,
        typer.Option(help="another bot's command, with {port} and {api_base}, to be measured beside ours"),
    ] = "",
) -> None:
    """Measure the product beside the barest program that does the same. Loopback only, bounded in time."""
    unknown = sorted(set(rows or ()) - set(ROWS))
    if unknown:
        raise typer.BadParameter(f"unknown rows {', '.join(unknown)}; there are {', '.join(ROWS)}")
    wanted = rows or (["peer"] if peer else [name for name in ROWS if name != "peer"])
    if "peer" in wanted and not peer:
        raise typer.BadParameter("the row of a peer needs --peer")
    chosen = [name for name in ROWS if name in wanted]
    machine = report.machine()
    try:
        figures, failed, server = uvloop.run(_measure(chosen, QUICK if quick else FULL, peer))
    except ServerError as error:
        _out.print(str(error))
        raise typer.Exit(1) from None
    text = f"{machine}; PostgreSQL {server}.\n\n{report.table(figures)}"
    _out.print(text)
    if failed:
        _out.print("\n".join([*failed, "nothing is written"]))
        raise typer.Exit(1)
    if not quick and set(chosen) >= set(ROWS) - {"peer"}:
        report.write(DOCUMENT, text)
        CHART.write_text(chart.drawn(figures), encoding="utf-8")
        _out.print(f"written to {DOCUMENT.relative_to(ROOT)} and {CHART.relative_to(ROOT)}")


async def _measure(chosen: list[str], sizes: Sizes, peer: str) -> tuple[list[Figure], list[str], str]:
    """The figures of these rows, why some have none, and which PostgreSQL it was."""
    stub = Stub()
    await stub.start()
    figures: list[Figure] = []
    failed: list[str] = []
    async with databases.server() as server:
        with tempfile.TemporaryDirectory(prefix="huiyin-bench-") as folder, _progress() as progress:
            total = sum(ROWS[name].steps(sizes) for name in chosen)
            task = progress.add_task("", total=total, completed=-1)
            step = partial(_step, progress, task)
            bench = Bench(Path(folder), stub, server, sizes, step, peer)
            for name in chosen:
                try:
                    figures += await ROWS[name].measure(bench)
                except (RuntimeError, OSError) as error:  # the others took half an hour
                    failed.append(f"row {name} failed: {type(error).__name__}: {error}")
            step("done")
    stub.close()
    return figures, failed, server.version


def _progress() -> Progress:
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=_out, refresh_per_second=2)


def _step(progress: Progress, task: TaskID, description: str, done: float = 1) -> None:
    """Say what is being done. A step that says so in several pieces counts once in all."""
    progress.update(task, description=description, advance=done)


if __name__ == "__main__":
    typer.run(main)
