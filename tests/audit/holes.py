"""Has pip-audit ask its index about known holes in the locked packages, where that can be asked."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements.lock"
_COMMAND = (
    "-m",
    "pip_audit",
    "--disable-pip",
    "--progress-spinner",
    "off",
    "--timeout",
    "3",
    "--format",
    "json",
)


def holes() -> Iterator[str]:
    """A line for each; one that begins with `audit:` where nobody could be asked, which is no finding."""
    if importlib.util.find_spec("pip_audit") is None:
        yield "audit: dependencies not checked, as pip-audit is not installed (pip install '.[audit]')"
        return
    yield from _told(
        subprocess.run(  # noqa: S603 (our own interpreter)
            [sys.executable, *_COMMAND, "-r", str(LOCK)],
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
