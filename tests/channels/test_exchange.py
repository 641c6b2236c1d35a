"""Reading long answers."""

from aiohttp import web

from bot.channels.exchange import LARGEST_FILE
from bot.channels.telegram_api import TelegramApi
from tests.channels.servers import served


async def test_a_large_photo_arrives_whole_or_not_at_all() -> None:
    async def file(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for _ in range(int(request.path.rpartition("/")[2])):
            await response.write(b"7" * 1024 * 1024)
        return response

    async with served(file) as base:
        api = TelegramApi(base, "1:token")
        photo, film = await api.download("3"), await api.download(str(LARGEST_FILE // 2**20 + 1))
        await api.close()
    assert photo is not None
    assert len(photo) == 3 * 1024 * 1024
    assert film is None
