"""Rosters for the simulated towns: made to the sizes that the scenarios name, with invented people."""

from bot.roster import AreaRow, ChatRow, MemberRow, Post, Roster
from routing.organisation import AreaKind, Role

_SURNAMES = "李王张刘陈杨赵黄周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田"


class RosterBook:
    """Collects areas, members and groups; members get accounts in the order in which they join."""

    def __init__(self) -> None:
        self._areas: list[AreaRow] = []
        self._members: list[MemberRow] = []
        self._chats: list[ChatRow] = []

    def area(self, code: str, kind: AreaKind, name: str, parent: str | None = None) -> str:
        self._areas.append(AreaRow(code=code, kind=kind, name=name, parent=parent))
        return code

    def member(self, code: str, role: Role, area: str, *also: Post) -> str:
        number = len(self._members)
        name = _SURNAMES[number % len(_SURNAMES)] + "某"
        posts = (Post(role=role, area=area), *also)
        accounts = {"telegram": address(number)}
        self._members.append(MemberRow(code=code, name=name, appointments=posts, accounts=accounts))
        return code

    def group(self, area: str) -> str:
        chat = f"-{500 + len(self._chats)}"
        self._chats.append(ChatRow(channel="telegram", id=chat, area=area))
        return chat

    def roster(self) -> Roster:
        return Roster(
            areas=tuple(self._areas), members=tuple(self._members), chats=tuple(self._chats), sample=True
        )


def address(number: int) -> str:
    """The account of the member with that number."""
    return str(1000 + number)


def village(grids: int, buildings: int) -> Roster:
    """SC07: a village of grids, each with a member, a 村民组长 and a volunteer; a mediator for all."""
    book = RosterBook()
    street = book.area("MZ", AreaKind.STREET, "民主街道")
    home = book.area("YS", AreaKind.COMMUNITY, "岳师村", street)
    book.member("street", Role.STREET, street)
    book.member("watch", Role.SUPERVISOR, street)
    book.member("desk", Role.DUTY_DESK, home)
    book.member("office", Role.COMMUNITY, home)
    book.member("mediator", Role.MEDIATOR, home)
    book.member("elder", Role.ELDER_CARE, home)
    count = 0
    for number in range(1, grids + 1):
        grid = book.area(f"YS-{number}", AreaKind.GRID, f"第{number}网格", home)
        for _ in range(buildings):
            count += 1
            book.area(f"{grid}-{count}", AreaKind.BUILDING, f"{count}号楼", grid)
        book.member(f"g{number}", Role.GRID_MEMBER, grid)
        book.member(f"z{number}", Role.GROUP_CHIEF, grid)
        book.member(f"v{number}", Role.VOLUNTEER, grid)
        book.group(grid)
    return book.roster()


def neighbourhood(chiefs: int) -> Roster:
    """SC06: one community of five grids; groups of five 邻 with a 组长, and a 邻长 for each 邻."""
    book = RosterBook()
    home = book.area("LT", AreaKind.COMMUNITY, "龙塘湾社区")
    book.member("desk", Role.DUTY_DESK, home)
    book.member("office", Role.COMMUNITY, home)
    book.member("mediator", Role.MEDIATOR, home)
    grid = group = ""
    for number in range(chiefs):
        if number % 13 == 0:
            grid = book.area(f"LT-{number // 13 + 1}", AreaKind.GRID, f"第{number // 13 + 1}网格", home)
            book.member(f"g{number // 13 + 1}", Role.GRID_MEMBER, grid)
            book.group(grid)
        if number % 13 in (0, 5, 9):
            group = book.area(f"LT-Z{number}", AreaKind.GROUP, f"第{number + 1}组", grid)
            book.member(f"z{number}", Role.GROUP_CHIEF, group)
        unit = book.area(f"LT-N{number}", AreaKind.NEIGHBOUR_UNIT, f"{number + 1}邻", group)
        book.area(f"LT-B{number}", AreaKind.BUILDING, f"{number + 1}号楼", unit)
        book.member(f"l{number}", Role.NEIGHBOR_CHIEF, unit)
    return book.roster()
