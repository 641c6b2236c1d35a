"""A person's ledger of what may still be said to them, as a column."""

import msgspec

from routing.windows import Ledger
from storage.tables import Json


def load(stored: Json | None) -> Ledger:
    return msgspec.convert(stored, Ledger) if stored else Ledger()


def dump(ledger: Ledger) -> Json:
    return dict(msgspec.to_builtins(ledger))
