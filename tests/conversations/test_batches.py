"""What a batch asks of the database does not grow with the messages in it."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, event

from tests.town import Town

LAMP = "3号楼楼道灯坏了"


@contextmanager
def questions() -> Iterator[list[str]]:
    """What is asked of any database meanwhile."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def asked_about(town: Town, users: Sequence[int], text: str) -> int:
    """How many questions it takes to handle the same words from these people, as one batch."""
    telegram = town.app.telegram
    assert telegram is not None
    bodies = [_update(user, text) for user in users]
    await asyncio.gather(*(town.app.intake.receive(telegram, body) for body in bodies))
    with questions() as asked:
        assert await town.app.dispatcher.step() == len(users)
    return len(asked)


def _update(user: int, text: str) -> bytes:
    sender = {"id": user, "is_bot": False, "first_name": "居民"}
    post = {"message_id": user, "from": sender, "chat": {"id": user, "type": "private"}, "date": 1}
    return json.dumps({"update_id": user, "message": {**post, "text": text}}).encode()


async def test_many_take_no_more_questions_than_two(yueshi: Town) -> None:
    await yueshi.staff(1001)
    assert await asked_about(yueshi, range(7001, 7003), LAMP) == await asked_about(
        yueshi, range(7101, 7111), LAMP
    )


async def test_nor_do_many_whose_matter_has_been_reported(yueshi: Town) -> None:
    await yueshi.staff(1001)
    await yueshi.filed(await yueshi.at_home(), LAMP)
    few = await asked_about(yueshi, range(7001, 7003), LAMP)
    assert few == await asked_about(yueshi, range(7101, 7111), LAMP)
    await yueshi.settle()
    assert len(await yueshi.requests()) == 1
