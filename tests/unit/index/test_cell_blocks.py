"""Rows sorted into blocks come back, cell by cell and in order."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.cell_blocks import (
    CellRows,
    concatenate,
    decode_block,
    encode_blocks,
    sequences_of,
    take,
)
from shoal.index.checksums import digest128
from shoal.index.column_file import Blobs, Columns

STRINGS = st.binary(max_size=6) | st.binary(min_size=300, max_size=400)
MORE = st.sets(st.sampled_from(["namespaces", "documents", "sequences"]))
"""Which of the optional columns rows have."""


def rows_of(metadata: list[bytes], *, seed: int = 0, more: Collection[str] = ()) -> CellRows:
    rng = np.random.default_rng(seed)
    count = len(metadata)
    ids = Blobs.of([f"id {n} é".encode() for n in range(count)])
    vectors = rng.standard_normal((count, 3)).astype(np.float32)
    hashes = rng.integers(2**64, size=(count, 2), dtype=np.uint64)
    columns = Columns(ids, vectors, Blobs.of(metadata))
    if "namespaces" in more:
        columns = replace(columns, namespaces=Blobs.of([b"n" * (n % 3) for n in range(count)]))
    if "documents" in more:
        columns = replace(
            columns, documents=Blobs.of([b"text %d" % n if n % 5 else b"" for n in range(count)])
        )
    if "sequences" in more:
        columns = replace(columns, sequences=rng.integers(2**63, size=count, dtype=np.uint64))
    return CellRows(columns, hashes)


def listed(rows: CellRows) -> list[tuple[Any, ...]]:
    columns = rows.columns
    vectors = [vector.tobytes() for vector in columns.vectors]
    hashes = [one.tobytes() for one in rows.hashes]
    blobs = (columns.ids, columns.metadata, columns.namespaces, columns.documents)
    strings = [some.tolist() for some in blobs]
    own = [None] * len(rows) if columns.sequences is None else columns.sequences.tolist()
    return list(zip(*strings, vectors, hashes, own, strict=True))


@given(st.lists(STRINGS, max_size=30), st.integers(1, 8), st.integers(0, 99), MORE)
def test_each_cell_gets_its_rows_in_order(
    metadata: list[bytes], count: int, seed: int, more: set[str]
) -> None:
    rows = rows_of(metadata, seed=seed, more=more)
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


def test_blocks_of_plain_rows_are_what_they_were() -> None:
    """Who began an import with the release before can end it, and the other way round."""
    rows = rows_of([b"{}", b'{"a":1}', b"{}"])
    columns = rows.columns
    data, table = encode_blocks(rows, np.zeros(3, dtype=np.int64), 1)
    pieces = (columns.vectors, rows.hashes, columns.ids.lengths, columns.metadata.lengths)
    fixed = b"".join(piece.tobytes() for piece in pieces)
    assert bytes(data) == fixed + bytes(columns.ids.data) + bytes(columns.metadata.data)
    assert int(table["size"][0]) == len(data)


def test_rows_with_sequences_of_their_own_do_not_join_those_without() -> None:
    own = rows_of([b"{}"], more={"sequences"})
    with pytest.raises(ValueError, match="some have not"):
        concatenate([own, rows_of([b"{}"])])
    assert sequences_of(rows_of([b"{}", b"{}"]), 7).tolist() == [7, 7]
    assert own.columns.sequences is not None
    assert sequences_of(own, 7).tolist() == own.columns.sequences.tolist()


@given(st.lists(STRINGS, min_size=1, max_size=30), st.data(), MORE)
def test_rows_are_taken_and_joined(metadata: list[bytes], data: st.DataObject, more: set[str]) -> None:
    rows = rows_of(metadata, more=more)
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


@pytest.mark.parametrize("bits", [0, 8, 255, 1, 4])
def test_columns_of_an_unknown_kind_or_cut_short_are_corrupt(bits: int) -> None:
    raw, table = encode_blocks(rows_of([b"{}"]), np.zeros(1, dtype=np.int64), 1)
    longer = bytes(raw) + bytes([bits])
    table["size"], table["digest"] = len(longer), np.void(digest128(longer))
    with pytest.raises(CorruptObject):
        decode_block(longer, table[0], 3)
