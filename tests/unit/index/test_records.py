"""records.sqlite: rows come back, filters find what a plain loop finds, hostile databases are refused."""

import gc
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.records import Record, Records, write_records
from shoal.index.shard import RECORDS_FILE, VECTORS_FILE, decode_vectors, encode_shard
from shoal.model.filters import parse_filter
from shoal.model.records import Rows
from shoal.model.selection import EVERYTHING, Selection

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -0.0]) | TEXT
METADATA = st.dictionaries(
    st.sampled_from(["a", "b", "a.b", 'q"', "é"]),
    VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.sampled_from(["b", "c"]), VALUES, max_size=2),
    max_size=3,
)
KEYS = st.sampled_from(["a", "b", "a.b", 'q"', "é", "absent"])


def rows_of(metadata: list[bytes]) -> Rows:
    count = len(metadata)
    return Rows(
        ids=tuple(f"id/{n} é" for n in range(count)),
        sequences=np.arange(count, dtype=np.uint64) * np.uint64(2**40) + np.uint64(7),
        vectors=np.arange(count * 2, dtype=np.float32).reshape(count, 2),
        metadata=tuple(metadata),
    )


@st.composite
def texts_of(draw: st.DrawFn, count: int) -> dict[str, Any]:
    """Namespaces and documents of so many rows, or none of either."""
    drawn: dict[str, list[Any]] = {
        "namespaces": draw(st.lists(st.sampled_from(["", "a", "b", "é/ä"]), min_size=count, max_size=count)),
        "documents": draw(
            st.lists(st.binary(max_size=4) | st.just(b"x" * 9000), min_size=count, max_size=count)
        ),
    }
    return {name: tuple(values) for name, values in drawn.items() if draw(st.booleans())}


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    """Namespaces, beginnings of ids and filters that occur, and some that do not."""
    return Selection(
        namespace=draw(st.none() | st.sampled_from(["", "a", "é/ä", "A", "\ud800"])),
        prefix=draw(st.none() | st.sampled_from(["", "id/1", "id/1 é", "i", "/", "\ud800"])),
        filter=draw(st.none() | conditions().map(parse_filter)),
    )


def where(condition: dict[str, Any]) -> Selection:
    return Selection(filter=parse_filter(condition))


def record_of(rows: Rows, row: int) -> Record:
    return Record(
        rows.ids[row], int(rows.sequences[row]), rows.metadata[row], rows.namespaces[row], rows.documents[row]
    )


def same_rows(found: Rows, wanted: Rows) -> bool:
    return all(
        np.array_equal(getattr(found, field.name), getattr(wanted, field.name)) for field in fields(Rows)
    )


def taken_by(selection: Selection, rows: Rows, values: list[dict[str, Any]]) -> list[int]:
    return [
        n
        for n, value in enumerate(values)
        if selection.matches(record_id=rows.ids[n], namespace=rows.namespaces[n], metadata=value)
    ]


@given(st.lists(METADATA, max_size=20), st.data())
def test_rows_come_back(values: list[dict[str, Any]], data: st.DataObject) -> None:
    rows = replace(rows_of([orjson.dumps(value) for value in values]), **data.draw(texts_of(len(values))))
    records = Records(write_records(rows))
    assert same_rows(records.columns().with_vectors(rows.vectors), rows)
    assert len(records) == len(rows)
    ids, sequences, metadata = records.all()
    assert (ids, metadata) == (rows.ids, rows.metadata)
    assert sequences.dtype == np.uint64
    assert np.array_equal(sequences, rows.sequences)
    if values:
        some = data.draw(st.lists(st.integers(0, len(values) - 1)))
        found = records.by_rows(np.array(some, dtype=np.int64))
        assert found == {n: record_of(rows, n) for n in some}
        without = records.by_rows(some, documents=False)
        assert without == {n: replace(record_of(rows, n), document=b"") for n in some}
    records.close()


@given(st.lists(METADATA, min_size=1, max_size=12), st.data())
def test_selections_take_what_a_plain_loop_takes(values: list[dict[str, Any]], data: st.DataObject) -> None:
    rows = replace(rows_of([orjson.dumps(value) for value in values]), **data.draw(texts_of(len(values))))
    records = Records(write_records(rows))
    for _ in range(3):
        selection = data.draw(selections())
        assert records.matching(selection).tolist() == taken_by(selection, rows, values)
    records.close()


def test_beginnings_of_ids_are_compared_to_the_end() -> None:
    """A zero in an id ends nothing."""
    rows = replace(rows_of([b"{}"] * 3), ids=("a\0b", "a\0c", "a"))
    records = Records(write_records(rows))
    assert records.matching(Selection(prefix="a\0b")).tolist() == [0]
    assert records.matching(Selection(prefix="a\0")).tolist() == [0, 1]
    assert records.matching(EVERYTHING).tolist() == [0, 1, 2]
    records.close()


def test_metadata_is_parsed_in_the_namespace_only() -> None:
    rows = replace(rows_of([b"{}", b"no JSON", b"{}"]), namespaces=("a", "b", "a"))
    records = Records(write_records(rows))
    condition = parse_filter({"$not": {"a": 1}})
    assert records.matching(Selection(namespace="a", filter=condition)).tolist() == [0, 2]
    assert records.matching(Selection(prefix="id/2", filter=condition)).tolist() == [2]
    with pytest.raises(CorruptObject, match="row 1"):
        records.matching(Selection(namespace="b", filter=condition))
    records.close()


def test_many_rows_are_read_in_parts() -> None:
    records = Records(write_records(rows_of([b"{}"] * 3000)))
    assert list(records.by_rows(range(2999, -1, -1))) == list(range(3000))
    records.close()


def test_a_row_that_is_not_there_is_corrupt() -> None:
    records = Records(write_records(rows_of([b"{}"])))
    with pytest.raises(CorruptObject, match="no row 1"):
        records.by_rows([0, 1])
    records.close()


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """Filters of every operator, with operands that occur in the metadata."""
    key, scalar = draw(KEYS), draw(VALUES)
    known = scalar if scalar is not None else "x"
    number = draw(st.sampled_from([-1, 0, 0.5, 1, "a"]))
    leaf: dict[str, Any] = draw(
        st.sampled_from(
            [
                {key: scalar},
                {key: {"$ne": known}},
                {key: {"$in": [known, 1]}},
                {key: {"$gte": number}},
                {key: {"$exists": True}},
                {key: {"$startsWith": str(known)[:2]}},
            ]
        )
    )
    other = {draw(KEYS): draw(VALUES)}
    return draw(st.sampled_from([leaf, {"$and": [leaf, other]}, {"$or": [leaf, other]}, {"$not": leaf}]))


@given(st.lists(METADATA, min_size=1, max_size=12), conditions(), st.booleans())
def test_filters_find_what_a_plain_loop_finds(
    values: list[dict[str, Any]], condition: dict[str, Any], escaped: bool
) -> None:
    """Also where strings are spelled with escapes, which the raw search cannot see through."""
    spelled = [orjson.dumps(value) for value in values]
    if escaped:
        spelled = [
            b"".join(
                b"\\u%04x" % ord(c) if ord(c) > 127 and ord(c) < 65536 else c.encode() for c in s.decode()
            )
            for s in spelled
        ]
    records = Records(write_records(rows_of(spelled)))
    parsed = parse_filter(condition)
    expected = [n for n, value in enumerate(values) if parsed.matches(value)]
    for _ in range(2):  # the second time from the cache
        found = records.matching(Selection(filter=parsed))
        assert found.dtype == np.uint32
        assert found.tolist() == expected
        assert not found.flags.writeable
    records.close()


def test_a_filter_of_very_many_conditions_is_no_problem_for_the_database() -> None:
    records = Records(write_records(rows_of([b'{"a":1}'])))
    condition = where({f"key{n}": {"$exists": True} for n in range(2000)})
    assert records.matching(condition).tolist() == []
    records.close()


def test_only_the_last_filters_are_kept() -> None:
    records = Records(write_records(rows_of([b'{"a":1}'])))
    for n in range(100):
        records.matching(where({"a": n}))
    assert len(records._answers) == 32
    records.close()


@pytest.mark.parametrize("metadata", [b"", b"{", b"[]", b"\xff"])
def test_metadata_that_is_no_object_is_corrupt(metadata: bytes) -> None:
    records = Records(write_records(rows_of([metadata])))
    with pytest.raises(CorruptObject, match="row 0"):
        records.matching(where({"a": {"$exists": False}}))
    records.close()


def test_threads_may_share_it() -> None:
    records = Records(write_records(rows_of([b'{"n":%d}' % n for n in range(200)])))
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda n: records.matching(where({"n": n})).tolist(), range(200)))
        found = list(pool.map(lambda n: records.by_rows([n])[n].sequence, range(200)))
    assert rows == [[n] for n in range(200)]
    assert found == [n * 2**40 + 7 for n in range(200)]
    records.close()


def test_it_closes_by_itself() -> None:
    """A connection that is left open would be a ResourceWarning, and those are errors here."""
    Records(write_records(rows_of([b"{}"])))
    gc.collect()


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_database_is_corrupt_and_nothing_worse(data: st.DataObject) -> None:
    rows = rows_of([b'{"a":"x"}'] * 40)
    if data.draw(st.booleans()):
        rows = replace(rows, namespaces=("n",) * 40, documents=(b"text" * 40,) * 40)
    packed = bytearray(write_records(rows))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, 200) | st.integers(0, len(packed) - 1))
        packed[place] = data.draw(st.integers(0, 255))
    size = data.draw(st.sampled_from([len(packed), 4096, 5000, 100, 99, 0]))
    try:
        records = Records(packed[:size])
    except CorruptObject:
        return
    for read in (
        records.all,
        lambda: records.by_rows([0, 39]),
        records.columns,
        lambda: records.matching(where({"a": "x"})),
        lambda: records.matching(Selection(namespace="n", prefix="id")),
    ):
        try:
            read()
        except CorruptObject:
            continue
    records.close()


@pytest.mark.parametrize(
    "change",
    [
        "PRAGMA user_version = 2",
        "PRAGMA user_version = 3",
        "PRAGMA application_id = 1",
        "CREATE TRIGGER t AFTER INSERT ON rows BEGIN SELECT 1; END",
        "CREATE VIEW v AS SELECT * FROM rows",
        "ALTER TABLE rows ADD COLUMN extra",
        "DROP TABLE rows",
        "DELETE FROM rows WHERE row = 0",
    ],
)
def test_another_database_is_corrupt(change: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(write_records(rows_of([b"{}", b"{}"])))
    connection.execute(change)
    connection.commit()
    changed = connection.serialize()
    connection.close()
    with pytest.raises(CorruptObject):
        Records(changed).all()


def test_it_cannot_be_written_to() -> None:
    records = Records(write_records(rows_of([b"{}"])))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        records._connection.execute("DELETE FROM rows")
    records.close()


def test_a_shard_is_its_files() -> None:
    rows = rows_of([b"{}", b'{"a":1}'])
    files = encode_shard(rows)
    assert set(files) == {VECTORS_FILE, RECORDS_FILE}
    assert encode_shard(rows, index=b"graph")["index.hnsw"] == b"graph"
    vectors = decode_vectors(files[VECTORS_FILE], 2, 2)
    assert vectors.dtype == np.float32
    assert not vectors.flags.writeable
    assert np.array_equal(vectors, rows.vectors)
    for count, dimension in ((2, 3), (3, 2), (1, 2)):
        with pytest.raises(CorruptObject):
            decode_vectors(files[VECTORS_FILE], count, dimension)
    with pytest.raises(ValueError, match="at least one"):
        encode_shard(rows_of([]))
