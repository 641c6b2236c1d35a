"""A lock file that lets only one process work on a thing; it is free again however that process ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class TakenError(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock file until the block is left. Raises TakenError, or OSError for an unusable folder."""
    lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise TakenError(str(path)) from None
    finally:
        os.close(lock)
