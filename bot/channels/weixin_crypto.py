"""Signatures and sealed messages of WeChat and WeCom: wechatpy's ciphers behind checks for hostile calls."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from wechatpy.crypto import PrpCrypto
from wechatpy.utils import WeChatSigner

from bot.channels import facts
from bot.channels.callback import ForgedError
from handlers.messages import UnreadableError

Query = Mapping[str, str]


class Crypto:
    """One callback address. `receiver` is the app id or corp id; empty for a company's own smart robot.

    The first of `aes_keys` is the current one, the next the previous one, which still opens what was sealed
    before a change; empty ones are none.
    """

    def __init__(self, token: str, aes_keys: Sequence[str], receiver: str) -> None:
        if not token:
            raise ValueError("with an empty token anybody could sign")
        self._token = token
        self._ciphers = [PrpCrypto(base64.b64decode(f"{key}=")) for key in aes_keys if key]
        self._receiver = receiver

    def check_plain(self, query: Query) -> None:
        """The signature that says nothing about the body. Raises ForgedError."""
        self._check(query, "signature")

    def verify_url(self, query: Query) -> str:
        """The opened `echostr` of a sealed check of our address. Raises ForgedError or UnreadableError."""
        sealed = _given(query, "echostr")
        self._check(query, "msg_signature", sealed)
        return self._decrypt(sealed)[0].decode()

    def open(self, query: Query, encrypted: str, now: datetime) -> tuple[bytes, int]:
        """The plain message, and which key had sealed it. Raises ForgedError or UnreadableError.

        It is UnreadableError where the platform signed it, but no key of ours opens it, or it is meant for
        another receiver (the two look alike).
        """
        self._check(query, "msg_signature", encrypted)
        check_fresh(query, now)
        return self._decrypt(encrypted)

    def seal(self, plain: bytes, key: int, timestamp: str, nonce: str) -> tuple[str, str]:
        """The sealed answer and its signature, made with the key that had opened the call."""
        encrypted: str = self._ciphers[key].encrypt(plain, self._receiver).decode()
        return encrypted, self._signature(timestamp, nonce, encrypted)

    def _check(self, query: Query, name: str, *sealed: str) -> None:
        given = _given(query, name)
        try:
            ours = self._signature(_given(query, "timestamp"), _given(query, "nonce"), *sealed)
            right = hmac.compare_digest(ours.encode(), given.encode())
        except UnicodeEncodeError:  # half a character, which no platform sends
            right = False
        if not right:
            raise ForgedError(f"wrong {name}")

    def _signature(self, *parts: str) -> str:
        signer = WeChatSigner()
        signer.add_data(self._token, *parts)
        return str(signer.signature)

    def _decrypt(self, encrypted: str) -> tuple[bytes, int]:
        for index, cipher in enumerate(self._ciphers):
            try:
                return cipher.decrypt(encrypted, self._receiver).encode(), index
            except Exception:  # noqa: S112 (wechatpy raises whatever garbage leads to)
                continue
        raise UnreadableError("sealed with another key, or for another receiver")


def check_fresh(query: Query, now: datetime) -> None:
    """Raises ForgedError for a call signed too long ago, or in the future."""
    stamp = _given(query, "timestamp")
    seconds = int(stamp) if stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 else 0
    if abs(now.timestamp() - seconds) > facts.OLDEST_CALL.total_seconds():
        raise ForgedError("not of this moment")


def _given(query: Query, name: str) -> str:
    value = query.get(name, "")
    if not value:
        raise ForgedError(f"without {name}")
    return value
