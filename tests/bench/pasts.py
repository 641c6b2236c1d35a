"""Years of an office's work as rows: what a database holds after so many requests, mostly long closed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

import msgspec

from routing.transitions import Event, Status
from storage.secrets import Vault
from storage.tables import NOBODY, DeadlineState, MessageState, SendState, day_key
from tests.bench.people import TEXTS
from tests.bench.servers import KEY
from tests.bench.town import BUILDINGS_EACH, Town

YEARS = timedelta(days=3 * 365)
NEWEST = timedelta(days=1)  # so that today's numbers are free
RAW, WORDS = timedelta(days=7), timedelta(days=180)  # after which the office erases them (roles.yaml)
RESTING = 0.003  # of all requests: put aside for a long time, and open since
WITHIN = 3.0  # days, on average, until a request is closed
AT_ONCE = 2_000  # requests in one transaction
ID_STEP = 64  # more than the rows of one kind that a request has

Row = tuple[Any, ...]
Rows = defaultdict[str, list[Row]]


@dataclass(frozen=True, slots=True)
class Past:
    """How much there has been: so many requests of so many residents, until yesterday."""

    requests: int
    residents: int


# What the rows below have; everything else is empty or has the table's default.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "resident": ("id", "created_at", "consented_at", "home_area"),
    "account": ("id", "channel", "lookup", "address", "resident", "created_at"),
    "conversation": ("account", "touched_at", "last_request"),
    "chat_queue": ("chat", "urgency", "next_at", "waiting", "claim_no", "channel"),
    "service_request": (
        "id", "number", "community", "area", "resident", "channel", "status", "status_since", "category",
        "scope", "limit_class", "decision", "assignee", "reason", "clocks", "due_result", "assigned_at",
        "acknowledged_at", "contacted_at", "done_at", "told_at", "result", "result_code", "verdict",
        "verdict_at", "touched_at", "created_at", "closed_at", "version",
    ),
    "note": ("id", "request", "kind", "body", "author", "at"),
    "status_update": ("id", "request", "at", "event", "before", "after", "actor", "detail"),
    "assignment": ("id", "request", "member", "role", "area", "at", "acknowledged_at", "until"),
    "deadline": ("id", "request", "account", "kind", "due_at", "state", "fired_at"),
    "message": ("id", "channel", "external", "account", "received_at", "body", "state"),
    "notification": (
        "id", "chat", "urgency", "state", "purpose", "subject", "request", "template", "args", "choices",
        "edits", "created_at", "attempts", "sent_at", "account", "ref",
    ),
}  # fmt: skip

_CATEGORIES = ("PF06", "EN01", "EN02", "EN07", "EN08", "PF05", "PF07", "TR01", "SF01", "OR02", "SF04", "TR05")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _MINUTE = 1_000_000, 60_000_000
_DAY = 24 * 60 * _MINUTE


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


_json = msgspec.json.encode


def _packed(value: object) -> str:
    return _json(value).decode()


_DECISION = _packed(
    {
        "outcome": "file",
        "category": "PF06",
        "candidates": [{"category": "PF06", "score": 16, "matched": ["灯", "楼道", "坏了"]}],
        "danger": "none",
        "scope": "小事",
        "rules_version": "0.2+1313ee47",
    }
)
_REASON = _packed({"terms": [["role", "grid_member"], ["steps", "1"], ["near", "16"]]})
_CARD = _packed(
    {
        "text": "楼道灯坏了，晚上看不见",
        "number": "BAAA260101-0001",
        "category": "公共照明",
        "place": "12网格 35号楼",
        "level": "一般",
        "status": "已派单，等待接单",
        "handler": "张网格员",
        "due": "请在 11月24日10:00 前接单。",
        "masked": "",
        "earlier": "",
        "photos": "",
        "contact": "",
    }
)
_CHOICES = _packed(
    [
        {"id": "acknowledge", "label": "接单"},
        {"id": "start", "label": "到场"},
        {"id": "finish", "label": "办结"},
    ]
)
_TAP = (
    b'{"update_id": 1, "callback_query": {"id": "1", "from": {"id": 10000000, "is_bot": false, "first_name": '
    b'"\\u5c45\\u6c11"}, "message": {"message_id": 1, "chat": {"id": 10000000, "type": "private"}, "date": '
    b'1795453512, "text": "\\u5361\\u7247"}, "chat_instance": "1", "data": "eaximizn2fhk:submit"}}'
)
# The moves of a request's life, with the share of its time after which each is made.
_LIFE = (
    (Event.ACCEPT, Status.SUBMITTED, Status.ACCEPTED, "system", 0.0),
    (Event.ASSIGN, Status.ACCEPTED, Status.ASSIGNED, "system", 0.0),
    (Event.ACKNOWLEDGE, Status.ASSIGNED, Status.ACKNOWLEDGED, "member", 0.05),
    (Event.FINISH, Status.ACKNOWLEDGED, Status.DONE, "member", 0.7),
    (Event.SATISFIED, Status.DONE, Status.CLOSED, "resident", 1.0),
)


@dataclass(frozen=True)
class Office:
    """What the roster has made of the town's members and groups."""

    town: Town
    chats: Mapping[str, int]  # by their grid
    accounts: Mapping[str, int]  # by their member


@dataclass
class Filler:
    """Writes the rows of a past, oldest first, always the same ones for the same past and hour."""

    office: Office
    past: Past
    now: datetime

    def __post_init__(self) -> None:
        self._random = Random(6)  # noqa: S311 (test data)
        self._end = _micros(self.now)
        self._numbers: Counter[str] = Counter()
        self._address = Vault(KEY).seal("1")
        self._swept = dict.fromkeys(("message", "note", "notification"), 0)

    def batches(self) -> Iterator[Rows]:
        residents = iter(range(1, self.past.residents + 1))
        while some := list(islice(residents, AT_ONCE)):
            yield self._collected(self._resident, some)
        yield self._collected(self._rests, range(1, self.office.town.grids + 1))
        requests = iter(range(1, self.past.requests + 1))
        while some := list(islice(requests, AT_ONCE)):
            yield self._collected(self._request, some)

    def counters(self) -> list[tuple[str, int]]:
        """Up to which row everything has been swept."""
        return [(f"swept:{name}", last) for name, last in self._swept.items()]

    def _collected(self, make: Callable[[Rows, int], None], numbers: Sequence[int]) -> Rows:
        rows: Rows = defaultdict(list)
        for number in numbers:
            make(rows, number)
        return rows

    # --- who there is -------------------------------------------------------------------------

    def _lookup(self, resident: int) -> str:
        """As spread as the keyed hashes that the product makes."""
        return f"{resident * 0x9E3779B97F4A7C15 % 2**64:016x}{resident:024x}"

    def _resident(self, rows: Rows, resident: int) -> None:
        town = self.office.town
        came = self._end - _micros(_EPOCH + YEARS) * (self.past.residents - resident) // self.past.residents
        building = resident * 7919 % town.buildings + 1
        rows["resident"].append((resident, came, came, town.building(building)))
        lookup = self._lookup(resident)
        rows["account"].append((resident, "telegram", lookup, self._address, resident, came))
        rows["conversation"].append((lookup, came, None))
        rows["chat_queue"].append((f"resident:{resident}", 1, came, False, 4, "telegram"))

    def _rests(self, rows: Rows, grid: int) -> None:
        town, at = self.office.town, self._end - _DAY
        for chat in (f"member:{town.member(grid)}", f"chat:{self.office.chats[town.grid(grid)]}"):
            rows["chat_queue"].append((chat, 1, at, False, 1000, "telegram"))

    # --- a request ----------------------------------------------------------------------------

    def _request(self, rows: Rows, number: int) -> None:
        chance, past, town = self._random, self.past, self.office.town
        newest = self._end - NEWEST // timedelta(microseconds=1)
        made = newest - (YEARS // timedelta(microseconds=1)) * (past.requests - number) // past.requests
        building = chance.randrange(town.buildings) + 1
        took = int(min(chance.expovariate(1 / WITHIN), 30.0) * _DAY) + 10 * _MINUTE
        rests = chance.random() < RESTING
        life = _Life(
            id=number * ID_STEP,
            number=self._number(town.community((building - 1) // BUILDINGS_EACH + 1), made),
            building=building,
            grid=(building - 1) // BUILDINGS_EACH + 1,
            resident=chance.randrange(past.residents) + 1,
            category=chance.choice(_CATEGORIES),
            text=chance.choice(TEXTS).format(building),
            made=made,
            took=took,
            moves=3 if rests else sum(made + int(share * took) <= self._end for *_, share in _LIFE),
            age=timedelta(microseconds=self._end - made),
        )
        for write in (self._row, self._history, self._clocks, self._said, self._received):
            write(rows, life)

    def _number(self, community: str, made: int) -> str:
        day = (_EPOCH + timedelta(microseconds=made)).date()
        key = day_key(community, day)
        self._numbers[key] += 1
        return f"{community}{day:%y%m%d}-{self._numbers[key]:04d}"

    def _row(self, rows: Rows, life: "_Life") -> None:
        town = self.office.town
        acknowledged, done, closed = life.at(2), life.at(3), life.closed
        last = closed or done or acknowledged or life.made
        forgotten = closed is not None and life.age > WORDS
        member, area = town.member(life.grid), town.building(life.building)
        request = {
            "id": life.id,
            "number": life.number,
            "community": town.community(life.grid),
            "area": area,
            "resident": NOBODY if forgotten else life.resident,
            "channel": "telegram",
            "status": life.status,
            "status_since": last,
            "category": life.category,
            "scope": "小事",
            "limit_class": "T3",
            "decision": _DECISION,
            "assignee": member,
            "reason": _REASON,
            "clocks": "{}",
            "due_result": life.made + 7 * _DAY,
            "assigned_at": life.made,
            "acknowledged_at": acknowledged,
            "contacted_at": acknowledged,
            "done_at": done,
            "told_at": last,
            "result": life.id + 1 if done else None,
            "result_code": "solved" if done else None,
            "verdict": "satisfied" if closed else None,
            "verdict_at": closed,
            "touched_at": last,
            "created_at": life.made,
            "closed_at": closed,
            "version": 1 + life.moves,
        }
        rows["service_request"].append(tuple(request[column] for column in COLUMNS["service_request"]))
        body = "" if forgotten else life.text
        rows["note"].append((life.id, life.id, "report", body, "resident", life.made))
        if done:
            rows["note"].append(
                (life.id + 1, life.id, "result", "" if forgotten else "已换好，请看看", member, done)
            )
        if life.age > RAW:
            self._swept["note"] = life.id + 1
        rows["assignment"].append(
            (life.id, life.id, member, "grid_member", area, life.made, acknowledged, closed)
        )

    def _history(self, rows: Rows, life: "_Life") -> None:
        assigned = _packed({"assignee": self.office.town.member(life.grid), "category": life.category})
        lines = rows["status_update"]
        lines.append((life.id, life.id, life.made, "submit", "-", Status.SUBMITTED, "resident", assigned))
        for at, (event, before, after, actor, _) in enumerate(_LIFE[: life.moves]):
            detail = assigned if event is Event.ASSIGN else "{}"
            lines.append((life.id + 1 + at, life.id, life.at(at), event, before, after, actor, detail))

    def _clocks(self, rows: Rows, life: "_Life") -> None:
        """Those of the draft and of the steps that were made are over; an open request waits for the next."""
        lookup = None if life.age > RAW else self._lookup(life.resident)
        due = rows["deadline"]
        for at, kind in enumerate(("draft_quiet", "draft_drop")):
            due.append((life.id + at, None, lookup, kind, life.made + _DAY, DeadlineState.CANCELLED, None))
        for at, kind in enumerate(("ack", "contact", "result", "silence", "verdict"), 2):
            waits = life.closed is None and kind in ("result", "silence")
            state = DeadlineState.WAITING if waits else DeadlineState.CANCELLED
            when = self._end + (3 + life.id % 27) * _DAY if waits else life.made + _DAY
            due.append((life.id + at, life.id, None, kind, when, state, None))

    def _said(self, rows: Rows, life: "_Life") -> None:
        """The draft's card and receipt, cards that change with every move, and what the resident heard."""
        town, office = self.office.town, self.office
        resident, member = f"resident:{life.resident}", f"member:{town.member(life.grid)}"
        group, subject = f"chat:{office.chats[town.grid(life.grid)]}", f"request:{life.id}"
        handler = office.accounts[town.member(life.grid)]
        said: list[tuple[str, str, str | None, int | None]] = [
            (resident, "draft_card", f"draft:{life.id}", life.resident),
            (resident, "receipt", f"draft:{life.id}", life.resident),
        ]
        for move in range(1, life.moves):
            said += [(member, "member_card", subject, handler), (group, "group_card", subject, None)]
            if move > 1:
                said.append((resident, "progress", None, life.resident))
        erased = life.age > WORDS
        args = "{}" if erased and life.closed is not None else _CARD
        state, edits = SendState.SENT, dict[str, int]()
        for at, (chat, template, about, account) in enumerate(said):
            key, when = life.id + at, life.at(max(0, (at - 2) // 3)) or life.made
            rows["notification"].append((
                key, chat, 1, state, template, about, None if at == 0 else life.id, template, args, _CHOICES,
                edits.get(f"{chat} {about}"), when, 1, when + _SECOND, account, str(key),
            ))  # fmt: skip
            edits[f"{chat} {about}"] = key
        if erased:
            self._swept["notification"] = life.id + len(said)

    def _received(self, rows: Rows, life: "_Life") -> None:
        """Two messages of the resident, a tap of the member for each move, and the verdict."""
        recent = life.age <= RAW
        lookup, body = (self._lookup(life.resident), _TAP) if recent else (None, b"")
        for at in range(1 + max(life.moves - 1, 1)):
            key, when = life.id + at, life.at(max(0, at - 1)) or life.made
            external = f"past.{key}"  # the bench's own updates count from one
            rows["message"].append((key, "telegram", external, lookup, when, body, MessageState.HANDLED))
        if not recent:
            self._swept["message"] = life.id + ID_STEP - 1


@dataclass(frozen=True, slots=True)
class _Life:
    """One request: when it came, how long it took or will take, and how many moves it has behind it."""

    id: int
    number: str
    building: int
    grid: int
    resident: int
    category: str
    text: str
    made: int
    took: int
    moves: int
    age: timedelta

    def at(self, move: int) -> int | None:
        return self.made + int(_LIFE[move][4] * self.took) if move < self.moves else None

    @property
    def status(self) -> Status:
        return _LIFE[self.moves - 1][2]

    @property
    def closed(self) -> int | None:
        return self.at(4)
