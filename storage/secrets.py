"""Account addresses at rest: encrypted with AES-GCM, found again by a keyed hash."""

import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE, _ID = 12, 4


class Vault:
    """Encrypts addresses and hashes them for look-up, under keys derived from one secret.

    Every ciphertext begins with the id of its key, so that the secret can be changed: what an earlier secret
    has sealed is still opened where that is given too.
    """

    def __init__(self, secret: str, previous: str = "") -> None:
        self.key_id = _key_id(secret)
        self._ciphers = {_key_id(one): _cipher(one) for one in (previous, secret) if one}
        self._lookup_key = hmac.digest(secret.encode(), b"huiyin lookup", "sha256")
        self.lookup = lru_cache(maxsize=10_000)(self._lookup)

    def _lookup(self, channel: str, address: str) -> str:
        """The same for the same address under the same secret; says nothing about it otherwise."""
        return hmac.digest(self._lookup_key, f"{channel}\0{address}".encode(), "sha256").hex()[:40]

    def seal(self, address: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return self.key_id + nonce + self._ciphers[self.key_id].encrypt(nonce, address.encode(), self.key_id)

    def open(self, sealed: bytes) -> str:
        """Raises ValueError where the address was sealed under another secret."""
        key_id, nonce, ciphertext = sealed[:_ID], sealed[_ID : _ID + _NONCE], sealed[_ID + _NONCE :]
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise ValueError("an address was stored under another HUIYIN_SECRET_KEY")
        return cipher.decrypt(nonce, ciphertext, key_id).decode()

    def sealed_now(self, sealed: bytes) -> bool:
        """Whether it was sealed under today's secret, not an earlier one."""
        return sealed[:_ID] == self.key_id

    def reseal(self, sealed: bytes | None) -> bytes | None:
        """The same under today's secret. Raises ValueError as `open` does."""
        return sealed if sealed is None or self.sealed_now(sealed) else self.seal(self.open(sealed))


def _key_id(secret: str) -> bytes:
    return hashlib.sha256(b"huiyin key id" + secret.encode()).digest()[:_ID]


def _cipher(secret: str) -> AESGCM:
    return AESGCM(hmac.digest(secret.encode(), b"huiyin address", "sha256"))
