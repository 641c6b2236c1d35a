"""What the office has set up at the platform: its service account, and what that may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Mode(StrEnum):
    """How calls to us are written (消息加解密方式)."""

    SAFE = "safe"
    PLAIN = "plain"
    MIXED = "mixed"


class Permission(StrEnum):
    SERVICE = "service"  # 客服消息
    TEMPLATE = "template"
    SUBSCRIPTION = "subscription"
    SCENES = "scenes"  # codes with a parameter
    PAGES = "pages"  # asking people who they are
    MENU = "menu"


UNVERIFIED = frozenset({Permission.MENU})


@dataclass(frozen=True)
class OfficialSpec:
    """`callback` is where calls go: loopback only. `answer_within` is in real seconds.

    An account that is not verified may do little. Raises ValueError for a callback outside this machine.
    """

    app_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    aes_key: str = field(repr=False)
    callback: str
    previous_aes_key: str = field(default="", repr=False)
    mode: Mode = Mode.SAFE
    verified: bool = True
    templates: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of templates, where they are known
    permissions: frozenset[Permission] = frozenset(Permission)
    answer_within: float = 5.0
    original: str = "gh_5a11d0b0c5e4"  # the account's own name in every message

    def __post_init__(self) -> None:
        if urlsplit(self.callback).hostname not in LOOPBACK:
            raise ValueError("the sandbox calls loopback only")

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions and (self.verified or permission in UNVERIFIED)
