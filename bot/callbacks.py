"""The HTTP side of platforms that call us back: verified, opened and stored before they are answered."""

import asyncio
from collections.abc import Sequence

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from bot import metrics
from bot.bodies import TooLargeError, read_body
from bot.channels.callback import CallbackChannel, ForgedError, Letter
from bot.channels.facts import ANSWER_WITHIN, LARGEST_BODY
from bot.clock import Clock
from bot.delays import Delays
from bot.intake import Intake, Taken
from bot.outbox import Outbox
from bot.passive import Passive, Words
from handlers.messages import Outgoing, UnreadableError
from storage.outbox import Said

log = structlog.get_logger()


class Callbacks:
    """Answers one platform's calls: 403 for a forged one, 400 or 413 for an unreadable one, else 200."""

    def __init__(
        self,
        channel: CallbackChannel,
        intake: Intake,
        delays: Delays,
        passive: Passive,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._channel = channel
        self._intake = intake
        self._delays = delays
        self._passive = passive
        self._outbox = outbox
        self._clock = clock

    async def serve(self, request: Request) -> Response:
        try:
            if request.method == "GET":
                return PlainTextResponse(self._channel.verify(request.query_params))
            return await self._receive(request)
        except ForgedError as error:
            return self._refused("forged", 403, str(error))
        except TooLargeError:
            return self._refused("too_large", 413, "too large")
        except UnreadableError as error:
            return self._refused("unopened", 400, str(error))
        except ClientDisconnect:
            return self._refused("incomplete", 400, "incomplete")

    def _refused(self, outcome: str, status: int, reason: str) -> Response:
        """The caller learns nothing of why."""
        metrics.received.labels(self._channel.name, outcome).inc()
        log.warning("callback refused", channel=self._channel.name, outcome=outcome, reason=reason)
        return PlainTextResponse("", status)

    async def _receive(self, request: Request) -> Response:
        arrived = asyncio.get_running_loop().time()
        body = await read_body(request, LARGEST_BODY)
        now = self._clock.now()
        letter = self._channel.unlock(request.query_params, body, now)
        said = await self._said(letter, arrived + ANSWER_WITHIN)
        answer = self._channel.answer(letter, said, now)
        kind = "application/json" if answer.startswith(b"{") else "application/xml"
        return Response(answer, media_type=kind)

    async def _said(self, letter: Letter, until: float) -> Sequence[Outgoing]:
        """Store the message, and wait a little for what is said to it; a repetition gets the same words."""
        try:
            envelope = self._channel.envelope(letter.body)
        except UnreadableError:
            await self._intake.receive(self._channel, letter.body)
            return ()
        if envelope.noise:
            metrics.received.labels(self._channel.name, "noise").inc()
            return ()
        key = (self._channel.name, envelope.external)
        waiting = self._passive.expect(*key)
        try:
            taken = await self._intake.receive(self._channel, letter.body)
            if taken is Taken.SPOOLED:
                return self._delays.answer(self._channel, letter.body)
            words = await self._words(taken, key, waiting, until)
        finally:
            self._passive.forget(*key)
        return await self._outbox.in_answer(words, envelope.sender)

    async def _words(
        self, taken: Taken, key: tuple[str, str], waiting: asyncio.Future[Words] | None, until: float
    ) -> Sequence[Said]:
        if taken is Taken.AGAIN:
            before = await self._outbox.answered(*key)
            if before is not None:
                return before
        if waiting is None:
            return ()
        try:
            async with asyncio.timeout_at(until):
                return await asyncio.shield(waiting)
        except TimeoutError:
            return ()
