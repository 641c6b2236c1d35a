"""What the server interfaces do, one function each: take a call, change the company, tell the result."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from bot.sandbox.corp.cards import Card, Wire, checked_card
from bot.sandbox.corp.files import checked_type
from bot.sandbox.corp.limits import DUPLICATE_INTERVAL, GROUP_SIZE, LONGEST_DUPLICATE_INTERVAL, MOST_USERS
from bot.sandbox.corp.messages import APP, GROUP, content_of
from bot.sandbox.corp.refusals import Code, RefusedError, wrong
from bot.sandbox.corp.state import Content, Corp, File, Place, Talk

CHAT_ID = re.compile(r"[0-9A-Za-z]{1,32}")


@dataclass(frozen=True)
class Call:
    query: dict[str, str]
    body: Wire
    upload: tuple[str, bytes] | None = None


def get_token(corp: Corp, call: Call) -> Wire:
    if call.query.get("corpid") != corp.spec.corp_id:
        raise RefusedError(Code.WRONG_CORP, "invalid corpid")
    if call.query.get("corpsecret") != corp.spec.secret:
        raise RefusedError(Code.WRONG_SECRET, "invalid credential")
    text, seconds = corp.token()
    return {"access_token": text, "expires_in": seconds}


# Messages to members


def send(corp: Corp, call: Call) -> Wire:
    body = call.body
    _check_agent(corp, body)
    known, unknown = _addressed(corp, body)
    if not known:
        raise RefusedError(Code.NOBODY, "user & party & tag all invalid")
    content = content_of(corp, body, APP)
    invalid = {"invaliduser": "|".join(unknown)} if unknown else {}
    if _repeats(corp, body):
        corp.repeated += 1
        return {**invalid, "msgid": f"msg{corp.number():012d}"}
    if content.card is not None:
        _take_task(corp, content.card)
    corp.recent[_fingerprint(body)] = corp.now()
    return {**invalid, **_delivered(corp, known, content)}


def _delivered(corp: Corp, keys: list[str], content: Content) -> Wire:
    """Only a card whose buttons call back has a code by which it can be changed."""
    reached = [key for key in keys if _gets(corp, key)]
    post = corp.post([corp.app_talk(key) for key in reached], content)
    if content.card is None or not content.card.calls_back:
        return {"msgid": post.msgid}
    return {"msgid": post.msgid, "response_code": corp.codes.issue(post, corp.now())}


def _check_agent(corp: Corp, body: Wire) -> None:
    if str(body.get("agentid")) != str(corp.spec.agent_id):
        raise RefusedError(Code.WRONG_AGENT, "invalid agentid")


def _addressed(corp: Corp, body: Wire) -> tuple[list[str], list[str]]:
    """Those members who can be reached and those unknown, both in small letters."""
    named = str(body.get("touser") or "")
    if named == "@all":
        return list(corp.members), []
    keys = list(dict.fromkeys(key.strip().lower() for key in named.split("|") if key.strip()))
    if len(keys) > MOST_USERS:
        raise RefusedError(Code.TOO_MANY_USERS, "invalid user list size")
    return [key for key in keys if key in corp.members], [key for key in keys if key not in corp.members]


def _repeats(corp: Corp, body: Wire) -> bool:
    if str(body.get("enable_duplicate_check") or 0) != "1":
        return False
    interval = int(body.get("duplicate_check_interval") or DUPLICATE_INTERVAL)
    last = corp.recent.get(_fingerprint(body))
    span = timedelta(seconds=min(interval, LONGEST_DUPLICATE_INTERVAL))
    return last is not None and corp.now() - last < span


def _fingerprint(body: Wire) -> bytes:
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).digest()


def _take_task(corp: Corp, card: Card) -> None:
    if card.calls_back and not corp.spec.url:
        raise RefusedError(Code.NO_CALLBACK, "invalid callbackurl: without one no card has buttons")
    if card.task_id in corp.tasks:
        raise wrong("template_card.task_id has been used")
    if card.task_id:
        corp.tasks.add(card.task_id)


def _gets(corp: Corp, key: str) -> bool:
    """More than a member's share in a minute or an hour is dropped, and nobody is told."""
    taken = corp.per_member[key].takes(corp.now())
    corp.dropped[key] += not taken
    return taken


def update_card(corp: Corp, call: Call) -> Wire:
    body = call.body
    _check_agent(corp, body)
    change = _change(body)
    keys = [str(userid).lower() for userid in body.get("userids") or ()]
    if len(keys) > MOST_USERS:
        raise RefusedError(Code.TOO_MANY_USERS, "invalid user list size")
    post = corp.codes.spend(str(body.get("response_code")), corp.now())
    holders = [key for key in corp.members if corp.app_talk(key) in post.talks]
    for key in holders if body.get("atall") else [key for key in holders if key in keys]:
        corp.change(post, change(_card(post.card(key))), [key])
    strangers = [key for key in keys if key not in corp.members]
    return {"invaliduser": strangers} if strangers else {}


def _change(body: Wire) -> Callable[[Card], Card]:
    """What is to become of a card: other words in place of its buttons, or a whole new card."""
    replace_name = (body.get("button") or {}).get("replace_name")
    if replace_name:
        return lambda card: Card(card.body, str(replace_name))
    new = checked_card(body.get("template_card"))
    return lambda _: new


def _card(card: Card | None) -> Card:
    if card is None:
        raise wrong("the message is not a template card")
    return card


# Groups of the app's own


def create_group(corp: Corp, call: Call) -> Wire:
    keys = [str(userid).lower() for userid in call.body.get("userlist") or ()]
    chat_id = str(call.body.get("chatid") or f"chat{corp.number():08d}")
    if not CHAT_ID.fullmatch(chat_id):
        raise RefusedError(Code.WRONG_CHAT, "invalid chatid")
    if chat_id in corp.talks:
        raise RefusedError(Code.CHAT_TAKEN, "chatid existed")
    if len(set(keys)) not in GROUP_SIZE or not all(key in corp.members for key in keys):
        raise RefusedError(Code.WRONG_MEMBERS, "invalid member count or invalid userid")
    owner = str(call.body.get("owner") or keys[0]).lower()
    name = str(call.body.get("name") or chat_id)
    corp.talks[chat_id] = Talk(Place.GROUP, chat_id, name, frozenset(keys) | {owner}, owner, made_by_app=True)
    return {"chatid": chat_id}


def get_group(corp: Corp, call: Call) -> Wire:
    talk = _own_group(corp, call.query.get("chatid"))
    users = sorted(talk.members or ())
    return {"chat_info": {"chatid": talk.id, "name": talk.name, "owner": talk.owner, "userlist": users}}


def send_group(corp: Corp, call: Call) -> Wire:
    talk = _own_group(corp, call.body.get("chatid"))
    corp.post([talk], content_of(corp, call.body, GROUP))
    return {}


def _own_group(corp: Corp, chat_id: Any) -> Talk:
    talk = corp.talks.get(str(chat_id))
    if talk is None or not talk.made_by_app:
        raise RefusedError(Code.WRONG_CHAT, "invalid chatid, or the group was not created by this app")
    return talk


# Files and the company


def upload(corp: Corp, call: Call) -> Wire:
    kind = call.query.get("type", "")
    if call.upload is None:
        raise RefusedError(Code.EMPTY, "no media")
    name, content = call.upload
    file = corp.add_file(kind, name, checked_type(kind, content), content)
    return {"type": kind, "media_id": file.id, "created_at": str(int(corp.now().timestamp()))}


def get_file(corp: Corp, call: Call) -> File:
    return corp.file(call.query.get("media_id", ""))


def get_user(corp: Corp, call: Call) -> Wire:
    member = corp.members.get(call.query.get("userid", "").lower())
    if member is None:
        raise RefusedError(Code.NO_SUCH_USER, "userid not found")
    return {"userid": member.userid, "name": member.name, "status": 1}


def get_agent(corp: Corp, call: Call) -> Wire:
    _check_agent(corp, dict(call.query))
    users = [{"userid": member.userid} for member in corp.members.values()]
    return {
        "agentid": corp.spec.agent_id,
        "name": corp.spec.name,
        "close": int(corp.spec.closed),
        "home_url": corp.spec.home_url,
        "allow_userinfos": {"user": users},
        "allow_partys": {"partyid": [1] if corp.spec.for_all else []},
    }


METHODS: dict[str, tuple[str, Callable[[Corp, Call], Wire | File]]] = {
    "message/send": ("POST", send),
    "message/update_template_card": ("POST", update_card),
    "appchat/create": ("POST", create_group),
    "appchat/get": ("GET", get_group),
    "appchat/send": ("POST", send_group),
    "media/upload": ("POST", upload),
    "media/get": ("GET", get_file),
    "user/get": ("GET", get_user),
    "agent/get": ("GET", get_agent),
}
