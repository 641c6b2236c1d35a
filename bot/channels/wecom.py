"""WeCom (企业微信): reads callbacks into our messages, sends ours to people, groups, and through robots."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from redis.asyncio import Redis

from bot.channels import facts, wecom_messages, weixin_xml
from bot.channels.callback import ForgedError, Letter
from bot.channels.tokens import Fetch, Fetched, NoToken, TokenKeeper
from bot.channels.wecom_bot import WecomBot, is_bots, verified
from bot.channels.wecom_cards import Json, as_xml, card, fits, new_task
from bot.channels.wecom_outcome import fetched, outcome
from bot.channels.wecom_robot import Robots
from bot.channels.weixin_api import Http, Reply, WeixinApi, token_from
from bot.channels.weixin_crypto import Crypto, Query
from bot.channels.weixin_text import fit
from bot.clock import Clock
from bot.pacing import Allowance
from bot.settings import Wecom
from handlers.messages import (
    Blob,
    Envelope,
    InboundMessage,
    Outgoing,
    Refused,
    Retry,
    SendResult,
    Sent,
    Unknown,
    Unreachable,
    UnreadableError,
)

log = structlog.get_logger()

_PICTURES = (".jpg", ".jpeg", ".png")


class WecomChannel:
    """The company's app. Addresses: a userid, or `appchat:`, `robot:`, `cards:`, `aibot:` with a name.

    The first three are groups, which have no buttons: people get their cards from the app, each for
    themselves, all as one message.
    """

    name = wecom_messages.NAME
    traits = WecomBot.traits

    def __init__(self, settings: Wecom, clock: Clock, shared: "Redis | None" = None) -> None:
        keys = (settings.aes_key.get_secret_value(), settings.previous_aes_key.get_secret_value())
        self._crypto = Crypto(settings.token.get_secret_value(), keys, settings.corp_id)
        self._agent = settings.agent_id
        self._clock = clock
        self._allowances: defaultdict[str, Allowance] = defaultdict(
            lambda: Allowance(facts.PER_MEMBER_MINUTE, facts.PER_MEMBER_HOUR)
        )
        self._http = Http(settings.api_base, clock)
        name = f"wecom:{settings.corp_id}:{settings.agent_id}"
        self._api = WeixinApi(
            self._http, TokenKeeper(name, _token_source(self._http, settings), clock, shared)
        )
        named = {name: key.get_secret_value() for name, key in settings.robot_keys.items()}
        self._robots = Robots(self._http, {"": settings.robot_key.get_secret_value(), **named})
        self.bot = WecomBot(settings.bot, settings.api_base, clock) if settings.bot.configured else None

    # --- in -----------------------------------------------------------------------------------

    def verify(self, query: Query) -> str:
        return verified(self._crypto, query)

    def unlock(self, query: Query, body: bytes, now: datetime) -> Letter:
        try:
            sealed = weixin_xml.parse(body).get("Encrypt", "")
        except UnreadableError as error:
            raise ForgedError(str(error)) from None  # nobody has signed it
        plain, key = self._crypto.open(query, sealed, now)
        return Letter(plain, key, query["timestamp"], query["nonce"])

    def answer(self, letter: Letter, said: Sequence[Outgoing], now: datetime) -> bytes:
        """To a tap the changed card, to anything else all the texts as one; empty with nothing to say."""
        if not said or letter.key is None:
            return b""
        fields = weixin_xml.parse(letter.body)
        heads = {
            "ToUserName": fields.get("FromUserName", ""),
            "FromUserName": fields.get("ToUserName", ""),
        }
        plain = weixin_xml.render({**heads, "CreateTime": int(now.timestamp()), **_passive(fields, said)})
        stamp = str(int(now.timestamp()))
        sealed, signature = self._crypto.seal(plain, letter.key, stamp, letter.nonce)
        return weixin_xml.render(
            {"Encrypt": sealed, "MsgSignature": signature, "TimeStamp": int(stamp), "Nonce": letter.nonce}
        )

    def envelope(self, body: bytes) -> Envelope:
        if is_bots(body):
            return self._smart_robot().envelope(body)
        return wecom_messages.envelope(body, self._agent)

    def parse(self, body: bytes) -> InboundMessage:
        if is_bots(body):
            return self._smart_robot().parse(body)
        return wecom_messages.read(body, self._agent)

    async def acknowledge(self, tap: str) -> None:
        """A button of WeCom stops spinning when the call is answered."""

    def _smart_robot(self) -> WecomBot:
        if self.bot is None:
            raise UnreadableError("a message of a smart robot, and none is configured")
        return self.bot

    # --- out ----------------------------------------------------------------------------------

    async def send(self, address: str, outgoing: Outgoing) -> SendResult:
        kind, mark, name = address.partition(":")
        if not mark:
            return await self._to_person(address, outgoing)
        if kind == "aibot" and self.bot is not None:
            return await self.bot.send(address, outgoing)
        if kind not in ("appchat", "robot", "cards"):
            return Refused("no such kind of address")
        result = await self._to_group(kind, name, outgoing)
        # a group that is given up as unreachable would never turn up again by itself
        return Refused(result.reason) if isinstance(result, Unreachable) else result

    async def _to_person(self, person: str, outgoing: Outgoing) -> SendResult:
        if outgoing.photo is not None:
            return await self._file(person, outgoing.photo, outgoing.text)
        if self.bot is not None and self.bot.is_answer(outgoing):
            result = await self.bot.send(person, outgoing)
            if not isinstance(result, Refused):
                return result
        return await self._show((person,), outgoing)

    async def _show(
        self, people: tuple[str, ...], outgoing: Outgoing, group: str | None = None
    ) -> SendResult:
        """A changed card, a new card, or a text. A code that no longer serves leads to a new card."""
        if outgoing.edit is not None and outgoing.code is not None:
            result = await self._change(people, outgoing, group)
            if not isinstance(result, Refused):
                return result
        if not outgoing.buttons:
            return await self._text(people, outgoing.text)
        if outgoing.edit is None and not fits(outgoing.text):
            told = await self._text(people, outgoing.text, once=True)
            if not isinstance(told, Sent):
                return told
        task = new_task(outgoing.key)
        shown = card(outgoing.text, outgoing.buttons, task, group)
        return await self._tell(people, {"msgtype": "template_card", "template_card": shown})

    async def _change(self, people: tuple[str, ...], outgoing: Outgoing, group: str | None) -> SendResult:
        shown = card(outgoing.text, outgoing.buttons, new_task(outgoing.key), group)
        body = {
            "userids": list(people),
            "agentid": self._agent,
            "response_code": outgoing.code,
            "template_card": shown,
        }
        result = outcome(await self._api.post("cgi-bin/message/update_template_card", body), people)
        if isinstance(result, Sent):
            return Sent(outgoing.edit or "", missed=result.missed)
        if isinstance(result, Unknown):
            return Retry(result.reason)  # if it was changed after all, the code is used, and a new card tells
        return result

    async def _text(self, people: tuple[str, ...], text: str, *, once: bool = False) -> SendResult:
        """`once`: the platform keeps a repetition within half an hour to itself."""
        message: Json = {"msgtype": "text", "text": {"content": fit(text, facts.LONGEST_APP_TEXT)}}
        return await self._tell(people, message | ({"enable_duplicate_check": 1} if once else {}))

    async def _file(self, person: str, file: Blob, text: str) -> SendResult:
        """Uploaded first, so that the words do not come without it. What is not played goes as a file."""
        kind = _kind_of_file(file.name)
        answer = await self._api.upload("cgi-bin/media/upload", file, type=kind)
        if not isinstance(answer, Reply) or not answer.ok:
            result = outcome(answer)
            return Retry(result.reason) if isinstance(result, Unknown) else result
        told = await self._text((person,), text, once=True) if text else Sent("")
        if not isinstance(told, Sent):
            return told
        media = {"media_id": str(answer.body.get("media_id", ""))}
        return await self._tell((person,), {"msgtype": kind, kind: media})

    async def _tell(self, people: tuple[str, ...], message: Json) -> SendResult:
        """Waits for whom it would be too much: what is above the limit the platform drops without a word."""
        wait = self._allow(people)
        if wait > 0:
            return Retry("as much as one person may get", after=wait)
        body = {"touser": "|".join(people), "agentid": self._agent, **message}
        return outcome(await self._api.post("cgi-bin/message/send", body), people)

    def _allow(self, people: tuple[str, ...]) -> float:
        """Counts a message for each; where one of them has had too many, how many seconds to wait instead."""
        now, allowances = self._clock.now(), [self._allowances[one] for one in people]
        ready = max((one.ready_at(now) for one in allowances), default=now)
        if ready > now:
            return (ready - now).total_seconds()
        for one in allowances:
            one.take(now)
        return 0.0

    # --- groups -------------------------------------------------------------------------------

    async def _to_group(self, kind: str, name: str, outgoing: Outgoing) -> SendResult:
        """The cards are what counts: once they are out, a notice that fails is not worth repeating them."""
        if outgoing.photo is not None:
            return Refused("no files into groups")
        for_each = outgoing.also and (kind == "cards" or outgoing.buttons or outgoing.edit is not None)
        if not for_each:
            return await self._notice(kind, name, outgoing.text)
        cards = await self._show(outgoing.also, outgoing, f"{kind}:{name}")
        if kind == "cards" or outgoing.edit is not None or isinstance(cards, Retry | Unknown | Refused):
            return cards
        notice = await self._notice(kind, name, outgoing.text)
        if isinstance(cards, Unreachable):
            return Sent(notice.ref, missed=outgoing.also) if isinstance(notice, Sent) else cards
        if not isinstance(notice, Sent):
            log.warning("a group was not told of its cards", outcome=type(notice).__name__)
        return cards

    async def _notice(self, kind: str, name: str, text: str) -> SendResult:
        if kind == "robot":
            return await self._robots.say(name, text)
        if kind == "cards":
            return Unreachable("nobody is there")
        content = {"content": fit(text, facts.LONGEST_APP_TEXT)}
        body = {"chatid": name, "msgtype": "text", "text": content}
        return outcome(await self._api.post("cgi-bin/appchat/send", body))

    # --- the rest -----------------------------------------------------------------------------

    async def fetch(self, remote: str) -> bytes | None:
        return fetched(await self._api.download("cgi-bin/media/get", media_id=remote))

    async def open_group(self, name: str, people: Sequence[str], words: str) -> str | SendResult:
        """The address of a new group of the app's own, the only kind that it can write to; else why not.

        Nobody sees it before its first message, which is said at once; if that fails, the next one shows it.
        """
        body = {"name": name, "userlist": list(people)}
        answer = await self._api.post("cgi-bin/appchat/create", body)
        if not isinstance(answer, Reply) or not answer.ok:
            return outcome(answer)
        address = f"appchat:{answer.body.get('chatid', '')}"
        await self.send(address, Outgoing(words))
        return address

    async def close(self) -> None:
        await self._http.close()
        if self.bot is not None:
            await self.bot.close()


def _token_source(http: Http, settings: Wecom) -> Fetch:
    async def fetch() -> Fetched | NoToken:
        secret = settings.secret.get_secret_value()
        return token_from(await http.get("cgi-bin/gettoken", corpid=settings.corp_id, corpsecret=secret))

    return fetch


# --- one answer, written ----------------------------------------------------------------------


def _passive(fields: Mapping[str, str], said: Sequence[Outgoing]) -> dict[str, weixin_xml.Node]:
    if fields.get("Event") == wecom_messages.TAP:
        shown = card(said[0].text, said[0].buttons, fields.get("TaskId", ""))
        return {"MsgType": "update_template_card", "TemplateCard": as_xml(shown)}
    texts = "\n\n".join(one.text for one in said)
    return {"MsgType": "text", "Content": fit(texts, facts.LONGEST_APP_TEXT)}


def _kind_of_file(name: str) -> str:
    if name.endswith(_PICTURES):
        return "image"
    return "voice" if name.endswith(".amr") else "file"
