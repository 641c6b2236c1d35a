"""Sends real messages through the sandbox as residents, and sums up what became of them."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.clock import Clock
from bot.rehearsal import Rehearsal, rehearsal
from bot.roster import Roster, read_roster
from bot.sandbox.people import Person
from bot.settings import DEFAULTS, Settings
from handlers.office import Office
from routing.classify import Outcome
from routing.organisation import AreaKind
from storage.tables import Message, MessageState, Notification, SendState, ServiceRequest

_WAVE = 50  # residents who talk at the same time
_FIRST = 1_000_000  # their user ids begin here, far from the staff's
_MOST_ANSWERS = 6
_APART = {"不是", "还没好，重新办"}
_MORE = "就是那样嘛"
_NAMES = {Outcome.FILE: "filed", Outcome.ASK: "asked", Outcome.NONE: "unclear"}


async def replay_texts(texts: Sequence[str], files: Settings) -> dict[str, Any]:
    """Each text as one resident's report from the code to the receipt; returns the summary."""
    with tempfile.TemporaryDirectory(prefix="huiyin-replay-") as folder:
        here_only = files.model_copy(update={"media_url": SecretStr("")})
        async with rehearsal(Path(folder), Clock(datetime.now(UTC)), here_only) as here:
            roster = read_roster(DEFAULTS / "roster.yaml")
            await here.load(roster)
            await _open_phones(here, roster)
            began, virtual = time.monotonic(), here.clock.now()
            await _replay(here, texts, [area.code for area in roster.areas if area.kind is AreaKind.BUILDING])
            wall, passed = time.monotonic() - began, here.clock.now() - virtual
            return {
                **await here.app.store.read(_sum_up, here.app.offices.current, here.clock.now()),
                "rows": len(texts),
                "refused_by_platform": _refused(await here.sandbox.log()),
                "wall_ms_per_message": round(wall * 1000 / max(len(texts), 1), 2),
                "virtual_seconds": round(passed.total_seconds(), 1),
            }


async def _open_phones(here: Rehearsal, roster: Roster) -> None:
    """The staff have their phones on, have opened the bot, and are in their groups."""
    staff = [
        await here.sandbox.user(int(member.accounts["telegram"]), member.name)
        for member in roster.members
        if "telegram" in member.accounts
    ]
    for one in staff:
        await one.scans()
    for chat in roster.chats:
        await here.sandbox.group(int(chat.id), chat.area, staff[:1])
    await here.settle()


async def _replay(here: Rehearsal, texts: Sequence[str], buildings: list[str]) -> None:
    tokens = [await here.token(code) for code in buildings]
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task("replay", total=len(texts))
        for start in range(0, len(texts), _WAVE):
            wave = texts[start : start + _WAVE]
            people = [await here.sandbox.user(_FIRST + start + offset, "居民") for offset in range(len(wave))]
            await _talk(here, people, wave, [tokens[(start + n) % len(tokens)] for n in range(len(wave))])
            bar.advance(task, len(wave))


async def _talk(here: Rehearsal, people: list[Person], texts: Sequence[str], tokens: list[str]) -> None:
    """A wave of residents: scan, write, then answer what is asked until there is nothing left to answer."""
    await asyncio.gather(*(one.scans(token) for one, token in zip(people, tokens, strict=True)))
    await here.settle()
    await asyncio.gather(
        *(one.says(text or " ") for one, text in zip(people, texts, strict=True) if text.strip())
    )
    await here.settle()
    for _ in range(_MOST_ANSWERS):
        answered = await asyncio.gather(*(_answer(one) for one in people))
        if not any(answered):
            return
        await here.settle()


async def _answer(person: Person) -> bool:
    """What a willing resident does next: no danger, nobody else's matter, the first category, help, submit,
    one more sentence. Every row is to become a request of its own."""
    heard = [message for message in await person.sees() if not message.is_me]
    labels = heard[-1].labels if heard else []
    if "没有危险" in labels:
        await person.taps("没有危险")
    elif _APART.intersection(labels):
        await person.taps(next(one for one in labels if one in _APART))
    elif "都不是" in labels:
        await person.taps(labels[0])
    elif "还要人帮忙" in labels:
        await person.taps("还要人帮忙")
    elif "提交" in labels:
        await person.taps("提交")
    elif "取消" in labels:
        await person.says(_MORE)
    else:
        return False
    return True


def _sum_up(session: Session, office: Office, now: datetime) -> dict[str, Any]:
    requests = list(session.scalars(select(ServiceRequest)))
    outcomes = Counter(_NAMES[Outcome(one.decision["outcome"])] for one in requests)
    classes = Counter(office.category_name(one.category) for one in requests)
    people = Counter(office.title(one.assignee, now) for one in requests)
    return {
        "requests": len(requests),
        "filed": outcomes["filed"],
        "asked": outcomes["asked"],
        "unclear": outcomes["unclear"],
        "emergencies": sum(one.urgent for one in requests),
        "per_class": dict(classes.most_common()),
        "routed_to": dict(people.most_common()),
        "undelivered": _count(session, Notification, Notification.state != SendState.SENT),
        "errors": _count(session, Message, Message.state != MessageState.HANDLED),
    }


def _count(session: Session, kind: Any, condition: Any) -> int:
    return session.scalar(select(func.count()).select_from(kind).where(condition)) or 0


def _refused(log: dict[str, Any]) -> int:
    """Calls that the platform did not accept."""
    return sum(
        count for statuses in log["calls"].values() for status, count in statuses.items() if status != "200"
    )


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """The summary for people."""
    shares = ", ".join(f"{summary[name]} {name}" for name in ("filed", "asked", "unclear", "emergencies"))
    return [
        f"{summary['rows']} messages, {summary['requests']} requests: {shares}",
        f"undelivered {summary['undelivered']}, errors {summary['errors']}, "
        f"refused by the platform {summary['refused_by_platform']}",
        f"{summary['wall_ms_per_message']} ms per message; "
        f"{summary['virtual_seconds']} s on the sandbox's clock",
        "by class: " + ", ".join(f"{name} {count}" for name, count in summary["per_class"].items()),
        "routed to: " + ", ".join(f"{name} {count}" for name, count in summary["routed_to"].items()),
    ]
