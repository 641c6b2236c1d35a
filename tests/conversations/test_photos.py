"""Photos and voices on their way: what a member gets is what was to be seen, and nothing more."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.channels.telegram_api import Reply
from bot.sandbox.faults import FaultKind
from bot.sandbox.media import tiny_png
from bot.sandbox.people import Person
from bot.settings import Settings
from handlers.messages import Blob
from storage.ids import new_id
from storage.tables import Attachment, MediaState
from tests.pictures import CAMERA, phone_photo
from tests.town import Town, town

NO_PHOTO = b"\x89PNG\r\n\x1a\n" + "其实是一段文字。".encode() * 9


@pytest.fixture
async def elsewhere(tmp_path: Path) -> AsyncIterator[Town]:
    """A town that keeps its photos in a storage, not in a folder."""
    async with town(tmp_path, Settings(media_url=SecretStr("memory://photos"))) as here:
        yield here
    MemoryFileSystem.store.clear()


async def reported(here: Town, data: bytes | None = None) -> tuple[Person, Person]:
    """A resident who has reported with a photo, and the member who has the request."""
    resident = await here.at_home()
    (member,) = await here.staff(1001)
    await resident.sends_photo("楼道灯坏了", data=data)
    await here.settle()
    await here.taps(resident, "提交")
    return resident, member


async def attachment(here: Town) -> Attachment:
    return await here.app.store.read(lambda session: session.scalars(select(Attachment)).one())


async def photo_of(here: Town, member: Person) -> bytes:
    address = (await here.last(member)).photo
    assert address is not None
    return await here.sandbox.file(address)


async def forgets(here: Town, resident: Person) -> None:
    await here.says(resident, "删除我的信息")
    await here.taps(resident, "确认删除")
    await here.pass_time(minutes=11)


async def test_a_member_gets_a_phones_photo_upright_and_without_its_place(yueshi: Town) -> None:
    before = phone_photo()
    assert CAMERA.encode() in before
    _, member = await reported(yueshi, before)
    got = await photo_of(yueshi, member)
    assert CAMERA.encode() not in got
    picture = Image.open(BytesIO(got))
    assert (picture.format, picture.size, dict(picture.getexif())) == ("JPEG", (1707, 2560), {})


async def test_a_members_photo_reaches_the_resident_the_same_way(yueshi: Town) -> None:
    resident, member = await reported(yueshi)
    await yueshi.taps(member, "办结")
    await member.sends_photo("灯泡已经换新，请看照片", data=phone_photo(800, 600))
    await yueshi.settle()
    seen = [one.photo for one in await resident.sees() if one.photo and not one.is_me]
    got = await yueshi.sandbox.file(seen[-1] or "")
    assert Image.open(BytesIO(got)).size == (600, 800)
    assert CAMERA.encode() not in got


async def test_a_photo_lies_twice_in_our_folder_and_goes_with_its_resident(
    yueshi: Town, tmp_path: Path
) -> None:
    resident, _ = await reported(yueshi)
    kept = await attachment(yueshi)
    assert kept.path == f"{kept.id}.jpg"
    lying = {one.name for one in (tmp_path / "attachments").iterdir()}
    assert lying == {f"{kept.id}.jpg", f"{kept.id}-small.jpg"}
    await forgets(yueshi, resident)
    assert list((tmp_path / "attachments").iterdir()) == []


async def test_a_storage_serves_as_the_folder_does(elsewhere: Town, tmp_path: Path) -> None:
    resident, member = await reported(elsewhere, phone_photo(800, 600))
    assert Image.open(BytesIO(await photo_of(elsewhere, member))).size == (600, 800)
    assert len(MemoryFileSystem.store) == 2
    assert not (tmp_path / "attachments").exists()
    await forgets(elsewhere, resident)
    assert MemoryFileSystem.store == {}


async def test_row_19_what_is_no_photo_is_lost_and_never_stored(yueshi: Town, tmp_path: Path) -> None:
    with capture_logs() as logs:
        _, member = await reported(yueshi, NO_PHOTO)
    assert (await attachment(yueshi)).state is MediaState.MISSING
    assert not (tmp_path / "attachments").exists()
    assert any(one["event"] == "attachment lost: it is not what it should be" for one in logs)
    assert [one.kind for one in await member.sees() if not one.is_me and one.photo] == []


async def test_row_19_the_member_hears_of_a_photo_that_turns_out_to_be_none(yueshi: Town) -> None:
    await yueshi.sandbox.fails(FaultKind.BAD_GATEWAY_HTML, method="getFile", times=1)
    _, member = await reported(yueshi, NO_PHOTO)
    await yueshi.pass_time(seconds=5)
    assert "附件没能取到" in (await yueshi.last(member)).text


async def test_row_19_a_platform_that_is_away_is_asked_again(
    yueshi: Town,
) -> None:
    await yueshi.sandbox.fails(FaultKind.BAD_GATEWAY_HTML, method="getFile", times=2)
    await reported(yueshi)
    assert (await attachment(yueshi)).state is MediaState.WAITING
    await yueshi.pass_time(minutes=1)
    await yueshi.pass_time(minutes=1)
    assert (await attachment(yueshi)).state is MediaState.STORED


async def test_row_19_an_expired_photo_is_not_asked_for_again(yueshi: Town) -> None:
    await yueshi.sandbox.fails(FaultKind.BAD_REQUEST, method="getFile", times=1)
    await reported(yueshi)
    lost = await attachment(yueshi)
    assert (lost.state, lost.attempts) == (MediaState.MISSING, 1)


async def test_a_photo_of_a_channel_that_is_gone_is_lost_without_disturbing_others(yueshi: Town) -> None:
    now = yueshi.clock.now()
    orphan = Attachment(
        id=new_id(), kind="photo", channel="wechat", remote="M1", attempts=0, next_at=now, created_at=now
    )
    await yueshi.app.store.write(lambda session: session.add(orphan))
    _, member = await reported(yueshi)
    assert (await yueshi.last(member)).photo
    kept = await yueshi.app.store.read(lambda session: list(session.scalars(select(Attachment))))
    assert {one.channel: one.state for one in kept} == {
        "wechat": MediaState.MISSING,
        "telegram": MediaState.STORED,
    }


async def test_a_folder_that_cannot_be_written_is_tried_again(yueshi: Town, tmp_path: Path) -> None:
    (tmp_path / "attachments").write_text("in the way")
    _, member = await reported(yueshi)
    (tmp_path / "attachments").unlink()
    await yueshi.pass_time(minutes=1)
    assert (await yueshi.last(member)).photo


async def test_a_photo_that_is_gone_leaves_its_words(yueshi: Town, tmp_path: Path) -> None:
    await yueshi.sandbox.fails(FaultKind.SERVER_ERROR, method="sendPhoto", times=5)
    _, member = await reported(yueshi)
    (tmp_path / "attachments" / str((await attachment(yueshi)).path)).unlink()
    await yueshi.pass_time(minutes=1)
    said = await yueshi.last(member)
    assert (said.kind, said.text) == ("text", f"{(await yueshi.request()).number} 的照片")


async def test_a_photo_waits_while_its_storage_is_away(yueshi: Town, tmp_path: Path) -> None:
    folder, aside = tmp_path / "attachments", tmp_path / "aside"
    await yueshi.sandbox.fails(FaultKind.SERVER_ERROR, method="sendPhoto", times=5)
    _, member = await reported(yueshi)
    folder.rename(aside)
    folder.write_text("in the way")
    await yueshi.pass_time(minutes=1)
    assert not (await yueshi.last(member)).photo
    folder.unlink()
    aside.rename(folder)
    await yueshi.pass_time(minutes=1)
    assert (await yueshi.last(member)).photo


@pytest.mark.parametrize(("data", "kind"), [(None, "voice"), (b"#!AMR\n<sound>", "document")])
async def test_a_voice_that_telegram_does_not_play_comes_as_a_file(
    yueshi: Town, data: bytes | None, kind: str
) -> None:
    resident = await yueshi.at_home()
    (member,) = await yueshi.staff(1001)
    await yueshi.says(resident, "楼道灯坏了")
    await resident.sends_voice(data=data)
    await yueshi.settle()
    assert (await yueshi.last(member)).kind == kind


async def test_a_tiny_picture_stays_tiny(yueshi: Town) -> None:
    _, member = await reported(yueshi, tiny_png(width=40, height=30))
    assert Image.open(BytesIO(await photo_of(yueshi, member))).size == (40, 30)


async def test_files_of_megabytes_come_and_go_whole(yueshi: Town) -> None:
    resident = await yueshi.at_home()
    telegram, sound = yueshi.app.telegram, Random(1).randbytes(3_000_000)  # noqa: S311 (fills a file)
    assert telegram is not None
    sent = await telegram.api.upload("sendVoice", "voice", Blob("1.ogg", sound), chat_id=str(resident.id))
    assert isinstance(sent, Reply)
    assert await telegram.fetch(sent.result["voice"]["file_id"]) == sound
