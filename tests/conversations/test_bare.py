"""An office that has loaded no roster yet: still nobody is left without an answer."""

from pathlib import Path

import pytest

from bot.clock import Clock
from bot.rehearsal import rehearsal
from bot.settings import Settings
from tests import databases
from tests.town import MORNING, Town


@pytest.mark.both
async def test_without_a_roster_a_report_is_filed_and_answered(tmp_path: Path) -> None:
    database = databases.fresh(databases.chosen, tmp_path)
    async with rehearsal(tmp_path, Clock(MORNING), Settings(), database=database) as here:
        town = Town(here.clock, here.sandbox, here.app)
        resident = await town.person(9001)
        await town.says(resident, "楼道灯坏了")
        assert "在哪儿" in (await town.last(resident)).text
        await town.says(resident, "东门口")
        await town.taps(resident, "提交")
        told = await town.last(resident)
        assert "已提交" in told.text
        assert "社区值班处" in told.text
        await town.says(resident, "催办")
        assert "已替您催了" in (await town.last(resident)).text
        assert (await town.request()).status == "assigned"
