"""The HTTP side: webhooks are verified and stored before they are answered; health is told."""

import hmac
from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot import metrics
from bot.bodies import TooLargeError, read_body
from bot.callbacks import Callbacks
from bot.health import Health
from bot.intake import Intake, NotTakenError
from handlers.messages import Channel

log = structlog.get_logger()

LARGEST_BODY = 1024 * 1024
SECRET_HEADER = b"x-telegram-bot-api-secret-token"


def build(
    intake: Intake,
    telegram: Channel | None,
    secret: str,
    health: Health,
    callbacks: Mapping[str, Callbacks],
    pages: Sequence[Route] = (),
) -> Starlette:
    """`callbacks` are platforms that call, by path; `pages` are served beside them."""

    async def webhook(request: Request) -> Response:
        if telegram is None or not secret:
            return PlainTextResponse("not configured", 404)
        if not _authentic(request, secret):
            metrics.received.labels("telegram", "refused").inc()
            return PlainTextResponse("wrong secret", 401)
        try:
            body = await read_body(request, LARGEST_BODY)
        except TooLargeError:
            metrics.received.labels("telegram", "too_large").inc()
            return PlainTextResponse("too large", 413)
        except ClientDisconnect:
            return PlainTextResponse("incomplete", 400)
        await intake.receive(telegram, body)
        return PlainTextResponse("ok")

    async def store_away(_: Request, error: Exception) -> Response:
        log.error("nothing could be stored, the platform will send it again", error=type(error).__name__)
        metrics.received.labels("", "not_stored").inc()
        return PlainTextResponse("try again", 503)

    async def not_taken(_: Request, __: Exception) -> Response:
        return PlainTextResponse("try again", 503)

    return Starlette(
        exception_handlers={SQLAlchemyError: store_away, NotTakenError: not_taken},
        routes=[
            Route("/telegram/webhook", webhook, methods=["POST"]),
            *(Route(path, answers.serve, methods=["GET", "POST"]) for path, answers in callbacks.items()),
            *health.routes,
            *pages,
        ],
    )


def _authentic(request: Request, secret: str) -> bool:
    """Compared as bytes in constant time: the header may hold anything."""
    given = next((value for name, value in request.scope["headers"] if name == SECRET_HEADER), b"")
    return hmac.compare_digest(given, secret.encode())
