"""Scripted trouble: which call, about which chat, goes wrong in which way, and how often."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    TOO_MANY = "429"
    BLOCKED = "403"
    BAD_REQUEST = "400"
    NOT_MODIFIED = "not_modified"
    BAD_ENTITIES = "bad_entities"
    SERVER_ERROR = "500"
    BAD_GATEWAY_HTML = "502_html"
    HANG = "hang"  # nothing happens, nobody answers
    DROP = "drop"  # nothing happens, the connection breaks
    TIMEOUT_AFTER_ACCEPT = "timeout_after_accept"  # it happens, nobody answers
    ACCEPT_THEN_DROP = "accept_then_drop"  # it happens, the connection breaks
    ERRCODE = "errcode"  # WeChat's way to refuse: HTTP 200 and the fault's `errcode`
    DUPLICATE_UPDATE = "duplicate_update"
    REORDER_UPDATES = "reorder_updates"  # the update waits until the next one has gone


ABOUT_UPDATES = (FaultKind.DUPLICATE_UPDATE, FaultKind.REORDER_UPDATES)


@dataclass
class Fault:
    """`method` and `chat` of None match any. Silence lasts `seconds` of real time, or until released.

    On WeChat `method` is the path behind /cgi-bin/, `chat` an openid.
    """

    kind: FaultKind
    method: str | None = None
    chat: int | str | None = None
    times: int = 1
    retry_after: int = 1
    seconds: float = 60.0
    description: str | None = None
    errcode: int = -1


class Faults:
    def __init__(self) -> None:
        self.planned: list[Fault] = []
        self.released = asyncio.Event()

    def add(self, fault: Fault) -> None:
        self.planned.append(fault)

    def clear(self) -> None:
        """Forget all plans and let go of held connections."""
        self.planned.clear()
        self.released.set()
        self.released = asyncio.Event()

    def take_call(self, method: str, chat: int | str | None) -> Fault | None:
        if not self.planned:
            return None
        for fault in self.planned:
            named = fault.method is None or fault.method.lower() == method
            if named and fault.kind not in ABOUT_UPDATES and fault.chat in (None, chat):
                return self._used(fault)
        return None

    def take_update(self, chat: int | str | None) -> FaultKind | None:
        for fault in self.planned:
            if fault.kind in ABOUT_UPDATES and fault.chat in (None, chat):
                return self._used(fault).kind
        return None

    def _used(self, fault: Fault) -> Fault:
        fault.times -= 1
        if fault.times <= 0:
            self.planned.remove(fault)
        return fault
