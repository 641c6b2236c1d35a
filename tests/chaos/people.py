"""Residents and staff who react to what they see, each by dice of their own."""

import asyncio
import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.roster import Roster
from bot.sandbox.acts import Act, Actor
from bot.sandbox.people import Sandbox
from bot.sandbox.world import Chat, Message, NotPossibleError, UnknownError, User, World
from routing.organisation import CHIEFS

FIRST_RESIDENT = 9000
_OWNER = 8000
_PATIENT = 0.9
_LOOKED_AT = 6  # messages at the end of a chat that somebody looks at

REPORTS = (
    "楼道灯坏了，晚上看不见",
    "单元门口垃圾没人清运",
    "路灯不亮了好几天",
    "楼道里堆满了杂物",
    "有人乱贴小广告",
    "楼上漏水漏到我家了",
    "下水道堵了往外冒水",
    "有流浪狗追着人咬",
    "半夜还有人唱歌吵得睡不着",
    "电梯老是停在半路",
    "井盖松了踩上去直晃",
    "消防通道被车堵住了",
)
_MORE = ("还有味道", "今天又这样了", "在楼梯口那边", "已经三天了", "邻居也在说")
_ASIDE = ("查进度", "进度", "催一催", "你好", "谢谢", "帮助")
_DONE = "已经到现场处理好了，清理干净并且检查过"

# How likely a button is pressed beside the others of its message; what is not named counts 1.
RESIDENTS_TAP = {
    "提交": 10.0,
    "有危险": 0.03,
    "叫网格员": 0.1,
    "取消": 0.3,
    "再补充": 0.5,
    "撤回": 0.15,
    "查进度": 0.3,
    "催办": 0.3,
    "改分类": 0.2,
    "说不清": 0.3,
}
STAFF_TAP = {"接单": 6.0, "到场": 5.0, "办结": 6.0, "退回": 0.3, "更多": 0.3, "误报": 0.3}


def mark(number: int) -> str:
    """A word that nobody else says, in letters only: digits may be rooms and telephones."""
    letters = ""
    for _ in range(5):
        number, rest = divmod(number, 26)
        letters = string.ascii_lowercase[rest] + letters
    return f"zq{letters}"


@dataclass
class Marks:
    """Every message that somebody writes carries a word of its own."""

    given: int = 0

    def new(self) -> str:
        self.given += 1
        return mark(self.given)


@dataclass
class Person:
    """Somebody with a telephone, and how they use it. `chat` is where they act, None for the private one."""

    world: World
    user: User
    dice: random.Random
    marks: Marks
    likes: Mapping[str, float]
    chat: int | None = None
    pause: float = 1.2
    answered: set[tuple[int, str]] = field(default_factory=set)

    async def live(self, until: asyncio.Event) -> None:
        """Act again and again, as the dice fall."""
        while not until.is_set():
            await asyncio.sleep(self.dice.expovariate(1 / self.pause))
            if heard := self.hears():
                self.act(heard)

    def waits(self, heard: Sequence[Message]) -> bool:
        """Whether they said the last word here, and are patient."""
        return heard[-1].id < self._room().last_id and self.dice.random() < _PATIENT

    def act(self, heard: Sequence[Message]) -> None:
        """React to what the bot said last, `heard`."""
        raise NotImplementedError

    def does(self, do: str, **more: object) -> None:
        """What the client does not allow just now is left alone."""
        try:
            Actor(self.world, Act(user=self.user.id, do=do, chat=self.chat, **more)).perform()  # type: ignore[arg-type]  # as named by the caller
        except (NotPossibleError, UnknownError):
            return

    def says(self, text: str, reply_to: int | None = None) -> None:
        self.does("text", text=f"{text} {self.marks.new()}", reply_to=reply_to)

    def hears(self) -> list[Message]:
        """The newest of what the bot said here, oldest first."""
        last = list(self._room().messages.values())[-3 * _LOOKED_AT :]
        return [one for one in last if one.sender.is_bot][-_LOOKED_AT:]

    def _room(self) -> Chat:
        bot = self.world.bot()
        return self.world.groups[self.chat] if self.chat else self.world.private_chat(bot, self.user)

    def answers(self, message: Message) -> bool:
        """Press one of the buttons of a message, each state of it once; False where there is none."""
        labels = [button["text"] for row in message.buttons for button in row if "callback_data" in button]
        if not labels or (key := (message.id, message.text)) in self.answered:
            return False
        self.answered.add(key)
        weights = [self.likes.get(label, 1.0) for label in labels]
        self.does("tap", label=self.dice.choices(labels, weights)[0], message=message.id)
        return True


class Resident(Person):
    """Reports, answers the bot's questions, and mostly waits for an answer before writing again."""

    def act(self, heard: Sequence[Message]) -> None:
        if self.waits(heard):
            return
        if self.dice.random() < 0.8 and self.answers(heard[-1]):
            return
        if self.dice.random() < 0.1 and self.answers(self.dice.choice(heard)):
            return
        self._writes()

    def _writes(self) -> None:
        chance = self.dice.random()
        if chance < 0.05:
            self.does("text", text=self.dice.choice(_ASIDE))
        elif chance < 0.15:
            self.says(self.dice.choice(_MORE))
        elif chance < 0.2:
            self.does("photo", caption=f"{self.dice.choice(REPORTS)} {self.marks.new()}")
        else:
            self.says(self.dice.choice(REPORTS))


class Member(Person):
    """Works through the cards in the private chat, and writes where words are asked for."""

    def act(self, heard: Sequence[Message]) -> None:
        if any(words in heard[-1].text for words in ("请写", "为什么", "写下来", "不少于")):
            if not self.waits(heard):
                self.says(_DONE)
            return
        for message in reversed(heard):
            if self.answers(message):
                return


class Chief(Person):
    """Acknowledges what stands in the group, and answers there where words are asked for."""

    def act(self, heard: Sequence[Message]) -> None:
        if "请回复这一条" in heard[-1].text:
            if not self.waits(heard):
                self.says(_DONE, reply_to=heard[-1].id)
            return
        for message in reversed(heard):
            if self.dice.random() < 0.5 and self.answers(message):
                return


@dataclass(frozen=True)
class Crowd:
    residents: list[Resident]
    staff: list[Person]

    async def live(self, until: asyncio.Event) -> None:
        """All of them at once."""
        async with asyncio.TaskGroup() as lives:
            for one in (*self.residents, *self.staff):
                lives.create_task(one.live(until))

    def come(self, dice: random.Random, tokens: Sequence[str]) -> None:
        """Staff open the bot or join their group; residents scan the code of a building."""
        for one in self.staff:
            one.does("scan" if one.chat is None else "join")
        for resident in self.residents:
            resident.does("scan", payload=dice.choice(list(tokens)))

    def bursts(self, dice: random.Random, times: int) -> None:
        """Many residents write at the same moment."""
        for _ in range(times * 10):
            resident = dice.choice(self.residents)
            resident.says(dice.choice(REPORTS))


async def gather(
    sandbox: Sandbox, world: World, roster: Roster, tokens: Sequence[str], seed: int, residents: int
) -> Crowd:
    """Everybody of the roster with the bot opened, chiefs in their groups, and so many residents at home."""
    marks = Marks()

    async def moves_in(number: int, name: str) -> User:
        await sandbox.user(number, name)
        return world.user(number)

    staff: list[Person] = []
    for member in roster.members:
        user = await moves_in(int(member.accounts["telegram"]), member.name)
        staff.append(Member(world, user, _dice(seed, member.code), marks, STAFF_TAP))
    owner = await sandbox.user(_OWNER, "群主")
    for group in roster.chats:
        await sandbox.group(int(group.id), group.area, [owner])
        for chief in roster.members:
            if chief.role in CHIEFS and (chief.area or "").startswith(group.area):
                user = world.user(int(chief.accounts["telegram"]))
                dice = _dice(seed, f"{chief.code} in the group")
                staff.append(Chief(world, user, dice, marks, STAFF_TAP, int(group.id)))
    found: list[Resident] = []
    for number in range(residents):
        user = await moves_in(FIRST_RESIDENT + number, f"居民{number}")
        found.append(Resident(world, user, _dice(seed, user.first_name), marks, RESIDENTS_TAP))
    crowd = Crowd(found, staff)
    crowd.come(random.Random(f"{seed} homes"), tokens)  # noqa: S311 (repeatable, guards nothing)
    return crowd


def _dice(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed} {name}")  # noqa: S311 (repeatable, guards nothing)
