"""Which process leads what: a session lock at the server, free again the moment its holder is gone."""

import asyncio
from secrets import randbelow
from zlib import crc32

import asyncpg

from storage.database import Database, Where
from storage.served import SERVER_SETTINGS

NAMESPACE, _LEADS = 4711, 4712  # of our advisory locks: processes by their number, and what they lead
_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Presence:
    """This process among those that work on the same database.

    Its number is locked as long as its connection lives, so that the others see at once when it is gone. On
    an embedded database there are no others.
    """

    def __init__(self, where: Where) -> None:
        self._database = Database.at(where)
        self._connection: asyncpg.Connection | None = None
        self._number = 0
        self._leads: set[str] = set()
        self._turn = asyncio.Lock()  # the connection takes one question at a time

    async def number(self) -> int:
        """Nobody else has it. A lost connection means a new number; without a server it is 0."""
        async with self._turn:
            try:
                await self._connected()
            except _LOST:
                self._lose()
            return self._number

    async def leads(self, what: str) -> bool:
        """Whether this process leads it, from now on if nobody else does. Asked again and again."""
        if self._database.file is not None:
            return True
        async with self._turn:
            try:
                await self._take(await self._connected(), what)
            except _LOST:
                self._lose()
            return what in self._leads

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close(timeout=5)
            self._connection = None

    async def _take(self, connection: asyncpg.Connection, what: str) -> None:
        if what in self._leads:
            await connection.fetchval("SELECT 1")  # whether the connection still lives, and the lock with it
        elif await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _LEADS, _key(what)):
            self._leads.add(what)

    async def _connected(self) -> asyncpg.Connection:
        if self._database.file is None and (self._connection is None or self._connection.is_closed()):
            self._lose()
            address = self._database.url.set(drivername="postgresql").render_as_string(hide_password=False)
            self._connection = await asyncpg.connect(
                address, timeout=5, command_timeout=5, server_settings=SERVER_SETTINGS
            )
            await self._take_number(self._connection)
        return self._connection

    async def _take_number(self, connection: asyncpg.Connection) -> None:
        while not self._number:
            number = 1 + randbelow(2**31 - 1)
            if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", NAMESPACE, number):
                self._number = number

    def _lose(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection, self._number = None, 0
        self._leads.clear()


def _key(what: str) -> int:
    return crc32(what.encode()) - 2**31  # the lock's key is a signed number
