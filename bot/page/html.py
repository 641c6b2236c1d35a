"""Makes the pages out of their templates and the office's sentences, and sets the headers that guard them."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from handlers.texts import Texts

_FOLDER = Path(__file__).parent / "templates"
_CSS = (_FOLDER / "page.css").read_text(encoding="utf-8")
_STYLE = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()

_PAGES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_GUARDS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE}'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
}


def render(texts: Texts, template: str, status: int, **values: Any) -> Response:
    """Everything that is filled in is escaped; no page has a script."""

    def say(name: str, **args: Any) -> str:
        return texts.render(name, args)

    page = _PAGES.get_template(template).render(
        css=Markup(_CSS),  # noqa: S704 (our own file)
        say=say,
        label=texts.label,
        **values,
    )
    return HTMLResponse(page, status)


def protect(response: Response) -> Response:
    response.headers.update(_GUARDS)
    return response
