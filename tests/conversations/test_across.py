"""One matter on three platforms: reported on WeChat, handled on Telegram, claimed on WeCom."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select

from bot.roster import ChatRow, Roster
from bot.sandbox.corp.people import Colleague
from bot.sandbox.people import SeenMessage
from routing.transitions import Status
from storage.tables import Attachment
from tests.pictures import phone_photo
from tests.town import Town, sample, town

CHIEFS = {"z1": "wang", "l1": "zhang"}
RESULT = "灯泡和声控开关都换了新的，晚上试过"


def chiefs_on_wecom() -> Roster:
    """The sample; in the first grid the chiefs are on WeCom, and the grid member stays on Telegram."""
    roster = sample()
    members = tuple(
        one.model_copy(update={"accounts": {"wecom": CHIEFS[one.code]}}) if one.code in CHIEFS else one
        for one in roster.members
    )
    cards = ChatRow(channel="wecom", id="cards:一网格", area="YS-1")
    return roster.model_copy(update={"members": members, "chats": (cards, *roster.chats[1:])})


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, everywhere=True, roster=chiefs_on_wecom()) as found:
        yield found


async def card(chief: Colleague) -> SeenMessage:
    """The newest: a card that has been changed once cannot be changed again."""
    return [one for one in await chief.sees() if one.kind == "card"][-1]


async def size(here: Town, photo: str | None) -> tuple[int, int]:
    return Image.open(BytesIO(await here.sandbox.file(photo or ""))).size


async def test_one_story_from_wechat_by_telegram_and_wecom_back_to_wechat(here: Town) -> None:
    member = await here.person(1001, "李某")
    await member.scans()
    wang, zhang = [await Colleague.joins(here.sandbox, userid, code) for code, userid in CHIEFS.items()]

    # WeChat: what is wrong, with a photo, by a number
    resident = await here.follower()
    assert "3号楼" in (await here.newest(resident)).text
    await here.writes(resident, "楼道灯坏了")
    await resident.sends_photo(phone_photo(800, 600))
    await here.settle()
    assert "回复数字：1 提交" in (await here.newest(resident)).text
    receipt = await here.writes(resident, "1")
    request = await here.request()
    assert request.channel == "wechat"
    assert request.assignee == "g1"
    assert request.number in receipt.text

    # Telegram: the member has the card and the photo
    assert "接单" in (await here.card(member, "楼道灯坏了")).labels
    (photo,) = [one.photo for one in await member.sees() if one.photo]
    assert await size(here, photo) == (600, 800)

    # WeCom: the first chief claims it, and the other one's card changes too
    for chief in (wang, zhang):
        assert "我来看看" in (await card(chief)).labels
        assert "楼道灯坏了" not in (await card(chief)).text
    await wang.taps("我来看看")
    await here.settle()
    assert (await here.request()).claimed_by == "z1"
    for chief in (wang, zhang):
        (shown,) = [one for one in await chief.sees() if one.kind == "card"]
        assert shown.edited
        assert "王组长已去看" in shown.text
        assert "我来看看" not in shown.labels
    assert "王组长已接单" in (await here.newest(resident)).text
    assert "王组长" in (await here.card(member, "楼道灯坏了")).text

    # Telegram: the result with its own photo
    await here.taps(member, "到场")
    assert "李网格员已到场" in (await here.newest(resident)).text
    await here.taps(member, "办结")
    await member.sends_photo(RESULT, data=phone_photo(400, 300))
    await here.settle()
    assert (await here.request()).status is Status.DONE

    # WeChat: the result, its photo and the question; the last word is the resident's
    told = [one for one in await resident.sees() if not one.is_me][-3:]
    assert [await size(here, one.photo) for one in told if one.photo] == [(300, 400)]
    (asked,) = [one for one in told if RESULT in one.text]
    assert "您看解决了吗" in asked.text
    await resident.taps("1 已解决，满意")
    await here.settle()
    assert (await here.request()).status is Status.CLOSED
    assert "已结案" in (await here.newest(resident)).text
    for chief in (wang, zhang):
        number = (await here.request()).number
        about = [one for one in await chief.sees() if number in one.text]
        assert len(about) == 1, "what wants nobody any more is no news for a group"

    by = {line.event: line.actor for line in await here.history(request)}
    assert (by["claim"], by["finish"]) == ("member:z1", "member:g1")
    count = select(func.count()).select_from(Attachment)
    stored = await here.app.store.read(lambda session: session.scalar(count))
    assert stored == 2
