"""The people of a simulation: they see only what is on their phones, and answer in their own time."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.simulate.behaviour import Delay, Hours, when_awake
from bot.simulate.phones import Shown
from bot.simulate.town import Town

NUMBER = re.compile(r"[A-Za-z]{1,8}\d{6}-\d{4,}")
_TYPING = timedelta(seconds=30)
_RESULTS = (
    "已经到现场处理好了，请您再看看",
    "换了新的，试过没有问题了",
    "和双方都谈过了，说好了怎么办",
    "联系维修的师傅修好了，请放心",
)
_TOO_SHORT = "好了"
_MERGE = "并案"
_LOOKS = 10  # days on which a member looks again at what waits for somebody else
# The buttons of a card that is in a member's hands.
_MINE = {"acknowledge", "start", "finish"}
# What a resident who means it taps, where a question is asked; the rest of the buttons are for later.
_WILLING = ("no_danger", "new_one", "help_me", "agree", "submit")
_QUESTION = "请问大概是几点开始的，具体在什么位置？"
_ANSWER = "昨天晚上开始的，就在一楼门口"
_REASON = "这件事不归我这个网格管"


class Person:
    """Somebody with a phone: sleeps at night, does one thing after the other."""

    def __init__(self, town: Town, address: str, awake: Hours) -> None:
        self.town = town
        self.address = address
        self.chance = town.chance(address)
        self.awake = awake
        self._free = town.now
        town.listen(address, self.hears)

    def hears(self, shown: Shown) -> None:
        """A message has arrived or changed in the private chat."""

    def later(self, delay: Delay | timedelta, act: Callable[[], object]) -> datetime:
        """Do it after the delay, not while asleep, and not while doing something else."""
        wait = delay.draw(self.chance) if isinstance(delay, Delay) else delay
        moment = self.present(max(self.present(self.town.now) + wait, self._free))
        self.town.at(moment, act)
        return moment

    def present(self, moment: datetime) -> datetime:
        return when_awake(moment, self.awake, self.town.zone)

    def occupied(self, duration: timedelta) -> None:
        self._free = self.town.now + duration

    @property
    def busy(self) -> bool:
        return self.town.now < self._free

    # --- the phone ----------------------------------------------------------------------------

    def says(self, text: str, chat: str | None = None, reply_to: str | None = None) -> None:
        self.town.post(self.address, chat or self.address, "text", text=text, reply_to=reply_to)

    def sends_voice(self, remote: str) -> None:
        self.town.post(self.address, self.address, "voice", voices=[remote])

    def scans(self, token: str | None) -> None:
        self.town.post(self.address, self.address, "start", start=token)

    def sees(self, ref: str, chat: str | None = None) -> Shown:
        """A message as it looks now."""
        return self.town.phones.screens[chat or self.address][ref]

    def taps(self, ref: str, choice: str, chat: str | None = None) -> bool:
        """Tap a button, if it is still there."""
        data = self.sees(ref, chat).button(choice)
        if data is not None:
            self.town.post(self.address, chat or self.address, "tap", tapped=data)
        return data is not None


class Resident(Person):
    """Reports something, answers what is asked, and perhaps says whether it was solved.

    `same` is whether what they report is what others have reported already.
    """

    def __init__(self, town: Town, address: str, place: str, token: str | None = None) -> None:
        super().__init__(town, address, town.behaviour.residents.awake)
        self.same = False
        self.said_at: datetime | None = None
        self._place = place
        self._token = token
        self._leaf = ""
        self._idle = False
        self._insisted = False
        self._answered: set[tuple[str, tuple[str, ...]]] = set()
        self._judged: set[str] = set()

    def reports(self, leaf: str, text: str) -> None:
        """Scan the code on the wall, then say it."""
        self._leaf = leaf
        self.town.topics[text] = leaf
        self.scans(self._token)
        self.town.at(self.town.now + _TYPING, lambda: self._tells(text))

    def speaks(self, leaf: str) -> None:
        """Scan, and then only a voice message."""
        self._leaf = leaf
        self.scans(self._token)
        self.town.at(self.town.now + _TYPING, lambda: self.sends_voice(f"voice-{self.address}"))

    def chats(self, text: str) -> None:
        """Somebody who only tries the thing out: says a word and answers nothing but that all is well."""
        self._idle = True
        self.scans(self._token)
        self.town.at(self.town.now + _TYPING, lambda: self.says(text))

    def _tells(self, text: str) -> None:
        self.said_at = self.town.now
        self.says(text)

    def hears(self, shown: Shown) -> None:
        ways, asked = self.town.behaviour.residents, (shown.ref, tuple(shown.choices))
        if asked in self._answered:
            return
        self._answered.add(asked)
        if shown.text == self.town.sentence("guided"):
            self._insists()
        if _QUESTION in shown.text and not shown.edited:
            if self.chance.random() < ways.replies:
                self.later(ways.reads, lambda: self.says(_ANSWER))
        elif "satisfied" in shown.choices:
            self._judge(shown)
        elif self._wants_answer(shown) and self.chance.random() >= ways.walks_away:
            self.later(ways.reads, lambda: self._answer(shown.ref))

    def _insists(self) -> None:
        """Nothing was registered, by a wrong tap or a misunderstanding: who means it says it once more."""
        if not self._idle and not self._insisted:
            self._insisted = True
            plainly = self.town.keyword(self._leaf)
            self.later(self.town.behaviour.residents.reads, lambda: self._tells(plainly))

    def _wants_answer(self, shown: Shown) -> bool:
        return self._reply(shown) is not None

    def _answer(self, ref: str) -> None:
        reply = self._reply(self.sees(ref))
        if reply is None:
            return
        choice, text = reply
        if choice:
            self.taps(ref, choice)
        else:
            self.says(text)

    def _reply(self, shown: Shown) -> tuple[str, str] | None:
        """What to tap, or else what to say; None where nothing is asked."""
        offered = shown.choices
        if self._idle:
            return ("no_danger", "") if "no_danger" in offered else None
        if "not_same" in offered:
            return ("same" if self.same else "not_same"), ""
        if any(one.startswith("category:") for one in offered):
            return self._category(offered), ""
        if "skip_place" in offered:
            return "", self._place
        wanted = (one for one in offered if one.partition(":")[0] in _WILLING)
        choice = next(wanted, None)
        if choice is None and offered[:2] == ["person", "cancel"]:  # asked once more what it is about
            choice = "person"
        return (choice, "") if choice else None

    def _category(self, offered: list[str]) -> str:
        """The right one where it is offered and no mistake is made; otherwise any, or none."""
        right = f"category:{self._leaf}"
        if self.chance.random() < self.town.behaviour.residents.taps_wrong:
            return self.chance.choice(offered)
        return right if right in offered else "category:none"

    def _judge(self, shown: Shown) -> None:
        """Decide once for each result whether to say anything, and what."""
        ways, number = self.town.behaviour.residents, _number(shown)
        if number in self._judged or shown.edited:
            return
        self._judged.add(number)
        if self.chance.random() < ways.rates:
            content = self.chance.random() < ways.satisfied
            choice = "satisfied" if content else self.chance.choice(("partly", "not_solved"))
            self.later(ways.verdict, lambda: self._say_verdict(shown, choice))

    def _say_verdict(self, shown: Shown, choice: str) -> None:
        self.taps(shown.ref, choice)
        if choice == "not_solved":
            self._judged.discard(_number(shown))


def _place(crowd: Shown) -> list[str]:
    """Where it is, as the notice says between the category and the colon."""
    return re.findall(r"】([^【】：]+)：", crowd.text)


def _number(shown: Shown) -> str:
    found = NUMBER.search(shown.text)
    return found[0] if found else shown.ref


class Worker(Person):
    """A member with cards in the private chat: takes them, goes there, writes what was done."""

    def __init__(self, town: Town, address: str) -> None:
        super().__init__(town, address, town.behaviour.members.awake)
        self.asleep_until = town.now
        self._cards: dict[str, str] = {}
        self._overlooked: set[str] = set()
        self._returning: set[str] = set()
        self._crowds: list[Shown] = []
        self._looks: dict[str, int] = {}

    def present(self, moment: datetime) -> datetime:
        """When the phone is looked at: on some days it is not."""
        moment = max(moment, self.asleep_until)
        while True:
            moment = super().present(moment)
            day = moment.astimezone(self.town.zone).date()
            absent = self.town.behaviour.members.absent
            if self.town.chance(self.address, "absent", day).random() >= absent:
                return moment
            moment = super().present(moment + timedelta(hours=24))

    def hears(self, shown: Shown) -> None:
        number, offered = _number(shown), {one.partition(":")[0] for one in shown.choices}
        if _MERGE in shown.text and not shown.choices:
            self._crowds.append(shown)  # many report the same: what comes alone belongs there
        elif "reason" in offered:
            self._explain(shown)
        elif number in self._returning and "return" in offered:
            self.town.at(self.town.now + _TYPING, lambda: self.taps(shown.ref, "return"))
        elif offered & {"keep", "pass_on"}:
            if not shown.edited:
                self.later(self._reacts(shown), lambda: self._sort(shown.ref))
        elif offered & _MINE:
            new, self._cards[number] = number not in self._cards, shown.ref
            if new or (not shown.edited and "acknowledge" in offered):
                self._notice(shown)
        elif number in self._overlooked:  # somebody urges, or a limit has passed
            self._overlooked.discard(number)
            self.later(self._reacts(shown), lambda: self._take(number))

    def _reacts(self, shown: Shown) -> Delay:
        ways = self.town.behaviour.members
        return ways.reacts_urgent if self._level(shown) == "T0" else ways.reacts

    def _notice(self, shown: Shown) -> None:
        number = _number(shown)
        if self.chance.random() < self.town.behaviour.members.overlooks:
            self._overlooked.add(number)
        else:
            self.later(self._reacts(shown), lambda: self._take(number))

    def _take(self, number: str) -> None:
        """Acknowledge, go there, finish; or send it back, or ask the resident first."""
        shown, ways = self.sees(self._cards[number]), self.town.behaviour.members
        if not _MINE & set(shown.choices):
            return
        if "acknowledge" in shown.choices and self.chance.random() < ways.returns:
            self._returning.add(number)
            self.taps(shown.ref, "more_moves")
            self._cards.pop(number)
            return
        self.taps(shown.ref, "acknowledge")
        work = ways.work[self._level(shown)].draw(self.chance)
        self.later(work * 0.4, lambda: self._start(number))
        self.later(work, lambda: self._finish(number))

    def _start(self, number: str) -> None:
        """On site; now and then something is unclear."""
        if self._act(number, "start") and self.chance.random() < self.town.behaviour.members.asks:
            self.later(2 * _TYPING, lambda: self._ask(number))

    def _ask(self, number: str) -> None:
        if not self.busy and self._act(number, "ask"):
            self.occupied(4 * _TYPING)
            self.town.at(self.town.now + _TYPING, lambda: self.says(_QUESTION))

    def _act(self, number: str, choice: str) -> bool:
        return number in self._cards and self.taps(self._cards[number], choice)

    def _finish(self, number: str) -> None:
        """One result at a time: the next sentence is the result of the card tapped last."""
        if self.busy:
            self.later(timedelta(0), lambda: self._finish(number))
        elif self._act(number, "finish"):
            self.occupied(4 * _TYPING)
            self._write_result()
        elif number in self._cards and self.sees(self._cards[number]).choices == []:
            self._waited(number)

    def _waited(self, number: str) -> None:
        """It waits for the resident, or others have it: look again tomorrow, a few times."""
        self._looks[number] = self._looks.get(number, 0) + 1
        if self._looks[number] <= _LOOKS:
            self.later(timedelta(days=1), lambda: self._finish(number))

    def _write_result(self) -> None:
        delay = _TYPING
        if self.chance.random() < self.town.behaviour.members.too_short:
            self.town.at(self.town.now + delay, lambda: self.says(_TOO_SHORT))
            delay *= 2
        text = self.chance.choice(_RESULTS)
        self.town.at(self.town.now + delay, lambda: self.says(text))

    def _explain(self, shown: Shown) -> None:
        reason = next(one for one in shown.choices if one.startswith("reason:"))
        self.town.at(self.town.now + _TYPING, lambda: self.taps(shown.ref, reason))
        self.town.at(self.town.now + 2 * _TYPING, lambda: self.says(_REASON))

    def _sort(self, ref: str) -> None:
        """The dispatcher reads what was written and says what it is."""
        shown = self.sees(ref)
        leaf = next((leaf for text, leaf in self.town.topics.items() if text in shown.text), None)
        if "pass_on" not in shown.choices:
            return
        crowd = self._crowd(leaf, shown)
        if crowd is not None:
            self.says(f"{_MERGE} {_number(crowd)}", reply_to=ref)
        elif leaf is None:
            self.taps(ref, "pass_on")
        elif not self.taps(ref, f"classify:{leaf}"):
            self.says(self.town.keyword(leaf), reply_to=ref)

    def _crowd(self, leaf: str | None, card: Shown) -> Shown | None:
        """What many have reported already, of this kind and at this place."""
        name = self.town.app.offices.current.category_name(leaf)
        return next(
            (
                one
                for one in self._crowds
                if f"【{name}】" in one.text and any(line and line in card.text for line in _place(one))
            ),
            None,
        )

    def _level(self, shown: Shown) -> str:
        """How pressing the card says it is."""
        texts = self.town.app.offices.current.texts
        for name in self.town.behaviour.members.work:
            if f"】{texts.label(f'level_{name}')}" in shown.text:
                return name
        return "T3"

    # --- patrol -------------------------------------------------------------------------------

    def walks(self, moment: datetime) -> None:
        """Go round the grid on that day, and say so."""
        if self.present(moment) == moment and self.chance.random() < self.town.behaviour.members.patrols:
            self.town.at(moment, lambda: self.says("打卡"))


class Chief:
    """A member in the staff group: looks at cards, notes them, sometimes takes one."""

    def __init__(self, town: Town, person: Person, group: str) -> None:
        self._town = town
        self._person = person
        self._group = group
        town.listen(group, self.hears)

    def hears(self, shown: Shown) -> None:
        ways, chance = self._town.behaviour.chiefs, self._person.chance
        if shown.edited or "claim" not in shown.choices:
            return
        drawn = chance.random()
        if drawn < ways.claims:
            self._person.later(ways.reacts, lambda: self._claim(shown.ref))
        elif drawn < ways.claims + ways.notes:
            self._person.later(ways.reacts, lambda: self._tap(shown.ref, "seen"))

    def _tap(self, ref: str, choice: str) -> None:
        self._person.taps(ref, choice, self._group)

    def _claim(self, ref: str) -> None:
        self._tap(ref, "claim")
