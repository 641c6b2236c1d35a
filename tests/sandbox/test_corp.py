"""WeCom's surface, as wechatpy's own client and crypto see it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import aiohttp
import pytest
import requests
from wechatpy.exceptions import WeChatClientException

from bot.clock import Clock
from bot.sandbox.corp.limits import PER_MEMBER, Window
from bot.sandbox.corp.people import Colleague
from bot.sandbox.faults import FaultKind
from bot.sandbox.media import tiny_png
from bot.sandbox.people import Sandbox, SandboxError
from bot.sandbox.server import build, serve
from tests.sandbox.company import AGENT, PREVIOUS_KEY, Client, Company, buttons, company, settled, xml_reply
from tests.sandbox.conftest import START

NOTICE = {
    "card_type": "text_notice",
    "main_title": {"title": "37号 已办结"},
    "horizontal_content_list": [{"keyname": "楼栋", "value": "3号楼"}],
    "card_action": {"type": 1, "url": "https://example.org/"},
}


@pytest.fixture
async def firm() -> AsyncIterator[Company]:
    async with company() as made:
        yield made


@pytest.fixture
async def corp(clock: Clock, firm: Company) -> AsyncIterator[Sandbox]:
    async with serve(build(clock, [], wecom=firm.spec())) as running, Sandbox(running.base_url) as sandbox:
        yield sandbox


@pytest.fixture
async def client(corp: Sandbox) -> AsyncIterator[Client]:
    made = Client(corp.base_url)
    yield made
    made.library._http.close()


@pytest.fixture
async def li(corp: Sandbox) -> Colleague:
    return await Colleague.joins(corp, "LiMing", "李明")


@pytest.fixture
async def wang(corp: Sandbox) -> Colleague:
    return await Colleague.joins(corp, "wang.fang", "王芳")


async def refused(code: int, call: Any) -> str:
    with pytest.raises(WeChatClientException) as caught:
        await call
    assert caught.value.errcode == code
    return str(caught.value.errmsg)


async def corp_log(corp: Sandbox) -> dict[str, Any]:
    return dict(await corp.call("GET", "corp/log"))


# --- the access token


async def test_the_token_stays_the_same_until_it_expires(corp: Sandbox, client: Client) -> None:
    first = await client.call(client.library.fetch_access_token)
    await corp.advance(7199)
    second = await client.call(client.library.fetch_access_token)
    assert first["access_token"] == second["access_token"]
    assert (first["expires_in"], second["expires_in"]) == (7200, 1)
    await corp.advance(1)
    third = await client.call(client.library.fetch_access_token)
    assert third["access_token"] != first["access_token"]


async def test_an_expired_token_makes_the_library_fetch_another(
    corp: Sandbox, client: Client, li: Colleague
) -> None:
    await client.call(client.library.message.send_text, AGENT, "liming", "一")
    await corp.advance(7201)
    await client.call(client.library.message.send_text, AGENT, "liming", "二")
    assert [message.text for message in await li.sees()] == ["一", "二"]
    calls = (await corp_log(corp))["calls"]
    assert (calls["message/send"], calls["gettoken"]) == ({"0": 2, "42001": 1}, {"0": 2})


async def test_a_wrong_secret_and_a_wrong_token(client: Client) -> None:
    client.library.auto_retry = False
    await refused(40014, client.call(client.library.get, "user/get", params={"access_token": "x"}))
    await refused(41001, client.call(client.library.get, "user/get", params={"access_token": ""}))
    client.library.secret = "wrong"
    await refused(40001, client.call(client.library.fetch_access_token))


# --- messages to members


async def test_members_see_every_kind_of_message(client: Client, corp: Sandbox, li: Colleague) -> None:
    library = client.library
    await client.call(library.message.send_text, AGENT, ["liming"], "<你好>")
    await client.call(library.message.send_markdown, AGENT, "LIMING", "**37号**")
    card = ("标题", "说明", "https://example.org/")
    await client.call(library.message.send_text_card, AGENT, "liming", *card)
    picture = await client.call(library.media.upload, "image", ("灯.png", BytesIO(tiny_png()), "image/png"))
    await client.call(library.message.send_image, AGENT, "liming", picture["media_id"])
    sheet = await client.call(library.media.upload, "file", ("表.csv", BytesIO(b"a,b,c\n1,2"), "text/csv"))
    await client.call(library.message.send_file, AGENT, "liming", sheet["media_id"])
    await client.send("liming", "template_card", NOTICE)
    seen = await li.sees()
    assert [message.kind for message in seen] == ["text", "text", "card", "photo", "document", "card"]
    assert (seen[0].html, seen[1].text, seen[2].text) == ("&lt;你好&gt;", "**37号**", "标题\n说明")
    assert seen[3].photo is not None
    assert await corp.file(seen[3].photo) == tiny_png()
    assert (seen[5].text, seen[5].buttons, seen[5].sender) == ("37号 已办结\n楼栋：3号楼", [], "回音")


async def test_long_text_is_cut_between_characters(client: Client, li: Colleague) -> None:
    await client.send("liming", "text", {"content": "字" * 700})
    [message] = await li.sees()
    assert message.text == "字" * 682


async def test_row_26_unknown_members_are_told_in_small_letters(client: Client, li: Colleague) -> None:
    sent = await client.send("LiMing|NoBody|Gone", "text", {"content": "好"})
    assert (sent["errcode"], sent["invaliduser"]) == (0, "nobody|gone")
    assert len(await li.sees()) == 1
    await refused(81013, client.send("NoBody", "text", {"content": "好"}))


async def test_row_25_more_than_thirty_a_minute_vanish_without_a_word(
    client: Client, corp: Sandbox, li: Colleague, wang: Colleague
) -> None:
    for number in range(33):
        sent = await client.send(
            "liming|wang.fang" if number < 2 else "liming", "text", {"content": f"{number}"}
        )
        assert sent["errcode"] == 0
        assert sent["msgid"]
    assert [message.text for message in await li.sees()] == [str(number) for number in range(30)]
    assert len(await wang.sees()) == 2
    assert (await corp_log(corp))["dropped"] == {"liming": 3}
    await corp.advance(60)
    await client.send("liming", "text", {"content": "又来"})
    assert (await li.sees())[-1].text == "又来"


def test_row_25_more_than_a_thousand_an_hour_do_not_fit() -> None:
    window = Window(PER_MEMBER)
    taken = [window.takes(START + timedelta(seconds=2 * number)) for number in range(1100)]
    assert taken.count(True) == taken.index(False) == 1000
    assert window.takes(START + timedelta(hours=1))


async def test_the_duplicate_check_holds_back_what_is_the_same(
    client: Client, corp: Sandbox, li: Colleague
) -> None:
    card = buttons()
    for _ in range(2):
        await client.send("liming", "template_card", card, enable_duplicate_check=1)
    await client.send("liming", "text", {"content": "别的"}, enable_duplicate_check=1)
    assert len(await li.sees()) == 2
    assert (await corp_log(corp))["repeated"] == 1
    await corp.advance(1800)
    await client.send("liming", "text", {"content": "别的"}, enable_duplicate_check=1)
    assert len(await li.sees()) == 3


@pytest.mark.parametrize(
    ("kind", "part", "code", "reason"),
    [
        ("text", {"content": ""}, 44004, "empty"),
        ("markdown", {"content": "字" * 683}, 40058, "2048"),
        ("textcard", {"title": "一", "description": "二"}, 40058, "url"),
        ("image", {"media_id": "x"}, 40007, "media_id"),
        ("poem", {"content": "x"}, 40008, "type"),
        ("template_card", NOTICE | {"card_type": "haiku"}, 40058, "card_type"),
        ("template_card", NOTICE | {"main_title": {}}, 40058, "main_title"),
        ("template_card", NOTICE | {"card_action": {"type": 0}}, 40058, "card_action"),
        ("template_card", NOTICE | {"horizontal_content_list": [{"value": "x"}]}, 40058, "keyname"),
        ("template_card", NOTICE | {"task_id": "t" * 129}, 40058, "task_id"),
        ("template_card", buttons("任务"), 40058, "task_id"),
        ("template_card", buttons(task_id=None), 40058, "task_id"),
        ("template_card", buttons("t", *"1234567"), 40058, "1 to 6"),
        ("template_card", buttons(button_list=[]), 40058, "1 to 6"),
        ("template_card", buttons(button_list=[{"text": "好"}]), 40058, "key"),
    ],
)
async def test_what_the_app_cannot_send(
    client: Client, kind: str, part: dict[str, Any], code: int, reason: str
) -> None:
    assert reason in await refused(code, client.send("liming", kind, part))


async def test_a_task_id_serves_once_and_the_agent_must_be_ours(client: Client) -> None:
    await client.send("liming", "template_card", buttons("t_1-a@b"))
    assert "used" in await refused(40058, client.send("liming", "template_card", buttons("t_1-a@b")))
    body = {"touser": "liming", "agentid": 7, "msgtype": "text", "text": {"content": "x"}}
    await refused(40056, client.post("message/send", **body))
    await refused(40032, client.send("|".join(map(str, range(1001))), "text", {"content": "x"}))


# --- cards that change


async def update(client: Client, code: str, *userids: str, **change: Any) -> dict[str, Any]:
    change = change or {"button": {"replace_name": "已由王芳确认"}}
    named = {"userids": userids, "agentid": AGENT, "response_code": code}
    return await client.post("message/update_template_card", **named, **change)


async def test_row_28_one_code_changes_the_card_for_all(
    client: Client, corp: Sandbox, firm: Company, li: Colleague, wang: Colleague
) -> None:
    sent = await client.send("liming|wang.fang", "template_card", buttons())
    told = await update(client, sent["response_code"], "LiMing", "wang.fang", "nobody")
    assert told["invaliduser"] == ["nobody"]
    for colleague in (li, wang):
        [card] = await colleague.sees()
        assert (card.buttons, card.disabled, card.edited) == ([["已由王芳确认"]], True, True)
        with pytest.raises(SandboxError, match="no button"):
            await colleague.taps("收到")
        with pytest.raises(SandboxError, match="no button"):
            await colleague.taps("已由王芳确认")


async def test_row_27_a_code_is_used_up(client: Client, li: Colleague) -> None:
    code = (await client.send("liming", "template_card", buttons()))["response_code"]
    await update(client, code, "liming")
    await refused(42014, update(client, code, "liming"))
    await refused(42014, update(client, "made-up", "liming"))
    assert "response_code" not in await client.send("liming", "template_card", NOTICE)


@pytest.mark.parametrize(("late", "accepted"), [(0, True), (1, False)])
async def test_row_27_a_code_lives_72_hours(
    client: Client, corp: Sandbox, li: Colleague, late: int, accepted: bool
) -> None:
    code = (await client.send("liming", "template_card", buttons()))["response_code"]
    await corp.advance(72 * 3600 + late)
    if accepted:
        await update(client, code, "liming")
    else:
        await refused(42014, update(client, code, "liming"))
    [card] = await li.sees()
    assert card.disabled is accepted


async def test_a_card_can_become_another_and_be_tapped_again(
    client: Client, corp: Sandbox, firm: Company, li: Colleague
) -> None:
    code = (await client.send("liming", "template_card", buttons()))["response_code"]
    await update(client, code, "liming", template_card=buttons("task-1", "到场", "办结"))
    [card] = await li.sees()
    assert (card.labels, card.disabled) == (["到场", "办结"], False)
    await li.taps("办结")
    await settled(corp)
    assert firm.app[-1]["EventKey"] == "k1"
    shut = buttons("task-1", "到场", replace_text="已办结")
    await update(client, firm.app[-1]["ResponseCode"], "liming", template_card=shut)
    [card] = await li.sees()
    assert (card.labels, card.disabled) == (["已办结"], True)


# --- what members do


async def test_the_library_reads_what_members_send(
    client: Client, corp: Sandbox, firm: Company, li: Colleague
) -> None:
    await li.enters()
    await li.says("收到 ]]> 37号")
    await li.sends_photo()
    await li.sends_voice()
    await li.sends_location(30.5, 104.1, "3号楼")
    await settled(corp)
    entered, said, photo, voice, place = firm.app
    assert (entered["class"], entered["FromUserName"]) == ("EnterAgentEvent", "LiMing")
    assert (said["class"], said["Content"]) == ("TextMessage", "收到 ]]> 37号")
    assert (photo["class"], voice["class"], voice["Format"]) == ("ImageMessage", "VoiceMessage", "amr")
    assert (place["Location_X"], place["Location_Y"], place["Label"]) == ("30.5", "104.1", "3号楼")
    assert len({said["MsgId"], photo["MsgId"], voice["MsgId"], place["MsgId"]}) == 4
    fetched = await client.call(client.library.get, "media/get", params={"media_id": photo["MediaId"]})
    assert isinstance(fetched, requests.Response)
    assert (fetched.content, fetched.headers["Content-Type"]) == (tiny_png(), "image/png")
    assert [message.kind for message in await li.sees()] == ["text", "photo", "voice", "location"]


async def test_media_are_kept_for_three_days(
    client: Client, corp: Sandbox, firm: Company, li: Colleague
) -> None:
    await li.sends_photo()
    await settled(corp)
    wanted = {"media_id": firm.app[0]["MediaId"]}
    await corp.advance(3 * 24 * 3600 + 1)
    await refused(40007, client.call(client.library.get, "media/get", params=wanted))


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [
        ("image", b"GIF89a...", 40004),
        ("voice", b"OggS......", 40004),
        ("image", b"1", 40009),
        ("song", b"123456", 40004),
    ],
)
async def test_files_that_are_not_taken(client: Client, kind: str, content: bytes, code: int) -> None:
    media = ("name", BytesIO(content), "application/octet-stream")
    await refused(code, client.call(client.library.media.upload, kind, media))


async def test_each_tap_brings_a_fresh_code(
    client: Client, corp: Sandbox, firm: Company, li: Colleague, wang: Colleague
) -> None:
    sent = await client.send("liming|wang.fang", "template_card", buttons("t-9"))
    await li.taps("收到")
    await wang.taps("我去看看")
    await settled(corp)
    first, second = sorted(firm.app, key=lambda told: str(told["EventKey"]))
    assert (first["Event"], first["TaskId"], first["CardType"]) == (
        "template_card_event",
        "t-9",
        "button_interaction",
    )
    assert (first["EventKey"], second["EventKey"]) == ("k0", "k1")
    codes = [sent["response_code"], first["ResponseCode"], second["ResponseCode"]]
    assert len(set(codes)) == 3
    for code in codes:
        await update(client, code, "liming", "wang.fang")


async def test_row_29_the_answer_to_a_tap_changes_the_card_of_who_tapped(
    client: Client, corp: Sandbox, firm: Company, li: Colleague, wang: Colleague
) -> None:
    await client.send("liming|wang.fang", "template_card", buttons())
    firm.answers.append(xml_reply("update_button", "<Button><ReplaceName>已确认</ReplaceName></Button>"))
    await li.taps("收到")
    await settled(corp)
    assert ((await li.sees())[0].labels, (await wang.sees())[0].labels) == (["已确认"], ["收到", "我去看看"])
    inner = (
        "<TemplateCard><CardType>button_interaction</CardType><MainTitle><Title>37号</Title></MainTitle>"
        "<HorizontalContentList><KeyName>状态</KeyName><Value>在处理</Value></HorizontalContentList>"
        "<TaskId>t</TaskId><ButtonList><Text>到场</Text><Key>a</Key></ButtonList>"
        "<ButtonList><Text>办结</Text><Key>b</Key></ButtonList></TemplateCard>"
    )
    firm.answers.append(xml_reply("update_template_card", inner))
    await wang.taps("收到")
    await settled(corp)
    [card] = await wang.sees()
    assert (card.text, card.labels) == ("37号\n状态：在处理", ["到场", "办结"])


async def test_members_hear_what_is_answered_at_once(
    client: Client, corp: Sandbox, firm: Company, li: Colleague
) -> None:
    picture = await client.call(client.library.media.upload, "image", ("x.png", BytesIO(tiny_png())))
    inner = f"<Image><MediaId>{picture['media_id']}</MediaId></Image>"
    firm.answers += [
        xml_reply("text", "<Content><![CDATA[收到<1>]]></Content>"),
        b"success",
        xml_reply("image", inner),
    ]
    for words in "一二三":
        await li.says(words)
    await settled(corp)
    heard = [message for message in await li.sees() if not message.is_me]
    assert [(message.kind, message.text) for message in heard] == [("text", "收到<1>"), ("photo", "")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"<xml><Encrypt>abc</Encrypt></xml>", "KeyError"),
        (b'"success"', "ParseError"),
        (xml_reply("poem", ""), "nobody can answer"),
        (xml_reply("update_button", "<Button><ReplaceName>好</ReplaceName></Button>"), "only a tap"),
    ],
)
async def test_an_answer_that_the_platform_does_not_take(
    corp: Sandbox, firm: Company, li: Colleague, answer: Any, reason: str
) -> None:
    firm.answers.append(answer)
    await li.says("喂")
    await settled(corp)
    assert len(await li.sees()) == 1
    [noted] = (await corp_log(corp))["refused"]
    assert reason in noted


# --- calling back


async def test_a_call_is_tried_three_times(corp: Sandbox, firm: Company, li: Colleague) -> None:
    firm.answers += [500, 502, 200]
    await li.says("三次")
    await settled(corp)
    assert len({told["MsgId"] for told in firm.app}) == 1
    assert len(firm.app) == 3
    firm.answers += [404, 403, 302]
    await li.says("白说")
    await settled(corp)
    log = await corp_log(corp)
    assert (log["tries"], log["lost"]) == (6, 1)


async def test_who_does_not_answer_in_time_has_not_answered(clock: Clock, firm: Company) -> None:
    firm.answers += [asyncio.Event()] * 3
    app = build(clock, [], wecom=firm.spec(answer_within=0.05))
    async with serve(app) as running, Sandbox(running.base_url) as sandbox:
        await Colleague(sandbox, "liming").says("喂")
        await settled(sandbox)
        log = await corp_log(sandbox)
        assert (log["tries"], log["lost"]) == (3, 1)
        firm.speaks.clear()
        told = await sandbox.call("POST", "corp/verify")
        assert told == {"problem": "no answer within a second"}
        firm.speaks.set()


async def test_a_call_waiting_for_its_answer_counts_as_undelivered(
    corp: Sandbox, firm: Company, li: Colleague
) -> None:
    waiting = asyncio.Event()
    firm.answers.append(waiting)
    await li.says("等着")
    assert (await corp.log())["undelivered"] == 1
    waiting.set()
    await settled(corp)


async def test_a_call_can_come_twice(corp: Sandbox, firm: Company, li: Colleague) -> None:
    await corp.fails(FaultKind.DUPLICATE_UPDATE)
    await li.says("双")
    await settled(corp)
    await corp.call("POST", "corp/redeliver")
    await settled(corp)
    assert len(firm.app) == 3
    assert len({told["MsgId"] for told in firm.app}) == 1


@pytest.mark.parametrize(
    ("echo", "problem"),
    [
        (str.encode, ""),
        (lambda text: f'"{text}"'.encode(), "quotes"),
        (lambda text: f"{text}\n".encode(), "white space"),
        (lambda text: text.encode("utf-8-sig"), "byte order mark"),
        (lambda text: b"success", "another text"),
    ],
)
@pytest.mark.parametrize("query", [{}, {"bot": "1"}])
async def test_row_24_the_address_is_verified(
    corp: Sandbox, firm: Company, echo: Any, problem: str, query: dict[str, str]
) -> None:
    firm.echo = echo
    told = await corp.call("POST", "corp/verify", **query)
    assert (problem in told["problem"]) if problem else told["problem"] == ""


async def test_while_the_key_rotates_the_previous_one_seals(
    corp: Sandbox, firm: Company, li: Colleague
) -> None:
    await corp.call("POST", "corp/rotating", {"on": True})
    firm.app_key = PREVIOUS_KEY
    firm.answers.append(xml_reply("text", "<Content>好</Content>"))
    await li.says("旧钥匙")
    await settled(corp)
    assert [message.text for message in await li.sees()] == ["旧钥匙", "好"]


async def test_it_calls_back_to_this_machine_only(firm: Company) -> None:
    with pytest.raises(ValueError, match="loopback"):
        firm.spec(url="http://example.org/wecom")


async def test_without_a_callback_address_no_card_has_buttons(clock: Clock, firm: Company) -> None:
    async with (
        serve(build(clock, [], wecom=firm.spec(url=""))) as running,
        Sandbox(running.base_url) as sandbox,
    ):
        client = Client(sandbox.base_url)
        await refused(40057, client.send("liming", "template_card", buttons()))
        await Colleague(sandbox, "liming").says("没人听")
        assert (await sandbox.log())["undelivered"] == 0
        client.library._http.close()


# --- groups


async def test_row_31_the_app_speaks_in_its_own_groups_only(
    client: Client, corp: Sandbox, li: Colleague, wang: Colleague
) -> None:
    library = client.library
    made = await client.call(library.appchat.create, "g1", "一网格", "liming", ["LiMing", "wang.fang"])
    assert made["chatid"] == "g1"
    assert await corp.call("GET", "corp/chats", user="liming") == [{"id": "三号楼群", "name": "三号楼群"}]
    await client.call(library.appchat.send_text, "g1", "37号 楼道灯，请确认")
    info = await client.call(library.appchat.get, "g1")
    assert (info["name"], info["owner"], info["userlist"]) == ("一网格", "liming", ["liming", "wang.fang"])
    assert [message.text for message in await wang.sees_group("一网格")] == ["37号 楼道灯，请确认"]
    card = {"chatid": "g1", "msgtype": "template_card", "template_card": NOTICE}
    await refused(40008, client.post("appchat/send", **card))
    await refused(
        86215, client.call(library.appchat.create, "g1", "又一个", "liming", ["LiMing", "wang.fang"])
    )
    await refused(86003, client.call(library.appchat.create, "g2", "一个人", "liming", ["LiMing"]))
    await corp.call("POST", "corp/groups", {"id": "g3", "name": "自建群", "members": ["liming"]})
    await refused(86001, client.call(library.appchat.send_text, "g3", "好"))
    with pytest.raises(SandboxError, match="not in group"):
        await wang.sees_group("自建群")


async def test_row_30_a_group_robot_that_is_too_fast_is_silenced(
    client: Client, corp: Sandbox, li: Colleague
) -> None:
    for number in range(20):
        await client.robot("robot-key", "text", {"content": f"{number}"})
    for _ in range(2):
        reason = await refused(130101, client.robot("robot-key", "text", {"content": "太快"}))
        assert "exceed 20 times per minute" in reason
    await corp.advance(599)
    await refused(130101, client.robot("robot-key", "text", {"content": "还在静默"}))
    await corp.advance(1)
    await client.robot("robot-key", "markdown", {"content": "**好了**"})
    seen = await li.sees_group("三号楼群")
    assert (len(seen), seen[-1].text, seen[-1].sender) == (21, "**好了**", "三号楼群")


@pytest.mark.parametrize(
    ("kind", "part", "code"),
    [
        ("text", {"content": "字" * 683}, 40058),
        ("markdown", {"content": "字" * 1366}, 40058),
        ("markdown_v2", {"content": ""}, 44004),
        ("template_card", buttons(), 40058),
        ("image", {"base64": "aGVsbG8=", "md5": "0"}, 40058),
        ("video", {"media_id": "x"}, 40008),
    ],
)
async def test_row_30_what_a_group_robot_cannot_say(
    client: Client, kind: str, part: dict[str, Any], code: int
) -> None:
    await refused(code, client.robot("robot-key", kind, part))


async def test_a_group_robot_is_known_by_its_key(client: Client, li: Colleague) -> None:
    await refused(93000, client.robot("guessed", "text", {"content": "好"}))
    await client.robot("robot-key", "template_card", NOTICE)
    [card] = await li.sees_group("三号楼群")
    assert card.kind == "card"


# --- the smart robot


async def later(url: str, kind: str, part: dict[str, Any]) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"msgtype": kind, kind: part}) as answer,
    ):
        return int((await answer.json())["errcode"])


async def test_row_32_in_a_group_the_robot_hears_who_mentions_it(
    corp: Sandbox, firm: Company, li: Colleague
) -> None:
    await corp.call("POST", "corp/groups", {"id": "wr1", "name": "邻长群", "members": ["liming"]})
    stream = {"id": "s", "finish": True, "content": "37号已确认"}
    firm.answers.append({"msgtype": "stream", "stream": stream})
    await li.says_in("邻长群", "闲聊", mention=False)
    await li.says_in("邻长群", "收到 37号")
    await settled(corp)
    [told] = firm.bot
    assert (told["chattype"], told["chatid"], told["from"]) == ("group", "wr1", {"userid": "LiMing"})
    assert told["text"] == {"content": "@回音 收到 37号"}
    assert [message.text for message in await li.sees_group("邻长群")][-1] == "37号已确认"


@pytest.mark.parametrize(("late", "code"), [(0, 0), (3601, 42014)])
async def test_row_32_the_later_answer_is_taken_once_within_an_hour(
    corp: Sandbox, firm: Company, li: Colleague, late: int, code: int
) -> None:
    await li.says("37号 怎样了", bot=True)
    await settled(corp)
    url = firm.bot[0]["response_url"]
    assert firm.bot[0]["chattype"] == "single"
    assert await later(url, "text", {"content": "不行"}) == 40008
    await corp.advance(late)
    assert await later(url, "markdown", {"content": "在处理"}) == code
    assert await later(url, "markdown", {"content": "再说"}) == 42014
    assert [message.text for message in await li.sees(bot=True)][1:] == ["在处理"] * (code == 0)


async def test_row_32_taps_in_the_robots_talk_change_the_card(
    corp: Sandbox, firm: Company, li: Colleague
) -> None:
    firm.answers += [
        {"msgtype": "text", "text": {"content": "您好"}},
        {"msgtype": "template_card", "template_card": buttons("t-1", "收到")},
        {"response_type": "update_template_card", "template_card": NOTICE | {"task_id": "t-1"}},
    ]
    await li.enters(bot=True)
    await settled(corp)
    await li.says("有我的吗", bot=True)
    await settled(corp)
    await li.taps("收到", bot=True)
    await settled(corp)
    entered, _, tapped = firm.bot
    assert entered["event"] == {"eventtype": "enter_chat", "enter_chat": {}}
    event = {"card_type": "button_interaction", "event_key": "k0", "task_id": "t-1"}
    assert tapped["event"] == {"eventtype": "template_card_event", "template_card_event": event}
    welcome, _, card = await li.sees(bot=True)
    assert (welcome.text, card.text, card.labels) == ("您好", "37号 已办结\n楼栋：3号楼", [])


async def test_row_32_plain_text_answers_a_welcome_only(corp: Sandbox, firm: Company, li: Colleague) -> None:
    firm.answers.append({"msgtype": "text", "text": {"content": "不显示"}})
    await li.says("喂", bot=True)
    await settled(corp)
    assert len(await li.sees(bot=True)) == 1
    [noted] = (await corp_log(corp))["refused"]
    assert "not answered with text" in noted


async def test_row_32_three_of_one_person_wait_at_most(
    corp: Sandbox, firm: Company, li: Colleague, wang: Colleague
) -> None:
    waiting = asyncio.Event()
    firm.answers += [waiting] * 4
    for number in range(3):
        await li.says(f"{number}", bot=True)
    with pytest.raises(SandboxError, match="3 messages"):
        await li.says("第四", bot=True)
    await wang.says("我呢", bot=True)
    waiting.set()
    await settled(corp)
    await li.says("第四", bot=True)
    await settled(corp)


# --- scripted trouble


async def test_scripted_trouble(client: Client, corp: Sandbox, li: Colleague) -> None:
    async def say(words: str) -> Any:
        return await client.send("liming", "text", {"content": words})

    await say("零")
    await corp.fails(FaultKind.ERRCODE, "corp/message/send", errcode=-1, description="system busy")
    assert "busy" in await refused(-1, say("一"))
    await corp.fails(FaultKind.BAD_GATEWAY_HTML, "corp/message/send")
    with pytest.raises(WeChatClientException):
        await say("二")
    await corp.fails(FaultKind.DROP, "corp/message/send")
    with pytest.raises(requests.ConnectionError):
        await say("三")
    await corp.fails(FaultKind.ACCEPT_THEN_DROP, "corp/message/send")
    with pytest.raises(requests.ConnectionError):
        await say("四")
    await corp.fails(FaultKind.HANG, "corp/message/send", seconds=0.01)
    with pytest.raises(requests.ConnectionError):
        await say("五")
    assert [message.text for message in await li.sees()] == ["零", "四"]
