"""Calls that no platform made, or made for somebody else, or made before, over the wire into the real app."""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict
from sqlalchemy import func, select

from bot.channels.facts import OLDEST_CALL
from bot.channels.weixin_xml import Node, render
from bot.sandbox.sealing import Sealer
from storage.tables import Message, MessageState
from tests.town import Town, town

OTHER_KEY, OTHER_ID = "c" * 42 + "A", "wwsomebodyelses"
SECRET = "X-Telegram-Bot-Api-Secret-Token"


@dataclass(frozen=True)
class Call:
    """What a platform would send, before it is bent."""

    path: str
    sealer: Sealer
    plain: bytes
    stamp: str
    nonce: str = "nonce7"
    signed_by: Sealer | None = None
    sealed: str = ""
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    def made(self) -> "Call":
        """Sealed and signed, where it is not yet."""
        sealed = self.sealed or self.sealer.seal(self.plain)
        signature = (self.signed_by or self.sealer).signature(self.stamp, self.nonce, sealed)
        query = (("timestamp", self.stamp), ("nonce", self.nonce), ("msg_signature", signature))
        as_json = self.path == "wecom/bot"
        body = (
            f'{{"encrypt": "{sealed}"}}'.encode()
            if as_json
            else render({"ToUserName": "x", "Encrypt": sealed})
        )
        return replace(self, query=query, body=body, sealed=sealed)

    def asking(self, **changed: str) -> "Call":
        made = self.made()
        return replace(made, query=tuple({**dict(made.query), **changed}.items()))


@dataclass
class Here:
    """The running app."""

    town: Town

    @property
    def home(self) -> str:
        return self.town.app.settings.channels.telegram.webhook_url.removesuffix("/telegram/webhook")

    def calls(self) -> dict[str, Call]:
        """One good call for each address."""
        channels, stamp = self.town.app.settings.channels, self._stamp()
        wechat, wecom, bot = channels.wechat, channels.wecom, channels.wecom.bot
        account = Sealer(wechat.token.get_secret_value(), wechat.aes_key.get_secret_value(), wechat.app_id)
        app = Sealer(wecom.token.get_secret_value(), wecom.aes_key.get_secret_value(), wecom.corp_id)
        robot = Sealer(bot.token.get_secret_value(), bot.aes_key.get_secret_value(), "")
        text: dict[str, Node] = {
            "FromUserName": "somebody",
            "CreateTime": 1,
            "MsgType": "text",
            "Content": "灯",
            "MsgId": 17,
        }
        said = (
            b'{"msgid": "m17", "msgtype": "text", "from": {"userid": "somebody"}, "text": {"content": "a"}}'
        )
        return {
            "wechat": Call("wechat", account, render({"ToUserName": "gh_1", **text}), stamp),
            "wecom": Call(
                "wecom", app, render({"ToUserName": "ww", **text, "AgentID": wecom.agent_id}), stamp
            ),
            "robot": Call("wecom/bot", robot, said, stamp),
        }

    def _stamp(self, away: timedelta = timedelta()) -> str:
        return str(int((self.town.clock.now() + away).timestamp()))

    async def sends(self, call: Call) -> int:
        made = call if call.query or call.body is not None else call.made()
        return await self.posts(made.path, made.body or b"", params=dict(made.query))

    async def posts(self, path: str, body: bytes, **more: Any) -> int:
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.home}/{path}", data=body, **more) as answer,
        ):
            await answer.read()
            return answer.status

    async def stored(self) -> tuple[int, int]:
        """How many messages are kept to be read, and how many as unreadable."""
        counted = select(Message.state, func.count()).group_by(Message.state)
        found = dict(
            await self.town.app.store.read(
                lambda session: [(state, count) for state, count in session.execute(counted)]
            )
        )
        unreadable = found.pop(MessageState.UNREADABLE, 0)
        return sum(found.values()), unreadable


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Here]:
    """Nobody handles anything here, so that no answer is worth waiting for."""
    monkeypatch.setattr("bot.callbacks.ANSWER_WITHIN", 0.0)
    async with town(tmp_path, everywhere=True) as running:
        yield Here(running)


ADDRESSES = ("wechat", "wecom", "robot")
_LATE = OLDEST_CALL + timedelta(seconds=2)


def _moved(call: Call, by: timedelta) -> Call:
    return replace(call, stamp=str(int(call.stamp) + int(by.total_seconds())))


FORGED: dict[str, Callable[[Call], Call]] = {
    "without a query": lambda call: replace(call.made(), query=(("a", "b"),)),
    "without a signature": lambda call: replace(call.made(), query=call.made().query[:2]),
    "with an empty signature": lambda call: call.asking(msg_signature=""),
    "with another signature": lambda call: call.asking(msg_signature="0" * 40),
    "with the signature of an open call": lambda call: call.asking(
        msg_signature="", signature=call.sealer.signature(call.stamp, call.nonce, "")
    ),
    "signed with another token": lambda call: replace(call, signed_by=replace(call.sealer, token="other")),
    "signed over other bytes": lambda call: replace(call.made(), body=call.made().body),  # sealed once more
    "under another time": lambda call: call.asking(timestamp=str(int(call.stamp) + 1)),
    "under another nonce": lambda call: call.asking(nonce="nonce8"),
    "signed long ago": lambda call: _moved(call, -_LATE),
    "signed in time to come": lambda call: _moved(call, _LATE),
    "at no time": lambda call: replace(call, stamp="now"),
    "in figures of another script": lambda call: replace(call, stamp="１７６３８８８４００"),
    "not sealed": lambda call: replace(call.made(), body=call.plain),
}
UNOPENED: dict[str, Callable[[Call], Call]] = {
    "sealed with another key": lambda call: replace(call, sealer=replace(call.sealer, aes_key=OTHER_KEY)),
    "for somebody else": lambda call: replace(call, sealer=replace(call.sealer, receiver=OTHER_ID)),
    "of garbage": lambda call: replace(call, sealed="AAAA"),
}


async def test_a_call_that_no_platform_made_is_refused_and_stored_nowhere(here: Here) -> None:
    before = await here.stored()
    for address, call in here.calls().items():
        for name, bent in FORGED.items():
            assert await here.sends(bent(call)) in (400, 403), f"{address}: a call {name}"
    assert await here.stored() == before


async def test_a_call_that_only_its_signature_would_save_is_refused_too(here: Here) -> None:
    before = await here.stored()
    for address, call in here.calls().items():
        for name, bent in UNOPENED.items():
            assert await here.sends(bent(call)) == 400, f"{address}: a call {name}"
    assert await here.stored() == before


async def test_a_call_at_another_platforms_address_is_refused(here: Here) -> None:
    before, calls = await here.stored(), here.calls()
    for one in ADDRESSES:
        for other in set(ADDRESSES) - {one}:
            status = await here.sends(replace(calls[one].made(), path=calls[other].path))
            assert status in (400, 403), f"{one} at {other}"
    assert await here.stored() == before


async def test_a_repetition_is_stored_once_under_whatever_nonce_it_comes(here: Here) -> None:
    readable, unreadable = await here.stored()
    for call in here.calls().values():
        made = call.made()
        again = replace(call, nonce=secrets.token_hex(5), stamp=str(int(call.stamp) + 5))
        assert [await here.sends(one) for one in (made, made, again)] == [200, 200, 200]
        readable += 1
        assert await here.stored() == (readable, unreadable)


async def test_what_was_said_to_another_app_of_the_company_is_nothing_to_us(here: Here) -> None:
    (readable, unreadable), call = await here.stored(), here.calls()["wecom"]
    agent = str(here.town.app.settings.channels.wecom.agent_id).encode()
    assert await here.sends(replace(call, plain=call.plain.replace(agent, b"1000009"))) == 200
    assert await here.stored() == (readable, unreadable + 1)


def _headers(here: Here) -> dict[str, CIMultiDict[str]]:
    secret = here.town.app.settings.channels.telegram.webhook_secret.get_secret_value()
    return {
        "none": CIMultiDict(),
        "empty": CIMultiDict({SECRET: ""}),
        "half": CIMultiDict({SECRET: secret[:-1]}),
        "in another header": CIMultiDict({"Authorization": f"Bearer {secret}"}),
        "behind another": CIMultiDict([(SECRET, "other"), (SECRET, secret)]),
        "twice in one": CIMultiDict({SECRET: f"{secret},{secret}"}),
        "quoted": CIMultiDict({SECRET: f'"{secret}"'}),
    }


async def test_telegrams_secret_counts_whole_and_in_its_place_only(here: Here) -> None:
    before = await here.stored()
    body = b'{"update_id": 1, "message": {"message_id": 1, "from": {"id": 1}}}'
    for name, headers in _headers(here).items():
        assert await here.posts("telegram/webhook", body, headers=headers) == 401, name
    secret = here.town.app.settings.channels.telegram.webhook_secret.get_secret_value()
    assert await here.posts("telegram/webhook", body, params={SECRET: secret}) == 401
    assert await here.stored() == before
    assert [await here.posts("telegram/webhook", body, headers={SECRET: secret}) for _ in "12"] == [200, 200]
    assert await here.stored() == (before[0] + 1, before[1])
