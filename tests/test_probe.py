"""`huiyin check` asks the platforms what this office may do, and says what happens instead."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.checking import check_all
from bot.clock import Clock
from bot.notices import load_notices
from bot.probing import Line, probe_all
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.official.spec import OfficialSpec, Permission
from bot.sandbox.server import Running, WecomSpec, build, serve
from bot.settings import DEFAULTS, ConfigError, Settings, load_settings
from handlers.notices import Form, Notices
from storage import schema

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
APP, KEY, SECRET = "wx00000000000000aa", "a" * 43, "the-secret-itself"
CORP, AGENT = "ww00000000000000aa", 1000002
FIELDS = ("character_string1", "thing2", "time3")
ALL = frozenset(Permission)
DOCS = Path(__file__).parent.parent / "docs"


def form(template: str = "", subscription: str = "", fields: tuple[str, ...] = FIELDS) -> Notices:
    return Notices(
        forms=(Form(template, subscription, {"receipt": "已受理"}, dict.fromkeys(fields, "{what}")),)
    )


def official(**more: Any) -> OfficialSpec:
    return OfficialSpec(APP, SECRET, "callbacktoken", KEY, "http://127.0.0.1:9/wechat", **more)


def company(**more: Any) -> WecomSpec:
    return WecomSpec(CORP, AGENT, SECRET, "callbacktoken", KEY, "http://127.0.0.1:9/wecom", **more)


@asynccontextmanager
async def sandbox(
    official_: OfficialSpec | None = None, wecom: WecomSpec | None = None
) -> AsyncIterator[Running]:
    async with serve(build(Clock(NOW), [], official_ or official(), wecom or company())) as running:
        yield running


def settings(base: str, wechat: Mapping[str, Any] | None = None, **more: Any) -> Settings:
    bases = dict.fromkeys(("api_base", "pages_base", "open_base"), base)
    account = {"app_id": APP, "secret": SECRET, "token": "callbacktoken", "aes_key": KEY}
    return Settings(channels={"wechat": {**account, **bases, **(wechat or {})}, **more})


def with_wecom(base: str, **more: Any) -> Settings:
    account = {"corp_id": CORP, "agent_id": AGENT, "secret": SECRET, "token": "callbacktoken", "aes_key": KEY}
    return Settings(channels={"wecom": {**account, "api_base": f"{base}/corp", **more}})


def about(lines: list[Line], subject: str) -> tuple[bool, str]:
    (found,) = [(fine, words) for name, fine, words in lines if name == subject]
    return found


def warnings(lines: list[Line]) -> set[str]:
    return {name for name, _, words in lines if words.startswith("WARNING")}


# --- WeChat -----------------------------------------------------------------------------------


async def test_row_23_a_verified_account_may_all() -> None:
    spec = official(
        templates=("T-progress", "S-progress"), fields={"T-progress": FIELDS, "S-progress": FIELDS}
    )
    async with sandbox(spec) as running:
        account = running.app.state.surfaces[0].account
        account.menu = [{"type": "click", "name": "查进度", "key": "查进度"}]
        lines = await probe_all(settings(running.base_url), form("T-progress", "S-progress"))
    assert all(fine for _, fine, _ in lines)
    assert not warnings(lines)
    assert about(lines, "wechat") == (True, f"{APP}, its token works")
    assert about(lines, "wechat template")[1].startswith("T-progress is there")
    assert about(lines, "wechat subscription")[1].startswith("S-progress is there")
    assert not account.users, "nobody was reached"
    assert not account.permanent, "no permanent code was used up"


@pytest.mark.parametrize(
    ("lacks", "subject", "instead"),
    [
        (Permission.TEMPLATE, "wechat 模板消息", "48 hours"),
        (Permission.SERVICE, "wechat 客服消息", "template messages"),
        (Permission.SCENES, "wechat 带参数二维码", "--channel web"),
        (Permission.MENU, "wechat 自定义菜单", "type the words"),
        (Permission.SUBSCRIPTION, "wechat 订阅通知", "its templates go"),
    ],
)
async def test_row_23_what_an_account_may_not_is_said_with_what_happens_instead(
    lacks: Permission, subject: str, instead: str
) -> None:
    spec = official(permissions=ALL - {lacks}, templates=("T", "S"))
    async with sandbox(spec) as running:
        lines = await probe_all(settings(running.base_url), form("T", "S"))
    fine, words = about(lines, subject)
    assert fine
    assert re.match(r"WARNING .*48001", words)
    assert instead in words
    assert warnings(lines) - {"wechat menu"} == {subject}


async def test_row_23_an_account_that_is_not_verified_is_recognised() -> None:
    async with sandbox(official(verified=False)) as running:
        lines = await probe_all(settings(running.base_url), form())
    assert {"wechat 模板消息", "wechat 带参数二维码", "wechat 客服消息"} <= warnings(lines)
    assert [words for name, _, words in lines if name == "wechat"][1].endswith("no verified 服务号")


async def test_row_23_consent_is_of_no_matter_where_none_is_asked_for() -> None:
    async with sandbox(official(permissions=ALL - {Permission.SUBSCRIPTION}, templates=("T",))) as running:
        lines = await probe_all(settings(running.base_url), form("T"))
    assert not [name for name, _, _ in lines if "订阅" in name]


@pytest.mark.parametrize(
    ("notices", "subject", "fine", "says"),
    [
        (form(), "wechat templates", True, "WARNING notices.yaml names none"),
        (form("T-other"), "wechat template", False, "T-other in notices.yaml is not on the account"),
        (form("T", fields=("thing2",)), "wechat template", False, "fills thing2: make them the same"),
        (form("T", fields=(*FIELDS, "thing9")), "wechat template", False, "thing9, time3: make them"),
        (form("T"), "wechat template", True, "T is there"),
        (form("T-old"), "wechat template", True, "T-old is there"),
        (form("", "S"), "wechat subscription", True, "S is there"),
    ],
)
async def test_templates_are_compared_with_the_accounts(
    notices: Notices, subject: str, fine: bool, says: str
) -> None:
    fields = {"T": FIELDS, "T-old": ("first", *FIELDS, "remark")}
    async with sandbox(official(templates=(*fields, "S"), fields=fields)) as running:
        lines = await probe_all(settings(running.base_url), notices)
    found = about(lines, subject)
    assert found[0] is fine
    assert says in found[1]


async def test_the_shipped_notices_leave_templates_to_the_office() -> None:
    async with sandbox() as running:
        lines = await probe_all(settings(running.base_url), load_notices(DEFAULTS / "notices.yaml"))
    assert warnings(lines) == {"wechat templates", "wechat menu"}


@pytest.mark.parametrize(
    ("errcode", "errmsg", "says"),
    [
        (
            40164,
            "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist hint: [x]",
            "203.0.113.7: add",
        ),
        (40164, "not in whitelist", "an address that it does not tell"),
        (40125, "invalid appsecret", "does not take the secret"),
        (40013, "invalid appid", "does not know this account"),
        (45009, "reach max api daily quota limit", "(45009)"),
    ],
)
async def test_without_a_token_nothing_works_and_it_says_why(errcode: int, errmsg: str, says: str) -> None:
    async with sandbox() as running:
        fault = Fault(FaultKind.ERRCODE, "stable_token", errcode=errcode, description=errmsg)
        running.app.state.world.faults.add(fault)
        lines = await probe_all(settings(running.base_url), form())
    fine, words = about(lines, "wechat")
    assert not fine
    assert says in words
    assert len(lines) == 3


async def test_a_call_that_fails_leaves_the_others() -> None:
    async with sandbox() as running:
        fault = Fault(FaultKind.ERRCODE, "template/get_all_private_template", errcode=-1)
        running.app.state.world.faults.add(fault)
        lines = await probe_all(settings(running.base_url), form("T"))
    assert about(lines, "wechat 模板消息") == (True, "WARNING could not be found out: errcode -1")
    assert about(lines, "wechat 客服消息")[1] == "this account may"
    assert not [line for line in lines if line[0] == "wechat template"]


async def test_no_line_tells_a_secret() -> None:
    async with sandbox() as running:
        lines = await probe_all(settings(running.base_url, {"plain": True}), form())
        lines += await probe_all(
            with_wecom(running.base_url, bot={"token": "bottoken", "aes_key": KEY}), None
        )
    told = " ".join(words for _, _, words in lines)
    assert not [one for one in (SECRET, KEY, "callbacktoken", "bottoken") if one in told]
    assert "HUIYIN_CHANNELS__WECHAT__TOKEN" in told
    assert "HUIYIN_CHANNELS__WECOM__BOT__TOKEN" in told
    assert "nobody has signed" in told


# --- WeCom ------------------------------------------------------------------------------------


async def test_a_company_in_order() -> None:
    async with sandbox(wecom=company(members=("WangFang", "LiLei"))) as running:
        lines = await probe_all(with_wecom(running.base_url, robot_keys={"一网格群": "k"}), None)
    assert all(fine for _, fine, _ in lines)
    assert not warnings(lines)
    assert about(lines, "wecom") == (True, "回音, on")
    assert about(lines, "wecom visible range")[1] == "2 members, 1 departments, 0 tags by name"
    assert about(lines, "wecom robots")[1] == "一网格群"


@pytest.mark.parametrize(
    ("more", "subject", "fine", "says"),
    [
        ({"closed": True}, "wecom", False, "switched off"),
        ({"for_all": False}, "wecom visible range", False, "可见范围"),
        ({"for_all": False, "members": ("a",)}, "wecom visible range", True, "need the root department"),
        (
            {"home_url": "https://a.example"},
            "wecom home page",
            True,
            "WARNING the app has one: switch 始终进入主页 off",
        ),
    ],
)
async def test_what_stands_in_the_way_of_cards(
    more: dict[str, Any], subject: str, fine: bool, says: str
) -> None:
    async with sandbox(wecom=company(**more)) as running:
        found = about(await probe_all(with_wecom(running.base_url), None), subject)
    assert found[0] is fine
    assert says in found[1]


@pytest.mark.parametrize(
    ("method", "errcode", "errmsg", "says"),
    [
        ("corp/gettoken", 40013, "invalid corpid", "does not know this account"),
        ("corp/gettoken", 40001, "invalid credential", "does not take the secret"),
        ("corp/agent/get", 40056, "invalid agentid", "not this secret's"),
        (
            "corp/agent/get",
            60020,
            "not allow to access from your ip, hint: [1], from ip: 203.0.113.7, more info",
            "203",
        ),
    ],
)
async def test_a_company_that_refuses(method: str, errcode: int, errmsg: str, says: str) -> None:
    async with sandbox() as running:
        fault = Fault(FaultKind.ERRCODE, method, errcode=errcode, description=errmsg)
        running.app.state.world.faults.add(fault)
        fine, words = about(await probe_all(with_wecom(running.base_url), None), "wecom")
    assert not fine
    assert says in words


# --- the page, and all of it ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "not configured"),
        ("https://huiyin.example", "https://huiyin.example"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://huiyin.example", "WARNING http://huiyin.example is not https"),
    ],
)
async def test_the_page_is_looked_at_without_asking_it(url: str, says: str) -> None:
    fine, words = about(await probe_all(Settings(channels={"web": {"url": url}}), None), "web")
    assert fine
    assert words.startswith(says)


async def test_without_platforms_nothing_is_asked() -> None:
    lines = await probe_all(Settings(), None)
    assert [words.split(" (")[0] for _, _, words in lines][:2] == ["not configured", "not configured"]


@pytest.mark.parametrize("name", ["deploy-wechat.md", "deploy-wecom.md"])
def test_the_documents_name_variables_that_exist(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    told = re.findall(r"HUIYIN_[A-Z_]*[A-Z]", (DOCS / name).read_text(encoding="utf-8"))
    assert len(set(told)) >= 7
    for variable in told:
        monkeypatch.setenv(variable, "{}")
    with pytest.raises(ConfigError) as refused:
        load_settings(None)
    assert "unknown variable" not in str(refused.value)


def test_check_says_how_many_codes_are_used(tmp_path: Path) -> None:
    """Nobody answers at this address: what needs no platform is told all the same."""
    schema.migrate(tmp_path / "huiyin.db", NOW)
    ours = settings("http://127.0.0.1:9").model_copy(
        update={"database_url": f"sqlite:///{tmp_path}/huiyin.db"}
    )
    lines = list(check_all(ours))
    assert about(lines, "wechat codes") == (True, "0 of 100000 are used")
    assert about(lines, "wechat") == (False, "the platform cannot be asked: no connection to the platform")
    assert about(lines, "menu") == (True, str(DEFAULTS / "wechat-menu.yaml"))
