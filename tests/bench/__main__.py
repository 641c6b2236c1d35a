"""`python -m tests.bench`: all rows side by side, a table on the screen and in docs/performance.md."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench import report
from tests.bench.common import FULL, QUICK, Bench, Sizes
from tests.bench.report import Figure
from tests.bench.rows import ROWS, steps
from tests.bench.servers import ROOT, ServerError
from tests.bench.wire import Stub

DOCUMENT = ROOT / "docs" / "performance.md"
_out = Console(soft_wrap=True, highlight=False, markup=False)


def main(
    quick: Annotated[bool, typer.Option(help="small sizes, for trying; nothing is written")] = False,
    rows: Annotated[
        list[str] | None, typer.Option(help=f"only these, may be repeated: {', '.join(ROWS)}")
    ] = None,
) -> None:
    """Measure the product beside the barest program that does the same. Loopback only, bounded in time."""
    chosen = [name for name in ROWS if not rows or name in rows]
    unknown = sorted(set(rows or ()) - set(ROWS))
    if unknown:
        raise typer.BadParameter(f"unknown rows {', '.join(unknown)}; there are {', '.join(ROWS)}")
    machine = report.machine()
    try:
        figures = uvloop.run(_measure(chosen, QUICK if quick else FULL))
    except ServerError as error:
        _out.print(str(error))
        raise typer.Exit(1) from None
    text = f"{machine}.\n\n{report.table(figures)}"
    _out.print(text)
    if not quick and not rows:
        report.write(DOCUMENT, text)
        _out.print(f"written to {DOCUMENT.relative_to(ROOT)}")


async def _measure(chosen: list[str], sizes: Sizes) -> list[Figure]:
    stub = Stub()
    await stub.start()
    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory(prefix="huiyin-bench-") as folder,
        Progress(
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=_out,
            refresh_per_second=2,
        ) as progress,
    ):
        task = progress.add_task("", total=sum(steps(name, sizes) for name in chosen), completed=-1)

        def step(description: str) -> None:
            progress.update(task, description=description, advance=1)

        bench = Bench(Path(folder), stub, sizes, step)
        for name in chosen:
            figures += await ROWS[name](bench)
        progress.update(task, description="done", advance=1)
    stub.close()
    return figures


if __name__ == "__main__":
    typer.run(main)
