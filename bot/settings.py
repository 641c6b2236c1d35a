"""The configuration: one commented file, secrets from the environment, every mistake named."""

import os
import re
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from bot.files import FileError, Problem, load_document, validate

PREFIX = "HUIYIN_"
DEFAULTS = Path(__file__).parent / "defaults"
TELEGRAM_API = "https://api.telegram.org"
WECHAT_API = "https://api.weixin.qq.com"
WECHAT_PAGES = "https://mp.weixin.qq.com"  # pictures of parametric codes
WECHAT_OPEN = "https://open.weixin.qq.com"  # asks people who they are
WECOM_API = "https://qyapi.weixin.qq.com"


class ConfigError(Exception):
    """The configuration cannot be used; the text is one clear line for each mistake."""


def is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("要写成 http://主机：端口 或 https://主机")
    return url.rstrip("/")


def _page_address(url: str) -> str:
    return _address(url) if url else ""


def _network(address: str) -> str:
    try:
        return str(ip_network(address))
    except ValueError:
        raise ValueError("要写成地址或网段，比如 10.0.0.1 或 10.0.0.0/24") from None


def _secret_header(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,256}", secret.get_secret_value()):
        raise ValueError("只能用字母、数字、下划线和减号，最多256个")
    return secret


def _callback_token(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9]{3,32}|", secret.get_secret_value()):
        raise ValueError("只能用字母和数字，3到32个，和平台后台填的一样")
    return secret


def _aes_key(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9]{43}|", secret.get_secret_value()):
        raise ValueError("是平台后台给的 EncodingAESKey，正好43个字母和数字")
    return secret


Address = Annotated[str, AfterValidator(_address)]
Pace = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ClockKind(StrEnum):
    SYSTEM = "system"
    SANDBOX = "sandbox"


class TelegramMode(StrEnum):
    POLLING = "polling"
    WEBHOOK = "webhook"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Web(_Model):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080


class Ops(_Model):
    """The listener for metrics and health, for those who run the bot; port 0 is none."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0


class Spool(_Model):
    megabytes: Annotated[int, Field(gt=0)] = 64


class Pacing(_Model):
    """Messages per second to all, to one chat, and per minute to one group."""

    per_bot: Pace = 25
    per_chat: Pace = 1
    per_group_minute: Pace = 18


class CallbackPacing(Pacing):
    """WeChat and WeCom bound what one person gets, not what an account says in a second."""

    per_bot: Pace = 100
    per_chat: Pace = 2


class Telegram(_Model):
    token: SecretStr = SecretStr("")
    username: str = ""
    api_base: Address = TELEGRAM_API
    mode: TelegramMode = TelegramMode.POLLING
    webhook_url: str = ""
    webhook_secret: Annotated[SecretStr, AfterValidator(_secret_header)] = SecretStr("")
    pacing: Pacing = Pacing()

    @property
    def configured(self) -> bool:
        return bool(self.token.get_secret_value())


class Wechat(_Model):
    """A verified 服务号. `plain` accepts messages that nobody has signed, for trials only."""

    app_id: str = ""
    secret: SecretStr = SecretStr("")
    token: Annotated[SecretStr, AfterValidator(_callback_token)] = SecretStr("")
    aes_key: Annotated[SecretStr, AfterValidator(_aes_key)] = SecretStr("")
    previous_aes_key: Annotated[SecretStr, AfterValidator(_aes_key)] = SecretStr("")
    plain: bool = False
    api_base: Address = WECHAT_API
    pages_base: Address = WECHAT_PAGES
    open_base: Address = WECHAT_OPEN
    pacing: CallbackPacing = CallbackPacing()

    @property
    def configured(self) -> bool:
        return bool(self.app_id)

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.api_base, self.pages_base, self.open_base)


class WecomBot(_Model):
    """A smart robot (智能机器人) of the same company, by webhook."""

    token: Annotated[SecretStr, AfterValidator(_callback_token)] = SecretStr("")
    aes_key: Annotated[SecretStr, AfterValidator(_aes_key)] = SecretStr("")

    @property
    def configured(self) -> bool:
        return bool(self.token.get_secret_value())


class Wecom(_Model):
    """One app of a company. `robot_keys` name group robots: {"一网格群": key of its webhook}."""

    corp_id: str = ""
    agent_id: int = 0
    secret: SecretStr = SecretStr("")
    token: Annotated[SecretStr, AfterValidator(_callback_token)] = SecretStr("")
    aes_key: Annotated[SecretStr, AfterValidator(_aes_key)] = SecretStr("")
    previous_aes_key: Annotated[SecretStr, AfterValidator(_aes_key)] = SecretStr("")
    robot_key: SecretStr = SecretStr("")
    robot_keys: dict[str, SecretStr] = {}
    bot: WecomBot = WecomBot()
    api_base: Address = WECOM_API
    pacing: CallbackPacing = CallbackPacing(per_chat=0.5)  # half a minute's worth of what a person may get

    @property
    def configured(self) -> bool:
        return bool(self.corp_id)


class Page(_Model):
    """The residents' page. `url` is where browsers find it, for links in messages and codes.

    `per_address_minute` and `per_code_minute` are requests. What our own proxies in `trusted_proxies`,
    addresses or networks, say of where one came from is believed.
    """

    url: Annotated[str, AfterValidator(_page_address)] = ""
    per_address_minute: Annotated[int, Field(gt=0)] = 120
    per_code_minute: Annotated[int, Field(gt=0)] = 120
    pacing: CallbackPacing = CallbackPacing(per_chat=20)
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = ()

    @property
    def configured(self) -> bool:
        return bool(self.url)


class Channels(_Model):
    telegram: Telegram = Telegram()
    wechat: Wechat = Wechat()
    wecom: Wecom = Wecom()
    web: Page = Page()

    @property
    def configured(self) -> bool:
        return any(one.configured for one in (self.telegram, self.wechat, self.wecom, self.web))

    @property
    def bases(self) -> tuple[str, ...]:
        """The platforms' addresses that this configuration speaks to."""
        return (
            *((self.telegram.api_base,) if self.telegram.configured else ()),
            *(self.wechat.bases if self.wechat.configured else ()),
            *((self.wecom.api_base,) if self.wecom.configured else ()),
        )


class Log(_Model):
    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    json_lines: bool = False


class _Fields(_Model):
    """Every key of config.yaml."""

    database_url: str = "sqlite:///data/huiyin.db"
    redis_url: SecretStr = SecretStr("")
    data_dir: Path = Path("data")
    media_url: SecretStr = SecretStr("")  # where photos are kept, if not in data_dir; may hold a password
    rules_dir: Path = DEFAULTS / "rules"
    texts_dir: Path = DEFAULTS / "texts"
    limits_file: Path = DEFAULTS / "limits.yaml"
    roles_file: Path = DEFAULTS / "roles.yaml"
    together_file: Path = DEFAULTS / "together.yaml"
    digests_file: Path = DEFAULTS / "digests.yaml"
    notices_file: Path = DEFAULTS / "notices.yaml"
    menu_file: Path = DEFAULTS / "wechat-menu.yaml"
    live: bool = False
    clock: ClockKind = ClockKind.SYSTEM
    clock_url: str = ""
    secret_key: SecretStr = SecretStr("")
    previous_secret_key: SecretStr = SecretStr("")  # opens what it has sealed, while the key is changed
    web: Web = Web()
    ops: Ops = Ops()
    spool: Spool = Spool()
    channels: Channels = Channels()
    log: Log = Log()


class Settings(_Fields, BaseSettings):
    """The configuration in force: environment over file over defaults. Frozen once read."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @property
    def rules_file(self) -> Path:
        return self.rules_dir / "taxonomy.yaml"

    @property
    def manners_file(self) -> Path:
        return self._own_or_ours("manners.yaml")

    @property
    def cards_file(self) -> Path:
        return self._own_or_ours("cards.yaml")

    def _own_or_ours(self, name: str) -> Path:
        """The office's own rule file, or the one that comes with the program."""
        own = self.rules_dir / name
        return own if own.exists() else DEFAULTS / "rules" / name

    @property
    def texts_file(self) -> Path:
        return self.texts_dir / "zh.yaml"


def load_settings(path: Path | None) -> Settings:
    """Read `path` (config.yaml of the current folder where it exists, if None) and the environment.

    Raises ConfigError naming file, line and key, or the environment variable.
    """
    path = path or (Path("config.yaml") if Path("config.yaml").exists() else None)
    values = _from_file(path) if path else {}
    unknown = _unknown_environment()
    if unknown:
        raise ConfigError("\n".join(f"environment: unknown variable {name}" for name in unknown))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise ConfigError("\n".join(_environment_problem(one) for one in error.errors())) from None
    except SettingsError:
        variable = f"{PREFIX}CHANNELS__WECOM__ROBOT_KEYS"
        raise ConfigError(
            f"environment: {variable} or the like is not JSON, as several values must be"
        ) from None
    _check_safe(settings)
    return settings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        document = load_document(path)
        if document.data is None:
            return {}
        file = validate(document, _Fields)
    except FileError as error:
        raise ConfigError("\n".join(map(str, error.problems))) from None
    _refuse_written_secrets(path, file)
    return file.model_dump(exclude_unset=True)


def _refuse_written_secrets(path: Path, file: _Fields) -> None:
    for key, secret in _secrets(file, ()):
        if secret.get_secret_value():
            variable = PREFIX + key.upper().replace(".", "__")
            raise ConfigError(
                str(Problem(str(path), None, f"{key} 是密钥，不写在文件里，请用环境变量 {variable}"))
            )


def _secrets(model: BaseModel, path: tuple[str, ...]) -> Iterator[tuple[str, SecretStr]]:
    """Every secret of the configuration under its key."""
    for name in type(model).model_fields:
        value, key = getattr(model, name), (*path, name)
        if isinstance(value, SecretStr):
            yield ".".join(key), value
        elif isinstance(value, BaseModel):
            yield from _secrets(value, key)
        elif isinstance(value, dict):
            yield from ((".".join((*key, one)), secret) for one, secret in value.items())


def _environment_problem(error: Any) -> str:
    name = PREFIX + "__".join(str(part).upper() for part in error["loc"])
    return f"environment {name}: {error['msg']}"


def _unknown_environment() -> list[str]:
    return sorted(
        name for name in os.environ if name.startswith(PREFIX) and not _known(name[len(PREFIX) :].lower())
    )


def _known(name: str) -> bool:
    model: Any = _Fields
    for part in name.split("__"):
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            return False
        model = fields[part].annotation
    return True


def _check_safe(settings: Settings) -> None:
    """A trial installation cannot reach real people, and only a sandbox has a clock to follow."""
    telegram = settings.channels.telegram
    local = all(map(is_loopback, settings.channels.bases))
    if not local and not settings.live:
        raise ConfigError(
            "live: is false, so no message may leave this machine: set live: true, "
            "or point every api_base of the channels at a sandbox on loopback"
        )
    if settings.clock is ClockKind.SANDBOX and not (local and is_loopback(settings.clock_url)):
        raise ConfigError("clock: sandbox needs clock_url and every api_base on loopback")
    _check_callbacks(settings.channels)
    if telegram.mode is TelegramMode.WEBHOOK and telegram.configured:
        for key in ("webhook_secret", "webhook_url"):
            value = getattr(telegram, key)
            if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
                raise ConfigError(
                    f"channels.telegram.mode: webhook needs {PREFIX}CHANNELS__TELEGRAM__{key.upper()}"
                )


def _check_callbacks(channels: Channels) -> None:
    """What a configured channel cannot do without."""
    wechat, wecom = channels.wechat, channels.wecom
    needed: dict[str, SecretStr | int] = {}
    if wechat.configured:
        needed |= {"wechat.secret": wechat.secret, "wechat.token": wechat.token}
        needed |= {} if wechat.plain else {"wechat.aes_key": wechat.aes_key}
    if wecom.configured:
        needed |= {"wecom.secret": wecom.secret, "wecom.token": wecom.token, "wecom.aes_key": wecom.aes_key}
        needed |= {"wecom.agent_id": wecom.agent_id}
    if wecom.bot.configured:
        needed |= {"wecom.corp_id": int(wecom.configured), "wecom.bot.aes_key": wecom.bot.aes_key}
    for key, value in needed.items():
        if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
            variable = PREFIX + f"CHANNELS__{key}".upper().replace(".", "__")
            raise ConfigError(f"channels.{key} is missing: set {variable}")
