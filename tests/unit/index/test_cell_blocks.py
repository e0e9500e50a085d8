"""Rows sorted into blocks come back, cell by cell and in order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.cell_blocks import CellRows, concatenate, decode_block, encode_blocks, take
from shoal.index.column_file import Blobs, Columns

STRINGS = st.binary(max_size=6) | st.binary(min_size=300, max_size=400)


def rows_of(metadata: list[bytes], *, seed: int = 0) -> CellRows:
    rng = np.random.default_rng(seed)
    count = len(metadata)
    ids = Blobs.of([f"id {n} é".encode() for n in range(count)])
    vectors = rng.standard_normal((count, 3)).astype(np.float32)
    hashes = rng.integers(2**64, size=(count, 2), dtype=np.uint64)
    return CellRows(Columns(ids, vectors, Blobs.of(metadata)), hashes)


def listed(rows: CellRows) -> list[tuple[bytes, bytes, bytes, bytes]]:
    columns = rows.columns
    vectors = [vector.tobytes() for vector in columns.vectors]
    hashes = [one.tobytes() for one in rows.hashes]
    return list(zip(columns.ids.tolist(), vectors, columns.metadata.tolist(), hashes, strict=True))


@given(st.lists(STRINGS, max_size=30), st.integers(1, 8), st.integers(0, 99))
def test_each_cell_gets_its_rows_in_order(metadata: list[bytes], count: int, seed: int) -> None:
    rows = rows_of(metadata, seed=seed)
    cells = np.random.default_rng(seed).integers(count, size=len(rows))
    data, table = encode_blocks(rows, cells, count)
    assert int(table["size"].sum()) == len(data)
    expected, start = listed(rows), 0
    for cell in range(count):
        stop = start + int(table["size"][cell])
        mine = [row for row, place in zip(expected, cells.tolist(), strict=True) if place == cell]
        assert table["rows"][cell] == len(mine)
        if mine:
            assert listed(decode_block(data[start:stop], table[cell], 3)) == mine
        start = stop


@given(st.lists(STRINGS, min_size=1, max_size=30), st.data())
def test_rows_are_taken_and_joined(metadata: list[bytes], data: st.DataObject) -> None:
    rows = rows_of(metadata)
    positions = data.draw(st.lists(st.integers(0, len(rows) - 1)))
    expected = listed(rows)
    taken = take(rows, np.array(positions, dtype=np.intp))
    assert listed(taken) == [expected[n] for n in positions]
    assert listed(concatenate([taken, rows])) == [*listed(taken), *expected]


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_block_is_corrupt(data: st.DataObject) -> None:
    raw, table = encode_blocks(rows_of([b"{}", b"x" * 50]), np.zeros(2, dtype=np.int64), 1)
    damaged = bytearray(raw)
    damaged[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    for wrong in (bytes(damaged), raw[:-1], bytes(raw) + b"x"):
        with pytest.raises(CorruptObject, match="checksum"):
            decode_block(wrong, table[0], 3)
    with pytest.raises(CorruptObject):
        decode_block(raw, table[0], 4)
