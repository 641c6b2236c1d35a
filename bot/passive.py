"""Webhooks that wait for a handler's words: in the answer itself they come at once and cost nothing."""

import asyncio
from collections.abc import Sequence

from storage.outbox import Said

Words = tuple[Said, ...]
MOST_WAITING = 200  # beyond that, answering everybody at once is worth more than answering some at length


class Passive:
    """Who waits, by channel and the platform's id of the message. Its repetitions wait for the same words."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        """At most so many wait at once; none where another process handles the messages."""
        self._most = most
        self._waiting: dict[tuple[str, str], asyncio.Future[Words]] = {}

    def expect(self, channel: str, external: str) -> asyncio.Future[Words] | None:
        """Await this, shielded; None where too many wait already."""
        key = (channel, external)
        if key not in self._waiting:
            if len(self._waiting) >= self._most:
                return None
            self._waiting[key] = asyncio.get_running_loop().create_future()
        return self._waiting[key]

    def expected(self, channel: str, external: str) -> bool:
        return (channel, external) in self._waiting

    def settle(self, channel: str, external: str, words: Sequence[Said]) -> bool:
        """Hand over what was said, once it is committed; False where nobody waits any more."""
        waiting = self._waiting.pop((channel, external), None)
        if waiting is None:
            return False
        waiting.set_result(tuple(words))
        return True

    def forget(self, channel: str, external: str) -> None:
        """Nobody waits any more: the platform has been told that we have the message."""
        self._waiting.pop((channel, external), None)
