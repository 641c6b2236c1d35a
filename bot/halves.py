"""A batch that fails is tried again in halves until the culprit is alone: one bad item stops nobody else."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def in_halves(
    items: Sequence[T],
    work: Callable[[Sequence[T]], Awaitable[None]],
    alone: Callable[[T, Exception], Awaitable[None]],
) -> None:
    """`work` on all items, each attempt all or nothing; `alone` gets an item that fails by itself."""
    if not items:
        return
    try:
        await work(items)
    except Exception as error:
        if len(items) == 1:
            await alone(items[0], error)
            return
        middle = len(items) // 2
        await in_halves(items[:middle], work, alone)
        await in_halves(items[middle:], work, alone)
