"""The company's people, talks, cards and files, as WeCom itself would keep them. No HTTP here."""

import asyncio
import itertools
import secrets
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from bot.sandbox.corp.cards import Card
from bot.sandbox.corp.limits import (
    CODE_LIVES,
    MEDIA_LIVES,
    PER_MEMBER,
    PER_ROBOT,
    RESPONSE_URL_LIVES,
    TOKEN_LIVES,
    Codes,
    Window,
)
from bot.sandbox.corp.refusals import Code, RefusedError
from bot.sandbox.corp.spec import WecomSpec
from bot.sandbox.world import NotPossibleError, UnknownError, World


@dataclass(frozen=True)
class Member:
    """`userid` as the company writes it; WeCom compares it without regard to case."""

    userid: str
    name: str

    @property
    def key(self) -> str:
        return self.userid.lower()


@dataclass(frozen=True)
class Content:
    kind: str
    text: str
    media: str | None = None
    card: Card | None = None


@dataclass(eq=False)
class Post:
    """A message, the same one for all who got it; `changed` holds the cards of those for whom it changed."""

    id: int
    author: str  # a member's key; empty for the app and the robots
    sender: str
    content: Content
    at: datetime
    msgid: str
    talks: list["Talk"]
    changed: dict[str, Card] = field(default_factory=dict)

    def card(self, key: str) -> Card | None:
        return self.changed.get(key, self.content.card)


class Place(Enum):
    APP = "with the app"
    BOT = "with the smart robot"
    GROUP = "a group"


@dataclass(eq=False)
class Talk:
    """A conversation. `members` of None are all of the company."""

    place: Place
    id: str
    name: str
    members: frozenset[str] | None
    owner: str = ""
    made_by_app: bool = False
    posts: list[Post] = field(default_factory=list)

    def has(self, key: str) -> bool:
        return self.members is None or key in self.members


@dataclass(frozen=True)
class File:
    id: str
    kind: str
    name: str
    mime_type: str
    content: bytes = field(repr=False)
    until: datetime


@dataclass(frozen=True)
class Token:
    text: str = field(repr=False)
    until: datetime


class Corp:
    """`calls` counts by path and errcode; `dropped` by member what the platform lets fall without a word.

    `repeated` are messages held back by the duplicate check, `refused` the answers to callbacks that it
    would not take, by reason.
    """

    def __init__(self, world: World, spec: WecomSpec) -> None:
        self.world, self.spec = world, spec
        self.members = {member.key: member for member in (Member(userid, userid) for userid in spec.members)}
        self.talks = {name: Talk(Place.GROUP, name, name, None) for name in spec.robots}
        self.files: dict[str, File] = {}
        self.tokens: list[Token] = []
        self.codes: Codes[Post] = Codes(CODE_LIVES)
        self.replies: Codes[Talk] = Codes(RESPONSE_URL_LIVES)
        self.per_member: defaultdict[str, Window] = defaultdict(lambda: Window(PER_MEMBER))
        self.per_robot: defaultdict[str, Window] = defaultdict(lambda: Window(PER_ROBOT))
        self.silent_until: dict[str, datetime] = {}
        self.tasks: set[str] = set()
        self.recent: dict[bytes, datetime] = {}
        self.in_flight: Counter[str] = Counter()
        self.calls: Counter[tuple[str, int]] = Counter()
        self.dropped: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.repeated = 0
        self.stop = asyncio.Event()
        self._numbers = itertools.count(1)

    def now(self) -> datetime:
        return self.world.clock.now()

    def number(self) -> int:
        return next(self._numbers)

    # People and talks

    def member(self, userid: str) -> Member:
        if userid.lower() not in self.members:
            raise UnknownError(f"no member {userid}")
        return self.members[userid.lower()]

    def app_talk(self, key: str) -> Talk:
        return self._own_talk(Place.APP, f"app:{key}", self.spec.name, key)

    def bot_talk(self, key: str) -> Talk:
        return self._own_talk(Place.BOT, f"bot:{key}", self.spec.bot_name, key)

    def _own_talk(self, place: Place, talk_id: str, name: str, key: str) -> Talk:
        return self.talks.setdefault(talk_id, Talk(place, talk_id, name, frozenset({key})))

    def group(self, name: str, key: str) -> Talk:
        """A group by its id or name, as one of its members finds it."""
        for talk in self.talks.values():
            if talk.place is Place.GROUP and name in (talk.id, talk.name):
                if not talk.has(key):
                    raise NotPossibleError(f"{key} is not in group {name}")
                return talk
        raise UnknownError(f"no group {name}")

    # Messages

    def post(self, talks: list[Talk], content: Content, author: str = "", sender: str = "") -> Post:
        number = self.number()
        named = sender or (self.members[author].name if author else self.spec.name)
        post = Post(number, author, named, content, self.now(), f"msg{number:012d}", talks)
        for talk in talks:
            talk.posts.append(post)
            self.world.changes.note(talk.id, post.id)
        return post

    def change(self, post: Post, card: Card, keys: list[str]) -> None:
        post.changed |= dict.fromkeys(keys, card)
        for talk in post.talks:
            self.world.changes.note(talk.id, post.id)

    # Files

    def add_file(self, kind: str, name: str, mime_type: str, content: bytes) -> File:
        media_id = f"3{secrets.token_urlsafe(40)}"
        file = File(media_id, kind, name, mime_type, content, self.now() + MEDIA_LIVES)
        self.files[media_id] = file
        return file

    def file(self, media_id: str) -> File:
        file = self.files.get(media_id)
        if file is None or self.now() > file.until:
            raise RefusedError(Code.WRONG_MEDIA, "invalid media_id")
        return file

    # The access token

    def token(self) -> tuple[str, int]:
        """The token in force and how many seconds are left: the same one as long as it is valid."""
        now = self.now()
        if not self.tokens or now >= self.tokens[-1].until:
            self.tokens.append(Token(secrets.token_urlsafe(48), now + TOKEN_LIVES))
        return self.tokens[-1].text, int((self.tokens[-1].until - now).total_seconds())

    def check_token(self, text: str) -> None:
        if not text:
            raise RefusedError(Code.NO_TOKEN, "access_token missing")
        token = next((token for token in self.tokens if token.text == text), None)
        if token is None:
            raise RefusedError(Code.WRONG_TOKEN, "invalid access_token")
        if self.now() >= token.until:
            raise RefusedError(Code.EXPIRED_TOKEN, "access_token expired")
