"""The page's addresses: the door behind a QR code, and the private page of a visit. Works without scripts."""

import asyncio
import contextlib
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.channels.facts import ANSWER_WITHIN
from bot.channels.web import WebChannel
from bot.clock import Clock
from bot.intake import Intake, NotTakenError
from bot.mediakinds import SMALL
from bot.mediastore import MediaStore
from bot.offices import Offices
from bot.page import forms, view
from bot.page.allowance import Allowance, address_of
from bot.page.forms import Form, FormError, Proofs
from bot.page.html import protect, render
from bot.settings import Page
from storage import page, queries
from storage.secrets import Vault
from storage.store import Store
from storage.tables import MediaState, MessageState

log = structlog.get_logger()

COOKIE = "huiyin"
_REMEMBERED = 180 * 24 * 3600  # seconds, as long as a finished request is
_BYTES = 24  # 192 bits
_VISIT = re.compile(r"[A-Za-z0-9_-]{32}")
_LOOK_AGAIN = 0.05
_AWAY = (SQLAlchemyError, OSError, NotTakenError)  # neither a form nor a photo can be kept

Endpoint = Callable[[Request], Awaitable[Response]]


class ResidentsPage:
    """A visit is a random token: the address on the channel, and the secret part of the private link."""

    def __init__(
        self,
        settings: Page,
        channel: WebChannel,
        intake: Intake,
        store: Store,
        vault: Vault,
        offices: Offices,
        pictures: MediaStore,
        proofs: Proofs,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._channel = channel
        self._intake = intake
        self._store = store
        self._vault = vault
        self._offices = offices
        self._pictures = pictures
        self._proofs = proofs
        self._clock = clock
        self._by_address = Allowance(settings.per_address_minute)
        self._by_code = Allowance(settings.per_code_minute)

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/q/{code}", self._guarded(self._show_door), methods=["GET"]),
            Route("/q/{code}", self._guarded(self._enter), methods=["POST"]),
            Route("/c/{visit}", self._guarded(self._show_visit), methods=["GET"]),
            Route("/c/{visit}", self._guarded(self._go_on), methods=["POST"]),
            Route("/c/{visit}/photo/{photo}", self._guarded(self._show_photo), methods=["GET"]),
        ]

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        """Whatever happens, the answer is a page in plain words with the headers that protect it."""

        async def guarded(request: Request) -> Response:
            return protect(await self._answer(endpoint, request))

        return guarded

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        address = address_of(request, self._settings.trusted_proxies)
        code = request.path_params.get("code")
        if not self._may(self._by_address, address) or (code and not self._may(self._by_code, code)):
            return self._notice("page_busy", 429)
        try:
            return await endpoint(request)
        except (FormError, ClientDisconnect):
            return self._notice("page_unreadable", 400)
        except _AWAY as error:
            log.error("a page could not be served", error=type(error).__name__)
            return self._notice("page_away", 503)
        except Exception as error:
            log.error("a page failed", exc_info=error)
            return self._notice("page_broken", 500)

    def _may(self, allowance: Allowance, key: str) -> bool:
        return allowance.take(key, self._clock.now())

    # --- the door -----------------------------------------------------------------------------

    async def _show_door(self, request: Request) -> Response:
        area = await self._store.read(queries.place_of_token, _code(request))
        if area is None:
            return self._notice("page_no_code", 404)
        visit = _visitor(request)
        known = visit if visit and await self._knows(visit) else ""
        return self._door(request, area=area, known=known)

    async def _enter(self, request: Request) -> Response:
        """The first words behind a code: the scan and the words are two messages, as in a chat."""
        form, code = await forms.read(request), _code(request)
        try:
            area = await self._store.read(queries.place_of_token, code)
            if area is None:
                return self._notice("page_no_code", 404, form.text)
            visit = _visitor(request)
            if visit is None or not self._is_ours(visit, form):
                return self._door(request, 403, area=area, text=form.text, problem="page_stale")
            if form.problem:
                return self._door(request, 400, area=area, text=form.text, problem=form.problem)
            await self._take(visit, form, start=code)
        except _AWAY:
            return self._door(request, 503, text=form.text, problem="page_away_kept")
        return RedirectResponse(f"../c/{visit}", 303)

    def _door(
        self,
        request: Request,
        status: int = 200,
        *,
        area: str | None = None,
        known: str = "",
        text: str = "",
        problem: str | None = None,
    ) -> Response:
        """The form, for whoever has been here before or for somebody new."""
        visit = _visitor(request) or secrets.token_urlsafe(_BYTES)
        place = self._offices.current.place_name(area)
        response = self._form("door.html", status, visit, text, problem, place=place, known=known)
        secure = self._settings.url.startswith("https:")
        response.set_cookie(COOKIE, visit, max_age=_REMEMBERED, httponly=True, samesite="lax", secure=secure)
        return response

    # --- the private page ---------------------------------------------------------------------

    async def _show_visit(self, request: Request) -> Response:
        start = request.query_params.get("from", "0")
        return await self._visit(
            request.path_params["visit"], start=int(start[:4]) if start.isdecimal() else 0
        )

    async def _go_on(self, request: Request) -> Response:
        """More words, photos, or a pressed button."""
        form, visit = await forms.read(request), request.path_params["visit"]
        try:
            if not await self._knows(visit):
                return self._notice("page_no_case", 404, form.text)
            if not self._is_ours(visit, form):
                return await self._visit(visit, 403, form.text, "page_stale")
            if form.problem:
                return await self._visit(visit, 400, form.text, form.problem)
            await self._take(visit, form)
        except _AWAY:
            return self._form("away.html", 503, visit, form.text, "page_away_kept")
        return RedirectResponse(visit, 303)

    async def _visit(
        self, visit: str, status: int = 200, text: str = "", problem: str | None = None, start: int = 0
    ) -> Response:
        found = await self._found(visit)
        if found is None:
            return self._notice("page_no_case", 404)
        office = self._offices.current
        talk = view.talk(office, self._channel, found, self._clock.now(), start)
        link = f"{self._settings.url}/c/{visit}"
        asked = office.texts.words["progress"][0]
        return self._form(
            "case.html", status, visit, text, problem, talk=talk, visit=visit, link=link, progress=asked
        )

    async def _show_photo(self, request: Request) -> Response:
        """A small picture of a photo that belongs to the visit."""
        found = await self._found(request.path_params["visit"])
        asked = request.path_params["photo"]
        photo = next((one for one in found.photos.values() if str(one.id) == asked), None) if found else None
        if photo is None or photo.state is not MediaState.STORED:
            return PlainTextResponse("", 404)
        small = await self._pictures.get(f"{photo.id}{SMALL}")
        return Response(small, media_type="image/jpeg") if small else PlainTextResponse("", 404)

    async def _found(self, visit: str) -> page.Visit | None:
        lookup = self._vault.lookup(self._channel.name, visit)
        return await self._store.read(page.visit, lookup, view.MOST)

    async def _knows(self, visit: str) -> bool:
        return await self._store.read(page.is_known, self._vault.lookup(self._channel.name, visit))

    # --- taking a form ------------------------------------------------------------------------

    def _is_ours(self, visit: str, form: Form) -> bool:
        return self._proofs.holds(visit, form.id, form.proof)

    async def _take(self, visit: str, form: Form, start: str | None = None) -> None:
        """Store what was sent, once, and wait a little for its answer. Raises what the store raises.

        It does not wait in the spool: somebody looks at the page, which can say so and keeps the words.
        """
        channel = self._channel
        if await self._store.read(page.state_of, form.external) is None:
            for name, photo in zip(form.names, form.photos, strict=True):
                await asyncio.to_thread(channel.spool.keep, name, photo)
            if start is not None:
                first = channel.body(visit, f"{form.id}.start", start=start)
                await self._intake.receive(channel, first, spools=False)
            body = channel.body(visit, form.external, text=form.text, photos=form.names, tapped=form.tapped)
            await self._intake.receive(channel, body, spools=False)
        await self._wait(form.external)

    async def _wait(self, external: str) -> None:
        """Usually the answer is there at once. What is stored is stored: nothing here is an error."""
        with contextlib.suppress(TimeoutError, SQLAlchemyError):
            async with asyncio.timeout(ANSWER_WITHIN):
                while await self._store.read(page.state_of, external) is MessageState.WAITING:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_AGAIN)

    # --- pages --------------------------------------------------------------------------------

    def _form(
        self, template: str, status: int, of: str, text: str, problem: str | None, **more: Any
    ) -> Response:
        """A page with a form for words and photos on it."""
        form, proof = self._proofs.new(of)
        texts, limits = self._offices.current.texts, forms.LIMITS
        said = texts.render(problem, limits) if problem else ""
        return render(
            texts, template, status, form=form, proof=proof, text=text, problem=said, **limits, **more
        )

    def _notice(self, notice: str, status: int, text: str = "") -> Response:
        response = render(self._offices.current.texts, "notice.html", status, notice=notice, text=text)
        if status == 429:
            response.headers["Retry-After"] = "60"
        return response


def _code(request: Request) -> str:
    """Without NUL, which not every database may be asked for."""
    code: str = request.path_params["code"]
    return code.replace("\0", "")


def _visitor(request: Request) -> str | None:
    """Whoever was here before with the same browser."""
    visit = request.cookies.get(COOKIE, "")
    return visit if _VISIT.fullmatch(visit) else None
