"""The page behind a posted code: a chief of the place confirms there, everybody else learns nothing."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bot.roster import Roster
from bot.sandbox.official.api import WHOSE_PHONE
from bot.sandbox.official.people import Follower, follower
from storage.tables import Message
from tests.conversations.test_by_hand import by_hand
from tests.town import Town, sample, town

OPENID, OTHER, STRANGER = "oChiefOfBuilding3", "oChiefOfBuilding6", "oSomebodyElse"


def _on_wechat(roster: Roster) -> Roster:
    """The chiefs of two buildings can be reached on WeChat only."""
    accounts = {"l1": {"wechat": OPENID}, "l2": {"wechat": OTHER}}
    members = tuple(
        one.model_copy(update={"accounts": accounts.get(one.code, one.accounts)}) for one in roster.members
    )
    return roster.model_copy(update={"members": members})


@dataclass
class Here:
    town: Town
    chief: Follower
    link: str = ""

    async def posted(self) -> None:
        """Somebody reports, and the grid member gets the text to post, with its link."""
        resident = await self.town.at_home()
        (member,) = await self.town.staff(1001)
        await self.town.filed(resident)
        found = re.search(r"http://\S+", (await self.town.card(member, "给公众号回复")).text)
        assert found is not None
        self.link = found[0]

    @asynccontextmanager
    async def phone(self, openid: str) -> AsyncIterator["Phone"]:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, cookies={WHOSE_PHONE: openid}) as http:
            yield Phone(self, http)


@dataclass
class Phone:
    here: Here
    http: aiohttp.ClientSession
    page: str = ""
    address: str = ""

    async def opens(self, link: str | None = None) -> int:
        async with self.http.get(link or self.here.link) as answer:
            self.page, self.address = await answer.text(), str(answer.url)
            return answer.status

    async def taps(self, action: str, form: str | None = None, link: str | None = None) -> int:
        """What the button does; the product runs meanwhile."""
        if form is None:
            form = self.form
        sending = asyncio.create_task(self._send(link or self.here.link, {"form": form, "do": action}))
        while not sending.done():
            await self.here.town.app.drain()
            await asyncio.sleep(0.002)
        return await sending

    async def _send(self, link: str, fields: dict[str, str]) -> int:
        async with self.http.post(link, data=fields) as answer:
            self.page = await answer.text()
            return answer.status

    @property
    def form(self) -> str:
        found = re.search(r'name="form" value="([^"]+)"', self.page)
        assert found is not None
        return found[1]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    async with town(tmp_path, everywhere=True) as found:
        await found.load(_on_wechat(by_hand(sample())))
        chief, *_ = [await follower(found.sandbox, openid=one) for one in (OPENID, OTHER, STRANGER)]
        ready = Here(found, chief)
        await ready.posted()
        yield ready


async def test_row_33_a_chief_confirms_with_one_tap(here: Here) -> None:
    request = await here.town.request()
    async with here.phone(OPENID) as phone:
        assert await phone.opens() == 200
        assert request.number in phone.page
        assert "3号楼" in phone.page
        assert "楼道灯坏了" not in phone.page
        assert OPENID not in phone.page
        assert await phone.taps("seen") == 200
        assert "已由您确认" in phone.page
        assert "<button" not in phone.page
    request = await here.town.request()
    assert (request.claimed_by, request.status) == ("l1", "acknowledged")
    claim = next(line for line in await here.town.history(request) if line.event == "claim")
    assert (claim.actor, claim.detail["channel"]) == ("member:l1", "wechat")
    await here.town.settle()
    assert await here.chief.sees() == []  # the page has said it


async def test_row_33_the_same_form_again_changes_nothing_and_says_the_same(here: Here) -> None:
    async with here.phone(OPENID) as phone:
        await phone.opens()
        form = phone.form
        await phone.taps("seen")
        first, version = phone.page, (await here.town.request()).version
        await phone.taps("seen", form)
    assert phone.page == first
    assert (await here.town.request()).version == version


async def test_row_28_who_comes_later_sees_who_has_it(here: Here) -> None:
    (chief,) = await here.town.staff(1101)
    async with here.phone(OPENID) as phone:
        await phone.opens()
        await here.town.says(chief, "收到" + here.link.rpartition("/")[2])
        await phone.taps("seen")
        assert "已由王组长确认" in phone.page
        await phone.opens()
        assert "已由王组长确认" in phone.page
        assert "<button" not in phone.page


async def test_not_mine_is_a_vote(here: Here) -> None:
    async with here.phone(OPENID) as phone:
        await phone.opens()
        await phone.taps("not_here")
        assert "不在本片" in phone.page
    assert (await here.town.request()).not_here_by == ["l1"]


@pytest.mark.parametrize("openid", [OTHER, STRANGER])
async def test_row_33_the_wrong_person_sees_nothing(here: Here, openid: str) -> None:
    request = await here.town.request()
    async with here.phone(openid) as phone:
        assert await phone.opens() == 403
        assert "不在本网格名单" in phone.page
        assert request.number not in phone.page


async def test_row_33_an_unknown_and_an_expired_code_are_not_found(here: Here) -> None:
    async with here.phone(OPENID) as phone:
        assert await phone.opens(here.link[:-5] + "00000") == 404
        await phone.opens()
        form = phone.form
        await here.town.pass_time(hours=73)
        assert await phone.opens() == 404
        assert "已经过期" in phone.page
        assert await phone.taps("seen", form) == 403
    assert (await here.town.request()).claimed_by is None


async def test_a_form_serves_its_owner_its_code_and_ten_minutes_only(here: Here) -> None:
    other = here.link[:-5] + "12345"
    async with here.phone(OPENID) as phone:
        await phone.opens()
        form = phone.form
        assert await phone.taps("seen", form, link=other) == 403
        for forged in ("", "x", form[:-6] + "AAAAAA", here.town.vault.seal(OPENID).hex()):
            assert await phone.taps("seen", forged) == 403
        assert await phone.taps("finish", form) == 403
        await here.town.pass_time(minutes=11)
        assert await phone.taps("seen", form) == 403
    assert await _taken(here) == []


async def test_a_sign_in_that_another_browser_began_is_refused(here: Here) -> None:
    async with here.phone(OPENID) as mine, here.phone(OTHER) as other:
        async with mine.http.get(here.link, allow_redirects=False) as answer:
            consent = answer.headers["Location"]
        async with mine.http.get(consent, allow_redirects=False) as answer:
            back = answer.headers["Location"]
        assert await other.opens(back) == 403
        assert "重新点开" in other.page
        assert await mine.opens(back) == 200
        assert await mine.opens(back) == 403  # the platform's code is used up


async def _taken(here: Here) -> list[Message]:
    """What the page has put into the inbox."""
    return await here.town.app.store.read(
        lambda session: session.query(Message).filter_by(channel="wechat-page").all()
    )


async def test_the_inbox_says_that_it_came_by_the_page(here: Here) -> None:
    async with here.phone(OPENID) as phone:
        await phone.opens()
        await phone.taps("seen")
    (stored,) = await _taken(here)
    assert stored.account == here.town.vault.lookup("wechat", OPENID)


async def test_row_33_a_chief_answers_the_service_account(here: Here) -> None:
    await here.chief.follows()
    await here.chief.says("收到" + here.link.rpartition("/")[2])
    await here.town.settle()
    assert "已由您确认" in (await here.chief.sees())[-1].text
    request = await here.town.request()
    assert (request.claimed_by, request.status) == ("l1", "acknowledged")
    await here.chief.says(f"办结{int(request.number.rpartition('-')[2])}号")
    await here.town.settle()
    await here.chief.says("换了新灯泡，楼道已经亮了")
    await here.town.settle()
    assert (await here.town.request()).status == "done"
