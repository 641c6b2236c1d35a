"""WeCom's server interfaces over HTTP: `/corp/cgi-bin/...`, JSON with an `errcode`."""

from urllib.parse import quote

import msgspec
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.sandbox.corp.aibot import SmartRobot
from bot.sandbox.corp.cards import Wire
from bot.sandbox.corp.methods import METHODS, Call, get_token
from bot.sandbox.corp.refusals import Code, RefusedError
from bot.sandbox.corp.robots import send_robot
from bot.sandbox.corp.state import Corp, File
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.telegram import BAD_GATEWAY, BREAKING, break_off, pause
from bot.sandbox.updates import encode

Result = Wire | File


class Api:
    """For scripted faults a call is named `corp/` and the path behind /cgi-bin/."""

    def __init__(self, corp: Corp, robot: SmartRobot) -> None:
        self.corp, self.robot = corp, robot

    def routes(self) -> list[Route]:
        return [Route("/corp/cgi-bin/{path:path}", self.call, methods=["GET", "POST"])]

    async def call(self, request: Request) -> Response:
        fault = self.corp.world.faults.take_call(f"corp/{request.path_params['path']}".lower(), None)
        if fault is not None:
            return await self._go_wrong(fault, request)
        return await self._answer(request)

    async def _answer(self, request: Request) -> Response:
        path = request.path_params["path"]
        try:
            return self._told(path, self._perform(path, request.method, await _read(request)))
        except RefusedError as refusal:
            return self._refused(path, refusal)

    def _perform(self, path: str, verb: str, call: Call) -> Result:
        if path == "gettoken":
            return get_token(self.corp, call)
        if path == "webhook/send":
            return send_robot(self.corp, call)
        if path == "aibot/response":
            return self.robot.respond(call)
        if path not in METHODS or METHODS[path][0] != verb:
            raise HTTPException(404)
        self.corp.check_token(call.query.get("access_token", ""))
        return METHODS[path][1](self.corp, call)

    def _told(self, path: str, result: Result) -> Response:
        self.corp.calls[path, 0] += 1
        if isinstance(result, File):
            named = f"attachment; filename*=UTF-8''{quote(result.name or result.id)}"
            return Response(
                result.content, media_type=result.mime_type, headers={"Content-Disposition": named}
            )
        return _json({"errcode": 0, "errmsg": "ok", **result})

    def _refused(self, path: str, refusal: RefusedError) -> Response:
        self.corp.calls[path, refusal.code] += 1
        return _json({"errcode": refusal.code, "errmsg": refusal.reason})

    async def _go_wrong(self, fault: Fault, request: Request) -> Response:
        kind, path = fault.kind, request.path_params["path"]
        if kind in (FaultKind.TIMEOUT_AFTER_ACCEPT, FaultKind.ACCEPT_THEN_DROP):
            await self._answer(request)
        if kind in (FaultKind.HANG, FaultKind.TIMEOUT_AFTER_ACCEPT):
            await pause(self.corp.world.faults.released, self.corp.stop, fault.seconds)
        if kind in BREAKING:
            return await break_off(request)
        if kind is FaultKind.BAD_GATEWAY_HTML:
            return Response(BAD_GATEWAY, 502, media_type="text/html")
        return self._refused(path, RefusedError(fault.errcode, fault.description or "scripted"))


def _json(told: Wire) -> Response:
    return Response(encode(told), media_type="application/json; charset=UTF-8")


async def _read(request: Request) -> Call:
    query = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return Call(query, {}, await _upload(request))
    return Call(query, _body(await request.body()))


def _body(written: bytes) -> Wire:
    try:
        return msgspec.json.decode(written, type=Wire) if written else {}
    except msgspec.MsgspecError:
        raise RefusedError(Code.WRONG_JSON, "data format error, Warning: wrong json format.") from None


async def _upload(request: Request) -> tuple[str, bytes] | None:
    async with request.form(max_files=1) as form:
        media = form.get("media")
        return (media.filename or "", await media.read()) if isinstance(media, UploadFile) else None
