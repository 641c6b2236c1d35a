"""How often one address may ask, and how much one code may be used: a bucket for each, in memory."""

from collections.abc import Collection
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import Request

_REFILL = timedelta(minutes=1)
_MOST_KEPT = 10_000


class Allowance:
    """So many uses a minute for every key; what was not used is saved up for a minute at most."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._left: dict[str, tuple[float, datetime]] = {}

    def take(self, key: str, now: datetime) -> bool:
        """Use one up; False where none is left."""
        left, at = self._left.get(key, (self._most, now))
        left = min(left + (now - at) / _REFILL * self._most, self._most)
        if left < 1:
            return False
        if len(self._left) >= _MOST_KEPT:
            self._forget_full(now)
        self._left[key] = (left - 1, now)
        return True

    def _forget_full(self, now: datetime) -> None:
        """Who has not asked for a minute has a full bucket, like somebody new. A flood starts anew."""
        recent = {key: used for key, used in self._left.items() if now - used[1] < _REFILL}
        self._left = recent if len(recent) < _MOST_KEPT else {}


def address_of(request: Request, proxies: Collection[str]) -> str:
    """Where a request comes from: the nearest address that is none of our own proxies.

    What others write into the header counts only where a proxy of ours has added to it.
    """
    seen = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while _is_one_of(seen, proxies) and forwarded and (before := forwarded.pop().strip()):
        seen = before
    return _household(seen)


def _is_one_of(address: str, networks: Collection[str]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(one) for one in networks)


def _household(address: str) -> str:
    """One line gets a whole /64 of the long addresses."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found, 64), strict=False))
    return str(found)
