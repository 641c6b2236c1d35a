"""The service account's channel: its platform's calls opened and answered, and every outcome of a send."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bot.channels.callback import ForgedError, Letter
from bot.channels.wechat import RECEIVED, Menu, NotDone, Scene, WechatChannel
from bot.channels.weixin_xml import parse, render
from bot.clock import Clock
from bot.sandbox.sealing import Sealer, signature
from bot.settings import Wechat
from handlers.messages import (
    Blob,
    Button,
    Notice,
    Outgoing,
    Refused,
    Retry,
    SendResult,
    Sent,
    Shut,
    Unknown,
    Unreachable,
    UnreadableError,
)
from routing.windows import Means
from tests.channels.servers import served
from tests.process import free_port

APP, TOKEN, KEY, OLD = "wx0123456789abcdef", "huiyintoken", "a" * 42 + "A", "b" * 42 + "A"
SECRET = "the secret of our account"
OPENID = "oAbc123_-resident"
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
STAMP, NONCE = str(int(NOW.timestamp())), "nonce7"
PLAIN = render(
    {
        "ToUserName": "gh_account",
        "FromUserName": OPENID,
        "CreateTime": int(STAMP),
        "MsgType": "text",
        "Content": "路灯坏了",
        "MsgId": 1,
    }
)
CHOICES = (Button("1:yes", "提交"), Button("1:no", "修改"))


def settings(base: str = "http://127.0.0.1:9", plain: bool = False) -> Wechat:
    return Wechat.model_validate(
        {
            "app_id": APP,
            "secret": SECRET,
            "token": TOKEN,
            "aes_key": KEY,
            "previous_aes_key": OLD,
            "plain": plain,
            "api_base": base,
            "pages_base": base,
            "open_base": base,
        }
    )


def channel(base: str = "http://127.0.0.1:9", plain: bool = False) -> WechatChannel:
    return WechatChannel(settings(base, plain), Clock(NOW))


# --- calls ------------------------------------------------------------------------------------


def signed(stamp: str = STAMP, nonce: str = NONCE, **more: str) -> dict[str, str]:
    return {"timestamp": stamp, "nonce": nonce, "signature": signature(TOKEN, stamp, nonce), **more}


def sealed(key: str = KEY, plain: bytes = PLAIN, receiver: str = APP) -> tuple[dict[str, str], bytes]:
    sealer = Sealer(TOKEN, key, receiver)
    encrypted = sealer.seal(plain)
    query = signed(encrypt_type="aes", msg_signature=sealer.signature(STAMP, NONCE, encrypted))
    return query, render({"ToUserName": "gh_account", "Encrypt": encrypted})


def test_verification_gives_back_the_echo() -> None:
    assert channel().verify(signed(echostr="5927 <&>")) == "5927 <&>"
    for query in ({}, {**signed(echostr="5"), "signature": "0" * 40}, signed(timestamp="1", echostr="5")):
        with pytest.raises(ForgedError):
            channel().verify(query)


@pytest.mark.parametrize(("key", "index"), [(KEY, 0), (OLD, 1)])
def test_row_02_a_sealed_call_is_opened_and_answered_with_the_same_key(key: str, index: int) -> None:
    letter = channel().unlock(*sealed(key), NOW)
    assert letter == Letter(PLAIN, index, STAMP, NONCE)
    answer = parse(channel().answer(letter, [Outgoing("收到")], NOW))
    assert (answer["TimeStamp"], answer["Nonce"]) == (STAMP, NONCE)
    opened = Sealer(TOKEN, key, APP).open(answer["Encrypt"], answer["MsgSignature"], STAMP, NONCE)
    assert parse(opened) == {
        "ToUserName": OPENID,
        "FromUserName": "gh_account",
        "CreateTime": STAMP,
        "MsgType": "text",
        "Content": "收到",
    }


def test_row_02_a_mixed_call_counts_as_sealed() -> None:
    query, body = sealed()
    mixed = render({"Content": "另一句", "Encrypt": parse(body)["Encrypt"]})
    assert channel().unlock(query, mixed, NOW).body == PLAIN


def test_row_02_the_plain_signature_opens_nothing() -> None:
    query, body = sealed()
    with pytest.raises(ForgedError):
        channel().unlock({**query, "msg_signature": query["signature"]}, body, NOW)
    with pytest.raises(UnreadableError):
        channel().unlock(*sealed(receiver="wxother"), NOW)


def test_row_03_an_unsealed_call_is_refused_unless_it_is_a_trial() -> None:
    with pytest.raises(ForgedError):
        channel().unlock(signed(), PLAIN, NOW)
    letter = channel(plain=True).unlock(signed(), PLAIN, NOW)
    assert letter == Letter(PLAIN, None, STAMP, NONCE)
    assert parse(channel(plain=True).answer(letter, [Outgoing("收到")], NOW))["Content"] == "收到"
    with pytest.raises(ForgedError):
        channel(plain=True).unlock({**signed(), "signature": "0" * 40}, PLAIN, NOW)


@pytest.mark.parametrize("plain", [True, False])
def test_row_03_a_call_of_another_time_is_forged(plain: bool) -> None:
    query, body = (signed(), PLAIN) if plain else sealed()
    for away in (timedelta(seconds=301), timedelta(seconds=-301)):
        with pytest.raises(ForgedError):
            channel(plain=plain).unlock(query, body, NOW + away)


def test_row_03_a_repetition_is_taken_and_another_body_is_not() -> None:
    trial = channel(plain=True)
    assert trial.unlock(signed(), PLAIN, NOW) == trial.unlock(signed(), PLAIN, NOW + timedelta(seconds=5))
    with pytest.raises(ForgedError):
        trial.unlock(signed(), PLAIN.replace(b"<MsgId>1", b"<MsgId>2"), NOW + timedelta(minutes=4))
    again = str(int(STAMP) + 900)
    later = trial.unlock(signed(again), b"<xml><a>b</a></xml>", NOW + timedelta(minutes=15))
    assert later.body == b"<xml><a>b</a></xml>"


def test_row_22_a_hostile_call_is_unreadable() -> None:
    for body in (b"", b"{}", b"<!DOCTYPE xml><xml/>", b"<xml>" + b"<a>" * 9000, b"\xff"):
        with pytest.raises(UnreadableError):
            channel().unlock(signed(), body, NOW)


OPEN_LETTER = Letter(PLAIN, None, STAMP, NONCE)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ([Outgoing("a]]>b & <c>🔦")], "a]]>b & <c>🔦"),
        ([Outgoing("一"), Outgoing("二")], "一\n\n二"),
        ([Outgoing("提交吗？", CHOICES)], "提交吗？\n\n回复数字：1 提交　2 修改"),
        ([Outgoing("一", CHOICES[:1]), Outgoing("二", CHOICES)], "一\n\n二\n\n回复数字：1 提交　2 修改"),
        ([Outgoing("", photo=Blob("a.jpg", b"x")), Outgoing("二")], "二"),
        ([Outgoing("路" * 700)], "路" * 665 + "…"),
        ([Outgoing("路" * 660 + "。")], "路" * 660 + "。"),
    ],
)
def test_row_06_an_answer_is_one_text(said: list[Outgoing], text: str) -> None:
    assert parse(channel().answer(OPEN_LETTER, said, NOW))["Content"] == text


def test_row_06_nothing_to_say_is_said_in_the_platforms_word() -> None:
    for letter in (OPEN_LETTER, channel().unlock(*sealed(), NOW)):
        assert channel().answer(letter, [], NOW) == RECEIVED == b"success"
        assert channel().answer(letter, [Outgoing("", photo=Blob("a.jpg", b"x"))], NOW) == RECEIVED


# --- sends ------------------------------------------------------------------------------------


class Platform:
    """Answers every call with a token, or what `answers` has for the path (by turns, the last for ever)."""

    def __init__(self) -> None:
        self.answers: dict[str, list[dict[str, Any]]] = {}
        self.calls: list[tuple[str, Any]] = []
        self.files: list[tuple[str, str | None, bytes]] = []
        self.hold: asyncio.Event | None = None

    async def handle(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/cgi-bin/").lstrip("/")
        if path == "stable_token":
            return web.json_response({"access_token": "token-of-ours", "expires_in": 7200})
        if request.content_type == "multipart/form-data":
            media = (await request.post())["media"]
            assert isinstance(media, web.FileField)
            self.files.append((media.filename, request.query.get("type"), media.file.read()))
        else:
            self.calls.append((path, await request.json() if request.can_read_body else dict(request.query)))
        answers = self.answers.get(path, [{"errcode": 0, "errmsg": "ok"}])
        return web.json_response(answers.pop(0) if len(answers) > 1 else answers[0])

    def said(self) -> list[dict[str, Any]]:
        """The free messages, without the addressee."""
        sent = [body for path, body in self.calls if path == "message/custom/send"]
        assert all(body.pop("touser") == OPENID for body in sent)
        return sent


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
async def wechat(platform: Platform) -> AsyncIterator[WechatChannel]:
    async with served(platform.handle) as base:
        running = channel(base)
        yield running
        await running.close()


SERVICE = Outgoing("好", means=Means.SERVICE)
TEMPLATE = Outgoing(
    "好", means=Means.TEMPLATE, notice=Notice("T1", {"thing1": "路灯🔦坏了\n请看", "number2": "1024"}, "https://x/1"),
    key="9a",
)  # fmt: skip
SUBSCRIPTION = Outgoing("好", means=Means.SUBSCRIPTION, notice=Notice("S1", {"thing1": "路灯"}))
MIDNIGHT = 8 * 3600.0  # 16:00 in Shanghai

OUTCOMES: list[tuple[int, SendResult]] = [
    (0, Sent("")),
    (45015, Shut("errcode 45015")),
    (45047, Shut("errcode 45047")),
    (43101, Shut("errcode 43101")),
    (48001, Shut("errcode 48001", everywhere=True)),
    (43004, Unreachable("errcode 43004")),
    (43019, Unreachable("errcode 43019")),
    (48002, Unreachable("errcode 48002")),
    (50005, Unreachable("errcode 50005")),
    (40003, Unreachable("errcode 40003")),
    (45009, Retry("errcode 45009", after=MIDNIGHT)),
    (45011, Retry("errcode 45011", after=60)),
    (-1, Retry("errcode -1")),
    (40001, Retry("errcode 40001")),
    (40014, Retry("errcode 40014")),
    (42001, Retry("errcode 42001")),
    (45002, Refused("errcode 45002")),
    (47003, Refused("errcode 47003")),
    (40037, Refused("errcode 40037")),
    (99999, Refused("errcode 99999")),
]
PATHS = {
    "message/custom/send": SERVICE,
    "message/template/send": TEMPLATE,
    "message/subscribe/bizsend": SUBSCRIPTION,
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("errcode", "outcome"), OUTCOMES)
async def test_row_11_and_14_every_refusal_means_something(
    wechat: WechatChannel, platform: Platform, path: str, errcode: int, outcome: SendResult
) -> None:
    platform.answers[path] = [{"errcode": errcode, "errmsg": f"about {OPENID}"}]
    assert await wechat.send(OPENID, PATHS[path]) == outcome


async def test_row_09_a_template_goes_with_short_fields(wechat: WechatChannel, platform: Platform) -> None:
    platform.answers["message/template/send"] = [{"errcode": 0, "msgid": 24000000000000007}]
    assert await wechat.send(OPENID, TEMPLATE) == Sent("24000000000000007")
    assert platform.calls == [
        (
            "message/template/send",
            {
                "touser": OPENID,
                "template_id": "T1",
                "url": "https://x/1",
                "client_msg_id": "9a",
                "data": {"thing1": {"value": "路灯坏了 请看"}, "number2": {"value": "1024"}},
            },
        )
    ]


async def test_an_allowed_notice_goes_with_its_page(wechat: WechatChannel, platform: Platform) -> None:
    await wechat.send(OPENID, SUBSCRIPTION)
    assert platform.calls == [
        (
            "message/subscribe/bizsend",
            {"touser": OPENID, "template_id": "S1", "page": "", "data": {"thing1": {"value": "路灯"}}},
        )
    ]


MENU = [{"id": "1:yes", "content": "1 提交"}, {"id": "1:no", "content": "2 修改"}]


def text(content: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": content}}


def menu(head: str) -> dict[str, Any]:
    content = {"head_content": f"{head}\n", "list": MENU, "tail_content": ""}
    return {"msgtype": "msgmenu", "msgmenu": content}


@pytest.mark.parametrize(
    ("outgoing", "said"),
    [
        (Outgoing("好"), [text("好")]),
        (Outgoing("好", edit="7", means=Means.SERVICE), [text("好")]),
        (Outgoing("提交吗？", CHOICES), [menu("提交吗？")]),
        (Outgoing("路" * 683), [text("路" * 666), text("路" * 17)]),
        (Outgoing("路" * 683, CHOICES), [text("路" * 666), menu("路" * 17)]),
    ],
)
async def test_row_08_a_free_message_is_a_text_or_a_menu_in_parts(
    wechat: WechatChannel, platform: Platform, outgoing: Outgoing, said: list[dict[str, Any]]
) -> None:
    assert await wechat.send(OPENID, outgoing) == Sent("")
    assert platform.said() == said


@pytest.mark.parametrize("errcode", [45098, 40200])
async def test_where_there_are_no_menus_the_choices_are_lines(
    wechat: WechatChannel, platform: Platform, errcode: int
) -> None:
    platform.answers["message/custom/send"] = [{"errcode": errcode}, {"errcode": 0}]
    assert await wechat.send(OPENID, Outgoing("提交吗？", CHOICES)) == Sent("")
    assert platform.said()[1] == text("提交吗？\n\n回复数字：1 提交　2 修改")


async def test_what_fails_in_the_middle_has_failed(wechat: WechatChannel, platform: Platform) -> None:
    platform.answers["message/custom/send"] = [{"errcode": 0}, {"errcode": 45047}]
    assert await wechat.send(OPENID, Outgoing("路" * 1500)) == Shut("errcode 45047")
    assert len(platform.said()) == 2


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "image"), ("a.PNG", "image"), ("a.amr", "voice")])
async def test_a_photo_is_uploaded_and_goes_without_words_as_each_message_counts(
    wechat: WechatChannel, platform: Platform, name: str, kind: str
) -> None:
    platform.answers["media/upload"] = [{"type": kind, "media_id": "m1", "created_at": 1}]
    assert await wechat.send(OPENID, Outgoing("修好了", photo=Blob(name, b"bytes"))) == Sent("")
    assert platform.files == [(name, kind, b"bytes")]
    assert platform.said() == [{"msgtype": kind, kind: {"media_id": "m1"}}]


async def test_of_a_file_that_the_platform_does_not_take_the_words_go(
    wechat: WechatChannel, platform: Platform
) -> None:
    assert await wechat.send(OPENID, Outgoing("听听", photo=Blob("a.ogg", b"bytes"))) == Sent("")
    assert (platform.files, platform.said()) == ([], [text("听听")])


async def test_a_photo_that_cannot_be_uploaded_is_not_half_sent(
    wechat: WechatChannel, platform: Platform
) -> None:
    platform.answers["media/upload"] = [{"errcode": 45009}]
    photo = Outgoing("修好了", photo=Blob("a.jpg", b"bytes"))
    assert await wechat.send(OPENID, photo) == Retry("errcode 45009", after=MIDNIGHT)
    assert platform.said() == []


async def test_row_14_never_left_is_told_from_perhaps_delivered() -> None:
    away = channel(f"http://127.0.0.1:{free_port()}")
    assert isinstance(await away.send(OPENID, SERVICE), Retry)
    await away.close()

    async def handle(request: web.Request) -> web.Response:
        if request.path.endswith("stable_token"):
            return web.json_response({"access_token": "t", "expires_in": 7200})
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with served(handle) as base:
        silent = channel(base)
        assert isinstance(await silent.send(OPENID, SERVICE), Unknown)
        upload = Outgoing("好", photo=Blob("a.jpg", b"x"))
        assert isinstance(await silent.send(OPENID, upload), Retry)
        await silent.close()


async def test_row_13_the_stable_token_is_asked_for_and_never_by_force() -> None:
    asked: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append((request.path, await request.json()))
        return web.json_response({"errcode": 40125, "errmsg": f"not {SECRET}"})

    with capture_logs() as logs:
        async with served(handle) as base:
            wrong = channel(base)
            result = await wrong.send(OPENID, SERVICE)
            await wrong.close()
    wanted = {"grant_type": "client_credential", "appid": APP, "secret": SECRET, "force_refresh": False}
    assert asked[0] == ("/cgi-bin/stable_token", wanted)
    assert result == Retry("errcode 40125")
    assert SECRET not in str(logs)


# --- what others ask --------------------------------------------------------------------------


async def test_media_come_whole_or_are_gone_or_come_later() -> None:
    answers = iter(
        [
            web.Response(body=b"7" * 500_000, content_type="image/jpeg"),
            web.Response(text='{"errcode": 40007}', content_type="text/plain"),
            web.json_response({"errcode": -1}),
            web.Response(status=502),
        ]
    )

    async def handle(request: web.Request) -> web.Response:
        if request.path.endswith("stable_token"):
            return web.json_response({"access_token": "t", "expires_in": 7200})
        assert (request.path, request.query["media_id"]) == ("/cgi-bin/media/get", "m1")
        return next(answers)

    async with served(handle) as base:
        wechat = channel(base)
        assert await wechat.fetch("m1") == b"7" * 500_000
        assert await wechat.fetch("m1") is None
        for _ in range(2):
            with pytest.raises(OSError, match=r"errcode -1|HTTP 502"):
                await wechat.fetch("m1")
        await wechat.close()


async def test_row_16_scenes_last_for_ever_or_for_a_time(wechat: WechatChannel, platform: Platform) -> None:
    platform.answers["qrcode/create"] = [{"ticket": "gQ/+=", "url": "http://weixin.qq.com/q/1"}]
    made = await wechat.create_scene("grid-1")
    assert isinstance(made, Scene)
    assert made.url == "http://weixin.qq.com/q/1"
    assert made.picture.endswith("/cgi-bin/showqrcode?ticket=gQ%2F%2B%3D")
    await wechat.create_scene("grid-1", timedelta(days=30))
    scene = {"action_info": {"scene": {"scene_str": "grid-1"}}}
    assert [body for _, body in platform.calls] == [
        scene | {"action_name": "QR_LIMIT_STR_SCENE"},
        scene | {"action_name": "QR_STR_SCENE", "expire_seconds": 2592000},
    ]
    platform.answers["qrcode/create"] = [{"errcode": 48001}]
    assert await wechat.create_scene("grid-1") == NotDone("errcode 48001")


@pytest.mark.parametrize(
    ("scene", "lasts"),
    [("", None), ("x" * 65, None), ("x", timedelta(0)), ("x", timedelta(days=30, seconds=1))],
)
async def test_row_16_a_scene_that_the_platform_does_not_know_is_a_mistake(
    wechat: WechatChannel, scene: str, lasts: timedelta | None
) -> None:
    with pytest.raises(ValueError, match=r"scene|lasts"):
        await wechat.create_scene(scene, lasts)


async def test_the_menu_says_words_and_opens_pages(wechat: WechatChannel, platform: Platform) -> None:
    assert (
        await wechat.set_menu({"我要报事": "报事", "服务": {"进度": "我的事项", "网页": "https://x/"}})
        is None
    )
    assert platform.calls == [
        (
            "menu/create",
            {
                "button": [
                    {"type": "click", "name": "我要报事", "key": "报事"},
                    {
                        "name": "服务",
                        "sub_button": [
                            {"type": "click", "name": "进度", "key": "我的事项"},
                            {"type": "view", "name": "网页", "url": "https://x/"},
                        ],
                    },
                ]
            },
        )
    ]
    platform.answers["menu/create"] = [{"errcode": 40018}]
    assert await wechat.set_menu({"一": "一"}) == NotDone("errcode 40018")
    wrong: Menu
    for wrong in ({}, dict.fromkeys("一二三四", "x"), {"一": {}}, {"一": dict.fromkeys("一二三四五六", "x")}):
        with pytest.raises(ValueError, match="buttons"):
            await wechat.set_menu(wrong)


async def test_who_came_back_with_a_code(wechat: WechatChannel, platform: Platform) -> None:
    platform.answers["sns/oauth2/access_token"] = [
        {"openid": OPENID, "access_token": "a", "scope": "snsapi_base"}
    ]
    assert await wechat.who("code") == OPENID
    assert platform.calls[0][1] == {
        "appid": APP, "secret": SECRET, "code": "code", "grant_type": "authorization_code"
    }  # fmt: skip
    for answer in ({"errcode": 40163}, {}, {"openid": ""}, {"openid": 5}):
        platform.answers["sns/oauth2/access_token"] = [answer]
        assert isinstance(await wechat.who("code"), NotDone)


def test_browsers_are_sent_to_say_who_they_are() -> None:
    address = urlsplit(channel().sign_in("https://x/back?a=1&b=2", "s7"))
    assert (address.path, address.fragment) == ("/connect/oauth2/authorize", "wechat_redirect")
    assert parse_qs(address.query) == {
        "appid": [APP],
        "redirect_uri": ["https://x/back?a=1&b=2"],
        "response_type": ["code"],
        "scope": ["snsapi_base"],
        "state": ["s7"],
    }
