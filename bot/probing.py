"""What `huiyin check` asks of the platforms: what this office's accounts may do, and what we do instead."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from bot.channels import wechat_probe, wecom_probe
from bot.channels.wechat_probe import Ability, Probe
from bot.channels.wecom_probe import Agent
from bot.channels.weixin_api import Answer, Reply
from bot.clock import Clock
from bot.settings import PREFIX, Settings, Wecom, is_loopback
from handlers.notices import Form, Notices

Line = tuple[str, bool, str]

_KEPT = "what comes later than 48 hours after residents wrote waits until they write again"
_INSTEAD = {
    Ability.SERVICE: "only the answer within seconds and template messages reach residents; the rest waits",
    Ability.TEMPLATE: _KEPT,
    Ability.SUBSCRIPTION: "the subscriptions of notices.yaml are of no use; its templates go",
    Ability.SCENES: "print the residents' page instead: huiyin qr --channel web",
    Ability.MENU: "residents type the words; 帮助 says which",
}
_VERIFIED_ONLY = {Ability.TEMPLATE, Ability.SCENES}
_NO_SECRET = "the platform does not take the secret"  # noqa: S105 (a sentence)
_REFUSED = {
    40001: f"{_NO_SECRET} (SECRET)",
    40125: f"{_NO_SECRET} (SECRET)",
    40013: "the platform does not know this account (APP_ID, CORP_ID)",
    40056: "the app is not this secret's (AGENT_ID)",
    301002: "the app is not this secret's (AGENT_ID)",
}
_ADDRESS = {40164: "IP白名单", 60020: "企业可信IP"}
_SEEN = re.compile(r"(?:invalid ip|from ip:?)\s*([0-9A-Fa-f.:]+)")


async def probe_all(settings: Settings, notices: Notices | None) -> list[Line]:
    """A line for each thing found. `notices` of None is a file that was refused already."""
    wechat, wecom = settings.channels.wechat, settings.channels.wecom
    lines: list[Line] = []
    if not wechat.configured:
        lines.append(("wechat", True, f"not configured ({PREFIX}CHANNELS__WECHAT__APP_ID)"))
    else:
        lines += _wechat(settings, await wechat_probe.probe(wechat, Clock()), notices)
    if not wecom.configured:
        lines.append(("wecom", True, f"not configured ({PREFIX}CHANNELS__WECOM__CORP_ID)"))
    else:
        lines += _wecom(settings, await wecom_probe.probe(wecom, Clock()))
    return [*lines, _page(settings.channels.web.url)]


def _refused(subject: str, answer: Answer) -> Line:
    """Why nothing works, without the platform's own words but for our address as it saw it."""
    if not isinstance(answer, Reply):
        return subject, False, f"the platform cannot be asked: {answer.reason}"
    errcode = answer.errcode
    if errcode in _ADDRESS:
        seen = _SEEN.search(str(answer.body.get("errmsg", "")))
        address = seen.group(1) if seen else "an address that it does not tell"
        words = f"the platform refuses calls from {address}: add it to {_ADDRESS[errcode]}"
    else:
        words = _REFUSED.get(errcode, "the platform refuses")
    return subject, False, f"{words} ({errcode})"


def _warning(subject: str, words: str) -> Line:
    return subject, True, f"WARNING {words}"


# --- WeChat -----------------------------------------------------------------------------------


def _wechat(settings: Settings, found: Probe | Answer, notices: Notices | None) -> Iterator[Line]:
    ours = settings.channels.wechat
    if not isinstance(found, Probe):
        yield _refused("wechat", found)
        return
    yield "wechat", True, f"{ours.app_id}, its token works"
    yield from _abilities(found, notices)
    if notices is not None:
        yield from _templates(found, notices)
    if not found.has_menu and Ability.MENU not in found.missing:
        yield _warning("wechat menu", "there is none yet: run `huiyin wechat menu`")
    if ours.plain:
        yield _warning(
            "wechat callback", "plain: true takes messages that nobody has signed; only for trials"
        )
    yield _by_hand(
        settings, "wechat", "/wechat", "WECHAT", "设置与开发 → 基本配置 → 服务器配置", "安全模式, XML"
    )


def _abilities(found: Probe, notices: Notices | None) -> Iterator[Line]:
    used = set(Ability) if _names(notices, "subscription") else set(Ability) - {Ability.SUBSCRIPTION}
    for ability in Ability:
        if ability in found.missing & used:
            yield _warning(f"wechat {ability}", f"this account may not (48001): {_INSTEAD[ability]}")
        elif ability in found.unclear and ability in used:
            yield _warning(f"wechat {ability}", f"could not be found out: {found.unclear[ability]}")
        elif ability in used:
            yield f"wechat {ability}", True, "this account may"
    if found.missing >= _VERIFIED_ONLY:
        yield _warning("wechat", "this looks like an account that is no verified 服务号")


def _names(notices: Notices | None, kind: str) -> list[tuple[Form, str]]:
    forms = notices.forms if notices is not None else ()
    return [(form, getattr(form, kind)) for form in forms if getattr(form, kind)]


def _templates(found: Probe, notices: Notices) -> Iterator[Line]:
    """Whether what notices.yaml names is there, with the fields that it fills."""
    kinds = (
        ("template", Ability.TEMPLATE, found.templates),
        ("subscription", Ability.SUBSCRIPTION, found.notices),
    )
    if not any(_names(notices, kind) for kind, _, _ in kinds):
        yield _warning("wechat templates", f"notices.yaml names none: {_KEPT}")
    for kind, ability, there in kinds:
        if ability in found.missing or ability in found.unclear:
            continue
        for form, name in _names(notices, kind):
            yield _template(f"wechat {kind}", name, form.fields, there)


def _template(subject: str, name: str, ours: Mapping[str, str], there: Mapping[str, frozenset[str]]) -> Line:
    if name not in there:
        return subject, False, f"{name} in notices.yaml is not on the account; copy its id from the platform"
    fields = there[name]
    if fields and fields != set(ours):
        wanted, given = ", ".join(sorted(fields)), ", ".join(sorted(ours))
        return (
            subject,
            False,
            f"{name} has the fields {wanted}; notices.yaml fills {given}: make them the same",
        )
    return subject, True, f"{name} is there, with the fields that notices.yaml fills"


# --- WeCom ------------------------------------------------------------------------------------


def _wecom(settings: Settings, found: Agent | Answer) -> Iterator[Line]:
    ours = settings.channels.wecom
    if not isinstance(found, Agent):
        yield _refused("wecom", found)
        return
    state = "is switched off on the platform" if found.closed else "on"
    yield "wecom", not found.closed, f"{found.name}, {state}"
    yield _visible(found)
    if found.home:
        yield _warning(
            "wecom home page",
            "the app has one: switch 始终进入主页 off, or who reads in WeChat sees 20 bytes of a text",
        )
    yield "wecom robots", True, ", ".join(_robots(ours)) or "none: groups hear through appchat or not at all"
    if ours.bot.configured:
        where = "智能机器人 → API模式"
        yield _by_hand(settings, "wecom smart robot", "/wecom/bot", "WECOM__BOT", where, "JSON")
    yield _by_hand(settings, "wecom", "/wecom", "WECOM", "应用管理 → 应用 → 接收消息", "XML")


def _robots(ours: Wecom) -> list[str]:
    return [*(["the one without a name"] if ours.robot_key.get_secret_value() else []), *ours.robot_keys]


def _visible(found: Agent) -> Line:
    subject = "wecom visible range"
    if not found.seen:
        return subject, False, "nobody: put the staff into 可见范围, or nobody gets a card"
    words = f"{found.people} members, {len(found.departments)} departments, {found.tags} tags by name"
    groups = "" if found.seen_by_all else "; groups of the app (appchat) need the root department"
    return subject, True, words + groups


# --- what is done by hand, and the page -------------------------------------------------------


def _by_hand(settings: Settings, subject: str, path: str, keys: str, where: str, form: str) -> Line:
    base = settings.channels.web.url.rstrip("/") or "https://YOUR-HOST"
    names = f"{PREFIX}CHANNELS__{keys}__TOKEN and …__AES_KEY"
    return (
        f"{subject} callback",
        True,
        f"by hand, under {where}: URL {base}{path}, {names} as set here, {form}",
    )


def _page(url: str) -> Line:
    if not url:
        return "web", True, f"not configured ({PREFIX}CHANNELS__WEB__URL): messages carry no links"
    if urlsplit(url).scheme != "https" and not is_loopback(url):
        return _warning("web", f"{url} is not https: phones warn, and the platforms refuse it")
    return "web", True, url
