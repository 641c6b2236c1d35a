"""`make chaos`: seed after seed, until so many kills were survived or the time is up."""

import argparse
import asyncio
import pickle
import secrets
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from tests.chaos.database import BACKENDS
from tests.chaos.run import Outcome, roles, run

EACH = 20  # kills in one run; then everything is healed, compared and begun anew
_SHOWN = 20  # broken rules of a run that are printed


def main() -> None:
    given = _arguments()
    console = Console(highlight=False, soft_wrap=True)
    with Progress(
        "kills", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        sys.exit(asyncio.run(_seeds(given, progress)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of the first run")
    parser.add_argument("--kills", type=int, default=200, help="in all runs together")
    parser.add_argument("--minutes", type=float, default=25, help="at the longest")
    parser.add_argument("--backend", choices=BACKENDS, default="sqlite")
    parser.add_argument("--workers", type=int, default=1, help="processes that handle and send")
    given = parser.parse_args()
    if given.backend == "sqlite" and given.workers > 1:
        parser.error("a file serves one process: --workers needs --backend postgres")
    return given


async def _seeds(given: argparse.Namespace, progress: Progress) -> int:
    """Run seed after seed; the exit code."""
    task = asyncio.current_task()
    if task is not None:  # SIGTERM ends our processes too
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    until, left, seed = time.monotonic() + given.minutes * 60, given.kills, given.seed
    outcomes: list[Outcome] = []
    bar = progress.add_task("kills", total=given.kills)
    while left > 0 and time.monotonic() < until:
        outcome = await _one(given, seed, min(EACH, left), until, progress.console)
        if outcome.broken:
            return 1
        outcomes.append(outcome)
        progress.advance(bar, outcome.kills)
        seed, left = seed + 1, left - outcome.kills
    kills = sum(one.kills for one in outcomes)
    progress.console.print(f"{kills} kills in {len(outcomes)} runs, and nothing was lost{_times(outcomes)}")
    return 0


async def _one(given: argparse.Namespace, seed: int, kills: int, until: float, console: Console) -> Outcome:
    """One run in a folder of its own, which is kept where a rule was broken."""
    folder = Path(tempfile.mkdtemp(prefix="huiyin-chaos-"))
    again = f"--seed {seed} --kills {kills} --backend {given.backend} --workers {given.workers}"
    again = f"again: python -m tests.chaos {again}; evidence and log are in {folder}"
    try:
        async with BACKENDS[given.backend](folder) as database:
            outcome = await run(seed, kills, database, folder, roles(given.workers), until=until)
    except Exception:
        console.print(again)
        raise
    tables, updates = outcome.evidence.tables, outcome.evidence.record.updates
    counts = f"{outcome.kills} kills, {len(updates)} updates, {len(tables['service_request'])} requests"
    console.print(f"seed {seed} on {given.backend}: {counts}{_times([outcome])}: {_verdict(outcome)}")
    if not outcome.broken:
        shutil.rmtree(folder)
        return outcome
    for broken in outcome.broken[:_SHOWN]:
        console.print(f"  {broken}", markup=False)
    (folder / "evidence.pickle").write_bytes(pickle.dumps(outcome.evidence))
    console.print(again)
    return outcome


def _verdict(outcome: Outcome) -> str:
    return f"{len(outcome.broken)} RULES BROKEN" if outcome.broken else "ok"


def _times(outcomes: Sequence[Outcome]) -> str:
    """Seconds from a kill to the next card, p50 and the longest, by what was killed."""
    told = ""
    for what in sorted({name for one in outcomes for name in one.until_card}):
        seconds = [each for one in outcomes for each in one.until_card.get(what, ())]
        told += (
            f"; {what} killed: a card after {statistics.median(seconds):.1f} s (at most {max(seconds):.1f})"
        )
    return told


if __name__ == "__main__":
    main()
