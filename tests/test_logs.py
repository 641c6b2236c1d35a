"""Log lines: one form for everybody's, and no flood of them."""

import asyncio
import contextlib
import json
import sys
from typing import Any

import structlog

from bot.logs import Valve


def test_a_flood_of_one_event_leaves_the_others_and_is_counted() -> None:
    now = [1000.0]
    valve = Valve(lambda: now[0])

    def through(event: str, level: str, times: int) -> list[Any]:
        found = []
        for _ in range(times):
            with contextlib.suppress(structlog.DropEvent):
                found.append(valve(None, level, {"event": event, "level": level}))
        return found

    assert len(through("callback refused", "warning", 5000)) == 100
    assert len(through("not delivered", "warning", 1)) == 1
    assert len(through("handled", "info", 3000)) == 3000, "300 messages a second are no flood"
    now[0] += 10
    first, second = through("callback refused", "warning", 2)
    assert (first["left_out"], "left_out" in second) == (4900, False)


LINES = """
import logging, structlog
from bot.logs import configure
configure("info", True)
structlog.get_logger().info("handled", message=7)
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
for _ in range(500): logging.getLogger("asyncio").error("again")
with structlog.contextvars.bound_contextvars(request=3):
    try: {}["居民"]
    except KeyError: structlog.get_logger().exception("failed")
"""


async def test_every_line_is_json_whoever_writes_it() -> None:
    printing = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LINES, stderr=asyncio.subprocess.PIPE
    )
    _, printed = await printing.communicate()
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["event"] for line in lines if line["event"] != "again"] == [
        "handled",
        "Invalid HTTP request received.",
        "failed",
    ]
    assert len(lines) == 103, "libraries flood nobody either"
    assert (lines[-1]["request"], lines[-1]["level"]) == (3, "error")
    assert "KeyError" in lines[-1]["exception"]
