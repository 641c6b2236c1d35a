"""What a company has set up at WeCom: its app, its group robots, its smart robot, its people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class WecomSpec:
    """`url` and `bot_url` are called back; without them the app, or the smart robot, has no callbacks.

    `robots` maps the names of group robots to their webhook keys; `answer_within` is in real seconds.
    Raises ValueError for an address outside this machine: a trial never reaches out.
    """

    corp_id: str
    agent_id: int
    secret: str = field(repr=False)
    token: str = field(repr=False)
    aes_key: str = field(repr=False)
    url: str = ""
    previous_aes_key: str = field(default="", repr=False)
    name: str = "回音"
    robots: Mapping[str, str] = field(default_factory=dict, repr=False)
    bot_token: str = field(default="", repr=False)
    bot_aes_key: str = field(default="", repr=False)
    bot_url: str = ""
    bot_id: str = "aib-sandbox"
    bot_name: str = "回音"
    members: Sequence[str] = ()
    closed: bool = False
    home_url: str = ""
    for_all: bool = True  # the whole company sees the app
    answer_within: float = 5.0

    def __post_init__(self) -> None:
        for url in filter(None, (self.url, self.bot_url)):
            if urlsplit(url).scheme not in ("http", "https") or urlsplit(url).hostname not in LOOPBACK:
                raise ValueError("the sandbox calls back to loopback only")
