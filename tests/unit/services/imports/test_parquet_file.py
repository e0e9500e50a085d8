"""The upload as a random-access file: which requests it makes, and that every byte is the right one."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.services.imports import parquet_file
from shoal.services.imports.parquet_file import RangedFile, coalesced
from shoal.storage.memory import MemoryObjects
from tests.unit.services.imports.parquet_world import work_on

DATA = random.Random(3).randbytes(5000)


class Counted:
    """Counts the ranges that are read of an object store."""

    def __init__(self, objects: MemoryObjects) -> None:
        self._objects = objects
        self.read: list[tuple[int, int]] = []

    def get(self, key: str, *, byte_range: tuple[int, int], version_id: str) -> bytes:
        self.read.append(byte_range)
        return self._objects.get(key, byte_range=byte_range, version_id=version_id)


def opened(monkeypatch: pytest.MonkeyPatch) -> tuple[RangedFile, Counted]:
    work = work_on(DATA)
    assert isinstance(work.ports.objects, MemoryObjects)
    file = RangedFile(work)
    counted = Counted(work.ports.objects)
    monkeypatch.setattr(file, "_objects", counted)
    return file, counted


def test_reads_are_of_any_place_and_end_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    file, _ = opened(monkeypatch)
    assert file.seek(10) == 10
    assert bytes(file.read(5)) == DATA[10:15]
    assert bytes(file.read(5)) == DATA[15:20]
    assert file.tell() == 20
    assert file.seek(-3, 2) == 4997
    assert bytes(file.read(100)) == DATA[-3:]
    assert bytes(file.read(1)) == b""
    file.seek(4990)
    assert bytes(file.read()) == DATA[4990:]
    assert file.size() == 5000


def test_small_reads_one_after_the_other_are_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "READ_AHEAD_BYTES", 1000)
    file, counted = opened(monkeypatch)
    for _ in range(10):
        file.read(50)
    assert counted.read == [(0, 1000)]


def test_what_is_held_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "PIECE_BYTES", 300)
    monkeypatch.setattr(parquet_file, "MAX_GAP_BYTES", 10)
    file, counted = opened(monkeypatch)
    file.hold([(1500, 1600), (100, 800), (805, 900)])
    assert sorted(counted.read) == [(100, 400), (400, 700), (700, 900), (1500, 1600)]
    file.seek(350)
    assert bytes(file.read(500)) == DATA[350:850]
    assert bytes(file.held(1500, 1600)) == DATA[1500:1600]
    assert len(counted.read) == 4
    with pytest.raises(ValueError, match="not held"):
        file.held(1000, 1001)
    file.release()
    with pytest.raises(ValueError, match="not held"):
        file.held(1500, 1600)


def test_nobody_reads_the_whole_of_a_large_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "MAX_READ_BYTES", 1000)
    file, _ = opened(monkeypatch)
    with pytest.raises(ValueError, match="a read of 5000 bytes"):
        file.read()


def test_a_later_upload_of_the_same_name_is_not_seen() -> None:
    work = work_on(DATA)
    work.ports.objects.put(work.keys.upload, bytes(5000))
    assert bytes(RangedFile(work).read(5000)) == DATA


def test_an_object_that_is_shorter_than_it_was_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    file, _ = opened(monkeypatch)
    monkeypatch.setattr(file, "_size", 6000)
    file.seek(4000)
    with pytest.raises(CorruptObject, match="ends before byte 6000"):
        file.read(2000)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=8), st.integers(0, 20))
def test_joined_ranges_hold_all_and_little_more(ranges: list[tuple[int, int]], gap: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_file, "MAX_GAP_BYTES", gap)
        joined = coalesced(ranges)
    wanted = {byte for start, stop in ranges for byte in range(start, stop)}
    held = {byte for start, stop in joined for byte in range(start, stop)}
    assert wanted <= held
    assert len(joined) <= len(ranges)
    assert all(left[1] + gap < right[0] for left, right in pairwise(joined))
