"""The app's callbacks: sealed XML to the company's server, and the sealed XML it may answer with."""

import asyncio
import re
import secrets
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import aiohttp

from bot.sandbox.corp.cards import Card, Wire, checked_card
from bot.sandbox.corp.delivery import Courier, Parcel
from bot.sandbox.corp.limits import TEXT_BYTES, VERIFY_WITHIN, cut
from bot.sandbox.corp.messages import file_content
from bot.sandbox.corp.refusals import RefusedError, wrong
from bot.sandbox.corp.state import Content, Corp, File, Member, Post
from bot.sandbox.sealing import NotOursError, Sealer
from bot.sandbox.world import NotPossibleError

NOTHING = (b"", b"success")
UNTAKEN = (RefusedError, NotOursError, ElementTree.ParseError, LookupError, TypeError, ValueError)


class AppCallbacks:
    """`rotating`: the company has changed its key, and the platform still seals with the previous one."""

    def __init__(self, corp: Corp, courier: Courier) -> None:
        self.corp, self.courier = corp, courier
        self.rotating = False

    @property
    def sealer(self) -> Sealer:
        spec = self.corp.spec
        key = spec.previous_aes_key if self.rotating else spec.aes_key
        return Sealer(spec.token, key, spec.corp_id)

    # What members do

    def says(self, member: Member, text: str) -> None:
        self._message(member, "text", {"Content": text})

    def sends_file(self, member: Member, file: File) -> None:
        more = {"PicUrl": "http://127.0.0.1/none"} if file.kind == "image" else {"Format": "amr"}
        self._message(member, file.kind, {**more, "MediaId": file.id})

    def sends_place(self, member: Member, latitude: float, longitude: float, label: str) -> None:
        place = {"Location_X": f"{latitude}", "Location_Y": f"{longitude}", "Scale": "15", "Label": label}
        self._message(member, "location", {**place, "AppType": "wxwork"})

    def enters(self, member: Member) -> None:
        self._event(member, "enter_agent", {"EventKey": ""})

    def taps(self, member: Member, post: Post, card: Card, key: str) -> None:
        code = self.corp.codes.issue(post, self.corp.now())
        told = {"EventKey": key, "TaskId": card.task_id, "CardType": card.kind, "ResponseCode": code}
        self._event(member, "template_card_event", told, post)

    # Calling back

    def _message(self, member: Member, kind: str, fields: dict[str, str]) -> None:
        number = f"{7_000_000_000_000_000_000 + self.corp.number()}"
        self._call(member, {"MsgType": kind, **fields, "MsgId": number}, None)

    def _event(self, member: Member, event: str, fields: dict[str, str], post: Post | None = None) -> None:
        self._call(member, {"MsgType": "event", "Event": event, **fields}, post)

    def _call(self, member: Member, fields: dict[str, str], post: Post | None) -> None:
        spec = self.corp.spec
        if not spec.url:
            return
        created = str(int(self.corp.now().timestamp()))
        who = {"ToUserName": spec.corp_id, "FromUserName": member.userid, "CreateTime": created}
        plain = _xml({**who, **fields, "AgentID": str(spec.agent_id)})
        sealer = self.sealer
        sealed = sealer.seal(plain.encode())
        body = _xml({"ToUserName": spec.corp_id, "AgentID": str(spec.agent_id), "Encrypt": sealed})

        def take(answer: bytes) -> None:
            self._take(sealer, answer, member, post)

        query = signed(sealer, sealed, created)
        self.courier.send(
            Parcel(spec.url, query, body.encode(), "text/xml", member.key, f"app:{member.key}", take)
        )

    # What comes back

    def _take(self, sealer: Sealer, answer: bytes, member: Member, post: Post | None) -> None:
        if answer in NOTHING:
            return
        try:
            self._apply(_opened(sealer, answer), member, post)
        except UNTAKEN as error:
            self.corp.refused[f"app: {type(error).__name__}: {error}"] += 1

    def _apply(self, reply: Wire, member: Member, post: Post | None) -> None:
        match reply["msg_type"]:
            case "text":
                self._show(member, Content("text", cut(reply["content"], TEXT_BYTES)))
            case "image":
                self._show(member, file_content(self.corp, "image", reply["image"]["media_id"]))
            case "update_button":
                self._change(member, post, lambda card: Card(card.body, reply["button"]["replace_name"]))
            case "update_template_card":
                new = checked_card(reply["template_card"])
                self._change(member, post, lambda _: new)
            case other:
                raise wrong(f"nobody can answer with {other}")

    def _show(self, member: Member, content: Content) -> None:
        self.corp.post([self.corp.app_talk(member.key)], content)

    def _change(self, member: Member, post: Post | None, change: Any) -> None:
        card = post.card(member.key) if post is not None else None
        if post is None or card is None:
            raise wrong("only a tap on a card is answered by changing it")
        self.corp.change(post, change(card), [member.key])


async def verify(courier: Courier, url: str, sealer: Sealer, now: int) -> str:
    """Checks the company's address as WeCom does before it saves it; tells what is wrong, or nothing."""
    if not url:
        raise NotPossibleError("there is no address to verify")
    plain = str(secrets.randbelow(10**19)).encode()
    echo = sealer.seal(plain)
    query = signed(sealer, echo, str(now)) | {"echostr": echo}
    try:
        async with asyncio.timeout(VERIFY_WITHIN):
            status, body = await courier.get(url, query)
    except TimeoutError:
        return "no answer within a second"
    except aiohttp.ClientError as error:
        return f"no connection: {type(error).__name__}"
    return _fault_of(status, body, plain)


def _fault_of(status: int, body: bytes, plain: bytes) -> str:
    if status != 200:
        return f"status {status}"
    if body == plain:
        return ""
    if body.startswith(b"\xef\xbb\xbf"):
        return "a byte order mark before the text"
    if body.strip() == plain:
        return "white space around the text"
    if body.strip(b"\"'") == plain:
        return "quotes around the text"
    return "another text than what was sealed"


def signed(sealer: Sealer, sealed: str, timestamp: str) -> dict[str, str]:
    nonce = str(secrets.randbelow(10**10))
    signature = sealer.signature(timestamp, nonce, sealed)
    return {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}


def _xml(fields: dict[str, str]) -> str:
    parts = (f"<{name}>{_data(text)}</{name}>" for name, text in fields.items())
    return f"<xml>{''.join(parts)}</xml>"


def _data(text: str) -> str:
    return escape(text) if "]]>" in text else f"<![CDATA[{text}]]>"


def _opened(sealer: Sealer, answer: bytes) -> Wire:
    sealed = _read(answer)
    names = ("encrypt", "msg_signature", "time_stamp", "nonce")
    return _read(sealer.open(*(sealed[name] for name in names)))


def _read(document: bytes) -> Wire:
    # Only the company's own server, on this machine, writes what is read here.
    return dict(_value(ElementTree.fromstring(document)))  # noqa: S314


def _value(element: ElementTree.Element) -> Any:
    """Elements with parts become objects, named as in JSON; those named ...List repeat and become lists."""
    if not len(element):
        return element.text or ""
    read: Wire = {}
    for part in element:
        name = _snake(part.tag)
        if name.endswith("_list"):
            read.setdefault(name, []).append(_value(part))
        else:
            read[name] = _number(name, _value(part))
    return read


def _number(name: str, value: Any) -> Any:
    return int(value) if name == "type" and str(value).isdecimal() else value


def _snake(tag: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", tag).lower().replace("key_name", "keyname")
