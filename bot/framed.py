"""Shows the residents' page inside the demonstration's page: passed through, without what forbids frames."""

from collections.abc import Awaitable, Callable

import aiohttp
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_PATHS = ("/q/{rest:path}", "/c/{rest:path}")
_ASKED, _ANSWERED = ("cookie", "content-type", "accept"), ("content-type", "location", "set-cookie")


def routes(home: str) -> list[Route]:
    """`home` is where the product listens, whose page nobody else may put into a frame."""
    return [Route(path, _passing(home), methods=["GET", "POST"]) for path in _PATHS]


def _passing(home: str) -> Callable[[Request], Awaitable[Response]]:
    async def passes(request: Request) -> Response:
        headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
        url = f"{home}{request.url.path}?{request.url.query}"
        try:
            async with aiohttp.request(
                request.method, url, data=await request.body(), headers=headers, allow_redirects=False
            ) as answer:
                passed = Response(await answer.read(), answer.status)
                passed.raw_headers += [
                    (name.lower(), value)
                    for name, value in answer.raw_headers
                    if name.lower().decode() in _ANSWERED
                ]
                return passed
        except aiohttp.ClientError:
            return PlainTextResponse("机器人还没准备好，请稍等。", 503)

    return passes
