"""The platforms' sealed messages, as WeChat and WeCom make and open them: AES with a signature over it."""

import base64
import hashlib
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK = 32


class NotOursError(Exception):
    """The signature, the padding or the receiver is wrong: the platform would not take it."""


@dataclass(frozen=True)
class Sealer:
    """`receiver` is the app id or corp id that every message names; empty for a company's own smart robot."""

    token: str
    aes_key: str
    receiver: str

    def signature(self, timestamp: str, nonce: str, sealed: str) -> str:
        return signature(self.token, timestamp, nonce, sealed)

    def seal(self, plain: bytes) -> str:
        raw = secrets.token_bytes(16) + len(plain).to_bytes(4, "big") + plain + self.receiver.encode()
        padding = _BLOCK - len(raw) % _BLOCK
        encryptor = self._cipher().encryptor()
        return base64.b64encode(encryptor.update(raw + bytes([padding]) * padding)).decode()

    def open(self, sealed: str, msg_signature: str, timestamp: str, nonce: str) -> bytes:
        """Raises NotOursError."""
        if self.signature(timestamp, nonce, sealed) != msg_signature:
            raise NotOursError("signature")
        decryptor = self._cipher().decryptor()
        raw = decryptor.update(base64.b64decode(sealed))
        raw = raw[: -raw[-1]]
        length = int.from_bytes(raw[16:20], "big")
        if raw[20 + length :].decode() != self.receiver:
            raise NotOursError("receiver")
        return raw[20 : 20 + length]

    def _cipher(self) -> Cipher[modes.CBC]:
        key = base64.b64decode(self.aes_key + "=")
        return Cipher(algorithms.AES(key), modes.CBC(key[:16]))


def signature(*parts: str) -> str:
    """SHA-1 over the sorted parts: the platforms' way (it is theirs to choose)."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()
