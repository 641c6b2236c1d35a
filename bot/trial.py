"""What a trial office has set up at WeChat and WeCom: for the sandbox, and for the product's settings."""

import base64
import secrets

from bot.sandbox.corp.spec import WecomSpec
from bot.sandbox.official.spec import OfficialSpec
from bot.settings import Wechat, Wecom

TEMPLATE = "tmpl-progress"  # a template that the service account has been granted
ROBOT = "一网格群"


def service_account(home: str) -> OfficialSpec:
    """A verified 服务号 that calls the product at `home`."""
    return OfficialSpec(
        "wx5a11d0b0c5e4a001",
        secrets.token_hex(16),
        secrets.token_hex(8),
        _aes_key(),
        f"{home}/wechat",
        templates=(TEMPLATE,),
    )


def wechat_settings(spec: OfficialSpec, sandbox: str) -> Wechat:
    return Wechat.model_validate(
        {
            "app_id": spec.app_id,
            "secret": spec.secret,
            "token": spec.token,
            "aes_key": spec.aes_key,
            "api_base": sandbox,
            "pages_base": sandbox,
            "open_base": sandbox,
        }
    )


def company_at(home: str) -> WecomSpec:
    """A company with an app, a group robot and a smart robot that call the product at `home`."""
    return WecomSpec(
        "ww5a11d0b0c5e4a001",
        1000002,
        secrets.token_hex(16),
        secrets.token_hex(8),
        _aes_key(),
        f"{home}/wecom",
        robots={ROBOT: secrets.token_hex(16)},
        bot_token=secrets.token_hex(8),
        bot_aes_key=_aes_key(),
        bot_url=f"{home}/wecom/bot",
    )


def wecom_settings(spec: WecomSpec, sandbox: str) -> Wecom:
    return Wecom.model_validate(
        {
            "corp_id": spec.corp_id,
            "agent_id": spec.agent_id,
            "secret": spec.secret,
            "token": spec.token,
            "aes_key": spec.aes_key,
            "robot_keys": dict(spec.robots),
            "bot": {"token": spec.bot_token, "aes_key": spec.bot_aes_key},
            "api_base": f"{sandbox}/corp",
        }
    )


def _aes_key() -> str:
    """32 random bytes as the platforms write them: 43 letters and digits."""
    while True:
        key = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        if key.isalnum():
            return key
