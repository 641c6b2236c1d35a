"""The residents' page over real HTTP: the whole talk without an app, and whom it keeps out."""

import asyncio
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from PIL import Image

from bot.codes import token_of
from bot.joining import make_codes
from bot.page.forms import LARGEST_PHOTO, LONGEST_TEXT, MOST_PHOTOS
from bot.settings import Channels, Page, Settings
from storage import outbox
from storage.tables import Account, Conversation, Message
from tests import databases
from tests.away import away
from tests.browser import Browser, Seen, browser
from tests.town import Town, town

LIGHTEST = 30 * 1024


@pytest.fixture
async def phone(yueshi: Town) -> AsyncIterator[Browser]:
    async with browser(yueshi) as one:
        yield one


@pytest.fixture
async def other(yueshi: Town) -> AsyncIterator[Browser]:
    async with browser(yueshi) as one:
        yield one


def photo(width: int = 1200, height: int = 900, **saved: Any) -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(body, "JPEG", **saved)
    return body.getvalue()


async def reported(phone: Browser, text: str = "楼道灯坏了", *photos: bytes) -> Seen:
    """From the code to a filed request."""
    await phone.scans("YS-1-3")
    await phone.writes(text, *photos)
    return await phone.presses("提交")


async def rows(town: Town, kind: type[Any]) -> list[Any]:
    return await town.app.store.read(lambda session: list(session.query(kind)))


def files_in(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]


# --- the whole way ----------------------------------------------------------------------------


async def test_from_the_code_to_the_verdict(yueshi: Town, phone: Browser) -> None:
    (member,) = await yueshi.staff(1001)
    door = await phone.scans("YS-1-3")
    assert door.status == 200
    assert "3号楼" in door.text
    assert "您发的内容只用来办这件事" in door.text

    card = await phone.writes("楼道灯坏了")
    assert "/c/" in card.url
    assert "“楼道灯坏了”" in card.text
    assert {"提交", "再补充", "取消", "有危险"} <= set(card.labels)

    filed = await phone.presses("提交")
    request = await yueshi.request()
    assert (request.channel, request.area) == ("web", "YS-1-3")
    assert f"已提交，编号 {request.number}" in filed.text
    assert "提交" not in filed.labels

    await yueshi.taps(member, "接单")
    assert "已接单" in (await phone.looks()).text
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "灯泡已经换新，现在亮了")
    asked = await phone.looks()
    assert "灯泡已经换新" in asked.text
    assert {"已解决，满意", "解决了，不太满意", "没解决"} <= set(asked.labels)

    ended = await phone.presses("已解决，满意")
    assert (await yueshi.request()).status == "closed"
    assert "谢谢您的评价" in ended.text
    assert "没解决，重新办" in ended.labels
    assert "已解决，满意" not in ended.labels


async def _visits(town: Town) -> set[str]:
    return {one.lookup for one in await rows(town, Account) if one.channel == "web"}


async def test_looking_at_the_door_leaves_nothing_behind(yueshi: Town, phone: Browser) -> None:
    before = len(await rows(yueshi, Conversation))
    await phone.scans("YS-1-3")
    await phone.scans("YS-1-3")
    assert len(await rows(yueshi, Conversation)) == before
    assert not await _visits(yueshi)


async def test_an_upload_stays_only_until_it_is_ours(yueshi: Town, phone: Browser, tmp_path: Path) -> None:
    channel = yueshi.app.platforms.web
    assert channel is not None
    await phone.scans("YS-1-3")
    await phone.writes("楼道灯坏了", photo())
    (upload,) = files_in(tmp_path / "uploads")
    assert await channel.fetch("../huiyin.db") is None
    assert await channel.fetch("gone") is None
    os.utime(upload, (0, 0))  # forgotten long ago
    await phone.writes("还有一张", photo(width=600))
    assert upload not in files_in(tmp_path / "uploads")


async def test_a_photo_reaches_the_member_and_is_seen_small_on_the_page(
    yueshi: Town, phone: Browser, tmp_path: Path
) -> None:
    (member,) = await yueshi.staff(1001)
    original = photo()
    page = await reported(phone, "楼道灯坏了", original)
    (shown,) = [one for one in await member.sees() if one.photo]
    assert "张三" not in str(shown)
    assert not [one for one in files_in(tmp_path) if "张三" in one.name]

    (picture,) = page.pictures()
    async with phone.http.get(picture) as answer:
        small = await answer.read()
        assert answer.headers["Cache-Control"] == "no-store"
    with Image.open(io.BytesIO(small)) as image:
        assert max(image.size) == 320
    assert len(small) < len(original)


async def test_a_photo_alone_is_a_report_too(yueshi: Town, phone: Browser) -> None:
    await phone.scans("YS-1-3")
    page = await phone.writes("", photo())
    assert "附件 1 个" in page.text


async def test_what_was_typed_is_danger_at_once(yueshi: Town, phone: Browser) -> None:
    await yueshi.staff(1001)
    await phone.scans("YS-1-3")
    page = await phone.writes("三楼着火了")
    assert (await yueshi.request()).urgent
    assert "已登记为急事" in page.text


async def test_the_button_says_how_it_stands(yueshi: Town, phone: Browser) -> None:
    await yueshi.staff(1001)
    await reported(phone)
    number = (await yueshi.request()).number
    page = await phone.presses("查进度")
    assert page.text.count(number) >= 2
    assert "催办" in page.labels


async def test_who_comes_again_finds_the_way_back(yueshi: Town, phone: Browser) -> None:
    await yueshi.staff(1001)
    case = (await reported(phone)).url
    door = await phone.scans("YS-1-3")
    (back,) = [one["href"] for one in door.tags("a") if one.get("class") == "go"]
    assert (await phone.opens(f"{phone.base}/q/{back}")).url == case
    await phone.scans("YS-2-4")
    again = await phone.writes("垃圾没人清运，堆在门口")
    assert again.url == case
    assert "垃圾" in again.text


async def test_two_matters_can_both_be_answered(yueshi: Town, phone: Browser) -> None:
    (member,) = await yueshi.staff(1001)
    await reported(phone)
    await yueshi.taps(member, "接单")
    await yueshi.taps(member, "办结")
    await yueshi.says(member, "灯泡已经换新，现在亮了")
    await phone.looks()
    page = await phone.writes("垃圾没人清运，堆在门口")
    assert "已解决，满意" in page.labels
    assert any("垃圾" in one for one in page.text.splitlines())


async def test_staff_cannot_be_bound_to_a_page_that_tells_them_nothing(yueshi: Town, phone: Browser) -> None:
    made = await yueshi.app.store.write(make_codes, ["g1"], yueshi.vault, yueshi.clock.now(), "clerk")
    await phone.scans("YS-1-3")
    page = await phone.writes(f"绑定 {made[0].code}")
    assert "网页上收不到任务" in page.text
    assert not [one for one in await rows(yueshi, Account) if one.channel == "web" and one.member]
    member = await yueshi.person(7001)
    await yueshi.says(member, f"绑定 {made[0].code}")
    assert "绑定好了" in (await yueshi.last(member)).text


async def test_pressing_an_older_button_after_going_back_does_no_harm(yueshi: Town, phone: Browser) -> None:
    await yueshi.staff(1001)
    await phone.scans("YS-1-3")
    card = await phone.writes("楼道灯坏了")
    await phone.presses("提交")
    phone.page = card
    again = await phone.presses("提交")
    assert again.status == 200
    assert len(await yueshi.requests()) == 1
    phone.page = card
    assert (await phone.presses("取消")).status == 200
    assert (await yueshi.request()).status == "assigned"


async def test_data_can_be_erased_from_the_page(yueshi: Town, phone: Browser) -> None:
    await yueshi.staff(1001)
    await reported(phone)
    await phone.writes("删除我的信息")
    page = await phone.presses("确认删除")
    assert "已经全部删除" in page.text
    assert "楼道灯" not in page.text
    await yueshi.pass_time(minutes=11)
    assert (await phone.looks()).status == 404
    assert not await _visits(yueshi)


# --- waiting ----------------------------------------------------------------------------------


async def test_without_an_answer_yet_the_page_says_so_and_looks_again(yueshi: Town, phone: Browser) -> None:
    await yueshi.staff(1001)
    case = (await reported(phone)).url
    sending = asyncio.create_task(phone.sends(case, {**phone.page.writing.hidden, "text": "进度"}))
    while not (waiting := await phone.opens(case)).tags("meta")[-1].get("http-equiv"):
        assert not sending.done()
    assert "正在受理，请稍后刷新" in waiting.text
    answered = await phone.handled(sending)
    assert "正在受理" not in answered.text
    assert "http-equiv" not in answered.html


async def test_a_form_sent_twice_is_one_message(yueshi: Town, phone: Browser) -> None:
    door = await phone.scans("YS-1-3")
    fields, picture = {**door.writing.hidden, "text": "楼道灯坏了"}, photo()
    await phone.handled(_both(phone, door.url, fields, picture))
    await yueshi.settle()
    of_page = [one for one in await rows(yueshi, Message) if one.channel == "web"]
    assert len(of_page) == 2  # the scan and the words
    await phone.writes("楼道灯坏了", picture)
    assert len([one for one in await rows(yueshi, Message) if one.channel == "web"]) == 2


async def _both(phone: Browser, url: str, fields: dict[str, str], picture: bytes) -> Seen:
    first, _ = await asyncio.gather(phone.sends(url, fields, picture), phone.sends(url, fields, picture))
    return first


async def test_going_back_and_writing_something_else_is_another_message(phone: Browser) -> None:
    door = await phone.scans("YS-1-3")
    await phone.writes("楼道灯坏了")
    phone.page = door
    assert "还有垃圾没人清运" in (await phone.writes("还有垃圾没人清运")).text


# --- who is kept out --------------------------------------------------------------------------


@pytest.mark.parametrize("forged", [{"proof": "0" * 64}, {"form": "another"}, {"proof": "не"}, {"proof": ""}])
async def test_a_form_that_is_not_ours_is_refused_and_its_words_stay(
    yueshi: Town, phone: Browser, forged: dict[str, str]
) -> None:
    await phone.scans("YS-1-3")
    page = await phone.writes("楼道灯坏了", **forged)
    assert page.status == 403
    assert page.writing.typed == "楼道灯坏了"
    assert not [one for one in await rows(yueshi, Message) if one.channel == "web"]
    assert "“楼道灯坏了”" in (await phone.writes("楼道灯坏了")).text  # the form that came back is good


async def test_a_form_made_for_somebody_else_is_refused(yueshi: Town, phone: Browser, other: Browser) -> None:
    await reported(phone)
    await other.scans("YS-1-3")
    foreign = other.page.writing.hidden
    assert (await phone.writes("楼道灯坏了", **foreign)).status == 403
    del yueshi


async def test_nobody_reads_anothers_page(yueshi: Town, phone: Browser, other: Browser) -> None:
    page = await reported(phone, "楼道灯坏了", photo())
    visit = page.url.rpartition("/")[2]
    assert len(visit) == 32  # 192 bits
    for guess in ("x" * 32, visit[:-1], visit.swapcase(), "1", "%2e%2e"):
        assert (await other.opens(f"{other.base}/c/{guess}")).status == 404
    await reported(other, "垃圾没人清运，堆在门口")
    (own,) = page.pictures()
    stolen = own.replace(visit, other.page.url.rpartition("/")[2])
    for picture, status in ((own, 200), (stolen, 404)):
        async with other.http.get(picture) as answer:
            assert answer.status == status
    del yueshi


@pytest.mark.parametrize("way", ["never made", "revoked"])
async def test_a_code_that_is_none_says_so(yueshi: Town, phone: Browser, way: str) -> None:
    code = "nothing"
    if way == "revoked":
        code = await yueshi.token("YS-1-3")
        await phone.opens(f"{phone.base}/q/{code}")
        await yueshi.app.store.write(token_of, "YS-1-3", yueshi.clock.now(), renew=True)
        assert (await phone.writes("楼道灯坏了")).status == 404
        assert "楼道灯坏了" in phone.page.text
    page = await phone.opens(f"{phone.base}/q/{code}")
    assert page.status == 404
    assert "这张码认不出来" in page.text


async def test_the_private_link_is_kept_out_of_logs_and_of_the_database(
    yueshi: Town, phone: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = await reported(phone, "楼道灯坏了", photo())
    visit = page.url.rpartition("/")[2]
    said = capsys.readouterr()
    assert "channel=web" in said.out
    assert visit not in said.out + said.err
    assert not [one for one in files_in(tmp_path) if visit.encode() in one.read_bytes()]


# --- how much is taken ------------------------------------------------------------------------


def narrow(**numbers: Any) -> Settings:
    return Settings(channels=Channels(web=Page(**numbers)))


async def test_one_address_may_ask_so_often_a_minute(tmp_path: Path) -> None:
    async with town(tmp_path, narrow(per_address_minute=3)) as here, browser(here) as phone:
        pages = [await phone.scans("YS-1-3") for _ in range(4)]
        assert [one.status for one in pages] == [200, 200, 200, 429]
        assert "请等一分钟再试" in pages[3].text
        assert "110" in pages[3].text
        assert pages[3].headers["Retry-After"] == "60"
        headers = {"X-Forwarded-For": "203.0.113.9"}  # whoever writes this himself is not believed
        assert (await phone.opens(phone.page.url, headers=headers)).status == 429
        await here.pass_time(seconds=20)
        assert (await phone.scans("YS-1-3")).status == 200


async def test_behind_our_own_proxy_everybody_counts_for_themselves(tmp_path: Path) -> None:
    settings = narrow(per_address_minute=1, trusted_proxies=("127.0.0.0/8", "10.0.0.7"))
    async with town(tmp_path, settings) as here, browser(here) as phone:
        url = f"{phone.base}/q/{await here.token('YS-1-3')}"

        async def status(forwarded: str) -> int:
            return (await phone.opens(url, headers={"X-Forwarded-For": forwarded})).status

        assert await status("203.0.113.9") == 200
        assert await status("203.0.113.10, 10.0.0.7") == 200
        assert await status("198.51.100.1, 203.0.113.9") == 429  # the first is what anybody may have written
        assert await status("2001:db8::1") == 200
        assert await status("2001:db8::2") == 429  # the same household


async def test_one_code_may_be_used_so_often_a_minute(tmp_path: Path) -> None:
    async with town(tmp_path, narrow(per_code_minute=2)) as here, browser(here) as phone:
        pages = [await phone.scans("YS-1-3") for _ in range(3)]
        assert [one.status for one in pages] == [200, 200, 429]
        assert (await phone.scans("YS-2-4")).status == 200


async def test_what_is_too_much_is_refused_in_words_and_the_text_stays(yueshi: Town, phone: Browser) -> None:
    await phone.scans("YS-1-3")
    huge = photo() + bytes(LARGEST_PHOTO)
    for photos, words in (
        ((photo(),) * (MOST_PHOTOS + 1), "最多6张"),
        ((huge,), "每张最多8MB"),
        ((b"MZ, a program",), "不是照片"),
    ):
        page = await phone.writes("楼道灯坏了", *photos)
        assert page.status == 400
        assert words in page.text
        assert page.writing.typed == "楼道灯坏了"
    page = await phone.writes("长" * (LONGEST_TEXT + 1))
    assert "最多2000字" in page.text
    assert page.writing.typed == "长" * LONGEST_TEXT
    assert len(page.html.encode()) < LIGHTEST
    assert "还没有写字" in (await phone.writes("  ")).text
    assert not [one for one in await rows(yueshi, Message) if one.channel == "web"]


async def test_what_is_no_form_gets_a_plain_page(phone: Browser) -> None:
    await phone.scans("YS-1-3")
    for body, kind in (
        (b"form=x&proof=y&text=z", "application/x-www-form-urlencoded"),
        (b"no parts at all", "multipart/form-data; boundary=x"),
        (b"no boundary", "multipart/form-data"),
        (b"{}", "application/json"),
    ):
        async with phone.http.post(phone.page.url, data=body, headers={"Content-Type": kind}) as answer:
            assert answer.status == 400
            assert "没有收全" in await answer.text()


# --- what a page is like ----------------------------------------------------------------------


async def test_pages_are_light_plain_and_guarded(yueshi: Town, phone: Browser) -> None:
    (member,) = await yueshi.staff(1001)
    door = await phone.scans("YS-1-3")
    case = await reported(phone, "楼道灯坏了", photo())
    for text in ("“引号”<b>&\"'" * 180, "再说一遍，灯还是坏的" * 180, "我的数据", "帮助", "进度"):
        await phone.writes(text[:LONGEST_TEXT])
    await yueshi.taps(member, "接单")
    full = await phone.looks()
    for page in (door, case, full):
        assert len(page.html.encode()) < LIGHTEST
        assert not page.tags("script")
        assert not [given for given in page.tags("link") if given.get("rel") != "icon"]
        assert not [name for _, given in page._read.tags for name in given if name.startswith("on")]
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["X-Frame-Options"] == "DENY"
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert {"name": "robots", "content": "noindex,nofollow"} in page.tags("meta")
        assert page.text.index("有危险请先打") < page.text.index("回音·有事请说", 20)
        assert [one["href"] for one in page.tags("a")][:3] == ["tel:110", "tel:119", "tel:120"]


async def test_the_heaviest_page_is_still_light_and_nothing_is_out_of_reach(
    yueshi: Town, phone: Browser
) -> None:
    """Quotation marks weigh five times as much on a page."""
    await yueshi.staff(1001)
    await reported(phone)
    for mark in "甲乙丙丁":
        await phone.writes(mark + '"' * (LONGEST_TEXT - 1))
        await yueshi.pass_time(minutes=5)
    refused = await phone.writes('"' * LONGEST_TEXT, proof="forged")
    assert refused.status == 403
    assert len(refused.html.encode()) < LIGHTEST
    page, seen = await phone.looks(), ""
    while True:
        assert len(page.html.encode()) < LIGHTEST
        seen += page.text
        further = [one["href"] or "" for one in page.tags("a") if "from=" in (one["href"] or "")]
        if not further:
            break
        page = await phone.opens(urljoin(page.url, further[0]))
    assert all(mark + '""' in seen for mark in "甲乙丙丁")
    assert "楼道灯坏了" in seen


async def test_what_people_write_is_never_markup(phone: Browser) -> None:
    await phone.scans("YS-1-3")
    wicked = '<script>alert("x")</script></textarea><img src=x onerror=alert(1)>路灯坏了'
    page = await phone.writes(wicked, proof="forged")
    assert page.writing.typed == wicked
    assert "<img" not in page.html
    page = await phone.writes(wicked)
    assert wicked in page.text
    assert "<script" not in page.html
    assert "<img" not in page.html


async def test_the_cookie_is_for_our_own_pages_only(phone: Browser) -> None:
    door = await phone.scans("YS-1-3")
    cookie = door.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie  # plain HTTP on loopback


async def test_every_field_has_a_label_and_every_button_is_large(phone: Browser) -> None:
    door = await phone.scans("YS-1-3")
    labelled = {one["for"] for one in door.tags("label")}
    fields = [one for one in door.tags("textarea") + door.tags("input") if one.get("type") != "hidden"]
    assert {one["id"] for one in fields} == labelled
    assert door.tags("html") == [{"lang": "zh-CN"}]
    assert "width=device-width" in (door.tags("meta")[1]["content"] or "")
    assert "min-height:56px" in door.html
    assert "font:20px" in door.html


# --- when the store is away -------------------------------------------------------------------


@pytest.mark.both
async def test_what_cannot_be_stored_stays_in_the_form(yueshi: Town, phone: Browser) -> None:
    await phone.scans("YS-1-3")
    for _ in ("at the door", "on the private page"):
        fields = {**phone.page.writing.hidden, "text": "楼道灯坏了"}
        async with away(yueshi):
            refused = phone.page = await phone.sends(phone.page.url, fields)
        assert refused.status == 503
        assert "现在存不进去" in refused.text
        assert "急事请打110" in refused.text
        assert refused.writing.typed == "楼道灯坏了"
        assert "“楼道灯坏了”" in (await phone.writes(refused.writing.typed)).text


@pytest.mark.both
async def test_with_the_database_away_there_is_still_a_page(yueshi: Town, phone: Browser) -> None:
    url = f"{phone.base}/q/{await yueshi.token('YS-1-3')}"
    database = yueshi.app.settings.database_url
    databases.change(database, "ALTER TABLE qr_token RENAME TO elsewhere")
    page = await phone.opens(url)
    databases.change(database, "ALTER TABLE elsewhere RENAME TO qr_token")
    assert page.status == 503
    assert "现在存不进去，请稍后再试，急事请打110" in page.text
    assert "Traceback" not in page.html
    assert (await phone.opens(url)).status == 200


async def test_a_busy_platform_is_not_asked_again_and_again_because_the_page_is_idle(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    await yueshi.app.store.write(outbox.set_paces, {"telegram": -100.0}, yueshi.clock.now())
    await resident.says("楼道灯坏了")
    await yueshi._delivered()
    await yueshi.app.drain()
    due = await yueshi.app.outbox.next_due()
    assert due is not None
    assert due > yueshi.clock.now()
