"""Towns of the bench's own: communities with grids, buildings, members and group chats, as roster files."""

import json
from dataclasses import dataclass
from pathlib import Path

BUILDINGS_EACH = 3
FIRST_MEMBER = 100_000  # accounts: desks below, members from here, residents from there
FIRST_RESIDENT = 10_000_000
FIRST_GROUP = -2_000

_Rows = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Town:
    """Communities with a duty desk and so many grids, each with a member, a group and three buildings.

    Buildings are numbered through, so that a number alone says where something is.
    """

    communities: int
    grids_each: int

    @property
    def grids(self) -> int:
        return self.communities * self.grids_each

    @property
    def buildings(self) -> int:
        return self.grids * BUILDINGS_EACH

    def community(self, grid: int) -> str:
        """The code of the community in which a grid lies; codes have letters only."""
        number, code = (grid - 1) // self.grids_each, ""
        for _ in range(3):
            number, letter = divmod(number, 26)
            code = chr(ord("A") + letter) + code
        return f"B{code}"

    def grid(self, grid: int) -> str:
        return f"{self.community(grid)}-{grid}"

    def building(self, building: int) -> str:
        return f"{self.grid((building - 1) // BUILDINGS_EACH + 1)}-{building}"

    def member(self, grid: int) -> str:
        return f"g{grid}"

    def write_roster(self, path: Path) -> None:
        """JSON is YAML too, and quicker to write."""
        grids = range(1, self.grids + 1)
        roster = {
            "areas": [*self._communities(), *(area for grid in grids for area in self._areas(grid))],
            "members": [
                *self._desks(),
                *(
                    _member(self.member(grid), "grid_member", self.grid(grid), FIRST_MEMBER + grid)
                    for grid in grids
                ),
            ],
            "chats": [
                {"channel": "telegram", "id": str(FIRST_GROUP - grid), "area": self.grid(grid)}
                for grid in grids
            ],
        }
        path.write_text(json.dumps(roster, ensure_ascii=False), encoding="utf-8")

    def _heads(self) -> list[int]:
        """The first grid of each community."""
        return list(range(1, self.grids + 1, self.grids_each))

    def _communities(self) -> _Rows:
        return [
            {"code": self.community(grid), "kind": "community", "name": f"试验{at}社区"}
            for at, grid in enumerate(self._heads(), 1)
        ]

    def _desks(self) -> _Rows:
        return [
            _member(f"desk{at}", "duty_desk", self.community(grid), at)
            for at, grid in enumerate(self._heads(), 1)
        ]

    def _areas(self, grid: int) -> _Rows:
        code = self.grid(grid)
        first = (grid - 1) * BUILDINGS_EACH + 1
        buildings = [(self.building(one), f"{one}号楼") for one in range(first, first + BUILDINGS_EACH)]
        areas: _Rows = [
            {"code": one, "kind": "building", "name": name, "parent": code} for one, name in buildings
        ]
        return [
            {"code": code, "kind": "grid", "name": f"{grid}网格", "parent": self.community(grid)},
            *areas,
        ]


def _member(code: str, role: str, area: str, telegram: int) -> dict[str, object]:
    return {"code": code, "name": "张某", "role": role, "area": area, "accounts": {"telegram": str(telegram)}}


TOWN = Town(20, 50)  # a small town: 1,000 members, 1,000 groups, 3,000 buildings
