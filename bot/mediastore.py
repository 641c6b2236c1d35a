"""Where photos and voices are kept: in a folder of ours, or wherever fsspec knows the way to."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import ParamSpec, TypeVar

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from bot.settings import ConfigError, Settings

P = ParamSpec("P")
T = TypeVar("T")


class MediaStore:
    """Files by names of ours. Addresses carry secrets: what is raised here names none.

    Raises OSError where the storage is not there for now.
    """

    def __init__(self, url: str, folder: Path) -> None:
        """Keep files at fsspec's address `url`, in `folder` where it is empty. Raises ConfigError."""
        self._files: AbstractFileSystem = LocalFileSystem()
        self._root = str(folder.absolute())
        try:
            if url:
                self._files, self._root = url_to_fs(url)
        except ImportError as error:
            raise ConfigError(f"media_url: a package is missing: {error}") from None
        except Exception as error:  # each kind of storage has its own
            raise ConfigError(f"media_url is no address that can be used ({type(error).__name__})") from None
        self.local = isinstance(self._files, LocalFileSystem)

    async def put(self, name: str, body: bytes) -> None:
        """Once this has returned, the file is there, and whole."""
        await _apart(self._put_in_folder if self.local else self._put, name, body)

    async def get(self, name: str) -> bytes | None:
        """The file; None where there is none."""
        return await _apart(self._get, name)

    async def remove(self, *names: str) -> None:
        """Afterwards these are not there, whether or not they were."""
        await _apart(self._remove, names)

    def _put(self, name: str, body: bytes) -> None:
        self._files.pipe_file(self._at(name), body)

    def _put_in_folder(self, name: str, body: bytes) -> None:
        """Readable by us only. A crash may leave half a file, whose row then waits for it still."""
        path = Path(self._at(name))
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_bytes(body)

    def _get(self, name: str) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return bytes(self._files.cat_file(self._at(name)))
        return None

    def _remove(self, names: tuple[str, ...]) -> None:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                self._files.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        """Names of early installations were whole paths, whose last part is the file's name in the folder."""
        return f"{self._root.rstrip('/')}/{PurePath(name).name}"


def media_store(settings: Settings) -> MediaStore:
    return MediaStore(settings.media_url.get_secret_value(), settings.data_dir / "attachments")


async def _apart(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Done beside the event loop, whatever goes wrong told as an OSError without an address."""
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except Exception as error:
        raise OSError(f"the files cannot be reached ({type(error).__name__})") from None
