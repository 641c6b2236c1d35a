"""Marked secrets and marked personal data through everything that goes wrong: nobody is told any of it."""

import base64
import json
import urllib.parse
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import generate_latest
from pydantic import BaseModel, SecretStr
from sqlalchemy import text as statement

import handlers
from bot.logs import told
from bot.sandbox.faults import FaultKind
from handlers.turn import Turn
from tests.hostile.test_calls import SECRET, UNOPENED, Here
from tests.town import town

NAME, PHONE, ID_CARD, PLACE, TEXT = "欧阳暗号", "13912345678", "110105194912310029", "2单元1704", "暗号戊己庚"
SAID = f"我叫{NAME}，电话{PHONE}，身份证{ID_CARD}，住{PLACE}，楼道灯坏了{TEXT}"
PERSON = 9_876_543


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Here]:
    monkeypatch.setattr("bot.callbacks.ANSWER_WITHIN", 0.0)
    async with town(tmp_path, everywhere=True) as running:
        yield Here(running)


def marks(here: Here) -> set[str]:
    """All that nobody may find, as it is and as logs and addresses write it."""
    found = {NAME, PHONE, ID_CARD, PLACE, TEXT, str(PERSON), *_secrets(here.town.app.settings)}
    for one in list(found):
        found |= {json.dumps(one)[1:-1], repr(one.encode())[2:-1], urllib.parse.quote(one)}
        found.add(base64.b64encode(one.encode()).decode().rstrip("="))
    return found


def _secrets(model: BaseModel) -> set[str]:
    found: set[str] = set()
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found |= _secrets(value)
        values = value.values() if isinstance(value, dict) else [value]
        found |= {one.get_secret_value() for one in values if isinstance(one, SecretStr)}
    return found - {""}


async def test_nothing_marked_is_in_logs_metrics_answers_or_readiness(
    here: Here,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await _reported_amid_failures(here)
    await _handlers_break(here, monkeypatch)
    answers = await _nonsense_arrives(here)
    await here.town.settle()
    logged = "".join(capfd.readouterr()) + caplog.text
    for sign in ("handled", "message failed", "ZeroDivisionError", "OperationalError", "unreadable message"):
        assert sign in logged, f"{sign} did not happen, or is not told"
    everything = logged + answers + generate_latest().decode()
    assert not [one for one in marks(here) if one in everything]


async def _reported_amid_failures(here: Here) -> None:
    """Everything about a person, to somebody who has gone, over a platform in trouble."""
    running = here.town
    (member,) = await running.staff(1001)
    resident = await running.at_home(PERSON)
    await member.blocks()
    await running.filed(resident, SAID)
    for kind in (
        FaultKind.BAD_GATEWAY_HTML,
        FaultKind.TOO_MANY,
        FaultKind.BAD_REQUEST,
        FaultKind.ACCEPT_THEN_DROP,
    ):
        await running.sandbox.fails(kind, "sendMessage", times=1)
    await running.says(resident, f"补充：{SAID}")


async def _handlers_break(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words that repeat what was said."""
    resident = await here.town.at_home(PERSON)

    async def unread(turn: Turn) -> str:
        try:
            return str(int(turn.message.text))
        except ValueError as error:
            raise ZeroDivisionError(turn.message.text, turn.account) from error

    async def unstored(turn: Turn) -> str:
        query = statement("SELECT :said FROM nowhere")
        await turn.desk.unit.run(lambda session: session.execute(query, {"said": turn.message.text}))
        return ""

    for broken in (unread, unstored):
        monkeypatch.setattr("bot.dispatcher.handle", broken)
        await resident.says(SAID)
        await here.town.settle()
    monkeypatch.setattr("bot.dispatcher.handle", handlers.handle)


async def _nonsense_arrives(here: Here) -> str:
    """At every door, signed and not; what was answered, and how we say that we are."""
    secret = here.town.app.settings.channels.telegram.webhook_secret.get_secret_value()
    for body in (SAID.encode(), f'{{"update_id": "{SAID}"}}'.encode(), f'{{"{SAID}": 1'.encode()):
        for header in (secret, secret[1:], SAID[:3]):
            await here.posts("telegram/webhook", body, headers={SECRET: urllib.parse.quote(header)})
    for call in here.calls().values():
        marked = replace(call, plain=SAID.encode())
        for one in (marked, *(bent(marked) for bent in UNOPENED.values())):
            await here.sends(one)
    answers = []
    paths = ("readyz", "healthz", f"q/{PHONE}", f"a/{PHONE}", f"c/{PHONE}", f"a/{PHONE}/back?state={PHONE}")
    async with aiohttp.ClientSession() as http:
        for path in paths:
            async with http.get(f"{here.home}/{path}", allow_redirects=False) as answer:
                answers.append(await answer.text() if PHONE not in path else "")
    return "\n".join(answers)


def test_a_traceback_tells_kinds_and_places_only() -> None:
    try:
        try:
            int(SAID)
        except ValueError as error:
            raise ExceptionGroup(SAID, [KeyError(SAID), OSError(SAID)]) from error
    except ExceptionGroup as error:
        seen = told(error)
    assert TEXT not in seen
    for kind in ("builtins.ValueError", "builtins.ExceptionGroup", "builtins.KeyError", "builtins.OSError"):
        assert kind in seen
    assert "test_marks.py" in seen
