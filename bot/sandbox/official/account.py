"""The service account, the people who know it, and what their phones show. No HTTP here."""

import itertools
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.sandbox.official.limits import CODE_LIFE, MEDIA_LIFE, RefusedError, Windows
from bot.sandbox.official.spec import OfficialSpec
from bot.sandbox.official.tokens import Tokens
from bot.sandbox.sealing import Sealer
from bot.sandbox.world import UnknownError, World

Wire = dict[str, Any]  # a message or an answer as it travels


@dataclass
class Shown:
    """A message on somebody's phone; `choices` are the ids of its menu's lines by their labels."""

    id: int
    is_me: bool
    kind: str
    text: str
    date: int
    choices: dict[str, str] = field(default_factory=dict)
    photo: str | None = None
    url: str | None = None


@dataclass
class User:
    """Somebody with WeChat. `template_status` is what the platform will report of templates sent to them."""

    openid: str
    name: str
    following: bool = False
    since: int = 0
    messages: list[Shown] = field(default_factory=list)
    windows: Windows = field(default_factory=Windows)
    grants: Counter[str] = field(default_factory=Counter)
    template_status: str = "success"
    moments: dict[tuple[str, ...], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Medium:
    id: str
    kind: str
    content: bytes = field(repr=False)
    mime_type: str
    until: datetime

    @property
    def path(self) -> str:
        return f"/control/official/files/{self.id}"


@dataclass(frozen=True)
class Scene:
    """A code to scan; `until` of None is for ever."""

    scene: str
    ticket: str
    until: datetime | None

    @property
    def url(self) -> str:
        return f"http://weixin.qq.com/q/{self.ticket[-24:]}"


class Account:
    """`send` takes a plain message of this person to us; `spoken` tells whether they wait for an answer."""

    def __init__(self, world: World, spec: OfficialSpec) -> None:
        self.world, self.spec, self.clock = world, spec, world.clock
        self.tokens = Tokens(world.clock)
        self.users: dict[str, User] = {}
        self.media: dict[str, Medium] = {}
        self.scenes: dict[str, Scene] = {}  # the newest code of each, be it expired
        self.tickets: dict[str, Scene] = {}
        self.permanent: dict[str, Scene] = {}
        self.menu: list[Wire] = []
        self.codes: dict[str, tuple[User, datetime]] = {}
        self.used_codes: set[str] = set()
        self.previous_key = False
        self.send: Callable[[User, Wire, bool], None] = lambda user, message, spoken: None
        self._numbers = itertools.count(24_000_000_000_000_001)

    def now(self) -> datetime:
        return self.clock.now()

    def seconds(self) -> int:
        return self.world.now()

    def number(self) -> int:
        return next(self._numbers)

    @property
    def sealer(self) -> Sealer:
        key = self.spec.previous_aes_key if self.previous_key else self.spec.aes_key
        return Sealer(self.spec.token, key, self.spec.app_id)

    # People

    def add_user(self, name: str, openid: str = "") -> User:
        user = User(openid or new_openid(), name)
        return self.users.setdefault(user.openid, user)

    def user(self, openid: str) -> User:
        """For the control interface. Raises UnknownError."""
        if openid not in self.users:
            raise UnknownError(f"nobody is called {openid}")
        return self.users[openid]

    def addressee(self, openid: Any) -> User:
        """For the API. Raises RefusedError."""
        if str(openid) not in self.users:
            raise RefusedError(40003)
        return self.users[str(openid)]

    def show(self, user: User, kind: str, text: str, is_me: bool = False, **more: Any) -> Shown:
        shown = Shown(len(user.messages) + 1, is_me, kind, text, self.seconds(), **more)
        user.messages.append(shown)
        self.world.changes.note(user.openid, shown.id)
        return shown

    def moment_of(self, user: User, message: Wire) -> int:
        """When it happens. Nobody does the very same thing twice in a second, also where the clock stands."""
        if message["MsgType"] != "event":
            return self.seconds()
        same = tuple(str(message.get(name, "")) for name in ("Event", "EventKey", "MsgID"))
        user.moments[same] = max(self.seconds(), user.moments.get(same, 0) + 1)
        return user.moments[same]

    # Media

    def add_medium(self, kind: str, content: bytes, mime_type: str) -> Medium:
        medium = Medium(secrets.token_urlsafe(48), kind, content, mime_type, self.now() + MEDIA_LIFE)
        self.media[medium.id] = medium
        return medium

    def medium(self, media_id: Any, kind: str | None = None) -> Medium:
        """Raises RefusedError for one that is not there, too old or of another kind."""
        medium = self.media.get(str(media_id))
        if medium is None or self.now() >= medium.until or kind not in (None, medium.kind):
            raise RefusedError(40007)
        return medium

    # Codes

    def new_code(self, user: User) -> str:
        code = secrets.token_hex(16)
        self.codes[code] = (user, self.now() + CODE_LIFE)
        return code

    def redeem(self, code: str) -> User:
        """Whose code it is: it works once, for five minutes. Raises RefusedError."""
        if code in self.used_codes:
            raise RefusedError(40163)
        if code not in self.codes or self.now() >= self.codes[code][1]:
            raise RefusedError(40029)
        self.used_codes.add(code)
        return self.codes.pop(code)[0]


def new_openid() -> str:
    return f"o{secrets.token_urlsafe(21)[:27]}"
