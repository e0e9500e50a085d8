"""Namespaces and documents of Parquet files: strings of any kind, null or absent, judged as those of lines are."""

from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import ImportRejected
from shoal.index.column_file import decode_columns
from shoal.model.limits import MAX_DOCUMENT_BYTES
from shoal.model.ndjson_lines import judge_lines
from shoal.model.record_texts import (
    BAD_DOCUMENT,
    BAD_NAMESPACE,
    CONTROL_IN_NAMESPACE,
    LONG_NAMESPACE,
)
from shoal.services.imports import parquet_rows
from tests.unit.services.imports.parquet_world import parquet_bytes, reasons, rejects, validated, work_on

KINDS = [
    pa.string(),
    pa.large_string(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.large_string()),
]

type Texts = tuple[list[bytes], list[bytes]]


def table_of(rows: int, **columns: Any) -> pa.Table:
    """So many good rows, with these columns beside id and values."""
    values = pa.array([[1.0, float(row)] for row in range(rows)], type=pa.list_(pa.float32()))
    return pa.table({"id": [f"r{row}" for row in range(rows)], "values": values, **columns})


def texts_of(table: pa.Table, **options: Any) -> Texts:
    """The namespaces and documents of the accepted rows."""
    work = work_on(parquet_bytes(table, **options))
    found: Texts = ([], [])
    for _, record in validated(work):
        if record.columns is not None:
            columns = decode_columns(work.read(record.columns))
            found[0].extend(columns.namespaces.tolist())
            found[1].extend(columns.documents.tolist())
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_texts_may_be_strings_of_any_kind(kind: pa.DataType, use_dictionary: bool) -> None:
    words = ["n", None, "", "é/ä", "n", None]
    table = table_of(6, namespace=pa.array(words, type=kind), document=pa.array(words[::-1], type=kind))
    wanted = [(word or "").encode() for word in words]
    for sliced in (0, 2, 5):
        found = texts_of(table.slice(sliced), use_dictionary=use_dictionary, row_group_size=4)
        assert found == (wanted[sliced:], wanted[::-1][sliced:])


def test_columns_in_which_all_are_null_may_have_no_type() -> None:
    table = table_of(3, namespace=pa.nulls(3), document=pa.nulls(3))
    assert texts_of(table) == ([b""] * 3, [b""] * 3)
    assert texts_of(table_of(3)) == ([b""] * 3, [b""] * 3)
    assert texts_of(table_of(1, document=["x"])) == ([b""], [b"x"])


@pytest.mark.parametrize("name", ["namespace", "document"])
@pytest.mark.parametrize(
    "column", [pa.array([1]), pa.array([b"x"]), pa.array([["x"]]), pa.array([{"a": "x"}]), pa.array([True])]
)
def test_a_column_of_another_type_is_named(name: str, column: pa.Array) -> None:
    with pytest.raises(ImportRejected, match=f"^column {name} is .*: expected string$"):
        validated(work_on(table_of(1, **{name: column})))


def test_every_row_has_its_reason() -> None:
    namespaces = ["n" * 64, "é" * 64, "n" * 65, "é" * 65, "n" * 300, "a\tb", "\x85", None]
    assert reasons(work_on(table_of(8, namespace=namespaces))) == {
        3: LONG_NAMESPACE,
        4: LONG_NAMESPACE,
        5: LONG_NAMESPACE,
        6: CONTROL_IN_NAMESPACE,
        7: CONTROL_IN_NAMESPACE,
    }
    documents = ["d" * MAX_DOCUMENT_BYTES, "é" * (MAX_DOCUMENT_BYTES // 2) + "d", "\x00", None]
    work = work_on(table_of(4, document=documents))
    (reject,) = rejects(work, validated(work))
    assert (reject["line"], reject["reason"]) == (
        2,
        f"document too large: got {MAX_DOCUMENT_BYTES + 1} bytes expected at most {MAX_DOCUMENT_BYTES}",
    )
    assert orjson.loads(reject["record"]) == {"id": "r1", "values": [1.0, 1.0], "document": "é" * 128}


@pytest.mark.parametrize(("name", "reason"), [("namespace", BAD_NAMESPACE), ("document", BAD_DOCUMENT)])
def test_text_that_is_not_utf8_is_none(name: str, reason: str) -> None:
    column = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"\xffa")]
    )
    assert reasons(work_on(table_of(2, **{name: column}))) == {1: reason}


def test_a_long_text_that_many_rows_share_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes of the file, and 200 MB once each row has its own copy."""
    monkeypatch.setattr(parquet_rows, "MAX_ROW_GROUP_BYTES", 1_000_000)
    word = pa.array(["d" * 50_000])
    for count, fine in ((15, True), (4000, False)):
        places = pa.array([0] * count, type=pa.int32())
        for name in ("document", "metadata"):
            words = word if name == "document" else pa.array([f'{{"a":"{"d" * 40_000}"}}'])
            table = table_of(count, **{name: pa.DictionaryArray.from_arrays(places, words)})
            if fine:
                validated(work_on(table))
                continue
            with pytest.raises(ImportRejected, match="write smaller row groups"):
                validated(work_on(table))


TEXT = st.none() | st.text(max_size=4) | st.sampled_from(["n" * 65, "a\x7f", "d" * (MAX_DOCUMENT_BYTES + 1)])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=20),
    st.sampled_from(KINDS),
    st.sampled_from(KINDS),
    st.booleans(),
    st.integers(1, 10),
)
def test_texts_are_judged_as_those_of_lines_are(
    rows: Sequence[tuple[str | None, str | None]],
    kind: pa.DataType,
    other: pa.DataType,
    use_dictionary: bool,
    size: int,
) -> None:
    namespaces, documents = zip(*rows, strict=True)
    table = table_of(
        len(rows), namespace=pa.array(namespaces, type=kind), document=pa.array(documents, type=other)
    )
    lines = [
        orjson.dumps({"id": f"r{row}", "values": [1, row], "namespace": namespace, "document": document})
        for row, (namespace, document) in enumerate(rows)
    ]
    judged = judge_lines(enumerate(lines, start=1), dimension=2, refuse_zero=False)
    wanted = judged.columns_of_texts()
    options: dict[str, Any] = {"use_dictionary": use_dictionary, "row_group_size": size}
    assert texts_of(table, **options) == ([each.encode() for each in wanted[0]], wanted[1])
    work = work_on(parquet_bytes(table, **options))
    assert reasons(work) == {error.line: error.reason for error in judged.errors}
