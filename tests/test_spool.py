"""The spool's files: what was acknowledged comes out again, in order, whatever happens to the rest."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.spool import PART, Spool, pack, unpack
from storage.inbox import Arrival

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
MOST = 1024 * 1024

arrivals = st.lists(
    st.builds(
        Arrival,
        st.sampled_from(["telegram", "wechat", "wecom"]),
        st.text(st.characters(codec="utf-8"), max_size=20),
        st.none() | st.text("0123456789abcdef", max_size=8),
        st.binary(max_size=60) | st.just(pack(Arrival("telegram", "forged", "a", b"{}", NOW))),
        st.datetimes(timezones=st.just(UTC)),
    ),
    max_size=6,
)


def message(number: int, size: int = 2) -> Arrival:
    return Arrival("telegram", str(number), "a", b"x" * size, NOW)


def messages(count: int) -> list[Arrival]:
    return [message(number) for number in range(count)]


def drained(spool: Spool) -> list[Arrival]:
    found: list[Arrival] = []
    while (part := spool.oldest()) is not None:
        found += part.arrivals
        spool.remove(part)
    assert spool.empty
    return found


# --- records ----------------------------------------------------------------------------------


@given(arrivals, st.data())
def test_a_file_cut_anywhere_gives_every_whole_record_and_nothing_else(
    kept: list[Arrival], data: st.DataObject
) -> None:
    records = [pack(one) for one in kept]
    cut = data.draw(st.integers(0, sum(map(len, records))))
    whole = sum(end <= cut for end in accumulate(map(len, records)))
    contents = unpack(b"".join(records)[:cut])
    assert contents.arrivals == tuple(kept[:whole])
    assert contents.broken == ()
    assert contents.torn == (cut != sum(map(len, records[:whole])))


@given(arrivals.filter(bool), st.data())
def test_a_damaged_record_costs_itself_only(kept: list[Arrival], data: st.DataObject) -> None:
    records = [pack(one) for one in kept]
    hit = data.draw(st.integers(0, len(kept) - 1))
    at = data.draw(st.integers(0, len(records[hit]) - 1))
    flipped = bytearray(records[hit])
    flipped[at] ^= data.draw(st.integers(1, 255))
    contents = unpack(b"".join([*records[:hit], bytes(flipped), *records[hit + 1 :]]))
    assert contents.arrivals == (*kept[:hit], *kept[hit + 1 :])
    assert contents.broken == (bytes(flipped),) or (contents.torn and hit == len(kept) - 1)


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_reading(data: bytes) -> None:
    contents = unpack(data)
    assert contents.arrivals == ()
    assert b"".join(contents.broken) == data or contents.torn


def test_a_record_in_a_message_is_no_record() -> None:
    forged = Arrival("telegram", "1", "a", pack(message(2)), NOW)
    damaged = pack(forged)[:-1] + b"?"
    assert unpack(damaged + pack(message(3))).arrivals == (message(3),)


def test_what_looks_like_the_beginning_of_a_record_hides_none() -> None:
    begun = pack(message(1))[:12]
    assert unpack(begun * 3 + pack(message(2))).arrivals == (message(2),)


# --- files ------------------------------------------------------------------------------------


@given(st.lists(arrivals, max_size=5), st.integers(1, 3))
def test_what_was_appended_comes_out_in_order(
    tmp_path_factory: pytest.TempPathFactory, batches: list[Sequence[Arrival]], restarts: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    for batch in batches[:restarts]:
        with closing(Spool(folder, MOST)) as spool:
            assert spool.append(batch) == len(batch)
    with closing(Spool(folder, MOST)) as spool:
        assert spool.records == sum(map(len, batches[:restarts]))
        for batch in batches[restarts:]:
            spool.append(batch)
        assert drained(spool) == [one for batch in batches for one in batch]
    assert list(folder.iterdir()) == []


def test_what_comes_while_it_is_drained_comes_after(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, MOST)) as spool:
        spool.append(messages(3))
        part = spool.oldest()
        assert part is not None
        spool.append([message(3)])
        assert spool.oldest() is part
        spool.remove(part)
        assert drained(spool) == [message(3)]


def test_it_never_holds_more_than_it_may(tmp_path: Path) -> None:
    length = len(pack(message(1)))
    with closing(Spool(tmp_path, 3 * length)) as spool:
        assert spool.append(messages(2)) == 2
        assert spool.append(messages(2)) == 1
        assert spool.append(messages(1)) == 0
        assert spool.size == 3 * length
        assert drained(spool) == [message(0), message(1), message(0)]
        assert spool.append(messages(3)) == 3


def test_large_spools_are_drained_in_parts(tmp_path: Path) -> None:
    large = [message(number, PART // 2) for number in range(5)]
    with closing(Spool(tmp_path, 10 * PART)) as spool:
        for one in large:
            spool.append([one])
        first = spool.oldest()
        assert first is not None
        assert len(first.arrivals) < len(large)
        assert drained(spool) == large


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_a_full_disk_refuses_is_not_there_and_harms_nothing(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, MOST)) as spool:
        spool.append([message(1)])
        with no_file_above(spool.size + 20):
            for _ in range(3):
                with pytest.raises(OSError, match="too large"):
                    spool.append([message(2, 200)])
        assert sorted(one.stat().st_size for one in tmp_path.iterdir()) == [0, spool.size]
        spool.append([message(3)])
    with closing(Spool(tmp_path, MOST)) as spool:
        assert drained(spool) == [message(1), message(3)]


def test_broken_pieces_and_refused_messages_are_set_aside_beside_it(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, MOST)) as spool:
        spool.append(messages(3))
    (file,) = tmp_path.iterdir()
    damaged = bytearray(file.read_bytes())
    length = len(pack(message(0)))
    damaged[length + 20] ^= 1
    file.write_bytes(damaged)
    with closing(Spool(tmp_path, MOST)) as spool:
        part = spool.oldest()
        assert part is not None
        assert part.arrivals == (message(0), message(2))
        spool.remove(part, refused=[message(2)])
        assert spool.empty
    (aside,) = tmp_path.iterdir()
    assert aside.suffix == ".broken"
    assert aside.read_bytes() == bytes(damaged[length:])


def test_the_files_of_a_living_process_are_its_own(tmp_path: Path) -> None:
    first = Spool(tmp_path, MOST)
    first.append([message(1)])
    with closing(Spool(tmp_path, MOST)) as second:
        assert second.empty
        second.append([message(2)])
    first.close()
    with closing(Spool(tmp_path, MOST)) as third:
        assert third.records == 2
        with closing(Spool(tmp_path, MOST)) as fourth:
            assert fourth.empty, "adopted once"
        assert {one.external for one in drained(third)} == {"1", "2"}


def test_only_we_can_read_it(tmp_path: Path) -> None:
    with closing(Spool(tmp_path / "spool", MOST)) as spool:
        spool.append([message(1)])
        (file,) = (tmp_path / "spool").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
