"""Scenarios through the real bot: they meet their figures, repeat exactly, and notice when people fail."""

from pathlib import Path

import pytest

from bot.files import FileError
from bot.settings import DEFAULTS, Settings
from bot.simulate import playing
from bot.simulate.behaviour import load_behaviour
from bot.simulate.scenario import Figure
from tests.process import huiyin

BEHAVIOUR = DEFAULTS / "behaviour.yaml"


async def simulated(code: str, seed: int = 1, days: int = 1) -> list[Figure]:
    return await playing.simulate(playing.SCENARIOS[code], Settings(), BEHAVIOUR, seed, days)


async def test_thirty_neighbours_are_one_matter() -> None:
    missed = [one for one in await simulated("SC11") if not one.met]
    assert missed == []


async def test_the_same_seed_plays_the_same_days_of_the_village() -> None:
    first, again = [await simulated("SC07", seed=5, days=2) for _ in range(2)]
    assert first == again
    assert [one for one in first if not one.met] == []


async def test_people_who_do_not_react_miss_the_figures_and_the_command_fails(tmp_path: Path) -> None:
    lazy = tmp_path / "lazy.yaml"
    text = BEHAVIOUR.read_text()
    assert "reacts: {median: 7m" in text
    lazy.write_text(text.replace("reacts: {median: 7m", "reacts: {median: 9h"))
    code, out, _ = await huiyin(
        "simulate", "SC07", "--days", "2", "--seed", "5", "--behaviour", str(lazy), folder=tmp_path
    )
    assert code == 1
    (line,) = [line for line in out.splitlines() if "acknowledged, median" in line]
    assert "NO" in line


def test_a_wrong_behaviour_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "behaviour.yaml"
    wrong.write_text(BEHAVIOUR.read_text().replace("rates: 0.55", "rates: 1.55"))
    with pytest.raises(FileError, match=r"residents\.rates"):
        load_behaviour(wrong)
