"""Validation of Parquet row groups: which rows are records, what becomes of them, and why the others are not."""

from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import ImportRejected
from shoal.index.column_file import decode_columns
from shoal.model.datasets import Metric
from shoal.model.imports import ErrorMode
from shoal.model.ndjson_lines import (
    BAD_ID,
    BAD_METADATA,
    BAD_VALUES,
    LONG_ID,
    NOT_FINITE,
    ZERO_VECTOR,
    judge_lines,
)
from shoal.services.imports import parquet_plan
from shoal.services.imports.parquet import validate_parquet
from shoal.services.imports.parquet_plan import plan_parquet
from shoal.storage.ports import Add
from tests.unit.services.imports.parquet_world import (
    Row,
    accepted,
    parquet_bytes,
    reasons,
    rejects,
    table_of,
    validated,
    work_on,
)

TWO = [[1.0, 2.0], [3.0, 4.0]]
FLOATS = pa.list_(pa.float32())


def good(table: pa.Table, **options: Any) -> list[Row]:
    work = work_on(table, **options)
    return accepted(work, validated(work))


def test_rows_become_columns_in_order() -> None:
    metadata = pa.array([{"title": "A", "year": 1999}, None])
    assert good(table_of(["a", "b"], TWO, metadata)) == [
        ("a", [1.0, 2.0], {"title": "A", "year": 1999}),
        ("b", [3.0, 4.0], {}),
    ]


def test_other_columns_are_ignored() -> None:
    table = table_of(["a", "b"], TWO).append_column("values.x", pa.array([b"1", b"2"]))
    assert good(table.append_column("blob", pa.array([[b"1"], None]))) == [
        ("a", [1.0, 2.0], {}),
        ("b", [3.0, 4.0], {}),
    ]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.large_string()),
    ],
    ids=str,
)
def test_ids_may_be_strings_of_any_kind(kind: pa.DataType) -> None:
    names = ["ä", None, "ä", "", "x" * 256, "x" * 257, "ü" * 256, "ü" * 257, "😀" * 256]
    table = table_of(pa.array(names, type=kind), [[1, 2]] * 9)
    work = work_on(table)
    assert [name for name, _, _ in accepted(work, validated(work))] == [
        "ä",
        "ä",
        "x" * 256,
        "ü" * 256,
        "😀" * 256,
    ]
    assert reasons(work_on(table)) == {2: BAD_ID, 4: BAD_ID, 6: LONG_ID, 8: LONG_ID}


def test_an_id_that_is_not_text_is_refused() -> None:
    buffers = [None, pa.py_buffer(np.array([0, 1, 3], dtype=np.int32)), pa.py_buffer(b"a\xff\xfe")]
    work = work_on(table_of(pa.Array.from_buffers(pa.string(), 2, buffers), TWO))
    records = validated(work)
    assert [name for name, _, _ in accepted(work, records)] == ["a"]
    assert [reject["reason"] for reject in rejects(work, records)] == [BAD_ID]


@pytest.mark.parametrize(
    "wrap", [pa.list_, pa.large_list, lambda kind: pa.list_(kind, 2)], ids=["list", "large", "fixed"]
)
@pytest.mark.parametrize(
    "kind",
    [
        *(pa.float16(), pa.float32(), pa.float64()),
        *(pa.int8(), pa.uint8(), pa.int32(), pa.int64(), pa.uint64()),
        *(pa.decimal32(5, 2), pa.decimal64(12, 2), pa.decimal128(20, 2), pa.decimal256(50, 2)),
    ],
    ids=str,
)
def test_values_may_be_lists_of_numbers_of_any_kind(wrap: Any, kind: pa.DataType) -> None:
    number = Decimal if pa.types.is_decimal(kind) else kind.to_pandas_dtype()
    values = [[number(3), number(4)], None, [number(5), number(6)]]
    table = table_of(["a", "b", "c"], pa.array(values, type=wrap(kind)))
    work = work_on(table)
    records = validated(work)
    assert accepted(work, records) == [("a", [3.0, 4.0], {}), ("c", [5.0, 6.0], {})]
    assert [(reject["line"], reject["reason"]) for reject in rejects(work, records)] == [(2, BAD_VALUES)]


def test_doubles_are_cast_with_a_check() -> None:
    values = pa.array([[0.1, 2.0], [1e39, 0.0], [-1e300, 0.0], [1e-60, 0.0]], type=pa.list_(pa.float64()))
    work = work_on(table_of("abcd", values))
    assert [vector for _, vector, _ in accepted(work, validated(work))] == [
        [float(np.float32(0.1)), 2.0],
        [0.0, 0.0],
    ]
    assert reasons(work_on(table_of("abcd", values))) == {2: NOT_FINITE, 3: NOT_FINITE}


def test_decimals_are_cast_with_a_check() -> None:
    values = pa.array(
        [[Decimal(10) ** 60, Decimal(0)], [Decimal(1), None]], type=pa.list_(pa.decimal256(70, 2))
    )
    assert reasons(work_on(table_of("ab", values))) == {1: NOT_FINITE, 2: BAD_VALUES}


def test_every_row_has_the_reason_of_its_first_fault() -> None:
    values = [
        None,
        [1, None],
        [1],
        [],
        [1, 2, 3],
        [1, float("nan")],
        [float("inf"), 1],
        [0, 0],
        [1, 2],
        [1, 2],
    ]
    ids = [*"abcdefgh", None, "j"]
    metadata = [None, "1", "{", "[]", "null", None, "3", '{"a":', "{", '{"a":1}']
    table = table_of(ids, values, pa.array(metadata))
    work = work_on(table, metric=Metric.COSINE)
    assert reasons(work) == {
        1: BAD_VALUES,
        2: BAD_VALUES,
        3: "dimension mismatch: got 1 expected 2",
        4: "dimension mismatch: got 0 expected 2",
        5: "dimension mismatch: got 3 expected 2",
        6: NOT_FINITE,
        7: NOT_FINITE,
        8: BAD_METADATA,
        9: BAD_ID,
    }
    assert accepted(work, validated(work)) == [("j", [1.0, 2.0], {"a": 1})]


def test_a_vector_of_zeros_is_refused_under_cosine_only() -> None:
    table = table_of("abc", [[0.0, -0.0], [0.0, 1.0], [1.0, 0.0]])
    assert reasons(work_on(table, metric=Metric.COSINE)) == {1: ZERO_VECTOR}
    assert reasons(work_on(table)) == {}


def test_null_rows_do_not_move_those_behind_them() -> None:
    """As `flatten()` would: it leaves the null rows out."""
    table = table_of("abcd", [[1, 2], None, [3, 4], [5, 6]])
    assert [vector for _, vector, _ in good(table)] == [[1, 2], [3, 4], [5, 6]]


def test_a_negative_zero_keeps_its_sign() -> None:
    work = work_on(table_of("a", [[-0.0, 1.0]]))
    ((_, record),) = validated(work)
    assert record.columns
    assert np.signbit(decode_columns(work.read(record.columns)).vectors[0, 0])


def test_rejected_records_are_shown_as_people_know_them() -> None:
    table = table_of(["a", None], [[0.1, float("nan")], [0.5, 1.0]], pa.array([{"t": "ö"}, None]))
    work = work_on(table)
    shown = [
        orjson.loads(reject["record"].replace("NaN", '"NaN"')) for reject in rejects(work, validated(work))
    ]
    assert shown == [
        {"id": "a", "values": [0.1, "NaN"], "metadata": {"t": "ö"}},
        {"id": None, "values": [0.5, 1.0], "metadata": None},
    ]


def test_a_rejected_record_is_cut() -> None:
    work = work_on(table_of(["x" * 5000], [[1.0] * 5000]), dimension=2)
    (reject,) = rejects(work, validated(work))
    assert len(reject["record"]) <= 2048


def test_line_numbers_are_those_of_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_plan, "MAX_CHUNK_BYTES", 300)
    values = [[1, 2] if row % 10 else None for row in range(100)]
    table = table_of([str(row) for row in range(100)], values)
    work = work_on(parquet_bytes(table, row_group_size=7))
    records = validated(work)
    assert len(records) > 5
    assert [reject["line"] for reject in rejects(work, records)] == list(range(1, 101, 10))
    assert [name for name, _, _ in accepted(work, records)] == [str(row) for row in range(100) if row % 10]
    assert sum(record.lines for _, record in records) == 100


def test_ten_thousand_tiny_row_groups() -> None:
    table = table_of([str(row) for row in range(10_000)], [[float(row), 1.0] for row in range(10_000)])
    work = work_on(parquet_bytes(table, row_group_size=1))
    records = validated(work)
    assert [len(chunk.row_groups) for chunk, _ in records] == [4000, 4000, 2000]
    assert sum(record.accepted for _, record in records) == 10_000
    assert accepted(work, records)[9_999] == ("9999", [9999.0, 1.0], {})


def test_a_piece_is_only_counted_where_too_much_is_bad_already() -> None:
    work = work_on(table_of("ab", TWO), error_mode=ErrorMode.ABORT)
    (chunk,) = plan_parquet(work, probe=False)
    work.update(Add("records_rejected", 1))
    record = validate_parquet(work, chunk)
    assert record.counted_only
    assert (record.lines, record.processed, record.columns) == (2, 0, None)


def test_a_repeated_attempt_counts_once() -> None:
    work = work_on(table_of("abc", [[1, 2], None, [3, 4]]))
    (chunk,) = plan_parquet(work, probe=False)
    assert validate_parquet(work, chunk) == validate_parquet(work, chunk)
    job = work.fresh()
    assert (job.records_processed, job.records_accepted, job.records_rejected) == (3, 2, 1)


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "brotli", "lz4", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_files_of_any_writer(compression: str, version: str) -> None:
    rows = 3000
    ids = [f"id-{row:08}" for row in range(rows)]
    metadata = pa.array([{"n": row % 7, "t": ["x", str(row)]} for row in range(rows)])
    data = parquet_bytes(
        table_of(ids, [[float(row), 0.5] for row in range(rows)], metadata),
        compression=compression,
        data_page_version=version,
        use_dictionary=False,
        column_encoding={"id": "DELTA_BYTE_ARRAY"},
        data_page_size=1024,
        row_group_size=1000,
        store_schema=False,
    )
    work = work_on(data)
    found = accepted(work, validated(work))
    assert [row[0] for row in found] == ids
    assert found[2999] == ("id-00002999", [2999.0, 0.5], {"n": 3, "t": ["x", "2999"]})


def test_a_damaged_page_is_said_to_be_damaged() -> None:
    data = bytearray(parquet_bytes(table_of([str(row) for row in range(2000)], [[1.5, 2.5]] * 2000)))
    data[40:200] = bytes(160)
    work = work_on(bytes(data))
    with pytest.raises(ImportRejected, match="the Parquet file is broken"):
        validated(work)


# --- against a judge that looks at one row after the other

VALUES = st.lists(st.none() | st.floats(width=32) | st.just(0.0), max_size=4)
TEXT = st.text(st.characters(codec="utf-8"), max_size=4) | st.just("y" * 257)
JSON_TEXT = st.sampled_from(["{}", '{"a": [1, {"b": null}]}', "null", "[1]", "{", '{"a":1e999}', ""])
ROWS = st.lists(
    st.tuples(st.none() | TEXT, st.none() | VALUES | st.just([1.0, 2.0]), st.none() | JSON_TEXT),
    min_size=1,
    max_size=30,
)


def line_of(name: str | None, values: list[float | None] | None, metadata: str | None) -> bytes:
    """The row as an NDJSON line; JSON text of metadata that is no JSON stands for something that is no object."""
    numbers = (
        None if values is None else [1e300 if each and not np.isfinite(each) else each for each in values]
    )
    try:
        decoded = None if metadata is None else orjson.loads(metadata)
    except orjson.JSONDecodeError:
        decoded = "no object"
    return orjson.dumps({"id": name, "values": numbers, "metadata": decoded})


@settings(max_examples=60, deadline=None)
@given(
    ROWS,
    st.sampled_from([FLOATS, pa.large_list(pa.float64())]),
    st.sampled_from([pa.string(), pa.dictionary(pa.int32(), pa.string())]),
    st.booleans(),
    st.integers(1, 10),
    st.integers(0, 3),
)
def test_rows_are_judged_as_lines_are(
    rows: list[Any], kind: pa.DataType, text: pa.DataType, cosine: bool, row_group_size: int, skipped: int
) -> None:
    names, vectors, metadata = zip(*rows, strict=True)
    columns = (pa.array(names, type=text), pa.array(vectors, type=kind), pa.array(metadata, type=pa.string()))
    table = table_of(*columns)
    lines = [(number, line_of(*row)) for number, row in enumerate(rows, start=1)][skipped:]
    table = table.slice(skipped)
    if not lines:
        return
    judged = judge_lines(
        [(number - skipped, line) for number, line in lines], dimension=2, refuse_zero=cosine
    )
    work = work_on(
        parquet_bytes(table, row_group_size=row_group_size), metric=Metric.COSINE if cosine else Metric.L2
    )
    records = validated(work)
    found = accepted(work, records)
    assert [row[0] for row in found] == judged.ids
    assert np.array_equal([row[1] for row in found] or np.zeros((0, 2)), judged.vectors)
    assert [orjson.dumps(row[2]) for row in found] == judged.metadata
    assert [(each["line"], each["reason"]) for each in rejects(work, records)] == [
        (error.line, error.reason) for error in judged.errors
    ]
