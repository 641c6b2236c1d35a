"""A batch that fails is tried again in halves until the culprit is alone: one bad item stops nobody else."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from storage.store import is_away

T = TypeVar("T")


async def in_halves(
    items: Sequence[T],
    work: Callable[[Sequence[T]], Awaitable[None]],
    alone: Callable[[T, Exception], Awaitable[None]],
) -> None:
    """`work` on all items, each attempt all or nothing; `alone` gets an item that fails by itself.

    Where the database was away no item is to blame: `alone` gets them all, without another try.
    """
    if not items:
        return
    try:
        await work(items)
    except Exception as error:
        if len(items) == 1 or is_away(error):
            for item in items:
                await alone(item, error)
            return
        middle = len(items) // 2
        await in_halves(items[:middle], work, alone)
        await in_halves(items[middle:], work, alone)
