"""SC16: a thousand messages as they really come: private numbers, insults, voices, chatter, other tongues."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from bot.simulate.people import Resident
from bot.simulate.rosters import village
from bot.simulate.scenario import Figure, Scenario, Stage, exactly, share
from routing.transitions import Status

_MESSAGES = 1000
_SHARES = {"private": 0.10, "insult": 0.05, "voice": 0.08, "chatter": 0.15, "tongue": 0.05}
_HOURS = 10
_FAULTS = ("PF01", "PF02", "PF06", "PF07", "EN01", "EN02", "SF01", "SF04", "TR02", "OR06")
_INSULTS = ("他妈的", "傻逼", "废物", "王八蛋", "狗日的", "滚蛋", "脑残", "混蛋", "人渣", "去死")
_CHATTER = (
    *("打打试试", "喝晕了", "哈哈哈哈", "在吗", "早上好", "今天天气真不错", "1", "。。。", "测试"),
    *("谢谢", "好的", "你是机器人吗", "吃了没", "无聊", "哎"),
)
_TONGUES = {
    "The street light in our building is broken": "PF06",
    "no water in building 3 since this morning": "PF01",
    "楼道灯瞎火咧，黑咕隆咚瞅不见道": "PF06",
    "俺们这疙瘩停水咧，咋整": "PF01",
    "垃圾堆成山咧，臭得很，木人管": "EN01",
}


async def play(stage: Stage) -> list[Figure]:
    stage.hire()
    senders = [await _Sender.of(stage, kind) for kind in _kinds(stage.chance)]
    began = stage.town.now
    for sender in senders:
        moment = began + timedelta(hours=_HOURS) * stage.chance.random()
        stage.town.at(moment, sender.speaks)
    await stage.run(timedelta(hours=_HOURS + 14), 48)
    return await _measure(stage, senders)


def _kinds(chance: Random) -> list[str]:
    kinds = [kind for kind, part in _SHARES.items() for _ in range(round(part * _MESSAGES))]
    kinds += ["plain"] * (_MESSAGES - len(kinds))
    chance.shuffle(kinds)
    return kinds


class _Sender:
    """One of the thousand: the kind of message, who sends it, and what must not be seen by others."""

    def __init__(self, kind: str, person: Resident, leaf: str, text: str, secrets: tuple[str, ...]) -> None:
        self.kind = kind
        self.person = person
        self.secrets = secrets
        self._leaf = leaf
        self._text = text

    @classmethod
    async def of(cls, stage: Stage, kind: str) -> "_Sender":
        person = await stage.resident(stage.chance.choice(stage.buildings()))
        leaf = person.chance.choice(_FAULTS)
        made = _MADE.get(kind, _plain)
        return cls(kind, person, *made(person.chance, leaf, stage.stories.about(leaf, person.chance)))

    def speaks(self) -> None:
        if self.kind == "voice":
            self.person.speaks(self._leaf)
        elif self.kind == "chatter":
            self.person.chats(self._text)
        else:
            self.person.reports(self._leaf, self._text)


_Made = tuple[str, str, tuple[str, ...]]


def _plain(_chance: Random, leaf: str, text: str) -> _Made:
    return leaf, text, ()


def _private(chance: Random, leaf: str, text: str) -> _Made:
    phone = f"1{chance.choice('3578')}{chance.randrange(10**9):09d}"
    card = _id_card(chance)
    return leaf, f"{text}，我电话{phone}，身份证{card}", (phone, card)


def _id_card(chance: Random) -> str:
    """An invented number of the right make, check digit and all."""
    body = f"4108{chance.randrange(1, 30):02d}19{chance.randrange(50, 99)}{chance.randrange(1, 13):02d}"
    body += f"{chance.randrange(1, 29):02d}{chance.randrange(1000):03d}"
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body))
    return body + "10X98765432"[total % 11]


def _insult(chance: Random, leaf: str, text: str) -> _Made:
    return leaf, f"{chance.choice(_INSULTS)}，{text}，你们管不管", _INSULTS


def _tongue(chance: Random, _leaf: str, _text: str) -> _Made:
    text = chance.choice(list(_TONGUES))
    return _TONGUES[text], text, ()


def _chatter(chance: Random, leaf: str, _text: str) -> _Made:
    return leaf, chance.choice(_CHATTER), ()


_MADE: dict[str, Callable[[Random, str, str], _Made]] = {
    "private": _private,
    "insult": _insult,
    "tongue": _tongue,
    "chatter": _chatter,
}


async def _measure(stage: Stage, senders: list[_Sender]) -> list[Figure]:
    filed = await stage.filed()
    sent = {one.number for one in await stage.matters() if one.assignments or one.status is Status.TRIAGE}
    chatter = [filed[one.person.address] for one in senders if one.kind == "chatter"]
    kept = {one for one in senders if filed[one.person.address]}
    faults = [one for one in senders if one.kind != "chatter"]
    groups = [one.text for one in stage.town.said if one.chat.startswith("-")]
    staff = {one.address for one in stage.workers.values()}
    shown = [one.text for one in stage.town.said if one.chat in staff] + groups
    secrets = [secret for one in senders if one.kind == "private" for secret in one.secrets]
    return [
        exactly("private numbers in group cards", _hits(groups, secrets), 0),
        exactly("insults shown to staff", _hits(shown, _INSULTS), 0),
        share("real faults kept", sum(one in kept for one in faults), len(faults), 0.95),
        exactly("chatter that was sent to somebody", sum(bool(one & sent) for one in chatter), 0),
    ]


def _hits(texts: list[str], words: Iterator[str] | list[str] | tuple[str, ...]) -> int:
    """How many texts hold one of the words."""
    wanted = list(words)
    return sum(any(word in text for word in wanted) for text in texts)


SC16 = Scenario(
    "SC16",
    "1,000 messages: 10 % with numbers, 5 % insults, 8 % voice, 15 % chatter, 5 % English or dialect",
    lambda: village(grids=6, buildings=3),
    datetime(2026, 5, 11, 23, tzinfo=UTC),
    play,
)
