"""Asks the package index about known holes in the locked packages, where it can be asked."""

import importlib.util
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements.lock"
_INDEX = ("localhost", 443)
_PATIENCE = 3.0  # seconds


def holes(index: tuple[str, int] = _INDEX) -> Iterator[str]:
    """A line for each; one that begins with `audit:` where nobody could be asked, which is no finding."""
    if importlib.util.find_spec("pip_audit") is None:
        yield "audit: dependencies not checked, as pip-audit is not installed (pip install '.[audit]')"
        return
    try:
        socket.create_connection(index, _PATIENCE).close()
    except OSError as error:
        yield f"audit: dependencies not checked, as {index[0]} cannot be reached ({type(error).__name__})"
        return
    yield from _told(
        subprocess.run(  # noqa: S603 (our own interpreter)
            [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--disable-pip", "--format", "json"],
            capture_output=True,
            text=True,
            check=False,
        )
    )


def _told(done: "subprocess.CompletedProcess[str]") -> Iterator[str]:
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        yield f"audit: dependencies not checked: {last}"
        return
    for one in packages:
        for hole in one.get("vulns", ()):
            fixed = ", ".join(hole["fix_versions"]) or "nothing yet"
            yield f"{one['name']} {one['version']}: {hole['id']}, mended by {fixed}"
