"""Webhook delivery: updates are posted to the bot until it answers 2xx, in order within one lane."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from bot.sandbox.updates import Update, UpdateQueue

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
ANSWER_WITHIN = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True)
class Webhook:
    url: str
    secret: str
    max_connections: int


class Courier:
    """Posts one bot's updates. Pauses are real time: the injected clock may stand still."""

    def __init__(
        self, webhook: Webhook, queue: UpdateQueue, session: aiohttp.ClientSession, now: Callable[[], int]
    ) -> None:
        self.webhook = webhook
        self.last_error: tuple[int, str] | None = None
        self._queue, self._session, self._now = queue, session, now
        self._free = asyncio.Semaphore(webhook.max_connections)
        self._lanes: dict[tuple[str, int], deque[Update]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._headers = {"Content-Type": "application/json"}
        if webhook.secret:
            self._headers["X-Telegram-Bot-Api-Secret-Token"] = webhook.secret
        for update in queue.waiting:
            self.take(update)
        queue.on_put = self.take

    def take(self, update: Update) -> None:
        lane = self._lanes.get(update.lane)
        if lane is not None:
            lane.append(update)
            return
        self._lanes[update.lane] = deque([update])
        task = asyncio.get_running_loop().create_task(self._serve(update.lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        self._queue.on_put = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, key: tuple[str, int]) -> None:
        lane = self._lanes[key]
        while lane:
            await self._deliver(lane[0])
            self._queue.waiting.pop(lane.popleft(), None)
        del self._lanes[key]

    async def _deliver(self, update: Update) -> None:
        pause = FIRST_PAUSE
        while update in self._queue.waiting:
            async with self._free:
                error = await self._post(update)
            if error is None:
                return
            self.last_error = (self._now(), error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _post(self, update: Update) -> str | None:
        try:
            async with self._session.post(
                self.webhook.url,
                data=update.body,
                headers=self._headers,
                timeout=ANSWER_WITHIN,
                allow_redirects=False,
            ) as answer:
                await answer.read()
                if 200 <= answer.status < 300:
                    return None
                return f"Wrong response from the webhook: {answer.status} {answer.reason}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"Connection failed: {type(error).__name__}"
