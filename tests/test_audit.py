"""`make check` finds secrets and known holes, and says when it could not look."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.audit import holes as dependencies
from tests.audit import secrets
from tests.process import free_port

TOKEN = "ghp_" + "aB3dE6gH9j" * 3 + "kLmNoP"  # made up, and put together here, so that no scan finds it


def test_a_secret_is_found_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text(f'"""A module."""\n\ntoken = "{TOKEN}"\n')
    monkeypatch.setattr(secrets, "ROOT", tmp_path)
    found = secrets.scan(["a.py"])
    assert {(name, line) for name, line, _, _ in found} == {("a.py", 3)}
    assert TOKEN not in str(found)


def test_where_nobody_can_be_asked_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    (line,) = dependencies.holes()
    assert line.startswith("audit: dependencies not checked")


def test_a_hole_is_told_with_its_remedy() -> None:
    hole = {"id": "PYSEC-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
    packages = [{"name": "a", "version": "1.0", "vulns": [hole]}, {"name": "b", "version": "1", "vulns": []}]
    answer = subprocess.CompletedProcess([], 1, json.dumps({"dependencies": packages, "fixes": []}), "")
    assert list(dependencies._told(answer)) == ["a 1.0: PYSEC-1, mended by 2.0"]
    broken = subprocess.CompletedProcess[str]([], 1, "", "ERROR: timed out")
    assert list(dependencies._told(broken)) == ["audit: dependencies not checked: ERROR: timed out"]
