"""Where photos are kept: a closed folder, or any storage; addresses are refused without being shown."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pydantic import SecretStr

from bot.checking import check_all
from bot.mediastore import MediaStore
from bot.settings import ConfigError, Settings


@pytest.fixture(params=["a folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MediaStore]:
    folder = tmp_path / "数据 50%" / "attachments"
    yield MediaStore("memory://store" if request.param == "memory" else "", folder)
    MemoryFileSystem.store.clear()


async def test_what_is_put_is_had_until_it_is_removed(store: MediaStore) -> None:
    await asyncio.gather(*(store.put(f"{number}.jpg", b"%d" % number) for number in range(20)))
    await store.put("3.jpg", b"again")
    assert [await store.get(f"{number}.jpg") for number in (3, 4)] == [b"again", b"4"]
    await store.remove("3.jpg", "never there.jpg", "4.jpg")
    assert [await store.get(f"{number}.jpg") for number in (3, 4, 5)] == [None, None, b"5"]


async def test_whole_paths_of_early_installations_are_still_read(store: MediaStore) -> None:
    await store.put("12.jpg", b"photo")
    for path in ("data/attachments/12.jpg", "/srv/huiyin/data/attachments/12.jpg"):
        assert await store.get(path) == b"photo"
    assert await store.get("../../12.db") is None


async def test_the_folder_and_its_files_are_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "attachments"
    await MediaStore("", folder).put("1.jpg", b"photo")
    assert [oct(one.stat().st_mode & 0o777) for one in (folder, folder / "1.jpg")] == ["0o700", "0o600"]


async def test_a_storage_that_is_away_is_an_oserror_without_the_address(tmp_path: Path) -> None:
    (tmp_path / "hidden").write_text("a file where a folder should be")
    store = MediaStore("", tmp_path / "hidden")
    for act in (store.put("1.jpg", b"photo"), store.get("1.jpg"), store.remove("1.jpg")):
        with pytest.raises(OSError, match="cannot be reached") as away:
            await act
        assert "hidden" not in str(away.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://key:hidden@bucket/photos", "Install s3fs"),
        ("key:hidden@s3://bucket", "no address that can be used"),
        ("ftp://user:hidden@127.0.0.1:1/photos", "no address that can be used"),
    ],
)
def test_a_bad_address_is_refused_and_not_shown(url: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        MediaStore(url, tmp_path)
    assert "hidden" not in str(refused.value)
    assert checked(url) == (False, str(refused.value))


def test_check_tries_a_storage_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked("memory://photos")[0]
    assert MemoryFileSystem.store == {}
    assert checked("")[0]
    assert list(tmp_path.iterdir()) == []


def checked(url: str) -> tuple[bool, str]:
    settings = Settings(media_url=SecretStr(url))
    ((fine, words),) = [(fine, words) for about, fine, words in check_all(settings) if about == "photos"]
    return fine, words
