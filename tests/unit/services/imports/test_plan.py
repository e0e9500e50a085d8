"""What the first bytes say of a file, and how it is split."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import ImportRejected
from shoal.index.cell_sizes import cell_count, rows_wanted
from shoal.model.import_work import Chunk, Plan
from shoal.model.imports import ImportFormat
from shoal.model.limits import CHUNK_BYTES
from shoal.services.imports.inspect import inspect
from shoal.services.imports.plan import even_ranges, plan
from shoal.services.pipeline.sample_sizes import SAMPLE_BYTES, SAMPLE_ROWS, sample_shares
from tests.unit.services.imports.work import make_work
from tests.unit.services.world import World


@pytest.mark.parametrize(
    ("head", "compressed"),
    [
        (b"{", False),
        (b"\x1f\x8b\x08\x00", True),
        (b"\x28\xb5\x2f\xfd", True),
        (b"\x1f", False),
        (b"PAR", False),
    ],
)
def test_the_front_says_what_it_is(head: bytes, compressed: bool) -> None:
    world = World()
    work = make_work(world, world.create(), head)
    world.objects.put(work.keys.upload, gzip.compress(b"put later") if not compressed else b"{}")
    assert inspect(work, {}) == {"compressed": compressed}
    assert work.fresh().stage == ("unpacking" if compressed else "")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"PAR1 and so on", 'create the import with "format": "parquet"'),
        (
            b"PK\x03\x04 and so on",
            "a zip archive: send NDJSON in UTF-8, plain or as gzip or zstd, or Parquet",
        ),
        (b"\xff\xfe{\x00", "UTF-16 text"),
        (b"BZh91AY", "bzip2"),
    ],
)
def test_what_is_no_ndjson_is_refused_with_advice(data: bytes, message: str) -> None:
    world = World()
    work = make_work(world, world.create(), data)
    with pytest.raises(ImportRejected, match=message):
        inspect(work, {})


def test_parquet_is_not_looked_into_here() -> None:
    world = World()
    work = make_work(world, world.create(), b"\x1f\x8b no Parquet", file_format=ImportFormat.PARQUET)
    assert inspect(work, {}) == {"compressed": False}


@given(size=st.integers(0, 10**4), most=st.integers(1, 10**4))
def test_ranges_cover_the_file_evenly(size: int, most: int) -> None:
    ranges = even_ranges(size, most)
    assert not ranges or ranges[0][0] == 0
    assert [start for start, _ in ranges[1:]] == [stop for _, stop in ranges[:-1]]
    assert (ranges[-1][1] if ranges else 0) == size
    assert all(0 < stop - start <= most for start, stop in ranges)
    assert len(ranges) == -(-size // most)


@given(
    sizes=st.lists(st.integers(1, 10**8), min_size=1, max_size=300),
    dimension=st.integers(1, 4096),
    rows=st.integers(0, 10**9),
)
def test_the_sample_is_bounded_over_all_chunks(sizes: list[int], dimension: int, rows: int) -> None:
    shares = sample_shares(sizes, dimension=dimension, rows=rows)
    useful = rows_wanted(cell_count(max(rows, 1), dimension), dimension)
    wanted = min(SAMPLE_ROWS, SAMPLE_BYTES // (4 * dimension), useful)
    assert all(share >= 1 for share in shares)
    assert wanted - len(sizes) <= sum(shares) <= wanted + len(sizes)


def test_the_first_plan_counts() -> None:
    world = World()
    work = make_work(world, world.create(), b"x" * (CHUNK_BYTES + 1))
    first = plan(work, {})
    assert plan(work, {}) == first
    recorded = work.needed("plan", Plan)
    assert (recorded.items_key, recorded.chunks) == (first["items_key"], 2)
    chunks = [Chunk.parse(line) for line in world.objects.get(first["items_key"]).splitlines()]
    assert [chunk.number for chunk in chunks] == [0, 1]
    assert {(chunk.key, chunk.version_id) for chunk in chunks} == {(work.keys.upload, work.job.version_id)}
    job = work.fresh()
    assert (job.stage, job.total, job.done) == ("validating", 2, 0)
