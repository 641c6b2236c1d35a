"""Account addresses at rest: encrypted with AES-GCM, found again by a keyed hash."""

import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class Vault:
    """Encrypts addresses and hashes them for look-up, under keys derived from one secret.

    Every ciphertext begins with the id of its key, so that the secret can be changed later.
    """

    def __init__(self, secret: str) -> None:
        master = secret.encode()
        self._cipher = AESGCM(hmac.digest(master, b"huiyin address", "sha256"))
        self._lookup_key = hmac.digest(master, b"huiyin lookup", "sha256")
        self.lookup = lru_cache(maxsize=10_000)(self._lookup)
        self.key_id = hashlib.sha256(b"huiyin key id" + master).digest()[:4]

    def _lookup(self, channel: str, address: str) -> str:
        """The same for the same address under the same secret; says nothing about it otherwise."""
        return hmac.digest(self._lookup_key, f"{channel}\0{address}".encode(), "sha256").hex()[:40]

    def seal(self, address: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return self.key_id + nonce + self._cipher.encrypt(nonce, address.encode(), self.key_id)

    def open(self, sealed: bytes) -> str:
        """Raises ValueError where the address was sealed under another secret."""
        if sealed[:4] != self.key_id:
            raise ValueError("an address was stored under another HUIYIN_SECRET_KEY")
        nonce, ciphertext = sealed[4 : 4 + _NONCE], sealed[4 + _NONCE :]
        return self._cipher.decrypt(nonce, ciphertext, self.key_id).decode()
