"""A batch that fails is tried again in halves until the culprit is alone: one bad item stops nobody else."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from storage.store import is_away, is_conflict

T = TypeVar("T")


async def in_halves(
    items: Sequence[T],
    work: Callable[[Sequence[T]], Awaitable[None]],
    alone: Callable[[T, Exception], Awaitable[None]],
) -> None:
    """`work` on all items, each attempt all or nothing; `alone` gets an item that fails by itself.

    Where the database was away no item is to blame: `alone` gets them all, without another try. Where
    others were at the same rows, the same is tried once more before it is divided.
    """
    if not items:
        return
    try:
        await _twice(work, items)
    except Exception as error:
        if len(items) == 1 or is_away(error):
            for item in items:
                await alone(item, error)
            return
        middle = len(items) // 2
        await in_halves(items[:middle], work, alone)
        await in_halves(items[middle:], work, alone)


async def _twice(work: Callable[[Sequence[T]], Awaitable[None]], items: Sequence[T]) -> None:
    try:
        await work(items)
    except Exception as error:
        if not is_conflict(error):
            raise
        await work(items)
