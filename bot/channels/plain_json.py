"""Hostile JSON: read into a type, or refused in one way whatever is wrong with it."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from handlers.messages import UnreadableError

T = TypeVar("T")


def reader(kind: type[T]) -> Callable[[bytes], T]:
    """What reads a body as `kind`, and raises UnreadableError; its text says where, and nothing of what."""
    decode = msgspec.json.Decoder(kind).decode

    def read(body: bytes) -> T:
        try:
            return decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableError(str(error)) from None

    return read
