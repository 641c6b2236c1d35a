"""Finds what looks like a secret in tracked files, by detect-secrets, and is not known to be none."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

ROOT = Path(__file__).parents[2]
KNOWN = Path(__file__).with_name("known.txt")
# Words, pictures, hashes of packages, and bodies made to break parsers: large, and nobody's hand wrote them.
_LEFT_OUT = ("bot/defaults/rules/", "tests/hostile/corpus/", "tests/classification/", "requirements.lock")
_PICTURES = (".png", ".svg")
_AT_ONCE = 40  # files

Found = tuple[str, int, str, str]


def unknown() -> Iterator[str]:
    """A line for each; nothing where the files are not in git."""
    known = {tuple(line.split()) for line in KNOWN.read_text().splitlines() if not line.startswith("#")}
    files = _tracked()
    parts = [files[start : start + _AT_ONCE] for start in range(0, len(files), _AT_ONCE)]
    with ProcessPoolExecutor(2) as pool:
        for name, line, kind, digest in (one for part in pool.map(scan, parts) for one in part):
            if (name, digest) not in known:
                yield f"{name}:{line}: {kind}; if it is none, add to {KNOWN.name}: {name} {digest}"


def scan(files: list[str]) -> list[Found]:
    """Where something looks like a secret, and as what; the secret itself as a hash."""
    collection = SecretsCollection(root=str(ROOT))
    with default_settings():
        for name in files:
            collection.scan_file(name)
    return sorted((name, one.line_number, one.type, one.secret_hash[:12]) for name, one in collection)


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    names = [one for one in listed.stdout.splitlines() if not one.startswith(_LEFT_OUT)]
    return [one for one in names if not one.endswith(_PICTURES) and (ROOT / one).is_file()]
