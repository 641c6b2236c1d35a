"""Random people press and say random things at random hours: what the loop promises holds after each."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.settings import DEFAULTS, Settings
from bot.simulate.behaviour import load_behaviour
from bot.simulate.phones import Shown
from bot.simulate.town import Town, opened_town
from routing.transitions import OPEN
from storage.tables import Deadline, DeadlineState, ServiceRequest, StatusUpdate
from tests.town import sample

START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
RESIDENTS = ("9001", "9002", "9003")
STRANGER = "7777"  # in the group, on no roster
MEMBERS = ("1001", "1101", "1201", "2001", "2002", "3001", "3002", "3003", "3004")
GROUP = "-501"
REPORTS = (
    "楼道灯坏了",
    "3号楼垃圾没人清运",
    "三号楼着火了",
    "3号楼停水了",
    "那个东西又那样了",
    "楼上天天吵架",
    "马桶堵了",
)
WORDS = (
    "收到", "我去", "办结", "退回", "改分类 照明", "催办", "撤回", "满意", "没解决", "重新办", "取消", "提交",
    "灯泡已经换新，请再看看", "12月20日办，等维修资金", "不归我管，请另派", "是二单元的", "并案 1号", "误报",
    "请假 11/24-11/26", "进度", "匿名",
)  # fmt: skip

people = st.sampled_from((*RESIDENTS, *MEMBERS, STRANGER))


class Village(RuleBasedStateMachine):
    """One example: a village of its own, opened anew and thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._open = AsyncExitStack()
        self._roster = sample()
        behaviour = load_behaviour(DEFAULTS / "behaviour.yaml")
        opening = opened_town(self._roster, START, Settings(), behaviour, seed=1)
        self.town: Town = self._run(self._open.enter_async_context(opening))
        self._seen: set[int] = set()

    def _run(self, work: Any) -> Any:
        return self._runner.run(work)

    def teardown(self) -> None:
        self._run(self._open.aclose())
        self._runner.close()

    def _settle(self, **wait: float) -> None:
        self._run(self.town.run(self.town.now + timedelta(**(wait or {"seconds": 20}))))

    # --- what people do -----------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for one in (*MEMBERS, *RESIDENTS):
            self.town.post(one, one, "start", start=None)
        self._settle()

    @rule(who=st.sampled_from(RESIDENTS), text=st.sampled_from(REPORTS))
    def reports(self, who: str, text: str) -> None:
        self.town.post(who, who, "text", text=text)
        self._settle()
        self.town.post(who, who, "text", text="提交")
        self._settle()

    @rule(who=people, which=st.integers(0, 40))
    def taps(self, who: str, which: int) -> None:
        """Any button on any message that the person can see, old ones too; newest first."""
        seen = self._sees(who)
        buttons = [(one.chat, button.data) for one in reversed(seen) for button in one.buttons]
        if buttons:
            chat, data = buttons[which % len(buttons)]
            self.town.post(who, chat, "tap", tapped=data)
            self._settle()

    @rule(who=people, text=st.sampled_from(WORDS), answers=st.booleans())
    def says(self, who: str, text: str, answers: bool) -> None:
        seen = self._sees(who)
        target = seen[-1] if answers and seen else None
        chat = target.chat if target else who
        self.town.post(who, chat, "text", text=text, reply_to=target.ref if target else None)
        self._settle()

    @rule(hours=st.sampled_from((0.2, 1, 3, 12, 30, 80, 200)))
    def waits(self, hours: float) -> None:
        self._settle(hours=hours)

    @rule(code=st.sampled_from(("g1", "z1", "desk", "super")))
    def leaves_the_post(self, code: str) -> None:
        rest = tuple(one for one in self._roster.members if one.code != code)
        self._roster = self._roster.model_copy(update={"members": rest})
        self._run(self.town.load(self._roster))
        self._settle(minutes=1)

    def _sees(self, who: str) -> list[Shown]:
        chats = [who] if who in RESIDENTS else [who, GROUP]
        return [one for chat in chats for one in self.town.phones.screens[chat].values()]

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        requests, lines, waiting = self._run(self.town.app.store.read(_stored))
        office, now = self.town.app.offices.current, self.town.now
        for request in requests:
            history = lines.get(request.id, [])
            _replays(request, history)
            assert all(line.at <= now for line in history)
            assert [line.at for line in history] == sorted(line.at for line in history)
            assert request.created_at <= (request.told_at or request.created_at) <= now
            if request.status in OPEN:
                assert request.id in waiting, f"{request.number} {request.status}: no clock runs"
                owner = request.assignee
                assert owner is None or office.organisation.posts(owner, now), f"{owner} has left"
        for line in (one for each in lines.values() for one in each if one.id not in self._seen):
            self._seen.add(line.id)
            kind, _, code = line.actor.partition(":")
            assert kind in ("system", "resident", "member")
            assert kind != "member" or office.organisation.posts(code, now), f"{code} holds no post"


def _stored(
    session: Session,
) -> tuple[list[ServiceRequest], dict[int, list[StatusUpdate]], set[int]]:
    requests = list(session.scalars(select(ServiceRequest)))
    lines: dict[int, list[StatusUpdate]] = {}
    for line in session.scalars(select(StatusUpdate).order_by(StatusUpdate.id)):
        lines.setdefault(line.request, []).append(line)
    running = select(Deadline.request).where(Deadline.state == DeadlineState.WAITING)
    return requests, lines, {one for one in session.scalars(running) if one is not None}


def _replays(request: ServiceRequest, history: list[StatusUpdate]) -> None:
    status = "-"
    for line in history:
        assert line.before == status
        status = line.after
    assert status == request.status


TestVillage = Village.TestCase
TestVillage.settings = settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.generate],
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
