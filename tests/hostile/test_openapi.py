"""docs/openapi.yaml against the running app: what is written there is what is answered, whatever arrives."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error, status_code_conformance
from schemathesis.specs.openapi.checks import content_type_conformance

from bot.settings import Channels, Page, Settings
from tests.hostile.test_calls import SECRET, Here
from tests.town import town

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.yaml"
SCHEMA = schemathesis.openapi.from_dict(yaml.safe_load(DOCUMENT.read_text(encoding="utf-8")))
Operation = APIOperation[Any, Any, Any, Any]
OPERATIONS: list[Operation] = [
    SCHEMA[path][method] for path in SCHEMA for method in SCHEMA[path] if method != "parameters"
]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Here]:
    monkeypatch.setattr("bot.callbacks.ANSWER_WITHIN", 0.0)
    often = Page(per_address_minute=100_000, per_code_minute=100_000)
    async with town(tmp_path, Settings(channels=Channels(web=often)), everywhere=True) as running:
        yield Here(running)


def test_every_address_is_written_down(here: Here) -> None:
    served = {route.path for route in here.town.app.asgi.routes}  # type: ignore[attr-defined] # all are Routes
    assert served == {operation.path for operation in OPERATIONS}


async def test_other_methods_are_refused(here: Here) -> None:
    written = {(operation.path, operation.method.upper()) for operation in OPERATIONS}

    def asked() -> None:
        for path in {operation.path for operation in OPERATIONS}:
            for method in METHODS - {one for other, one in written if other == path}:
                url = here.home + path.replace("{", "").replace("}", "")
                assert requests.request(method, url, timeout=10).status_code == 405, f"{method} {path}"

    await asyncio.to_thread(asked)


async def test_what_is_written_is_what_is_answered(here: Here) -> None:
    for operation in OPERATIONS:
        await asyncio.to_thread(_tried, here, operation, GenerationMode.POSITIVE)


async def test_so_it_is_for_what_is_not_as_written(here: Here) -> None:
    for operation in OPERATIONS:
        if operation.method == "post":  # elsewhere any text is as written
            await asyncio.to_thread(_tried, here, operation, GenerationMode.NEGATIVE)


def _tried(here: Here, operation: Operation, mode: GenerationMode) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(mode), authentic=st.booleans())
    def run(case: Case[Any], authentic: bool) -> None:
        if authentic:
            _sign(here, case)
        case.call_and_validate(base_url=here.home, checks=CHECKS, timeout=10)

    run()


def _sign(here: Here, case: Case[Any]) -> None:
    """As the platform would: behind its door there is more to find."""
    if case.path == "/telegram/webhook":
        telegram = here.town.app.settings.channels.telegram
        case.headers[SECRET] = telegram.webhook_secret.get_secret_value()
    names = {"/wechat": "wechat", "/wecom": "wecom", "/wecom/bot": "robot"}
    if case.method.upper() == "POST" and case.path in names:
        said = json.dumps(case.body, default=str).encode() if isinstance(case.body, dict | list) else b""
        call = here.calls()[names[case.path]]
        made = replace(call, plain=said).made() if said else call.made()
        case.query = dict(made.query)
        case.body = made.body
