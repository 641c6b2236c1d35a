"""Every parser at the door as a function of bytes, and what must hold whatever the bytes are.

The replay of the corpora, the property tests and the fuzzer all run these. To add a parser: a line in
`TARGETS` and a folder of its name under `corpus`.
"""

import asyncio
import atexit
import base64
import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.types import Message

from bot.cards import load_cards
from bot.channels.callback import CallbackChannel, ForgedError
from bot.channels.telegram import TelegramChannel
from bot.channels.telegram_api import TelegramApi
from bot.channels.web import WebChannel
from bot.channels.wechat import WechatChannel
from bot.channels.wecom import WecomChannel
from bot.channels.wecom_bot import WecomBot
from bot.channels.weixin_crypto import Crypto
from bot.clock import Clock
from bot.digests import load_digests
from bot.files import FileError, load_document
from bot.handpage.door import PageDoor
from bot.handpage.proofs import Proofs
from bot.limits import load_limits
from bot.manners import load_manners
from bot.notices import load_notices
from bot.page import forms
from bot.page.forms import FormError
from bot.roles import load_roles
from bot.roster import load_roster, read_roster
from bot.rules.reading import load_rules
from bot.sandbox.sealing import Sealer, signature
from bot.settings import DEFAULTS, ConfigError, Wechat, Wecom, load_settings
from bot.texts import load_texts
from bot.together import load_together
from bot.wechat_menu import load_menu
from handlers.messages import Button, Channel, Envelope, Outgoing, UnreadableError
from storage.secrets import Vault
from storage.tables import Base

CORPUS = Path(__file__).parent / "corpus"
SAID = "暗号乙丙丁"  # stands in the corpora for what people write: no error may repeat it
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
TOKEN, KEY, APP, CORP = "huiyintoken", "a" * 42 + "A", "wx0123456789abcdef", "ww0123456789abcdef"
LONGEST_KEY = 1000  # bytes that PostgreSQL surely takes into an index
ANSWER = Outgoing("好", (Button("1:yes", "好"),))


@dataclass(frozen=True)
class Target:
    """`refuses` are the errors that the parser is documented to raise.

    `quotes`: they may repeat the file, which is the clerk's own. `shipped` is a file of ours of this kind.
    """

    read: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    quotes: bool = False
    shipped: Path | None = None

    def __call__(self, body: bytes) -> bool:
        """Whether it was read. Raises where the parser breaks its word, whatever that raises."""
        try:
            found = self.read(body)
        except self.refuses as error:
            told = "" if self.quotes else str(error)
        else:
            for text in texts_in(found):
                assert "\0" not in text, "PostgreSQL stores no NUL"
                text.encode()  # nor half a character
            return True
        assert SAID not in told, "the error repeats what somebody wrote"
        return False


def texts_in(value: object) -> Iterator[str]:
    """Every text in values of values that may be stored."""
    if isinstance(value, Envelope):
        value = dataclasses.replace(value, words="")  # only listened to, at the door
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from texts_in(pair)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_in(one)
    elif dataclasses.is_dataclass(value):
        yield from texts_in([getattr(value, field.name) for field in dataclasses.fields(value)])


# --- messages ---------------------------------------------------------------------------------


def _message(channel: Channel, body: bytes) -> object:
    """As the way in and the dispatcher read it: both name it alike, in few bytes."""
    envelope = channel.envelope(body)
    assert len(envelope.external.encode()) <= LONGEST_KEY, "too long for an index"
    message = channel.parse(body)
    assert message.external == envelope.external
    return envelope, message


def _call(channel: "CallbackChannel | WecomBot", query: Mapping[str, str], body: bytes) -> object:
    """A call as it is served: opened, read, answered."""
    letter = channel.unlock(query, body, NOW)
    channel.answer(letter, (), NOW)
    found = _message(channel, letter.body)
    channel.answer(letter, (ANSWER,), NOW)
    return found


def _signed(sealer: Sealer, encrypted: str) -> dict[str, str]:
    signed = sealer.signature(STAMP, "7", encrypted)
    return {"timestamp": STAMP, "nonce": "7", "msg_signature": signed}


_UNSIGNED = {"timestamp": STAMP, "nonce": "7", "msg_signature": "0" * 40}


@cache
def _clock() -> Clock:
    return Clock(NOW)


@cache
def _telegram() -> TelegramChannel:
    return TelegramChannel(TelegramApi("http://127.0.0.1:9", "1:none"))


@cache
def _service_account() -> WechatChannel:
    keys = {"app_id": APP, "secret": "s", "token": TOKEN, "aes_key": KEY, "plain": True}
    return WechatChannel(Wechat.model_validate(keys), _clock())


@cache
def _company() -> WecomChannel:
    robot = {"token": TOKEN, "aes_key": KEY}
    keys = {"corp_id": CORP, "agent_id": 1, "secret": "s", "token": TOKEN, "aes_key": KEY, "bot": robot}
    return WecomChannel(Wecom.model_validate(keys), _clock())


def _smart_robot() -> WecomBot:
    robot = _company().bot
    assert robot is not None
    return robot


def _wechat(body: bytes) -> object:
    """Open, as in trials; each body under a nonce of its own."""
    nonce = hashlib.sha256(body).hexdigest()
    query = {"timestamp": STAMP, "nonce": nonce, "signature": signature(TOKEN, STAMP, nonce)}
    return _call(_service_account(), query, body)


def _wecom(body: bytes) -> object:
    """Sealed by the platform."""
    sealer = Sealer(TOKEN, KEY, CORP)
    encrypted = sealer.seal(body)
    return _call(
        _company(), _signed(sealer, encrypted), f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode()
    )


def _aibot(body: bytes) -> object:
    sealer = Sealer(TOKEN, KEY, "")
    encrypted = sealer.seal(body)
    return _call(_smart_robot(), _signed(sealer, encrypted), f'{{"encrypt": "{encrypted}"}}'.encode())


def _sealed(body: bytes) -> object:
    """Well signed, and what comes out of the cipher is anything: bytes, which are stored as such."""
    raw = base64.b64decode(f"{KEY}=")
    encryptor = Cipher(algorithms.AES(raw), modes.CBC(raw[:16])).encryptor()
    encrypted = base64.b64encode(encryptor.update(body + bytes(-len(body) % 16))).decode()
    query = _signed(Sealer(TOKEN, KEY, APP), encrypted)
    return Crypto(TOKEN, [KEY], APP).open(query, encrypted, NOW)[0]


# --- forms ------------------------------------------------------------------------------------


@cache
def _vault() -> Vault:
    return Vault("a key for tests only")


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="huiyin-hostile-"))
    atexit.register(shutil.rmtree, folder)
    return folder


@cache
def _loop() -> asyncio.Runner:
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return runner


def _form(body: bytes) -> object:
    """The first line is the type of the content, as browsers would write it into the header."""
    kind, _, sent = body.partition(b"\n")

    async def receive() -> Message:
        return {"type": "http.request", "body": sent, "more_body": False}

    headers = [(b"content-type", kind)]
    form = _loop().run(forms.read(Request({"type": "http", "method": "POST", "headers": headers}, receive)))
    return form, form.external, form.names


def _visit(body: bytes) -> object:
    return _message(WebChannel(_vault(), _folder()), body)


def _tap(body: bytes) -> object:
    return _message(PageDoor(), body)


def _hand(body: bytes) -> object:
    """The hand page's form and the state that comes back from signing in: somebody's, or nobody's."""
    fields = dict(parse_qsl(body.decode(errors="replace")))
    proofs = Proofs("a key for tests only", _vault())
    assert not proofs.began(fields.get("state", ""), "123456", fields.get("browser", ""), NOW)
    return proofs.holder(fields.get("form", ""), "123456", NOW)


# --- the office's files -----------------------------------------------------------------------


def _file(load: Callable[[Path], Any], name: str = "hostile.yaml") -> Callable[[bytes], object]:
    """What the file says, once `load` has taken it."""

    def read(body: bytes) -> object:
        path = _folder() / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        load(path)
        return load_document(path).data

    return read


@cache
def _database() -> Engine:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    return engine


def _roster(path: Path) -> None:
    """What is accepted can also be loaded."""
    roster = read_roster(path)
    with Session(_database()) as session:
        load_roster(session, roster, "digest", _vault(), ZoneInfo("Asia/Shanghai"), NOW, "hostile")


def _words(path: Path) -> None:
    """A file that the rules include, beside rules that are in order."""
    rules = path.with_name("taxonomy.yaml")
    rules.write_text("include: [words.yaml]\n" + (CORPUS / "rules" / "town.yaml").read_text())
    load_rules(rules)


_UNREADABLE = (UnreadableError,)
_CALL = (UnreadableError, ForgedError)
_FILE = (FileError,)

TARGETS = {
    "telegram": Target(lambda body: _message(_telegram(), body), _UNREADABLE),
    "wechat": Target(_wechat, _CALL),
    "wecom": Target(_wecom, _CALL),
    "wecom-call": Target(lambda body: _call(_company(), _UNSIGNED, body), _CALL),
    "aibot": Target(_aibot, _CALL),
    "aibot-call": Target(lambda body: _call(_smart_robot(), _UNSIGNED, body), _CALL),
    "sealed": Target(_sealed, _UNREADABLE),
    "page-form": Target(_form, (FormError,)),
    "page-message": Target(_visit, _UNREADABLE),
    "hand-form": Target(_hand, ()),
    "hand-message": Target(_tap, _UNREADABLE),
    "roster": Target(_file(_roster), _FILE, quotes=True, shipped=DEFAULTS / "roster.yaml"),
    "rules": Target(_file(load_rules, "rules/taxonomy.yaml"), _FILE, quotes=True),
    "words": Target(_file(_words, "words/words.yaml"), _FILE, quotes=True),
    "manners": Target(_file(load_manners), _FILE, quotes=True, shipped=DEFAULTS / "rules/manners.yaml"),
    "cards": Target(_file(load_cards), _FILE, quotes=True, shipped=DEFAULTS / "rules/cards.yaml"),
    "texts": Target(_file(load_texts), _FILE, quotes=True, shipped=DEFAULTS / "texts/zh.yaml"),
    "limits": Target(_file(load_limits), _FILE, quotes=True, shipped=DEFAULTS / "limits.yaml"),
    "roles": Target(_file(load_roles), _FILE, quotes=True, shipped=DEFAULTS / "roles.yaml"),
    "together": Target(_file(load_together), _FILE, quotes=True, shipped=DEFAULTS / "together.yaml"),
    "digests": Target(_file(load_digests), _FILE, quotes=True, shipped=DEFAULTS / "digests.yaml"),
    "notices": Target(_file(load_notices), _FILE, quotes=True, shipped=DEFAULTS / "notices.yaml"),
    "menu": Target(_file(load_menu), _FILE, quotes=True, shipped=DEFAULTS / "wechat-menu.yaml"),
    "config": Target(_file(load_settings, "config.yaml"), (ConfigError,), quotes=True),
}
