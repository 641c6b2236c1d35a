"""The product's processes over one database: started, killed, frozen and ended."""

import asyncio
import contextlib
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.process import free_port, is_ready, spawn

START_WITHIN = 180.0


@dataclass
class Running:
    """One process of the product; `arguments` say in which role."""

    name: str
    arguments: tuple[str, ...]
    port: int
    process: Process | None = None

    @property
    def works(self) -> bool:
        """Whether cards come from it."""
        return not self.name.startswith("intake")

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None


@dataclass
class Cluster:
    """Processes with their roles, all with the same environment but for their ports."""

    folder: Path
    env: Mapping[str, str]
    members: list[Running] = field(default_factory=list)

    def add(self, *roles: str) -> None:
        """Processes of these roles; "all" is the one that does everything."""
        for role in roles:
            arguments = () if role == "all" else ("--role", role)
            self.members.append(Running(f"{role}-{len(self.members) + 1}", arguments, free_port()))

    def doors(self) -> list[int]:
        """The ports of those who take messages in."""
        return [one.port for one in self.members if not one.name.startswith("worker")]

    async def start(self, one: Running) -> float:
        """Start a process that is not alive; the moment when it was."""
        if not one.alive:
            env = {**self.env, "HUIYIN_WEB__PORT": str(one.port)}
            one.process = await spawn(self.folder, env, "run", *one.arguments)
        return time.monotonic()

    async def start_all(self) -> None:
        for one in self.members:
            await self.start(one)
        for one in self.members:
            await self.ready(one)

    async def ready(self, one: Running) -> None:
        """Until it says that all is in order; started anew where it gave up. Raises TimeoutError."""
        async with asyncio.timeout(START_WITHIN):
            while not await is_ready(one.port):
                await self.start(one)
                await asyncio.sleep(0.05)

    async def kill(self, one: Running) -> float:
        """`kill -9`; the moment when it was."""
        moment = time.monotonic()
        await self._end(one, signal.SIGKILL)
        return moment

    async def terminate(self, one: Running) -> int:
        """SIGTERM; how the process ended. Raises TimeoutError where it does not."""
        async with asyncio.timeout(START_WITHIN):
            await self._end(one, signal.SIGTERM)
        return one.process.returncode or 0 if one.process else 0

    async def _end(self, one: Running, how: signal.Signals) -> None:
        if one.process is not None:
            with contextlib.suppress(ProcessLookupError):
                one.process.send_signal(how)
            await one.process.wait()

    async def freeze(self, one: Running, seconds: float) -> None:
        """SIGSTOP for a while: it comes back and believes that no time has passed."""
        if one.process is not None and one.alive:
            one.process.send_signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    one.process.send_signal(signal.SIGCONT)

    async def close(self) -> None:
        for one in self.members:
            await self.kill(one)
