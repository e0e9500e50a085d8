"""The cache of a container: bounded in both tiers, verified each time, and never in the way."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.checksums import digest128, sha256_hex
from shoal.services.disk_tier import DiskTier
from shoal.services.loadable import Part, Piece
from shoal.services.memory_tier import MemoryTier
from shoal.services.parts import PartReader
from shoal.services.query_trace import Trace
from shoal.storage.memory import MemoryObjects

KEY = "t/ten_0/shards/s/vectors.f32"
ABSENT = object()


def stored(*pieces: bytes) -> tuple[MemoryObjects, list[Piece[bytes]]]:
    """An object of these pieces."""
    objects = MemoryObjects(lambda: 0.0)
    objects.put(KEY, b"".join(pieces))
    found, end = [], 0
    for data in pieces:
        found.append(Piece(KEY, end, end + len(data), digest128(data), bytes))
        end += len(data)
    return objects, found


def folder_of(parent: Path) -> Path:
    (folder,) = parent.iterdir()
    return folder


# --- memory ------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=60), st.integers(1, 20_000))
def test_memory_holds_no_more_than_its_bound_but_for_the_newest(
    puts: list[tuple[int, int]], limit: int
) -> None:
    tier = MemoryTier(limit)
    held: dict[str, bytes] = {}
    for number, size in puts:
        name, data = str(number), bytes(size)
        evicted = tier.put(name, number, weight=size, data=data)
        held[name] = data
        for gone, gone_data in evicted:
            assert held.pop(gone) == gone_data
        assert tier.weight == sum(len(some) + 1024 for some in held.values())
        assert tier.weight <= limit or len(held) == 1
        assert tier.get([name], ABSENT) == [number]
    assert tier.get(["never"], ABSENT) == [ABSENT]


def test_what_was_used_last_stays_longest() -> None:
    tier = MemoryTier(3 * 1124)
    for name in "abc":
        tier.put(name, name, weight=100, data=name.encode())
    tier.get(["a"], None)
    assert tier.put("d", "d", weight=100) == [("b", b"b")]


# --- disk --------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 300)), max_size=40), st.integers(0, 1000))
def test_disk_holds_no_more_than_its_bound(puts: list[tuple[int, int]], limit: int) -> None:
    tier = DiskTier(limit)
    try:
        known: dict[str, bytes] = {}
        for number, size in puts:
            data = known.setdefault(str(number), bytes([number]) * size)
            tier.put(str(number), data)
            assert tier.held <= limit
            assert (tier.get(str(number)) == data) == (0 < len(data) <= limit)
        kept = {name: tier.get(name) for name in known}
        assert all(data in (None, known[name]) for name, data in kept.items())
        assert tier.held == sum(len(data) for data in kept.values() if data is not None)
    finally:
        tier.close()


def test_the_folder_is_ours_alone_and_goes_with_the_tier(tmp_path: Path) -> None:
    tier = DiskTier(100, folder=tmp_path)
    assert list(tmp_path.iterdir()) == [], "made with the first file"
    tier.put("a", b"1234")
    folder = folder_of(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sum(file.stat().st_size for file in folder.iterdir()) == tier.held == 4
    del tier
    assert list(tmp_path.iterdir()) == []


def test_folders_of_processes_that_died_are_removed_and_those_of_others_are_not(tmp_path: Path) -> None:
    alive = DiskTier(100, folder=tmp_path)
    alive.put("a", b"1")
    dead = tmp_path / "shoal-cache-dead"
    dead.mkdir()
    (dead / "lock").touch()
    (dead / "left").write_bytes(b"x" * 50)
    being_made = tmp_path / "shoal-cache-new"
    being_made.mkdir()
    elsewhere = tmp_path / "precious"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    (tmp_path / "shoal-cache-link").symlink_to(elsewhere)
    another = DiskTier(100, folder=tmp_path)
    another.put("b", b"2")
    assert not dead.exists()
    assert (elsewhere / "lock").exists()
    assert being_made.exists()
    assert alive.get("a") == b"1"
    assert another.get("b") == b"2"


def test_a_disk_that_cannot_be_written_only_holds_less(tmp_path: Path) -> None:
    tier = DiskTier(100, folder=tmp_path / "missing")
    tier.put("a", b"1")
    assert tier.get("a") is None
    assert tier.held == 0
    (tmp_path / "missing").mkdir()
    tier.put("a", b"1")
    assert tier.get("a") == b"1", "once there is one"
    for file in folder_of(tmp_path / "missing").iterdir():
        file.unlink()
    folder_of(tmp_path / "missing").rmdir()
    assert tier.get("a") is None, "somebody cleaned up"
    tier.put("b", b"2")
    tier.put("b", b"2")
    assert tier.get("b") == b"2", "and it goes on"
    assert tier.held == 1


def test_a_full_disk_only_holds_less(tmp_path: Path) -> None:
    """A file that is in the way stands for whatever the system refuses."""
    tier = DiskTier(1000, folder=tmp_path)
    tier.put("a", b"1")
    (in_the_way,) = [file for file in folder_of(tmp_path).iterdir() if file.name != "lock"]
    tier.forget("a")
    in_the_way.mkdir()
    tier.put("a", b"1")
    assert tier.get("a") is None
    assert tier.held == 0
    assert sorted(file.name for file in folder_of(tmp_path).iterdir()) == sorted([in_the_way.name, "lock"])


def test_many_threads_stay_within_the_bound_and_read_what_was_written(tmp_path: Path) -> None:
    tier = DiskTier(5000, folder=tmp_path)

    def work(number: int) -> None:
        name = str(number % 40)
        tier.put(name, name.encode() * 100)
        assert tier.held <= 5000
        assert tier.get(name) in (None, name.encode() * 100)
        if number % 7 == 0:
            tier.forget(name)

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(work, range(2000)))
    files = [file for file in folder_of(tmp_path).iterdir() if file.name != "lock"]
    assert sum(file.stat().st_size for file in files) == tier.held <= 5000


# --- both --------------------------------------------------------------------------------------------------


def test_what_memory_has_no_room_for_comes_back_from_disk(tmp_path: Path) -> None:
    objects, pieces = stored(b"a" * 2000, b"b" * 2000, b"c" * 2000)
    reader = PartReader(objects, cache_bytes=1, disk=DiskTier(10_000, folder=tmp_path))
    assert reader.load_all(pieces) == [b"a" * 2000, b"b" * 2000, b"c" * 2000]
    objects.delete([KEY])
    trace = Trace()
    assert reader.traced(trace).load_all(pieces) == [b"a" * 2000, b"b" * 2000, b"c" * 2000]
    assert (trace.storage_bytes, trace.disk_bytes, trace.memory_hits) == (0, 4000, 1)


def test_a_damaged_file_is_read_anew_and_never_parsed(tmp_path: Path) -> None:
    objects, pieces = stored(b"a" * 2000, b"b" * 2000)
    reader = PartReader(objects, cache_bytes=1, disk=DiskTier(10_000, folder=tmp_path))
    reader.load(pieces[0])
    reader.load(pieces[1])
    (file,) = [file for file in folder_of(tmp_path).iterdir() if file.name != "lock"]
    file.write_bytes(b"x" + file.read_bytes()[1:])
    trace = Trace()
    assert reader.traced(trace).load(pieces[0]) == b"a" * 2000
    assert (trace.storage_bytes, trace.disk_bytes) == (2000, 0)

    reader.load(pieces[1])
    (file,) = [some for some in folder_of(tmp_path).iterdir() if some.read_bytes()[:1] == b"a"]
    os.truncate(file, 1999)
    objects.put(KEY, b"z" * 4000)
    with pytest.raises(CorruptObject, match="checksum"):
        reader.load(pieces[0])


def test_parts_go_to_disk_only_if_their_value_lies_on_their_bytes(tmp_path: Path) -> None:
    objects = MemoryObjects(lambda: 0.0)
    parts = []
    for name, on_bytes in (("lies", True), ("copied", False), ("last", True)):
        data = name.encode() * 10
        objects.put(f"t/{name}", data)
        parts.append(Part(f"t/{name}", len(data), sha256_hex(data), bytes, on_bytes=on_bytes))
    disk = DiskTier(10_000, folder=tmp_path)
    reader = PartReader(objects, cache_bytes=1, disk=disk)
    for part in parts:
        reader.load(part)
    assert [disk.holds(part.name) for part in parts] == [True, False, False]
    objects.delete([part.key for part in parts])
    assert reader.load(parts[0]) == b"lies" * 10


def test_a_small_piece_does_not_keep_its_neighbours_in_memory() -> None:
    objects, pieces = stored(b"a" * 10, b"b" * 1_000_000)
    whole = [
        Piece(piece.key, piece.start, piece.stop, piece.digest, lambda data: memoryview(data))
        for piece in pieces
    ]
    reader = PartReader(objects, cache_bytes=10_000_000)
    small, _ = reader.load_all(whole)
    assert len(small.obj) == 10
    assert reader.memory.weight == 1_000_010 + 2 * 1024
