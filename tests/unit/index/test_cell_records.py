"""The records of a cell answer as those of a shard do, and damaged ones are refused."""

from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.cell_records import KIND, CellRecords, encode_cell_records
from shoal.index.column_file import Blobs
from shoal.index.container import pack, unpack
from shoal.index.records import Records, write_records
from shoal.model.filters import parse_filter
from shoal.model.records import Rows
from shoal.model.selection import Selection
from tests.unit.index.test_records import (
    METADATA,
    conditions,
    record_of,
    rows_of,
    same_rows,
    selections,
    taken_by,
    texts_of,
    where,
)


def encoded(rows: Rows) -> bytes:
    return encode_cell_records(
        rows.sequences,
        Blobs.of([name.encode() for name in rows.ids]),
        Blobs.of(rows.metadata),
        Blobs.of([name.encode() for name in rows.namespaces]),
        Blobs.of(rows.documents),
    )


@given(st.lists(METADATA, max_size=20), st.data())
def test_rows_come_back(values: list[dict[str, object]], data: st.DataObject) -> None:
    rows = replace(rows_of([orjson.dumps(value) for value in values]), **data.draw(texts_of(len(values))))
    records = CellRecords(encoded(rows))
    assert same_rows(records.columns().with_vectors(rows.vectors), rows)
    plain = not any(rows.namespaces) and not any(rows.documents)
    assert unpack(KIND, encoded(rows), versions=(1, 2)).version == (1 if plain else 2)
    ids, sequences, metadata = records.all()
    assert (len(records), ids, metadata) == (len(rows), rows.ids, rows.metadata)
    assert sequences.dtype == np.uint64
    assert np.array_equal(sequences, rows.sequences)
    if values:
        some = data.draw(st.lists(st.integers(0, len(values) - 1)))
        found = records.by_rows(np.array(some, dtype=np.int64))
        assert found == {n: record_of(rows, n) for n in some}
        without = records.by_rows(some, documents=False)
        assert without == {n: replace(record_of(rows, n), document=b"") for n in some}
    records.close()


@settings(max_examples=150)
@given(st.lists(METADATA, max_size=12), conditions())
def test_filters_find_what_they_find_in_a_shard(
    values: list[dict[str, object]], condition: dict[str, object]
) -> None:
    rows = rows_of([orjson.dumps(value) for value in values])
    parsed = parse_filter(condition)
    records, oracle = CellRecords(encoded(rows)), Records(write_records(rows))
    for _ in range(2):  # the second answer is a kept one
        found = records.matching(Selection(filter=parsed))
        assert found.dtype == np.uint32
        assert not found.flags.writeable
        assert found.tolist() == oracle.matching(Selection(filter=parsed)).tolist()
    oracle.close()


@given(st.lists(METADATA, min_size=1, max_size=12), st.data())
def test_selections_take_what_a_plain_loop_takes(
    values: list[dict[str, object]], data: st.DataObject
) -> None:
    rows = replace(rows_of([orjson.dumps(value) for value in values]), **data.draw(texts_of(len(values))))
    records = CellRecords(encoded(rows))
    for _ in range(3):
        selection = data.draw(selections())
        assert records.matching(selection).tolist() == taken_by(selection, rows, values)


def test_metadata_is_parsed_in_the_namespace_only() -> None:
    rows = replace(rows_of([b"{}", b"no JSON", b"{}"]), namespaces=("a", "b", "a"))
    records = CellRecords(encoded(rows))
    condition = parse_filter({"$not": {"a": 1}})
    assert records.matching(Selection(namespace="a", filter=condition)).tolist() == [0, 2]
    assert records.matching(Selection(prefix="id/2", filter=condition)).tolist() == [2]


def test_only_the_last_filters_are_kept() -> None:
    records = CellRecords(encoded(rows_of([b'{"n":1}', b'{"n":2}'])))
    for number in range(20):
        assert len(records.matching(where({"n": number}))) == (number in (1, 2))
    assert len(records._answers) == 8


@pytest.mark.parametrize("row", [-1, 1])
def test_a_row_that_is_not_there_is_corrupt(row: int) -> None:
    with pytest.raises(CorruptObject, match="no row"):
        CellRecords(encoded(rows_of([b"{}"]))).by_rows([row])


@pytest.mark.parametrize("raw", [b"{", b"[]", b"", b'"\xff"'])
def test_metadata_that_is_no_object_is_corrupt(raw: bytes) -> None:
    with pytest.raises(CorruptObject, match="metadata"):
        CellRecords(encoded(rows_of([raw]))).matching(where({"$not": {"a": 1}}))


def test_lengths_that_do_not_fit_and_ids_that_are_no_text_are_corrupt() -> None:
    rows = rows_of([b"{}", b"{}"])
    container = unpack(KIND, encoded(rows), versions=(1,))
    longer = np.array([2, 3], dtype="<u4").tobytes()
    for name, value in (("metadata.lengths", longer), ("sequences", bytes(8)), ("ids.lengths", b"")):
        with pytest.raises(CorruptObject):
            CellRecords(pack(KIND, 1, container.attributes, {**container.sections, name: value}))
    one = np.ones(1, dtype=np.uint64)
    bad, good = Blobs.of([b"\xff"]), Blobs.of([b"{}"])
    records = CellRecords(encode_cell_records(one, bad, good))
    for read in (records.all, lambda: records.by_rows([0])):
        with pytest.raises(CorruptObject, match="an id is not UTF-8"):
            read()
    with pytest.raises(CorruptObject, match="a namespace is not UTF-8"):
        CellRecords(encode_cell_records(one, good, good, bad)).by_rows([0])


def test_columns_of_unequal_length_are_not_written() -> None:
    with pytest.raises(ValueError, match="unequal"):
        encode_cell_records(np.ones(2, dtype=np.uint64), Blobs.of([b"a"]), Blobs.of([b"{}"]))
    one, two = Blobs.of([b"a"]), Blobs.of([b"a", b"b"])
    with pytest.raises(ValueError, match="unequal"):
        encode_cell_records(np.ones(1, dtype=np.uint64), one, one, one, two)


@settings(max_examples=100)
@given(st.data())
def test_a_damaged_block_is_corrupt_and_nothing_worse(data: st.DataObject) -> None:
    rows = rows_of([b'{"a":1}', b"{}"])
    if data.draw(st.booleans()):
        rows = replace(rows, namespaces=("n", ""), documents=(b"", b"text"))
    raw = bytearray(encoded(rows))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    size = data.draw(st.integers(0, len(raw)) | st.just(len(raw)))
    try:
        records = CellRecords(raw[:size])
        records.all()
        records.matching(where({"a": 1}))
        records.matching(Selection(namespace="n", prefix="id"))
        records.by_rows([0, 1])
    except CorruptObject:
        return
