"""The WeChat 服务号: opens what its platform calls us with, answers in the same call, and sends."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from bot.channels import facts, wechat_messages
from bot.channels.callback import ForgedError, Letter
from bot.channels.exchange import NoAnswer, NotSent
from bot.channels.tokens import Fetched, NoToken, TokenKeeper
from bot.channels.weixin_api import STALE_TOKEN, Answer, Contents, Http, Reply, WeixinApi, token_from
from bot.channels.weixin_crypto import Crypto, check_fresh
from bot.channels.weixin_text import fit_field, numbered, split, with_choices
from bot.channels.weixin_xml import parse, render
from bot.clock import Clock
from bot.settings import Wechat
from handlers.messages import (
    Answers,
    Blob,
    Button,
    Envelope,
    InboundMessage,
    Notice,
    Outgoing,
    Refused,
    Retry,
    SendResult,
    Sent,
    Shut,
    Traits,
    Unknown,
    Unreachable,
)
from routing.windows import Means

RECEIVED = b"success"  # tells the platform that we have it and say nothing
_ZONE = ZoneInfo("Asia/Shanghai")  # the platform's days
_MEDIA_TYPES = {
    ".jpg": "image",
    ".jpeg": "image",
    ".png": "image",
    ".gif": "image",
    ".amr": "voice",
    ".mp3": "voice",
}
_BUSY, _DAY_QUOTA, _MINUTE_QUOTA = -1, 45009, 45011
_OVER = {45015, 45047, 43101}  # no window, nothing left in it, no consent left
_NOT_OURS = {48001}  # our account may not do this at all
_UNREACHABLE = {43004, 43019, 48002, 50005, 40003}
_NO_MENU = {45098, 40200}  # too long for a menu; an account of a kind that has none
_GONE = {40007}
_NO_BUTTONS = 46003


@dataclass(frozen=True, slots=True)
class Scene:
    """A parametric code: what a picture of it holds, and where the platform has a picture."""

    url: str
    picture: str


@dataclass(frozen=True, slots=True)
class NotDone:
    """Why the platform did not do it; its own code where it gave one."""

    reason: str
    errcode: int = field(default=0, compare=False)


class _Bodies:
    """What came under which signature lately: an unsigned body must not be exchanged for another."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[bytes, datetime]] = {}

    def check(self, signed: str, body: bytes, now: datetime) -> None:
        """The same body may come again. Raises ForgedError for another one."""
        while self._seen and next(iter(self._seen.values()))[1] < now - 2 * facts.OLDEST_CALL:
            del self._seen[next(iter(self._seen))]
        digest = hashlib.sha256(body).digest()
        if self._seen.setdefault(signed, (digest, now))[0] != digest:
            raise ForgedError("another body under the same signature")


Menu = Mapping[str, "str | Mapping[str, str]"]


class WechatChannel:
    """`shared` is the memory in which several processes share the access token."""

    name = wechat_messages.NAME
    traits = Traits(numbered=True, windowed=True, edits=False, answers=Answers.WORDS)

    def __init__(self, settings: Wechat, clock: Clock, shared: Redis | None = None) -> None:
        keys = (settings.aes_key.get_secret_value(), settings.previous_aes_key.get_secret_value())
        self._settings = settings
        self._clock = clock
        self._crypto = Crypto(settings.token.get_secret_value(), keys, settings.app_id)
        self._bodies = _Bodies()
        self._http = Http(settings.api_base, clock)
        self._keeper = TokenKeeper(f"{self.name}:{settings.app_id}", self._fetch_token, clock, shared)
        self._api = WeixinApi(self._http, self._keeper)

    # --- in -----------------------------------------------------------------------------------

    def verify(self, query: Mapping[str, str]) -> str:
        self._crypto.check_plain(query)
        return query.get("echostr", "")

    def unlock(self, query: Mapping[str, str], body: bytes, now: datetime) -> Letter:
        """Opens sealed calls. One that is not sealed, whose body nobody signed, only in trials."""
        fields = parse(body)
        stamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        if "Encrypt" in fields:
            plain, key = self._crypto.open(query, fields["Encrypt"], now)
            return Letter(plain, key, stamp, nonce)
        if not self._settings.plain:
            raise ForgedError("not sealed: choose 安全模式 on the platform")
        self._crypto.check_plain(query)
        check_fresh(query, now)
        self._bodies.check(f"{stamp} {nonce}", body, now)
        return Letter(body, None, stamp, nonce)

    def answer(self, letter: Letter, said: Sequence[Outgoing], now: datetime) -> bytes:
        """One text for all that is said; of several choices the last stand, with their numbers.

        Photos are not in it: they would have to be uploaded while somebody waits.
        """
        text = _joined(said)
        if not text:
            return RECEIVED
        fields, seconds = parse(letter.body), int(now.timestamp())
        plain = render(
            {
                "ToUserName": fields.get("FromUserName", ""),
                "FromUserName": fields.get("ToUserName", ""),
                "CreateTime": seconds,
                "MsgType": "text",
                "Content": text,
            }
        )
        if letter.key is None:
            return plain
        sealed, signature = self._crypto.seal(plain, letter.key, str(seconds), letter.nonce)
        return render(
            {"Encrypt": sealed, "MsgSignature": signature, "TimeStamp": seconds, "Nonce": letter.nonce}
        )

    def envelope(self, body: bytes) -> Envelope:
        return wechat_messages.envelope(body)

    def parse(self, body: bytes) -> InboundMessage:
        return wechat_messages.read(body)

    async def acknowledge(self, tap: str) -> None:
        """Nothing spins on this platform."""

    async def fetch(self, remote: str) -> bytes | None:
        found = await self._api.download("cgi-bin/media/get", media_id=remote)
        if isinstance(found, Contents):
            return found.body
        if isinstance(found, Reply) and found.errcode in _GONE:
            return None
        raise OSError(_reason(found))

    # --- out ----------------------------------------------------------------------------------

    async def send(self, address: str, outgoing: Outgoing) -> SendResult:
        """Nothing can be changed here: an `edit` is a new message."""
        if outgoing.notice is not None and outgoing.means is Means.TEMPLATE:
            return self._result(await self._send_template(address, outgoing.notice, outgoing.key))
        if outgoing.notice is not None and outgoing.means is Means.SUBSCRIPTION:
            return self._result(await self._send_notice(address, outgoing.notice))
        if outgoing.photo is not None and (kind := _media_type(outgoing.photo)):
            return await self._send_file(address, outgoing.photo, kind)
        return await self._send_text(address, outgoing.text, outgoing.buttons)

    async def _send_text(self, address: str, text: str, buttons: Sequence[Button]) -> SendResult:
        """In parts where it is long; the choices stand under the last. What fails is all of it."""
        *parts, last = split(text, facts.LONGEST_SERVICE_TEXT) or [text]
        for part in parts:
            result = await self._say(address, "text", {"content": part})
            if not isinstance(result, Sent):
                return result
        if not buttons:
            return await self._say(address, "text", {"content": last})
        return await self._send_choices(address, last, buttons)

    async def _send_choices(self, address: str, text: str, buttons: Sequence[Button]) -> SendResult:
        """As a menu whose lines can be tapped, or as numbered lines where the account has no menus."""
        lines = [{"id": one.data, "content": one.label} for one in numbered(buttons)]
        menu = {"head_content": f"{text}\n", "list": lines, "tail_content": ""}
        answer = await self._service(address, "msgmenu", menu)
        if isinstance(answer, Reply) and answer.errcode in _NO_MENU:
            content = with_choices(text, buttons, facts.LONGEST_SERVICE_TEXT)
            return await self._say(address, "text", {"content": content})
        return self._result(answer)

    async def _send_file(self, address: str, file: Blob, kind: str) -> SendResult:
        """Without its words: they would cost one more of the few free messages."""
        answer = await self._api.upload("cgi-bin/media/upload", file, type=kind)
        if isinstance(answer, NoAnswer):
            return Retry(answer.reason)  # nobody has seen it yet
        if not isinstance(answer, Reply) or not answer.ok:
            return self._result(answer)
        return await self._say(address, kind, {"media_id": answer.body.get("media_id")})

    async def _say(self, address: str, kind: str, content: Mapping[str, object]) -> SendResult:
        return self._result(await self._service(address, kind, content))

    async def _service(self, address: str, kind: str, content: Mapping[str, object]) -> Answer:
        message = {"touser": address, "msgtype": kind, kind: content}
        return await self._api.post("cgi-bin/message/custom/send", message)

    async def _send_template(self, address: str, notice: Notice, key: str) -> Answer:
        """`client_msg_id` keeps the platform from sending twice what we repeat within minutes."""
        message = {
            "touser": address,
            "template_id": notice.template,
            "url": notice.url,
            "data": _data(notice),
        }
        if key:
            message["client_msg_id"] = key
        return await self._api.post("cgi-bin/message/template/send", message)

    async def _send_notice(self, address: str, notice: Notice) -> Answer:
        message = {
            "touser": address,
            "template_id": notice.template,
            "page": notice.url,
            "data": _data(notice),
        }
        return await self._api.post("cgi-bin/message/subscribe/bizsend", message)

    def _result(self, answer: Answer) -> SendResult:
        """What became of a message, in our words."""
        if isinstance(answer, NotSent):
            return Retry(answer.reason)
        if isinstance(answer, NoAnswer):
            return Unknown(answer.reason)
        reason, errcode = _reason(answer), answer.errcode
        if answer.ok:
            return Sent(str(answer.body.get("msgid", "")))
        if errcode in _OVER | _NOT_OURS:
            return Shut(reason, everywhere=errcode in _NOT_OURS)
        if errcode in _UNREACHABLE:
            return Unreachable(reason)
        if errcode == _DAY_QUOTA:
            return Retry(reason, after=_until_midnight(self._clock.now()))
        if errcode == _MINUTE_QUOTA:
            return Retry(reason, after=facts.MINUTE_QUOTA_PAUSE)
        return Retry(reason) if errcode in STALE_TOKEN or errcode == _BUSY else Refused(reason)

    # --- what others ask of the account -------------------------------------------------------

    async def create_scene(self, scene: str, lasts: timedelta | None = None) -> Scene | NotDone:
        """A code that tells us `scene` when it is scanned; for ever, unless it `lasts` at most 30 days.

        Raises ValueError for a scene or a time that the platform does not know.
        """
        if not 1 <= len(scene) <= facts.LONGEST_SCENE:
            raise ValueError(f"a scene has 1 to {facts.LONGEST_SCENE} characters")
        if lasts is not None and not timedelta(0) < lasts <= facts.LONGEST_TEMPORARY_SCENE:
            raise ValueError("a code lasts at most 30 days, or for ever")
        wanted: dict[str, object] = {"action_info": {"scene": {"scene_str": scene}}}
        if lasts is None:
            wanted["action_name"] = "QR_LIMIT_STR_SCENE"
        else:
            wanted |= {"action_name": "QR_STR_SCENE", "expire_seconds": int(lasts.total_seconds())}
        answer = await self._api.post("cgi-bin/qrcode/create", wanted)
        if not isinstance(answer, Reply) or not answer.ok:
            return _not_done(answer)
        ticket = quote(str(answer.body.get("ticket", "")), safe="")
        picture = f"{self._settings.pages_base}/cgi-bin/showqrcode?ticket={ticket}"
        return Scene(str(answer.body.get("url", "")), picture)

    async def set_menu(self, menu: Menu) -> NotDone | None:
        """Show these buttons: a name with an address, a key that is said when it is tapped, or more buttons.

        Raises ValueError for more than the platform shows.
        """
        subs = [one for one in menu.values() if isinstance(one, Mapping)]
        most = facts.MENU_SUB_BUTTONS
        if not 1 <= len(menu) <= facts.MENU_BUTTONS or not all(1 <= len(one) <= most for one in subs):
            raise ValueError(f"at most {facts.MENU_BUTTONS} buttons, with at most {most} under each")
        answer = await self._api.post("cgi-bin/menu/create", {"button": _menu(menu)})
        return None if isinstance(answer, Reply) and answer.ok else _not_done(answer)

    async def menu(self) -> Menu | NotDone:
        """The buttons as they are now; empty where there are none."""
        answer = await self._api.get("cgi-bin/menu/get")
        if isinstance(answer, Reply) and answer.errcode == _NO_BUTTONS:
            return {}
        if not isinstance(answer, Reply) or not answer.ok:
            return _not_done(answer)
        found = answer.body.get("menu")
        return dict(_targets(found if isinstance(found, dict) else {}, "button"))

    def sign_in(self, back: str, state: str) -> str:
        """The address that sends a browser inside WeChat to `back`, with a code for `who`."""
        asked = {"appid": self._settings.app_id, "redirect_uri": back, "response_type": "code"}
        query = urlencode(asked | {"scope": "snsapi_base", "state": state})
        return f"{self._settings.open_base}/connect/oauth2/authorize?{query}#wechat_redirect"

    async def who(self, code: str) -> str | NotDone:
        """The openid of whoever came back with this code."""
        answer = await self._http.get(
            "sns/oauth2/access_token",
            appid=self._settings.app_id,
            secret=self._settings.secret.get_secret_value(),
            code=code,
            grant_type="authorization_code",
        )
        openid = answer.body.get("openid") if isinstance(answer, Reply) and answer.ok else None
        return openid if isinstance(openid, str) and openid else _not_done(answer)

    async def close(self) -> None:
        await self._http.close()

    async def _fetch_token(self) -> Fetched | NoToken:
        wanted = {
            "grant_type": "client_credential",
            "appid": self._settings.app_id,
            "secret": self._settings.secret.get_secret_value(),
            "force_refresh": False,
        }
        return token_from(await self._http.post("cgi-bin/stable_token", wanted))


def _media_type(file: Blob) -> str | None:
    """What the platform calls a picture or voice; None for a type that it does not take."""
    return _MEDIA_TYPES.get(PurePath(file.name).suffix.lower())


def _joined(said: Sequence[Outgoing]) -> str:
    text = "\n\n".join(one.text for one in said if one.text)
    offered = [one.buttons for one in said if one.buttons]
    return with_choices(text, offered[-1] if offered else (), facts.LONGEST_SERVICE_TEXT) if text else ""


def _data(notice: Notice) -> dict[str, dict[str, str]]:
    return {name: {"value": fit_field(value)} for name, value in notice.fields.items()}


def _menu(menu: Menu) -> list[dict[str, object]]:
    return [_menu_button(name, target) for name, target in menu.items()]


def _menu_button(name: str, target: str | Mapping[str, str]) -> dict[str, object]:
    if isinstance(target, Mapping):
        return {"name": name, "sub_button": _menu(target)}
    if target.startswith(("http://", "https://")):
        return {"type": "view", "name": name, "url": target}
    return {"type": "click", "name": name, "key": target}


def _targets(found: dict[str, object], key: str) -> Iterator[tuple[str, "str | dict[str, str]"]]:
    """The buttons below `key`; of kinds that are not ours the kind stands for what they do."""
    buttons = found.get(key)
    for one in buttons if isinstance(buttons, list) else ():
        if one.get("sub_button"):
            below = _targets(one, "sub_button")
            yield str(one["name"]), {name: target for name, target in below if isinstance(target, str)}
        else:
            yield str(one["name"]), str(one.get("url") or one.get("key") or one.get("type", ""))


def _until_midnight(now: datetime) -> float:
    """Seconds until the platform's quotas begin anew."""
    local = now.astimezone(_ZONE)
    tomorrow = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - local).total_seconds()


def _not_done(answer: Answer) -> NotDone:
    return NotDone(_reason(answer), answer.errcode if isinstance(answer, Reply) else 0)


def _reason(answer: Answer) -> str:
    """Without the platform's own words, which may name people."""
    return f"errcode {answer.errcode}" if isinstance(answer, Reply) else answer.reason
