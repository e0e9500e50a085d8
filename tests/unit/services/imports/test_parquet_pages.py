"""Page headers: what pages unpack to, and bytes that are no pages."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.services.imports.parquet_pages import BrokenPage, Pages, read_pages
from tests.unit.services.imports.parquet_world import parquet_bytes


def pages_of(table: pa.Table, **options: Any) -> Pages:
    """Of the first column of the first row group."""
    data = parquet_bytes(table, **options)
    column = pq.read_metadata(io.BytesIO(data)).row_group(0).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    return read_pages(memoryview(data)[start : start + column.total_compressed_size])


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_values_and_bytes_are_those_of_the_footer(version: str, compression: str) -> None:
    table = pa.table({"v": pa.array([[1.0, None], None, [], [3.0]] * 5000)})
    options = {"data_page_version": version, "compression": compression, "data_page_size": 4096}
    data = parquet_bytes(table, **options)
    column = pq.read_metadata(io.BytesIO(data)).row_group(0).column(0)
    pages = pages_of(table, **options)
    assert pages.values == column.num_values == 25_000
    assert 0.9 * column.total_uncompressed_size < pages.unpacked_bytes <= column.total_uncompressed_size


def test_a_dictionary_is_as_large_as_its_page() -> None:
    pages = pages_of(pa.table({"t": ["x" * 5000, "y"] * 100}))
    assert 5000 < pages.largest_dictionary < 5100
    assert pages.largest_prefixed == 0


def test_prefixes_are_as_large_as_their_page() -> None:
    texts = ["x" * 5000 + str(n) for n in range(100)]
    pages = pages_of(pa.table({"t": texts}), use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY")
    assert 5000 < pages.largest_prefixed < 6000
    assert pages.largest_dictionary == 0


def test_plain_pages_repeat_nothing() -> None:
    pages = pages_of(pa.table({"t": ["x" * 5000] * 10}), use_dictionary=False)
    assert (pages.largest_prefixed, pages.largest_dictionary) == (0, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x00", "lacks a field"),
        (b"\x15", "ends behind"),
        (b"\x15\x00\x15\x02\x15\x64\x00", "a page that ends behind its column"),
        (b"\x15" + b"\xff" * 20, "endless number"),
        (b"\x1c" * 40, "nested too deeply"),
        (b"\x19\xfc\xff\xff\xff\xff\x0f", "ends behind"),
        (b"\x1b\x00", "a field of type 11"),
        (b"\x15\x00\x15\x01\x15\x00\x00", "a page that ends behind its column"),
    ],
    ids=range(8),
)
def test_bytes_that_are_no_pages(data: bytes, message: str) -> None:
    with pytest.raises(BrokenPage, match=message):
        read_pages(memoryview(data))


@given(st.binary(max_size=200))
def test_any_bytes_end_in_pages_or_in_a_reason(data: bytes) -> None:
    try:
        pages = read_pages(memoryview(data))
    except BrokenPage:
        return
    assert pages.values >= 0
    assert pages.unpacked_bytes >= 0
