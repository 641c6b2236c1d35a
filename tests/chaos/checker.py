"""Compares what people sent and saw with what is stored. It knows the tables and the wire, no handler."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from storage.secrets import Vault
from tests.chaos.database import Row
from tests.chaos.evidence import Evidence
from tests.chaos.people import FIRST_RESIDENT
from tests.chaos.record import Words
from tests.process import KEY

MARK = re.compile(r"zq[a-z]{5}")
NUMBER = re.compile(r"YS\d{6}-\d{4,}")
IN_FLIGHT = 64  # the most that one kill may repeat
_SENT, _UNKNOWN = 2, 5  # of a notification
_AT_ONCE = 3_000 << 20  # three seconds, in ids
_ENDED = {2: "sent", 3: "failed", 4: "unreachable", 5: "unknown", 6: "superseded", 7: "kept"}

# What a resident is told of a request, and the line of its history that makes it true.
_TOLD = (
    (re.compile(rf"已提交，编号 ({NUMBER.pattern})"), ("submit",)),
    (re.compile(rf"({NUMBER.pattern}) 有新进展：[\s\S]*已接单。"), ("acknowledge",)),
    (re.compile(rf"({NUMBER.pattern}) 有新进展：[\s\S]*已到场处理。"), ("start",)),
    (re.compile(rf"({NUMBER.pattern}) [\s\S]*您看解决了吗？"), ("finish",)),
    (re.compile(rf"({NUMBER.pattern}) 已结案，谢谢您的评价"), ("satisfied",)),
    (re.compile(rf"({NUMBER.pattern}) 已结案。您不太满意"), ("partly",)),
    (re.compile(rf"({NUMBER.pattern}) 三天没有收到评价"), ("expire",)),
    (re.compile(rf"({NUMBER.pattern}) 已重新打开"), ("reopen", "not_solved")),
    (re.compile(rf"({NUMBER.pattern}) 已按您的意思撤回"), ("withdraw",)),
    (re.compile(rf"({NUMBER.pattern}) 已核实，没有发现危险"), ("false_alarm",)),
    (re.compile(rf"({NUMBER.pattern}) 开始调解了"), ("mediate",)),
    (re.compile(rf"({NUMBER.pattern}) 已转办"), ("refer",)),
    (re.compile(rf"({NUMBER.pattern}) 现在办不了，已列入计划"), ("plan",)),
    (re.compile(rf"({NUMBER.pattern}) 马上重新派"), ("reclassify", "triage")),
)
# What was written last was put away with the resident's knowledge.
_PUT_AWAY = ("已取消，没有提交", "我没有再留着", "我没处理好", "没有登记，也没有别人看到")


@dataclass
class _Case:
    """The evidence, by the keys that the rules ask for."""

    found: Evidence
    vault: Vault = field(default_factory=lambda: Vault(KEY))

    def rows(self, table: str) -> list[Row]:
        return self.found.tables[table]

    @cached_property
    def requests(self) -> dict[int, Row]:
        return {row["id"]: row for row in self.rows("service_request")}

    @cached_property
    def by_number(self) -> dict[str, Row]:
        return {row["number"]: row for row in self.rows("service_request")}

    @cached_property
    def history(self) -> dict[int, list[Row]]:
        lines = defaultdict(list)
        for row in self.rows("status_update"):
            lines[row["request"]].append(row)
        return lines

    @cached_property
    def users(self) -> dict[int, Row]:
        """The accounts by the number that the platform knows them under."""
        return {int(self.vault.open(row["address"])): row for row in self.rows("account")}

    @cached_property
    def groups(self) -> dict[int, Row]:
        return {int(self.vault.open(row["address"])): row for row in self.rows("chat")}

    @cached_property
    def people(self) -> set[int]:
        return {one.sender for one in self.found.record.by_people() if one.sender >= FIRST_RESIDENT}

    @cached_property
    def talks(self) -> dict[int, list[Words]]:
        """What was said in each chat, in order."""
        talks = defaultdict(list)
        for one in self.found.record.words:
            talks[one.chat].append(one)
        return talks

    @cached_property
    def filed(self) -> dict[str, set[int]]:
        """In which requests each mark stands."""
        marks = defaultdict(set)
        for note in self.rows("note"):
            for one in MARK.findall(note["body"]):
                marks[one].add(note["request"])
        return marks

    @cached_property
    def drafts(self) -> dict[str, str]:
        return {row["account"]: str(row["draft"]) for row in self.rows("conversation")}

    def kept(self, person: int, words: str) -> bool:
        """Whether what somebody wrote is in a request, or in the draft of one."""
        lookup = self.vault.lookup("telegram", str(person))
        return bool(self.filed[words]) or words in self.drafts.get(lookup, "")

    @cached_property
    def area_above(self) -> dict[str, str | None]:
        return {area.code: area.parent for area in self.found.roster.areas}

    @cached_property
    def posts(self) -> dict[str, str]:
        return {one.code: one.area for one in self.found.roster.members if one.area is not None}

    def lies_in(self, area: str | None, wider: str | None) -> bool:
        while area is not None and area != wider:
            area = self.area_above.get(area)
        return area is not None


Rule = Callable[[_Case], Iterator[str]]


def violations(evidence: Evidence) -> list[str]:
    """What must not be, each with the rule that it breaks; empty where all is well."""
    case = _Case(evidence)
    return [f"{name}: {what}" for name, rule in RULES.items() for what in rule(case)]


# --- in ---------------------------------------------------------------------------------------


def _stored_once(case: _Case) -> Iterator[str]:
    """Every update that the platform had for us, and no other, is in the inbox once."""
    stored = Counter(row["external"] for row in case.rows("message") if row["channel"] == "telegram")
    for external in case.found.record.updates:
        if stored[external] != 1:
            yield f"update {external} is stored {stored[external]} times"
    for external in stored.keys() - case.found.record.updates.keys():
        yield f"update {external} was never sent"


def _handled(case: _Case) -> Iterator[str]:
    """Nothing waits in the end; what was given up was apologised for."""
    for row in case.rows("work"):
        yield f"message {row['message']} still waits after {row['attempts']} attempts"
    senders = case.found.record.updates
    for row in case.rows("message"):
        if row["state"] == "parked":
            heard = case.talks[senders[row["external"]].sender]
            if not any("我没处理好" in one.text for one in heard if one.by_bot):
                yield f"message {row['id']} was given up without a word ({row['error']})"
        elif row["state"] != "handled":
            yield f"message {row['id']} is {row['state']}"


def _answered(case: _Case) -> Iterator[str]:
    """Whoever wrote was answered afterwards in the same chat, or finds it in what they report.

    A card with a long draft does not change by more words, so there the draft is the answer.
    """
    for person in case.people:
        talk = case.talks[person]
        last = max((place for place, one in enumerate(talk) if one.by_bot), default=-1)
        for one in talk[last + 1 :]:
            words = MARK.findall(one.text) or [one.text]
            if one.text and not any(case.kept(person, each) for each in words):
                yield f"{person} was not answered after {one.text!r}"


def _not_lost(case: _Case) -> Iterator[str]:
    """What a resident wrote is in a request or in their draft, unless they were told that it is not."""
    for person in case.people:
        talk = case.talks[person]
        for place, one in enumerate(talk):
            for mark in () if one.by_bot else MARK.findall(one.text):
                told = any(words in later.text for later in talk[place:] for words in _PUT_AWAY)
                if not told and not case.kept(person, mark):
                    yield f"what {person} wrote is nowhere: {one.text!r}"


def _filed_once(case: _Case) -> Iterator[str]:
    """No message is in two requests, nor twice in one."""
    for mark, requests in case.filed.items():
        if len(requests) > 1:
            yield f"{mark} is in {len(requests)} requests"
    twice = Counter(
        (mark, note["request"]) for note in case.rows("note") for mark in MARK.findall(note["body"])
    )
    for (mark, request), count in twice.items():
        if count > 1:
            yield f"{mark} is {count} times in request {request}"


# --- requests ---------------------------------------------------------------------------------


def _numbers(case: _Case) -> Iterator[str]:
    """Numbers are unique, and everybody was told numbers that exist."""
    for number, count in Counter(row["number"] for row in case.rows("service_request")).items():
        if count > 1:
            yield f"{number} was given {count} times"
    told = {number for one in case.found.record.by_bot() for number in NUMBER.findall(one.text)}
    for number in told - case.by_number.keys():
        yield f"{number} was told and is not stored"


def _replays(case: _Case) -> Iterator[str]:
    """The history, read again, ends where the request stands; every line begins where one ended."""
    for key, request in case.requests.items():
        status = "-"
        for line in case.history[key]:
            if line["before"] != status:
                yield f"{request['number']}: {line['event']} began at {line['before']}, not at {status}"
            status = line["after"]
        if status != request["status"]:
            yield f"{request['number']} is {request['status']}, its history ends at {status}"
    for key in case.history.keys() - case.requests.keys():
        yield f"request {key} has a history and is not stored"


def _true(case: _Case) -> Iterator[str]:
    """Nobody is told of a step before it is in the history, nor of a matter that is not theirs."""
    joined = {(row["request"], row["resident"]) for row in case.rows("endorsement")}
    # Whoever reported it has left it to a neighbour who waits too.
    handed_on = {key for key, lines in case.history.items() if any(one["event"] == "leave" for one in lines)}
    for one in case.found.record.by_bot():
        for pattern, events in _TOLD if one.chat in case.people else ():
            for number in pattern.findall(one.text):
                request = case.by_number.get(number)
                if request is None:
                    continue  # the rule of numbers says so
                resident = case.users[one.chat]["resident"]
                theirs = resident == request["resident"] or (request["id"], resident) in joined
                if not theirs and request["id"] not in handed_on:
                    yield f"{one.chat} was told of {number}, which is somebody else's"
                at = one.at.timestamp() * 1_000_000 + 1
                lines = case.history[request["id"]]
                if not any(line["event"] in events and line["at"] <= at for line in lines):
                    yield f"{one.chat} was told too early of {events[0]} of {number}"


# --- out --------------------------------------------------------------------------------------


def _right_person(case: _Case) -> Iterator[str]:
    """A card is seen by those who have the request, were called, or have a post where it is."""
    had = defaultdict(set)
    for row in case.rows("assignment"):
        had[row["request"]].add(row["member"])
    for row in case.rows("service_request"):
        had[row["id"]] |= {row["assignee"], row["claimed_by"], *row["alerted"]}
    for row in case.rows("status_update"):
        had[row["request"]] |= set(row["detail"].get("members", ())) | {row["actor"].removeprefix("member:")}
    for one in case.found.record.by_bot():
        if one.chat in case.people or not one.offers:
            continue
        for number in NUMBER.findall(one.text)[:1]:
            request = case.by_number.get(number)
            if request is not None and not _concerns(case, one.chat, request, had[request["id"]]):
                yield f"{one.chat} got a card of {number} in {request['area']}"


def _concerns(case: _Case, chat: int, request: Row, had: set[str | None]) -> bool:
    area = request["area"] or request["community"]
    if chat in case.groups:
        return case.lies_in(area, case.groups[chat]["area"])
    account = case.users[chat]
    if account["resident"] == request["resident"]:  # staff report too
        return True
    return account["member"] in had or case.lies_in(area, case.posts.get(account["member"] or ""))


def _ended(case: _Case) -> Iterator[str]:
    """Nothing waits to be said for ever, nothing failed without a reason."""
    for row in case.rows("notification"):
        if row["state"] not in _ENDED:
            yield f"notification {row['id']} ({row['template']}) still waits: {row['error']}"
        elif _ENDED[row["state"]] in ("failed", "unreachable"):
            yield f"notification {row['id']} ({row['template']}) {_ENDED[row['state']]}: {row['error']}"
    for row in case.rows("attachment"):
        if row["state"] not in ("stored", "missing"):
            yield f"attachment {row['id']} is {row['state']}"


def _seen(case: _Case) -> Iterator[str]:
    """What is stored as sent was seen, and what was seen is stored as sent, or as perhaps sent."""
    posts = {(one.chat, str(one.message)) for one in case.found.record.by_bot() if not one.edited}
    chats = _chats(case)
    sent = Counter(
        (chats[_key(row)], row["ref"])
        for row in case.rows("notification")
        if row["state"] == _SENT and row["ref"] is not None
    )
    for chat, ref in sent.keys() - posts:
        yield f"message {ref} in {chat} is stored as sent and was never seen"
    unclaimed = len(posts - sent.keys())
    perhaps = sum(row["state"] == _UNKNOWN for row in case.rows("notification"))
    allowed = IN_FLIGHT * len(case.found.kills) + case.found.unanswered + perhaps
    if unclaimed > allowed:
        yield f"{unclaimed} messages were seen that are not stored as sent; {allowed} may be"


def _key(row: Row) -> str:
    return row["chat"] if row["chat"].startswith("chat:") else f"account:{row['account']}"


def _chats(case: _Case) -> dict[str, int]:
    """The platform's number of each account and group."""
    accounts = {f"account:{row['id']}": user for user, row in case.users.items()}
    return accounts | {f"chat:{row['id']}": group for group, row in case.groups.items()}


def _in_order(case: _Case) -> Iterator[str]:
    """To every recipient, what is equally urgent came in the order in which it was meant.

    What several processes said at the same moment has no order.
    """
    slack = 0 if case.found.alone else _AT_ONCE
    last: dict[tuple[str, int | None, int], tuple[int, int]] = {}
    for row in case.rows("notification"):
        if row["state"] != _SENT or row["ref"] is None or row["edits"] is not None:
            continue
        key, ref = (row["chat"], row["account"], row["urgency"]), int(row["ref"])
        before, earlier = last.get(key, (0, 0))
        if ref < before and row["id"] - earlier > slack:
            yield f"notification {row['id']} came as {ref}, {earlier} before it as {before}"
        last[key] = (ref, row["id"])


def _repeats(case: _Case) -> Iterator[str]:
    """The same offer, or the same words, once more: no more often than a kill or a lost answer explains."""
    said = Counter(_said(one) for one in case.found.record.by_bot() if not one.edited)
    repeated = sum(count - 1 for (_, what), count in said.items() if what.startswith("offer "))
    allowed = IN_FLIGHT * len(case.found.kills) + case.found.unanswered
    if repeated > allowed:
        yield f"{repeated} cards came twice; {allowed} may"


def _said(one: Words) -> tuple[int, str]:
    """What makes a message the same as another: its offer's id, else its words."""
    return one.chat, f"offer {one.offers[0].partition(':')[0]}" if one.offers else one.text


def _on_time(case: _Case) -> Iterator[str]:
    """Whatever fell due has been done."""
    for row in case.rows("deadline"):
        if row["due_at"] < case.found.now:
            yield f"deadline {row['id']} ({row['kind']}) was due and has not fired"


RULES: dict[str, Rule] = {
    "stored once": _stored_once,
    "handled": _handled,
    "answered": _answered,
    "not lost": _not_lost,
    "filed once": _filed_once,
    "numbers": _numbers,
    "replays": _replays,
    "true": _true,
    "right person": _right_person,
    "ended": _ended,
    "seen": _seen,
    "in order": _in_order,
    "repeats": _repeats,
    "on time": _on_time,
}
