"""Serves the phones page: people's phones in the browser, which act through the control interface."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).parent / "page"


def routes() -> list[Route]:
    return [Route("/", _file), Route("/page/{name}", _file)]


async def _file(request: Request) -> Response:
    """One of our own files; the browser asks each time whether it is still the same."""
    path = FOLDER / request.path_params.get("name", "index.html")
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, headers={"Cache-Control": "no-cache"})
