"""The schema's version: brings a database forward with Alembic, and says where it stands."""

import shutil
import sqlite3
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.store import StoreError, check_reachable, open_engine

_HERE = Path(__file__).parent / "migrations"


class Standing(StrEnum):
    EMPTY = "empty"
    CURRENT = "current"
    BEHIND = "behind"
    AHEAD = "ahead"


def standing(path: Path) -> Standing:
    """How the database relates to this program. Raises StoreError where it cannot be opened."""
    check_reachable(path)
    engine = open_engine(path, writes=False)
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    if found is None:
        return Standing.EMPTY
    scripts = ScriptDirectory.from_config(_config())
    known = {script.revision for script in scripts.walk_revisions()}
    if found not in known:
        return Standing.AHEAD
    return Standing.CURRENT if found == scripts.get_current_head() else Standing.BEHIND


def migrate(path: Path, now: datetime) -> Path | None:
    """Bring the database to this program's schema; returns the backup made before, if any.

    Raises StoreError for a database that a newer program has moved on.
    """
    before = standing(path)
    if before is Standing.AHEAD:
        raise StoreError(f"{path} was moved on by a newer huiyin: update the program, nothing was changed")
    if before is Standing.CURRENT:
        return None
    backup = back_up(path, now) if before is Standing.BEHIND else None
    engine = open_engine(path, writes=True)
    try:
        with engine.begin() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
    return backup


def back_up(path: Path, now: datetime) -> Path:
    """A copy beside the database, named by the time."""
    target = path.with_name(f"{path.stem}-{now:%Y%m%d-%H%M%S}.backup.db")
    copy_to(path, target)
    return target


def copy_to(path: Path, target: Path) -> None:
    """A consistent copy, taken while others may be reading and writing."""
    source, copy = sqlite3.connect(path), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()
    shutil.copymode(path, target)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    return config
