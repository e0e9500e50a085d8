"""Compressed uploads: every shape of them unpacks to the same lines, and no bad one takes memory or time."""

import gzip
import random
import struct
from collections.abc import Callable, Iterator

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import ImportRejected, ImportStopped
from shoal.model.import_work import Chunk, Unpacked
from shoal.model.limits import MAX_LINE_BYTES, UNPACK_SECONDS
from shoal.services.imports.decompress import OUTPUT_BYTES, WINDOW_LIMIT, decompressed
from shoal.services.imports.inspect import Compression, compression_of
from shoal.services.imports.plan import plan
from shoal.services.imports.unpack import unpack, unpack_chunks
from shoal.services.imports.validate import validate_ndjson
from shoal.services.imports.workspace import Workspace
from shoal.storage.ports import Assign, Ports
from tests.unit.services.imports.work import make_work
from tests.unit.services.world import World

LINE = b'{"id":"%d","values":[1,2]}\n'
DATA = b"".join(LINE % number for number in range(3000))
SKIPPED = b"\x5f\x2a\x4d\x18" + struct.pack("<I", 5) + b"other"
PACKERS: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: lambda data: gzip.compress(data, 1),
    Compression.ZSTD: lambda data: zstd.compress(data),
}
EVERY = pytest.mark.parametrize("compression", list(Compression))


def work_on(packed: bytes, world: World | None = None) -> Workspace:
    world = world or World()
    return make_work(world, world.create(dimension=2), packed)


def joined(work: Workspace, **limits: int) -> bytes:
    return b"".join(work.read(ref) for ref in unpack_chunks(work, **limits))


@EVERY
@settings(max_examples=40, deadline=None)
@given(members=st.lists(st.binary(max_size=300), min_size=1, max_size=5), size=st.integers(1, 50))
def test_members_in_any_pieces(compression: Compression, members: list[bytes], size: int) -> None:
    packed = b"".join(PACKERS[compression](member) for member in members)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(decompressed(pieces, compression)) == b"".join(members)


@EVERY
def test_chunks_are_whole_lines_in_order(compression: Compression) -> None:
    work = work_on(PACKERS[compression](DATA))
    refs = unpack_chunks(work, chunk_bytes=10_000)
    chunks = [work.read(ref) for ref in refs]
    assert len(chunks) > 1
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    assert b"".join(chunks) == DATA


@EVERY
@pytest.mark.parametrize("left", [0.02, 0.5, 0.999])
def test_a_truncated_upload_is_refused(compression: Compression, left: float) -> None:
    packed = PACKERS[compression](random.Random(3).randbytes(300_000))
    with pytest.raises(ImportRejected, match=f"the {compression} data ends in the middle"):
        unpack(work_on(packed[: int(len(packed) * left)]), {})


@EVERY
def test_a_damaged_upload_is_refused(compression: Compression) -> None:
    packed = bytearray(PACKERS[compression](DATA))
    packed[len(packed) // 2 : len(packed) // 2 + 20] = bytes(20)
    with pytest.raises(ImportRejected, match=f"the {compression} data is damaged"):
        unpack(work_on(bytes(packed)), {})
    with pytest.raises(ImportRejected, match="is damaged"):
        unpack(work_on(PACKERS[compression](DATA) + b"what does not belong here"), {})


def test_padding_and_frames_of_others_are_skipped() -> None:
    assert joined(work_on(gzip.compress(DATA) + bytes(500))) == DATA
    packed = zstd.compress(DATA)
    assert joined(work_on(SKIPPED + packed + SKIPPED)) == DATA
    assert compression_of(SKIPPED) is Compression.ZSTD
    assert compression_of(b"\x5f") is None


@EVERY
def test_a_bomb_comes_out_in_small_pieces_and_is_stopped(compression: Compression) -> None:
    bomb = PACKERS[compression](bytes(64 * 1024 * 1024))
    assert max(map(len, decompressed([bomb], compression))) <= OUTPUT_BYTES
    with pytest.raises(
        ImportRejected, match=r"unpacks to over 0\.03125 GiB: split the file or send it uncompressed"
    ):
        joined(work_on(bomb), most_bytes=32 * 1024 * 1024)


def test_unpacking_for_too_long_is_stopped_even_where_nothing_comes_out() -> None:
    world = World()
    work = work_on(gzip.compress(b"") * 1000, world)
    ticks = iter(range(10**6))

    def clock() -> float:
        return next(ticks) * UNPACK_SECONDS / 500

    ports = Ports(world.objects, world.table, world.wakeups, world.builds, clock)
    with pytest.raises(ImportRejected, match="took over 12 minutes: split the file or send it uncompressed"):
        unpack(Workspace(ports, work.dataset, work.job), {})


def test_a_wide_window_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27}
    packer = zstd.ZstdCompressor(options={int(name): value for name, value in options.items()})
    packed = packer.compress(random.Random(3).randbytes(20_000_000)) + packer.flush()
    with pytest.raises(ImportRejected, match="window of over 8 MiB") as refused:
        unpack(work_on(packed), {})
    assert refused.value.message == WINDOW_LIMIT


def test_of_an_enormous_line_only_the_front_is_kept() -> None:
    data = b"first\n" + b"x" * 30_000_000 + b"\nlast"
    assert joined(work_on(gzip.compress(data, 1))) == b"first\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\nlast"


def test_the_first_attempt_counts_and_the_plan_follows_it() -> None:
    world = World()
    work = work_on(gzip.compress(b"\xef\xbb\xbf" + DATA), world)
    assert unpack(work, {}) == {}
    unpacked = work.needed("unpacked", Unpacked)
    assert unpack(work, {}) == {}
    assert work.needed("unpacked", Unpacked) == unpacked
    chunks = [Chunk.parse(line) for line in _lines(world, plan(work, {})["items_key"])]
    assert [chunk.key for chunk in chunks] == [ref.key for ref in unpacked.objects]
    records = [validate_ndjson(work, chunk) for chunk in chunks]
    assert sum(record.accepted for record in records) == 3000
    assert sum(record.rejected for record in records) == 0


def _lines(world: World, key: str) -> Iterator[bytes]:
    yield from world.objects.get(key).splitlines()


@EVERY
def test_nothing_in_it_is_an_empty_file(compression: Compression) -> None:
    work = work_on(PACKERS[compression](b""))
    unpack(work, {})
    with pytest.raises(ImportRejected, match="the file is empty"):
        plan(work, {})


def test_a_cancelled_import_is_unpacked_no_further() -> None:
    world = World()
    work = work_on(gzip.compress(DATA), world)
    world.table.update(work.keys.item, [Assign("status", "failed")])
    with pytest.raises(ImportStopped):
        unpack_chunks(work, chunk_bytes=1000)
