"""The page behind the code of a posted text: a chief inside WeChat sees the request and confirms by a tap."""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qsl

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.bodies import TooLargeError, read_body
from bot.channels.facts import ANSWER_WITHIN
from bot.clock import Clock
from bot.handpage.door import WECHAT, PageDoor, Tapped
from bot.handpage.proofs import LIVES, Proofs
from bot.intake import Intake, NotTakenError, Taken
from bot.offices import Offices
from bot.outbox import Outbox
from bot.page.html import protect, render
from bot.passive import Passive
from handlers import by_word
from handlers.desk import Desk, RefusalError
from storage import queries
from storage.secrets import Vault
from storage.store import Store

log = structlog.get_logger()

ACTIONS = ("seen", "not_here")
COOKIE = "huiyin_hand"
_LARGEST_FORM = 4096  # bytes
_AWAY = (SQLAlchemyError, NotTakenError)

Endpoint = Callable[[Request], Awaitable[Response]]


@runtime_checkable
class SignIn(Protocol):
    """What the service account offers: a browser inside it comes back with a code that names its owner."""

    def sign_in(self, back: str, state: str) -> str:
        """The address to send the browser to; `state` comes back as it was."""

    async def who(self, code: str) -> object:
        """The openid of whoever came back with the code; anything but a string where it names nobody."""


class HandPage:
    """`url` is where browsers find us; `account` knows whose phone it is."""

    def __init__(
        self,
        url: str,
        account: SignIn,
        door: PageDoor,
        intake: Intake,
        passive: Passive,
        outbox: Outbox,
        store: Store,
        vault: Vault,
        offices: Offices,
        proofs: Proofs,
        clock: Clock,
    ) -> None:
        self._url = url
        self._account = account
        self._door = door
        self._intake = intake
        self._passive = passive
        self._outbox = outbox
        self._store = store
        self._vault = vault
        self._offices = offices
        self._proofs = proofs
        self._clock = clock

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/a/{code}", self._guarded(self._enter), methods=["GET"]),
            Route("/a/{code}", self._take, methods=["POST"]),
            Route("/a/{code}/back", self._guarded(self._come_back), methods=["GET"]),
        ]

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        """A database that is away is told in plain words."""

        async def guarded(request: Request) -> Response:
            try:
                return await endpoint(request)
            except _AWAY:
                return self._notice("page_away", 503)

        return guarded

    async def _enter(self, request: Request) -> Response:
        """Off to the platform, which sends the browser back with who it is."""
        code, now = request.path_params["code"], self._clock.now()
        if not code.isalnum() or not await self._store.read(queries.is_hand_code, code, now):
            return self._notice("hand_page_unknown", 404)
        browser = secrets.token_hex(16)
        state = self._proofs.state(code, browser, now)
        response = RedirectResponse(self._account.sign_in(f"{self._url}/a/{code}/back", state), 302)
        response.set_cookie(
            COOKIE,
            browser,
            max_age=int(LIVES.total_seconds()),
            httponly=True,
            samesite="lax",
            secure=self._url.startswith("https:"),
        )
        return protect(response)

    async def _come_back(self, request: Request) -> Response:
        code, query = request.path_params["code"], request.query_params
        browser = request.cookies.get(COOKIE, "")
        if not self._proofs.began(query.get("state", ""), code, browser, self._clock.now()):
            return self._notice("hand_page_again", 403)
        openid = await self._account.who(query.get("code", ""))
        if not isinstance(openid, str):
            return self._notice("hand_page_again", 403)
        return await self._shown(code, openid)

    async def _take(self, request: Request) -> Response:
        """The form: what was tapped becomes a message, and its answer is shown here."""
        code = request.path_params["code"]
        try:
            body = await read_body(request, _LARGEST_FORM)
        except (TooLargeError, ClientDisconnect):
            return self._notice("hand_page_again", 400)
        fields = dict(parse_qsl(body.decode(errors="replace")))
        form, action = fields.get("form", ""), fields.get("do", "")
        openid = self._proofs.holder(form, code, self._clock.now())
        if openid is None or action not in ACTIONS:
            return self._notice("hand_page_again", 403)
        word = self._offices.current.texts.words[action][0]
        external = f"page:{hashlib.sha256(f'{form}{action}'.encode()).hexdigest()[:32]}"
        try:
            said = await self._said(Tapped(external, openid, f"{word}{code}"))
            return await self._shown(code, openid, said)
        except _AWAY as error:
            log.error("a tap could not be stored", error=type(error).__name__)
            return self._form(503, [self._sentence("page_away")], code, form)

    async def _said(self, tapped: Tapped) -> list[str]:
        """The handler's answer, for which the page waits a little; the same form again gets the same."""
        waiting = self._passive.expect(WECHAT, tapped.external)
        try:
            taken = await self._intake.receive(self._door, msgspec.json.encode(tapped), spools=False)
            words = (
                None if taken is Taken.NEW else await self._outbox.answered(self._door.name, tapped.external)
            )
            if words is None and waiting is not None:
                async with asyncio.timeout(ANSWER_WITHIN):
                    words = list(await asyncio.shield(waiting))
        except TimeoutError:
            words = None  # they go out as a message
        finally:
            self._passive.forget(WECHAT, tapped.external)
        return [one.text for one in await self._outbox.in_answer(words or (), tapped.openid)]

    async def _shown(self, code: str, openid: str, said: Sequence[str] = ()) -> Response:
        """The request as it stands, for somebody whom it concerns."""
        office, now = self._offices.current, self._clock.now()
        async with self._store.unit() as unit:
            desk = Desk(unit, office, self._vault, now)
            try:
                seen = await by_word.look(desk, code, self._vault.lookup(WECHAT, openid))
            except RefusalError as refusal:
                return self._notice(refusal.template, 403, **refusal.args_)
        lines = [*said, *([seen.taken] if not said and seen.taken else [])]
        if not seen.waits:
            return self._page(200, lines, facts=seen.facts)
        return self._form(200, lines, code, self._proofs.form(code, openid, now), facts=seen.facts)

    def _form(self, status: int, lines: Sequence[str], code: str, form: str, **values: object) -> Response:
        """A page with the buttons; the same form sent again is the same message."""
        path = f"{self._url}/a/{code}"
        return self._page(status, lines, form=form, actions=ACTIONS, path=path, **values)

    def _notice(self, template: str, status: int, **args: str) -> Response:
        log.info("page refused", page=template)
        return self._page(status, [self._sentence(template, **args)])

    def _sentence(self, template: str, **args: str) -> str:
        return self._offices.current.texts.render(template, args)

    def _page(self, status: int, lines: Sequence[str], **values: object) -> Response:
        filled = {"facts": None, "actions": (), **values}
        return protect(render(self._offices.current.texts, "hand.html", status, lines=lines, **filled))
