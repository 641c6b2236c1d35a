"""The secret key: what it must be, and whether it is the one that this database is under."""

from bot.settings import ConfigError, Settings
from storage import resealing
from storage.secrets import Vault
from storage.store import Store

_CHANGE = "set HUIYIN_SECRET_KEY and HUIYIN_PREVIOUS_SECRET_KEY and run `huiyin privacy reseal`"


def secret_key(settings: Settings) -> str:
    secret = settings.secret_key.get_secret_value()
    if len(secret) < 16:
        raise ConfigError(
            "HUIYIN_SECRET_KEY is missing or shorter than 16 characters: it encrypts account addresses; "
            "make one with `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'` and keep it"
        )
    return secret


def vault_of(settings: Settings) -> Vault:
    """Raises ConfigError where there is no key."""
    return Vault(secret_key(settings), settings.previous_secret_key.get_secret_value())


async def check(store: Store, vault: Vault) -> None:
    """Raises ConfigError where the database is under another key: to us all would be strangers."""
    if await store.read(resealing.begun_with) is not None:
        raise ConfigError(f"changing the key was begun and is not finished: {_CHANGE}")
    if not all(map(vault.sealed_now, await store.read(resealing.newest))):
        raise ConfigError(f"the database is under another HUIYIN_SECRET_KEY; to change it {_CHANGE}")
