"""Where messages wait while the database is away: files that are only appended to, flushed before an answer.

A record is a mark, a length, a checksum and the message as JSON. The mark holds a byte that UTF-8 never has,
so nothing that anybody writes can pass for a record.
"""

import contextlib
import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import msgspec
import structlog

from bot import metrics
from storage.ids import new_id
from storage.inbox import Arrival

log = structlog.get_logger()

PART = (
    1024 * 1024
)  # bytes after which a new file is begun: what is drained, and perhaps drained twice, at once
_MARK = b"\xffHY1"
_HEAD = struct.Struct(">4sII")


# --- records ----------------------------------------------------------------------------------


def pack(arrival: Arrival) -> bytes:
    body = msgspec.json.encode(arrival)
    return _HEAD.pack(_MARK, len(body), zlib.crc32(body)) + body


@dataclass(frozen=True, slots=True)
class Contents:
    """The whole records in order, the pieces that are none, and whether the last was still being written."""

    arrivals: tuple[Arrival, ...]
    broken: tuple[bytes, ...]
    torn: bool


def unpack(data: bytes) -> Contents:
    """Read on behind whatever is broken. A record that was cut off was never acknowledged: it is left out."""
    arrivals: list[Arrival] = []
    broken: list[bytes] = []
    at = 0
    while at < len(data):
        found = _record(data, at)
        if found is not None:
            arrivals.append(found[0])
            at = found[1]
            continue
        following = _following(data, at + 1)
        if following == len(data) and _is_cut_off(data, at):
            return Contents(tuple(arrivals), tuple(broken), torn=True)
        broken.append(data[at:following])
        at = following
    return Contents(tuple(arrivals), tuple(broken), torn=False)


def _record(data: bytes, at: int) -> tuple[Arrival, int] | None:
    """The record that begins here, and where it ends."""
    if not data.startswith(_MARK, at) or at + _HEAD.size > len(data):
        return None
    _, length, checksum = _HEAD.unpack_from(data, at)
    start, end = at + _HEAD.size, at + _HEAD.size + length
    if end > len(data) or zlib.crc32(data[start:end]) != checksum:
        return None
    try:
        return msgspec.json.decode(data[start:end], type=Arrival), end
    except msgspec.DecodeError:  # written by another version of the program
        return None


def _following(data: bytes, at: int) -> int:
    """Where the next whole record begins; the end where there is none."""
    while (at := data.find(_MARK, at)) >= 0:
        if _record(data, at) is not None:
            return at
        at += 1
    return len(data)


def _is_cut_off(data: bytes, at: int) -> bool:
    """Whether a record begins here and the file ends before it does."""
    if at + _HEAD.size > len(data):
        return _MARK.startswith(data[at : at + len(_MARK)])
    mark, length, _ = _HEAD.unpack_from(data, at)
    return bool(mark == _MARK and at + _HEAD.size + length > len(data))


# --- files ------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _File:
    """One of ours, locked as long as it is open; `size` is what was flushed."""

    path: Path
    descriptor: int
    size: int = 0
    records: int = 0

    def append(self, data: bytes, records: int) -> None:
        """All of it is on the disk, or nothing of it counts. Raises OSError."""
        try:
            _write(self.descriptor, data, self.size)
            os.fdatasync(self.descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # what stays there is overwritten, or left out as cut off
                os.ftruncate(self.descriptor, self.size)
            raise
        self.size += len(data)
        self.records += records

    def read(self) -> bytes:
        return os.pread(self.descriptor, self.size, 0)

    def remove(self, kept: bytes) -> None:
        """The file goes; what of it nobody could use is `kept` beside it, in the room it had before."""
        if kept:
            _write(self.descriptor, kept, 0)
            os.ftruncate(self.descriptor, len(kept))
            os.fsync(self.descriptor)
            self.path.rename(self.path.with_suffix(".broken"))
        else:
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def _write(descriptor: int, data: bytes, at: int) -> None:
    """A nearly full disk takes a part first and refuses the rest."""
    while data:
        written = os.pwrite(descriptor, data, at)
        data, at = data[written:], at + written


@dataclass(frozen=True, slots=True)
class Part:
    """A file to which nothing is added any more, and what is in it."""

    file: _File
    arrivals: tuple[Arrival, ...]
    broken: tuple[bytes, ...]


class Spool:
    """The spool of this process, and of dead ones before it: their files are adopted when it is opened.

    At most `most` bytes in all. May be used from several threads.
    """

    def __init__(self, folder: Path, most: int) -> None:
        """Raises OSError where the folder cannot be used."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._most = most
        self._lock = threading.Lock()
        self._growing: _File | None = None
        self._oldest: Part | None = None
        with _held(folder):
            self._files = [file for path in sorted(folder.glob("*.spool")) if (file := _adopt(path))]
        self._measure()
        if self.records:
            log.warning("messages were left in the spool", records=self.records)

    @property
    def records(self) -> int:
        return sum(file.records for file in self._files)

    @property
    def size(self) -> int:
        return sum(file.size for file in self._files)

    @property
    def empty(self) -> bool:
        return not self.size

    def append(self, arrivals: Sequence[Arrival]) -> int:
        """Keep them in order and return how many: there was no room for the others.

        What is kept is on the disk by then. Raises OSError, with nothing kept.
        """
        records = [pack(one) for one in arrivals]
        with self._lock:
            room = self._most - self.size
            fitting = sum(length <= room for length in accumulate(map(len, records)))
            if fitting:
                self._append(b"".join(records[:fitting]), fitting)
            self._measure()
        return fitting

    def _append(self, data: bytes, records: int) -> None:
        if self._growing is None or self._growing.size >= PART:
            self._growing = self._begin()
        try:
            self._growing.append(data, records)
        except OSError:
            if self._growing.size:  # perhaps its end is not as we believe: nothing more is added to it
                self._growing = None
            raise

    def _begin(self) -> _File:
        path = self._folder / f"{new_id():019d}.spool"
        with _held(self._folder) as folder:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._files.append(_File(path, descriptor))
            os.fsync(folder)
        return self._files[-1]

    def oldest(self) -> Part | None:
        """What came first, to be stored and then removed; None where nothing waits."""
        with self._lock:
            file = next((one for one in self._files if one.size), None)
            if file is None:
                return None
            if file is self._growing:
                self._growing = None
            if self._oldest is None or self._oldest.file is not file:
                self._oldest = _part(file)
            return self._oldest

    def remove(self, part: Part, refused: Sequence[Arrival] = ()) -> None:
        """All of it is stored, but for the broken pieces and what was `refused`, which is set aside.

        Raises OSError, and then it is still there.
        """
        aside = (*part.broken, *map(pack, refused))
        with self._lock:
            part.file.remove(b"".join(aside))
            self._files.remove(part.file)
            self._oldest = None
            self._measure()
        metrics.spool_broken.inc(len(aside))

    def close(self) -> None:
        """What waits stays for the next process."""
        with self._lock:
            for file in self._files:
                if not file.size:
                    file.path.unlink(missing_ok=True)
                os.close(file.descriptor)
            self._files.clear()

    def _measure(self) -> None:
        metrics.spool_records.set(self.records)
        metrics.spool_bytes.set(self.size)


def _part(file: _File) -> Part:
    contents = unpack(file.read())
    if contents.torn:
        log.warning("the last record was cut off and nobody was told that we have it", file=file.path.name)
    if contents.broken:
        log.error("broken records are set aside", file=file.path.name, pieces=len(contents.broken))
    return Part(file, contents.arrivals, contents.broken)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[int]:
    """Nobody adopts a file between its creation and its lock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _adopt(path: Path) -> _File | None:
    """A file that no living process holds."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    size = os.fstat(descriptor).st_size
    file = _File(path, descriptor, size)
    file.records = len(unpack(file.read()).arrivals)
    return file
