"""The arguments of a Bot API call, read as leniently as the platform reads them, whatever their encoding."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request

from bot.sandbox.limits import bad_request


@dataclass(frozen=True)
class Params:
    """Forms carry everything as strings, JSON bodies carry numbers and objects; both are understood."""

    values: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.values or name in self.files

    def text(self, name: str) -> str:
        value = self.values.get(name)
        return "" if value is None else str(value)

    def integer(self, name: str, default: int = 0) -> int:
        value = self.values.get(name)
        if value is None or value == "":
            return default
        try:
            return int(value)
        except (TypeError, ValueError):
            raise bad_request(f'parameter "{name}" is invalid: expected an integer') from None

    def number(self, name: str) -> float:
        try:
            return float(self.values[name])
        except (KeyError, TypeError, ValueError):
            raise bad_request(f'parameter "{name}" is required') from None

    def flag(self, name: str) -> bool:
        return str(self.values.get(name, "")).lower() in ("true", "1", "yes")

    def decoded(self, name: str) -> Any:
        """The value of a JSON-serialised argument, or None where it is missing."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            return value or None
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise bad_request(f'can\'t parse "{name}": it is not valid JSON') from None

    def upload(self, name: str) -> bytes | None:
        """The file sent under this name, directly or by `attach://`."""
        value = self.values.get(name)
        if isinstance(value, str) and value.startswith("attach://"):
            name = value.removeprefix("attach://")
        return self.files.get(name)


async def read_params(request: Request) -> Params:
    values: dict[str, Any] = {}
    if request.url.query:
        values.update(parse_qsl(request.url.query, keep_blank_values=True))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _multipart(request, values)
    body = await request.body()
    if kind == "application/json" and body:
        values.update(_json_object(body))
    elif kind == "application/x-www-form-urlencoded":
        values.update(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    return Params(values)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise bad_request("can't parse JSON object") from None


async def _multipart(request: Request, values: dict[str, Any]) -> Params:
    files = {}
    async with request.form(max_files=20, max_part_size=2**20) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files[name] = await value.read()
            else:
                values[name] = value
    return Params(values, files)
