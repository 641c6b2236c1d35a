"""Photos and voices on their way: what a member gets is what was to be seen, and nothing more."""

from random import Random

from bot.channels.telegram_api import Reply
from handlers.messages import Blob
from tests.town import Town


async def test_files_of_megabytes_come_and_go_whole(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    telegram, sound = yueshi.app.telegram, Random(1).randbytes(3_000_000)  # noqa: S311 (fills a file)
    assert telegram is not None
    sent = await telegram.api.upload("sendVoice", "voice", Blob("1.ogg", sound), chat_id=str(resident.id))
    assert isinstance(sent, Reply)
    assert await telegram.fetch(sent.result["voice"]["file_id"]) == sound
