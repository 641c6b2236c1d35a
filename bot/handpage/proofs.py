"""Proofs that need no session: of a sign-in that we began, and of who has signed in for which code."""

import base64
import hmac
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag

from storage.secrets import Vault

LIVES = timedelta(minutes=10)  # of a sign-in, and then of the form
_FORM = "hand page"  # what is sealed for a form is nothing else


class Proofs:
    def __init__(self, secret: str, vault: Vault) -> None:
        self._key = hmac.digest(secret.encode(), b"huiyin hand page", "sha256")
        self._vault = vault

    def state(self, code: str, browser: str, now: datetime) -> str:
        """Letters and digits only, as the platform wants it."""
        until = f"{int((now + LIVES).timestamp()):x}"
        return f"{until}x{self._mac(code, browser, until)}"

    def began(self, state: str, code: str, browser: str, now: datetime) -> bool:
        """Whether we sent this browser to sign in for this code, a short while ago."""
        until, _, mac = state.partition("x")
        genuine = hmac.compare_digest(mac.encode(), self._mac(code, browser, until).encode())
        return genuine and now.timestamp() <= int(until, 16)

    def _mac(self, *parts: str) -> str:
        return hmac.digest(self._key, "\0".join(parts).encode(), "sha256").hex()

    def form(self, code: str, openid: str, now: datetime) -> str:
        """Sealed, so that the page does not hold the openid in clear."""
        until = int((now + LIVES).timestamp())
        sealed = self._vault.seal(f"{_FORM}\0{code}\0{until}\0{openid}")
        return base64.urlsafe_b64encode(sealed).decode()

    def holder(self, form: str, code: str, now: datetime) -> str | None:
        """Who signed in for this code; None for a form that is not ours, or too old."""
        try:
            opened = self._vault.open(base64.urlsafe_b64decode(form.encode()))
        except (ValueError, InvalidTag):
            return None
        kind, its_code, until, openid = (*opened.split("\0", 3), "", "", "")[:4]
        if (kind, its_code) != (_FORM, code) or now.timestamp() > int(until):
            return None
        return openid
