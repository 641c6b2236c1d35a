"""What a service account may do at WeChat, by calls that change nothing and reach nobody."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.channels.weixin_api import Answer, Http, Reply
from bot.clock import Clock
from bot.settings import Wechat

NO_MENU = 46003
_MAY_NOT = 48001
_NOBODY = "huiyin-check"  # no openid: what is sent there reaches nobody
_UNSHOWN = {"first", "remark"}  # in older templates, dropped since May 2023
_FIELD = re.compile(r"\{\{\s*(\w+)\.DATA\s*\}\}")


class Ability(StrEnum):
    SERVICE = "客服消息"
    TEMPLATE = "模板消息"
    SUBSCRIPTION = "订阅通知"
    SCENES = "带参数二维码"
    MENU = "自定义菜单"


_TAKEN = {  # refusals that are only given to those who may
    Ability.SERVICE: {40003, 45015, 43004},
    Ability.MENU: {NO_MENU},
}
Fields = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Probe:
    """What the account may not do, what could not be found out and why, and the fields of its templates."""

    missing: frozenset[Ability] = frozenset()
    unclear: Mapping[Ability, str] = field(default_factory=dict)
    templates: Fields = field(default_factory=dict)
    notices: Fields = field(default_factory=dict)
    has_menu: bool = False


async def probe(settings: Wechat, clock: Clock) -> Probe | Answer:
    """The platform's answer itself where it gives no token."""
    http = Http(settings.api_base, clock)
    try:
        token = await http.post("cgi-bin/stable_token", _identity(settings))
        if not isinstance(token, Reply) or not token.ok:
            return token
        return _told(await _ask(http, str(token.body.get("access_token", ""))))
    finally:
        await http.close()


def _identity(settings: Wechat) -> dict[str, object]:
    secret = settings.secret.get_secret_value()
    return {"grant_type": "client_credential", "appid": settings.app_id, "secret": secret}


async def _ask(http: Http, token: str) -> dict[Ability, Answer]:
    said = {"touser": _NOBODY, "msgtype": "text", "text": {"content": "check"}}
    scene = {
        "action_name": "QR_STR_SCENE",
        "expire_seconds": 60,
        "action_info": {"scene": {"scene_str": "check"}},
    }
    return {
        Ability.SERVICE: await http.post("cgi-bin/message/custom/send", said, access_token=token),
        Ability.TEMPLATE: await http.get("cgi-bin/template/get_all_private_template", access_token=token),
        Ability.SUBSCRIPTION: await http.get("wxaapi/newtmpl/gettemplate", access_token=token),
        Ability.SCENES: await http.post("cgi-bin/qrcode/create", scene, access_token=token),
        Ability.MENU: await http.get("cgi-bin/menu/get", access_token=token),
    }


def _told(answers: Mapping[Ability, Answer]) -> Probe:
    codes = {ability: answer.errcode for ability, answer in answers.items() if isinstance(answer, Reply)}
    unclear = {
        ability: f"errcode {answer.errcode}" if isinstance(answer, Reply) else answer.reason
        for ability, answer in answers.items()
        if codes.get(ability) not in {0, _MAY_NOT} | _TAKEN.get(ability, set())
    }
    return Probe(
        frozenset(ability for ability, code in codes.items() if code == _MAY_NOT),
        unclear,
        _fields(answers[Ability.TEMPLATE], "template_list", "template_id"),
        _fields(answers[Ability.SUBSCRIPTION], "data", "priTmplId"),
        codes.get(Ability.MENU) == 0,
    )


def _fields(answer: Answer, listed: str, named: str) -> Fields:
    """The names of each template's fields that are shown, as its content has them."""
    found = answer.body.get(listed) if isinstance(answer, Reply) else None
    return {
        str(one.get(named)): frozenset(_FIELD.findall(str(one.get("content", "")))) - _UNSHOWN
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, dict)
    }
