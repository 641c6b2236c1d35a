"""The bot is added to a group, removed, blocked or unblocked; a group gets another address."""

from handlers.desk import to_account
from handlers.turn import Turn


async def private_changed(turn: Turn) -> None:
    """Blocked or unblocked: nothing is said, but from now on we know whether they can be reached."""
    if not turn.message.present:
        turn.account.unreachable_at = turn.now


async def group_changed(turn: Turn) -> None:
    """Added to or removed from a staff group of the roster."""
    assert turn.group is not None  # noqa: S101 (the table of handlers matched on it)
    if not turn.message.present:
        turn.group.unreachable_at = turn.now


async def unknown_group(turn: Turn) -> None:
    """Added to a group that is not on the roster: say how it gets there, once, and touch nothing else."""
    if turn.message.present and turn.room is not None:
        await turn.desk.say_once(
            f"unknown_group:{turn.room.id}",
            to_account(turn.room.id),
            "unknown_group",
        )


async def wrong_group(turn: Turn) -> None:
    """A resident wrote to the bot in some public group: nothing is copied, they are asked into private."""
    if turn.room is not None:
        turn.desk.say(to_account(turn.room.id), "write_privately", reply_to=turn.message.ref)


async def left_alone(turn: Turn) -> None:
    """Talk among staff that is not for us."""
