"""The clock's loop: fires stored deadlines when they are due, each once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from bot import metrics
from bot.clock import Clock
from bot.halves import in_halves
from bot.offices import Offices
from handlers import timers
from handlers.desk import Desk
from handlers.messages import InboundMessage, Kind
from handlers.turn import Turn
from storage import queries
from storage.secrets import Vault
from storage.store import Store, is_away
from storage.tables import Account, Conversation, Deadline, DeadlineState, Resident

log = structlog.get_logger()

_MOST_AT_ONCE = 200
_TRY_AGAIN = timedelta(minutes=1)


class Ticker:
    def __init__(self, store: Store, vault: Vault, offices: Offices, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._offices = offices
        self._clock = clock

    async def step(self) -> int:
        """Fire what is due, oldest first; returns how many deadlines that were."""
        due = await self._store.read(queries.due_deadlines, self._clock.now(), _MOST_AT_ONCE)
        await in_halves(due, self._fire, self._postpone)
        return len(due)

    async def arm(self) -> None:
        """Set the next due time of everything that the office does again and again."""
        async with self._store.unit() as unit:
            desk = Desk(unit, self._offices.current, self._vault, self._clock.now())
            await timers.arm_office(desk)
            await desk.finish()

    async def next_due(self) -> datetime | None:
        return await self._store.read(queries.next_deadline)

    async def _fire(self, due: Sequence[int]) -> None:
        await self._offices.refresh()  # a change of the roster may be just what is due
        office, erasing = self._offices.current, False
        async with self._store.unit() as unit:
            desk = Desk(unit, office, self._vault, self._clock.now())
            waiting = await unit.run(queries.deadlines, due)
            await desk.prepare([one.request for one in waiting if one.request is not None])
            for deadline in waiting:
                if deadline.state == DeadlineState.WAITING:
                    deadline.state, deadline.fired_at = DeadlineState.FIRED, desk.now
                    await self._hand_over(desk, deadline)
                    erasing = erasing or deadline.kind in timers.ERASING
            await desk.finish()
        metrics.fired.inc(len(due))
        if erasing:
            await self._store.scrub()

    async def _hand_over(self, desk: Desk, deadline: Deadline) -> None:
        if deadline.request is not None:
            await timers.fire_for_request(desk, deadline)
            return
        if deadline.kind in timers.ERASING:
            await timers.ERASING[deadline.kind](desk, deadline)
            return
        if deadline.account is None:
            await timers.fire_for_office(desk, deadline)
            return
        turn = await _turn_without_message(desk, deadline)
        if turn is not None:
            await timers.fire_for_draft(turn, deadline.kind)

    async def _postpone(self, due: int, error: Exception) -> None:
        """Raises the error where the database is away: it stays due, and goes first when that is back."""
        if is_away(error):
            raise error
        metrics.failed.labels("deadline").inc()
        log.error("deadline failed, trying again later", deadline=due, exc_info=error)
        async with self._store.unit() as unit:
            deadline = await unit.get(Deadline, due)
            if deadline is not None:
                deadline.due_at = self._clock.now() + _TRY_AGAIN


async def _turn_without_message(desk: Desk, deadline: Deadline) -> Turn | None:
    """The turn of somebody who has not written: their draft is due."""
    conversation = await desk.unit.get(Conversation, deadline.account)
    found = await desk.unit.run(queries.accounts_by_lookup, [deadline.account or ""])
    account: Account | None = found.get(deadline.account or "")
    if conversation is None or account is None or account.resident is None:
        return None
    message = InboundMessage(account.channel, f"deadline:{deadline.id}", "", "", Kind.IGNORED)
    resident = await desk.unit.get(Resident, account.resident)
    return Turn(desk, message, deadline.id, account, conversation, resident=resident)
