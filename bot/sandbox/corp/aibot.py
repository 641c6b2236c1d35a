"""The smart robot (智能机器人): sealed JSON both ways, one later answer by `response_url`."""

from collections.abc import Callable

import msgspec

from bot.sandbox.corp.callbacks import NOTHING, UNTAKEN, signed
from bot.sandbox.corp.cards import Card, Wire, checked_card
from bot.sandbox.corp.delivery import Courier, Parcel
from bot.sandbox.corp.limits import MOST_IN_FLIGHT
from bot.sandbox.corp.messages import content_of
from bot.sandbox.corp.methods import Call
from bot.sandbox.corp.refusals import wrong
from bot.sandbox.corp.state import Content, Corp, Member, Place, Post, Talk
from bot.sandbox.sealing import Sealer
from bot.sandbox.world import NotPossibleError

LATER = ("markdown", "template_card")


class SmartRobot:
    """In groups it hears only what mentions it. One of the company's own has no receiver in its seal."""

    def __init__(self, corp: Corp, courier: Courier) -> None:
        self.corp, self.courier = corp, courier

    @property
    def sealer(self) -> Sealer:
        return Sealer(self.corp.spec.bot_token, self.corp.spec.bot_aes_key, "")

    # What members do

    def hears(self, member: Member, talk: Talk, text: str, base_url: str) -> None:
        """`base_url` is under which the `response_url` is to be reached."""
        code = self.corp.replies.issue(talk, self.corp.now())
        later = f"{base_url.rstrip('/')}/corp/cgi-bin/aibot/response?response_code={code}"
        told = {"response_url": later, "msgtype": "text", "text": {"content": text}}
        self._call(member, talk, told, self._answering(talk))

    def enters(self, member: Member) -> None:
        talk = self.corp.bot_talk(member.key)
        self._event(member, talk, "enter_chat", {}, self._welcoming(talk))

    def taps(self, member: Member, talk: Talk, post: Post, card: Card, key: str) -> None:
        told = {"card_type": card.kind, "event_key": key, "task_id": card.task_id}
        self._event(member, talk, "template_card_event", told, self._changing(talk, post))

    # Calling back

    def _event(self, member: Member, talk: Talk, kind: str, told: Wire, take: Callable[[Wire], None]) -> None:
        created = int(self.corp.now().timestamp())
        event = {"eventtype": kind, kind: told}
        self._call(member, talk, {"create_time": created, "msgtype": "event", "event": event}, take)

    def _call(self, member: Member, talk: Talk, told: Wire, take: Callable[[Wire], None]) -> None:
        spec, sealer = self.corp.spec, self.sealer
        if not spec.bot_url:
            raise NotPossibleError("there is no smart robot")
        if self.corp.in_flight[member.key] >= MOST_IN_FLIGHT:
            raise NotPossibleError(f"{MOST_IN_FLIGHT} messages are waiting for the robot's answer")
        sealed = sealer.seal(msgspec.json.encode(self._head(member, talk) | told))
        query = signed(sealer, sealed, str(int(self.corp.now().timestamp())))
        self.corp.in_flight[member.key] += 1

        def end() -> None:
            self.corp.in_flight[member.key] -= 1

        parcel = Parcel(
            url=spec.bot_url,
            query=query,
            body=msgspec.json.encode({"encrypt": sealed}),
            content_type="application/json",
            person=member.key,
            lane=f"bot:{member.key}",
            take=lambda answer: self._take(answer, take),
            end=end,
        )
        self.courier.send(parcel)

    def _head(self, member: Member, talk: Talk) -> Wire:
        group = talk.place is Place.GROUP
        chat = {"chatid": talk.id, "chattype": "group"} if group else {"chattype": "single"}
        number = f"CAIQ{self.corp.number():012d}"
        return {"msgid": number, "aibotid": self.corp.spec.bot_id, **chat, "from": {"userid": member.userid}}

    # What comes back at once

    def _take(self, answer: bytes, take: Callable[[Wire], None]) -> None:
        if answer in NOTHING:
            return
        try:
            sealed = msgspec.json.decode(answer, type=Wire)
            timestamp = str(sealed["timestamp"])
            plain = self.sealer.open(sealed["encrypt"], sealed["msgsignature"], timestamp, sealed["nonce"])
            take(msgspec.json.decode(plain, type=Wire))
        except UNTAKEN as error:
            self.corp.refused[f"robot: {type(error).__name__}: {error}"] += 1

    def _answering(self, talk: Talk) -> Callable[[Wire], None]:
        """A message is answered with a finished stream, a card, or both: plain text is for a welcome only."""

        def take(reply: Wire) -> None:
            kinds = {
                "stream": ("stream",),
                "template_card": ("card",),
                "stream_with_template_card": ("stream", "card"),
            }
            if reply.get("msgtype") not in kinds:
                raise wrong(f"a message is not answered with {reply.get('msgtype')}")
            for kind in kinds[reply["msgtype"]]:
                self._show(talk, _stream(reply) if kind == "stream" else _card(reply))

        return take

    def _welcoming(self, talk: Talk) -> Callable[[Wire], None]:
        return lambda reply: self._show(talk, content_of(self.corp, reply, ("text", "template_card")))

    def _changing(self, talk: Talk, post: Post) -> Callable[[Wire], None]:
        """A tap is answered with a new card, for those named or for everybody."""

        def take(reply: Wire) -> None:
            if reply.get("response_type") != "update_template_card":
                raise wrong("a tap is answered with update_template_card only")
            named = [str(userid).lower() for userid in reply.get("userids") or ()]
            card = checked_card(reply.get("template_card"))
            self.corp.change(post, card, named or [key for key in self.corp.members if talk.has(key)])

        return take

    def _show(self, talk: Talk, content: Content) -> None:
        self.corp.post([talk], content, sender=self.corp.spec.bot_name)

    # What comes later, once

    def respond(self, call: Call) -> Wire:
        content = content_of(self.corp, call.body, LATER)
        talk = self.corp.replies.spend(call.query.get("response_code", ""), self.corp.now())
        self._show(talk, content)
        return {}


def _stream(reply: Wire) -> Content:
    stream = reply["stream"]
    if not stream.get("id") or not stream.get("content"):
        raise wrong("stream needs id and content")
    if not stream.get("finish"):
        raise wrong("the sandbox asks nobody for the rest of a stream")
    return Content("text", stream["content"])


def _card(reply: Wire) -> Content:
    card = checked_card(reply.get("template_card"))
    return Content("card", card.text, card=card)
