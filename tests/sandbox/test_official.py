"""The service account's API as wechatpy's own client finds it, on a clock moved by hand."""

import io
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from PIL import Image

from bot.clock import Clock
from bot.sandbox.faults import FaultKind
from bot.sandbox.media import tiny_png
from bot.sandbox.official.account import Account, Scene
from bot.sandbox.official.limits import RefusedError
from bot.sandbox.official.methods import Asked, create_code
from bot.sandbox.official.spec import Permission
from bot.sandbox.people import SandboxError
from bot.sandbox.world import World
from tests.sandbox.official import APP_ID, NOTICE, SECRET, START, TEMPLATE, Office, spec

HOUR = 3600


def send(office: Office, text: str = "您好") -> Any:
    return office.client.do(office.client.message.send_text, office.resident.openid, text)


async def sent_until_refused(office: Office) -> tuple[int, int]:
    """How many went, and what then stopped them."""
    for count in range(20):
        answer = await send(office)
        if isinstance(answer, int):
            return count, answer
    raise AssertionError("nothing stops them")


# --- tokens


async def test_the_stable_token_stays_the_same_until_five_minutes_before_its_end(office: Office) -> None:
    first = await office.stable()
    await office.sandbox.advance(6900)
    same = await office.stable()
    assert (same["access_token"], same["expires_in"]) == (first["access_token"], 300)
    await office.sandbox.advance(1)
    renewed = await office.stable()
    assert renewed["access_token"] != first["access_token"]
    assert [await office.allowed(one["access_token"]) for one in (first, renewed)] == [0, 0]
    await office.sandbox.advance(299)
    assert [await office.allowed(one["access_token"]) for one in (first, renewed)] == [42001, 0]


async def test_a_forced_token_voids_the_other_but_not_the_plain_one(office: Office) -> None:
    first, plain = await office.stable(), await office.client.do(office.client.fetch_access_token)
    forced = await office.stable(force_refresh=True)
    tokens = [one["access_token"] for one in (first, forced, plain)]
    assert [await office.allowed(token) for token in tokens] == [40001, 0, 0]


async def test_force_has_its_quota(office: Office) -> None:
    await office.stable(force_refresh=True)
    assert (await office.stable(force_refresh=True))["errcode"] == 45011
    for _ in range(19):
        await office.sandbox.advance(30)
        assert "access_token" in await office.stable(force_refresh=True)
    await office.sandbox.advance(30)
    assert (await office.stable(force_refresh=True))["errcode"] == 45009
    await office.sandbox.advance(15 * HOUR)  # past midnight in Shanghai
    assert "access_token" in await office.stable(force_refresh=True)


async def test_a_plain_token_lets_the_one_before_live_five_minutes(office: Office) -> None:
    first, second = [await office.client.do(office.client.fetch_access_token) for _ in range(2)]
    await office.sandbox.advance(299)
    assert await office.allowed(first["access_token"]) == 0
    await office.sandbox.advance(1)
    assert [await office.allowed(one["access_token"]) for one in (first, second)] == [42001, 0]


async def test_wrong_credentials(office: Office) -> None:
    assert (await office.stable(secret="x"))["errcode"] == 40125
    assert (await office.stable(appid="x"))["errcode"] == 40013
    assert (await office.stable(grant_type="x"))["errcode"] == 40002
    assert await office.allowed("x") == 40001
    assert await office.allowed("") == 41001
    await office.sandbox.call("DELETE", "official/tokens")
    assert await office.allowed((await office.stable())["access_token"]) == 0
    calls = (await office.sandbox.call("GET", "official/log"))["calls"]
    assert calls["stable_token"] == {"40125": 1, "40013": 1, "40002": 1, "0": 1}


# --- free messages


async def test_a_message_opens_five_in_48_hours(office: Office) -> None:
    assert await send(office) == 45015
    await office.resident.follows()
    await office.resident.says("路灯坏了")
    await office.later(48 * HOUR - 1)
    assert await sent_until_refused(office) == (5, 45047)
    await office.later(1)
    assert await send(office) == 45015


@pytest.mark.parametrize("opened", ["follow", "scan", "click", "tap"])
async def test_touching_opens_three_in_one_minute(office: Office, opened: str) -> None:
    resident, client = office.resident, office.client
    await resident.follows()
    if opened == "tap":
        menu = {"head_content": "满意吗？", "list": [{"id": "good", "content": "满意"}]}
        await client.do(client.message.send_msg_menu, resident.openid, menu)
    if opened == "click":
        await client.do(client.menu.create, {"button": [{"type": "click", "name": "进度", "key": "进度"}]})
    if opened != "follow":
        await office.later(60)
        assert await send(office) == 45015
    match opened:
        case "scan":
            await resident.scans("1")
        case "click":
            await resident.clicks("进度")
        case "tap":
            await resident.taps(1)
    await office.later(59)
    assert await sent_until_refused(office) == (3, 45047)
    await office.later(1)
    assert await send(office) == 45015


async def test_windows_do_not_add_up(office: Office) -> None:
    await office.resident.follows()
    await office.resident.says("喂")
    assert await sent_until_refused(office) == (5, 45047)
    await office.resident.says("喂")
    assert await sent_until_refused(office) == (5, 45047)


async def test_who_has_left_is_out_of_reach(office: Office) -> None:
    await office.resident.follows()
    await office.resident.says("喂")
    await office.resident.unfollows()
    assert await send(office) == 45015
    client = office.client
    fields = {"thing1": {"value": "路灯"}}
    assert await client.do(client.message.send_template, office.resident.openid, TEMPLATE, fields) == 43004
    with pytest.raises(SandboxError, match="does not follow"):
        await office.resident.says("喂")


async def test_a_text_has_2048_bytes(office: Office) -> None:
    await office.resident.follows()
    assert await send(office, "字" * 682 + "ab") == {"errcode": 0, "errmsg": "ok"}
    assert await send(office, "字" * 683) == 45002
    assert await send(office, " ") == 44004
    assert await office.client.do(office.client.message.send_text, "o" * 28, "喂") == 40003
    assert await office.texts() == ["字" * 682 + "ab"]


async def test_a_menu_shows_lines_to_tap(office: Office) -> None:
    resident, client = office.resident, office.client
    await resident.follows()
    lines = [{"id": "yes", "content": "满意"}, {"id": "no", "content": "不满意"}]
    menu = {"head_content": "办得怎么样？", "list": lines, "tail_content": "谢谢"}
    await client.do(client.message.send_msg_menu, resident.openid, menu)
    [seen] = await resident.sees()
    assert (seen.text, seen.labels) == ("办得怎么样？\n谢谢", ["满意", "不满意"])
    await resident.taps(2)
    await resident.taps("满意")
    await office.settled()
    assert [(tap.content, tap._data["bizmsgmenuid"]) for tap in office.bot.heard[1:]] == [
        ("不满意", "no"),
        ("满意", "yes"),
    ]
    with pytest.raises(SandboxError, match="no line"):
        await resident.taps("随便")


# --- media


async def test_media_go_up_and_down_and_expire(office: Office) -> None:
    client, picture = office.client, tiny_png()
    await office.resident.follows()
    up = await client.do(client.media.upload, "image", ("x.png", picture, "image/png"))
    down = await client.do(client.media.download, up["media_id"])
    assert (down.content, down.headers["Content-Type"]) == (picture, "image/png")
    await client.do(client.message.send_image, office.resident.openid, up["media_id"])
    assert await client.do(client.message.send_voice, office.resident.openid, up["media_id"]) == 40007
    [seen] = await office.resident.sees()
    async with aiohttp.request("GET", f"{office.sandbox.base_url}{seen.photo}") as shown:
        assert (seen.kind, await shown.read()) == ("photo", picture)
    await office.later(72 * HOUR)
    assert await client.do(client.media.download, up["media_id"]) == 40007


async def test_a_refused_download_does_not_call_itself_json(office: Office) -> None:
    token = (await office.stable())["access_token"]
    url = f"{office.sandbox.base_url}/cgi-bin/media/get"
    async with aiohttp.request("GET", url, params={"access_token": token, "media_id": "x"}) as answer:
        told = await answer.json(content_type=None)
        assert (answer.status, answer.content_type, told["errcode"]) == (200, "text/plain", 40007)


async def test_uploads_are_checked(office: Office) -> None:
    client = office.client
    assert await client.do(client.media.upload, "image", ("x.png", b"text", "image/png")) == 40005
    assert await client.do(client.media.upload, "film", ("x.png", tiny_png(), "image/png")) == 40004


async def test_what_people_send_can_be_fetched(office: Office) -> None:
    picture = tiny_png(shade=9)
    await office.resident.follows()
    await office.resident.sends_photo(picture)
    await office.resident.sends_voice("漏水了")
    await office.settled()
    photo, voice = office.bot.heard[1:]
    fetched = [await office.client.do(office.client.media.download, one.media_id) for one in (photo, voice)]
    assert (fetched[0].content, fetched[1].content[:6]) == (picture, b"#!AMR\n")


# --- templates and notices


async def test_a_template_shows_cut_fields_and_reports_back(office: Office) -> None:
    client, resident = office.client, office.resident
    await resident.follows()
    fields = {
        "thing1": {"value": "三号楼一单元门口的路灯\n整夜不亮请尽快修理"},
        "time2": {"value": "今天🙂"},
        "remark": {"value": "谢谢"},
    }
    answer = await client.do(
        client.message.send_template, resident.openid, TEMPLATE, fields, "http://127.0.0.1/a"
    )
    [seen] = await resident.sees()
    assert seen.text == "thing1：三号楼一单元门口的路灯 整夜不亮请尽快修…\ntime2：今天"
    assert (seen.kind, seen.url) == ("template", "http://127.0.0.1/a")
    await office.settled()
    finished = office.bot.heard[-1]
    assert (finished.id, finished.status, finished.source) == (answer["msgid"], "success", resident.openid)


@pytest.mark.parametrize("status", ["failed:user block", "failed: system failed"])
async def test_a_template_may_fail_afterwards(office: Office, status: str) -> None:
    client, resident = office.client, office.resident
    await resident.follows()
    await resident.gets_templates(status)
    answer = await client.do(client.message.send_template, resident.openid, TEMPLATE, {"a": {"value": "b"}})
    await office.settled()
    assert (answer["errcode"], office.bot.heard[-1].status, await resident.sees()) == (0, status, [])


async def test_templates_are_known_and_filled(office: Office) -> None:
    client, resident = office.client, office.resident
    await resident.follows()
    assert await client.do(client.message.send_template, resident.openid, "x", {"a": {"value": "b"}}) == 40037
    assert await client.do(client.message.send_template, resident.openid, TEMPLATE, {"a": "b"}) == 47003


async def test_one_consent_is_one_notice(office: Office) -> None:
    client, resident = office.client, office.resident
    notify = client.message.send_subscribe_message
    await resident.refuses(NOTICE)
    assert await client.do(notify, resident.openid, NOTICE, {"a": {"value": "b"}}) == 43101
    await resident.allows(NOTICE)
    assert await client.do(notify, resident.openid, NOTICE, {"a": {"value": "b"}}) == {
        "errcode": 0,
        "errmsg": "ok",
    }
    assert await client.do(notify, resident.openid, NOTICE, {"a": {"value": "b"}}) == 43101
    await office.settled()
    assert [message.event for message in office.bot.heard] == [
        "subscribe_msg_popup_event",
        "subscribe_msg_popup_event",
        "subscribe_msg_sent_event",
    ]
    assert [message.subscribes[0].get("SubscribeStatusString") for message in office.bot.heard] == [
        "reject",
        "accept",
        None,
    ]


# --- codes


async def test_codes_lead_here_and_temporary_ones_end(office: Office) -> None:
    client, resident = office.client, office.resident
    asked = {"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "b3"}}}
    made = await client.do(client.qrcode.create, asked)
    assert made["expire_seconds"] == 60
    await resident.scans("b3")
    await resident.scans("b3")
    await office.settled()
    assert office.bot.events == [("subscribe_scan", "b3"), ("scan", "b3")]
    assert {message.ticket for message in office.bot.heard} == {made["ticket"]}
    await office.sandbox.advance(60)
    with pytest.raises(SandboxError, match="expired"):
        await resident.scans("b3")


async def test_a_permanent_code_stays_one_and_has_a_picture(office: Office) -> None:
    client = office.client
    asked = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": {"scene_str": "b3"}}}
    first, second = [await client.do(client.qrcode.create, asked) for _ in range(2)]
    assert first == second
    assert "expire_seconds" not in first
    picture = f"{office.sandbox.base_url}/cgi-bin/showqrcode"
    async with aiohttp.request("GET", picture, params={"ticket": first["ticket"]}) as shown:
        assert Image.open(io.BytesIO(await shown.read())).format == "JPEG"
    async with aiohttp.request("GET", picture, params={"ticket": "x"}) as shown:
        assert shown.status == 404


def test_permanent_codes_run_out() -> None:
    account = Account(World(Clock(START), []), spec("http://127.0.0.1"))
    account.permanent = dict.fromkeys(map(str, range(100_000)), Scene("", "", None))

    def create(scene: str) -> None:
        info = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": {"scene_str": scene}}}
        create_code(account, Asked("POST", {}, info))

    create("99999")
    with pytest.raises(RefusedError, match="45029"):
        create("100000")


@pytest.mark.parametrize(
    ("action", "scene", "seconds", "errcode"),
    [
        ("QR_STR_SCENE", {"scene_str": "字" * 64}, 2_592_000, None),
        ("QR_STR_SCENE", {"scene_str": "字" * 65}, 60, 40053),
        ("QR_STR_SCENE", {"scene_str": ""}, 60, 40053),
        ("QR_STR_SCENE", {"scene_str": "a"}, 2_592_001, 40097),
        ("QR_SCENE", {"scene_id": 2**32 - 1}, 60, None),
        ("QR_SCENE", {"scene_id": 0}, 60, 40053),
        ("QR_LIMIT_SCENE", {"scene_id": 100_000}, 60, None),
        ("QR_LIMIT_SCENE", {"scene_id": 100_001}, 60, 40053),
        ("QR_OTHER", {"scene_id": 1}, 60, 40052),
        ("QR_SCENE", None, 60, 40053),
    ],
)
async def test_the_limits_of_codes(
    office: Office, action: str, scene: Any, seconds: int, errcode: int | None
) -> None:
    asked = {"action_name": action, "expire_seconds": seconds, "action_info": {"scene": scene}}
    made = await office.client.do(office.client.qrcode.create, asked)
    assert (made if isinstance(made, int) else None) == errcode


# --- the menu, people, permissions


async def test_the_menu(office: Office) -> None:
    client, resident = office.client, office.resident
    await resident.follows()
    assert await client.do(client.menu.get) is None
    page = {"type": "view", "name": "网页", "url": "http://127.0.0.1/x"}
    menu = {"button": [{"name": "更多", "sub_button": [page]}, {"type": "click", "name": "进度", "key": "K"}]}
    assert (await client.do(client.menu.create, menu))["errcode"] == 0
    assert (await client.do(client.menu.get))["menu"] == menu
    assert await resident.clicks("K") is None
    assert await resident.clicks("网页") == "http://127.0.0.1/x"
    await office.settled()
    assert [message.event for message in office.bot.heard] == ["subscribe", "click", "view"]
    assert [message.key for message in office.bot.heard[:2]] == ["", "K"]
    await client.do(client.menu.delete)
    with pytest.raises(SandboxError, match="no menu button"):
        await resident.clicks("K")


@pytest.mark.parametrize(
    ("buttons", "errcode"),
    [
        ([], 40016),
        ([{"type": "click", "name": "a", "key": "a"}] * 4, 40016),
        ([{"name": "a", "sub_button": [{"type": "click", "name": "a", "key": "a"}] * 6}], 40023),
        ([{"type": "dance", "name": "a"}], 40017),
        ([{"type": "click", "name": "a"}], 40019),
        ([{"type": "view", "name": "a"}], 40020),
        ([{"type": "click", "key": "a"}], 40018),
    ],
)
async def test_menus_are_checked(office: Office, buttons: list[Any], errcode: int) -> None:
    assert await office.client.do(office.client.menu.create, {"button": buttons}) == errcode


async def test_who_follows(office: Office) -> None:
    client, resident = office.client, office.resident
    assert (await client.do(client.user.get, resident.openid))["subscribe"] == 0
    await resident.follows()
    info = await client.do(client.user.get, resident.openid)
    assert (info["subscribe"], info["subscribe_time"]) == (1, int(START.timestamp()))
    assert await client.do(client.user.get, "x") == 40003


@pytest.mark.parametrize("more", [{"verified": False}, {"permissions": frozenset({Permission.MENU})}])
async def test_an_account_may_not_do_everything(office: Office) -> None:
    client = office.client
    await office.resident.follows()
    asked = {"action_name": "QR_SCENE", "action_info": {"scene": {"scene_id": 1}}}
    assert await send(office) == 48001
    assert await client.do(client.message.send_template, office.resident.openid, TEMPLATE, {}) == 48001
    assert await client.do(client.qrcode.create, asked) == 48001
    assert await client.do(client.menu.get) is None


async def test_calls_that_make_no_sense(office: Office) -> None:
    token = (await office.stable())["access_token"]
    assert (await office.ask("POST", "dance", {}, access_token=token))["errcode"] == 40066
    assert (await office.ask("GET", "message/custom/send", access_token=token))["errcode"] == 43002
    assert (await office.ask("POST", "menu/get", access_token=token))["errcode"] == 43001
    assert (await office.ask("POST", "menu/create", [1], access_token=token))["errcode"] == 47001


# --- who somebody is


async def consent(office: Office, openid: str = "", **changed: str) -> tuple[int, str]:
    """Where the consent page sends a phone, or what it says."""
    asked = {"appid": APP_ID, "redirect_uri": "http://127.0.0.1:9/back?a=1", "response_type": "code"}
    asked |= {"scope": "snsapi_base", "state": "s1"} | changed
    async with aiohttp.ClientSession(cookies={"sandbox_openid": openid}) as phone:
        url = f"{office.sandbox.base_url}/connect/oauth2/authorize"
        async with phone.get(url, params=asked, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location") or await answer.text()


async def test_a_page_learns_once_who_came(office: Office) -> None:
    status, back = await consent(office, office.resident.openid)
    query = parse_qs(urlsplit(back).query)
    assert (status, query["state"], query["a"]) == (302, ["s1"], ["1"])
    asked = {"appid": APP_ID, "secret": SECRET, "code": query["code"][0], "grant_type": "authorization_code"}
    url = f"{office.sandbox.base_url}/sns/oauth2/access_token"
    async with aiohttp.ClientSession() as http:
        first = await (await http.get(url, params=asked)).json()
        second = await (await http.get(url, params=asked)).json()
        third = await (await http.get(url, params=asked | {"code": "x"})).json()
    assert (first["openid"], second["errcode"], third["errcode"]) == (office.resident.openid, 40163, 40029)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"appid": "x"}, "10013"),
        ({"redirect_uri": "http://elsewhere.example/"}, "10003"),
        ({"scope": "everything"}, "10005"),
        ({"state": "s" * 129}, "10015"),
        ({}, "请在微信客户端打开链接"),
    ],
)
async def test_the_consent_page_refuses(office: Office, changed: dict[str, str], said: str) -> None:
    status, page = await consent(office, "nobody", **changed)
    assert (status, said in page) == (200, True)


async def test_a_code_lasts_five_minutes(office: Office) -> None:
    _, back = await consent(office, office.resident.openid)
    await office.sandbox.advance(timedelta(minutes=5).total_seconds())
    asked = {"appid": APP_ID, "secret": SECRET, "code": parse_qs(urlsplit(back).query)["code"][0]}
    url = f"{office.sandbox.base_url}/sns/oauth2/access_token"
    async with aiohttp.request("GET", url, params=asked) as answer:
        assert (await answer.json())["errcode"] == 40029


# --- trouble


@pytest.mark.parametrize("errcode", [-1, 40001, 45009, 45011, 48001])
async def test_scripted_refusals(office: Office, errcode: int) -> None:
    await office.resident.follows()
    await office.sandbox.fails(
        FaultKind.ERRCODE, "message/custom/send", office.resident.openid, errcode=errcode
    )
    assert await send(office) == errcode
    assert (await send(office))["errcode"] == 0


async def test_silence_and_broken_lines(office: Office) -> None:
    await office.resident.follows()
    token = (await office.stable())["access_token"]
    body = {"touser": office.resident.openid, "msgtype": "text", "text": {"content": "喂"}}
    url = f"{office.sandbox.base_url}/cgi-bin/message/custom/send?access_token={token}"
    for kind in (FaultKind.DROP, FaultKind.ACCEPT_THEN_DROP):
        await office.sandbox.fails(kind)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            async with aiohttp.request("POST", url, json=body):
                pass
    await office.sandbox.fails(FaultKind.BAD_GATEWAY_HTML)
    async with aiohttp.request("POST", url, json=body) as answer:
        assert (answer.status, answer.content_type) == (502, "text/html")
    await office.sandbox.fails(FaultKind.HANG, seconds=0.01)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        async with aiohttp.request("POST", url, json=body):
            pass
    assert await office.texts() == ["喂"]
