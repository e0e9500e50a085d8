"""Metadata columns as JSON: what orjson makes of the same objects."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.model.limits import MAX_METADATA_BYTES
from shoal.model.ndjson_lines import BAD_METADATA
from shoal.services.imports.parquet_json import encode_metadata


def encoded(column: pa.Array) -> list[Any]:
    made, faults = encode_metadata(column)
    assert len(made) == len(column)
    return [faults.get(row, value) for row, value in enumerate(made)]


LEAVES = [
    (pa.bool_(), st.booleans()),
    (pa.int8(), st.integers(-128, 127)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.string(), st.text(st.characters(codec="utf-8"), max_size=5)),
    (pa.large_string(), st.text(st.characters(codec="utf-8"), max_size=5)),
    (pa.string_view(), st.text(st.characters(codec="utf-8"), max_size=20)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b", ""])),
    (pa.date32(), st.dates()),
    (pa.timestamp("us"), st.datetimes()),
    (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
    (pa.time64("us"), st.times()),
    (pa.null(), st.none()),
]


@st.composite
def columns(draw: st.DrawFn, depth: int = 2) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """A type, and what values of it may be."""
    what = draw(st.integers(0, 4 if depth else 0))
    if what == 0:
        leaf: tuple[pa.DataType, st.SearchStrategy[Any]] = draw(st.sampled_from(LEAVES))
        return leaf
    if what == 1:
        fields = draw(st.lists(columns(depth=depth - 1), min_size=1, max_size=3))
        names = [f"f{n}" for n in range(len(fields))]
        kind = pa.struct([pa.field(name, each[0]) for name, each in zip(names, fields, strict=True)])
        return kind, st.fixed_dictionaries(
            {name: st.none() | each[1] for name, each in zip(names, fields, strict=True)}
        )
    kind, values = draw(columns(depth=depth - 1))
    if what == 2:
        return pa.list_(kind), st.lists(st.none() | values, max_size=3)
    if what == 3:
        return pa.list_(kind, 2), st.lists(st.none() | values, min_size=2, max_size=2)
    return pa.map_(pa.string(), kind), st.dictionaries(
        st.text("abc", max_size=2), st.none() | values, max_size=3
    )


def as_python(kind: pa.DataType, value: Any) -> Any:
    """The value as it is stored: rounded to float32, maps as dictionaries."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: as_python(field.type, value[field.name]) for field in kind}
    if pa.types.is_map(kind):
        return {key: as_python(kind.item_type, each) for key, each in value.items()}
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return [as_python(kind.value_type, each) for each in value]
    return value


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_metadata_is_what_orjson_makes_of_it(data: st.DataObject) -> None:
    kind, values = data.draw(columns())
    struct = pa.struct([pa.field("a", kind), pa.field("b", pa.int32())])
    rows = data.draw(
        st.lists(
            st.none() | st.fixed_dictionaries({"a": st.none() | values, "b": st.integers(0, 9)}), max_size=8
        )
    )
    column = pa.array(
        [None if row is None else {**row, "a": _for_arrow(kind, row["a"])} for row in rows], type=struct
    )
    skipped = data.draw(st.integers(0, 3))
    wanted = [b"{}" if row is None else orjson.dumps(as_python(struct, row)) for row in rows]
    assert encoded(column.slice(skipped)) == wanted[skipped:]


def _for_arrow(kind: pa.DataType, value: Any) -> Any:
    """Maps as pyarrow takes them."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: _for_arrow(field.type, value[field.name]) for field in kind}
    if pa.types.is_map(kind):
        return [(key, _for_arrow(kind.item_type, each)) for key, each in value.items()]
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return [_for_arrow(kind.value_type, each) for each in value]
    return value


def one(value: Any, kind: pa.DataType) -> Any:
    (found,) = encoded(pa.array([{"v": value}], type=pa.struct({"v": kind})))
    return found


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        (float("nan"), pa.float64(), b"null"),
        (float("inf"), pa.float32(), b"null"),
        (np.float16(0.1), pa.float16(), b"0.0999755859375"),
        (Decimal("1.10"), pa.decimal128(9, 2), b"1.1"),
        (Decimal(-3), pa.decimal32(5, 0), b"-3.0"),
        (date(2020, 2, 29), pa.date32(), b'"2020-02-29"'),
        (date(1969, 1, 1), pa.date64(), b'"1969-01-01"'),
        (datetime.fromisoformat("2020-01-02T03:04:05"), pa.timestamp("s"), b'"2020-01-02T03:04:05"'),
        (
            datetime.fromisoformat("2020-01-02T03:04:05.000600"),
            pa.timestamp("us"),
            b'"2020-01-02T03:04:05.000600"',
        ),
        (1_577_934_245_000_000_999, pa.timestamp("ns"), b'"2020-01-02T03:04:05"'),
        (-1, pa.timestamp("ns"), b'"1969-12-31T23:59:59.999999"'),
        (
            datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1))),
            pa.timestamp("ms", "Europe/Berlin"),
            b'"2020-01-02T02:04:05+00:00"',
        ),
        (time(1, 2, 3), pa.time32("s"), b'"01:02:03"'),
        (3_723_000_000_999, pa.time64("ns"), b'"01:02:03"'),
    ],
)
def test_what_json_has_no_type_for(value: Any, kind: pa.DataType, wanted: bytes) -> None:
    assert one(value, kind) == b'{"v":' + wanted + b"}"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (10**12, pa.timestamp("s")),
        (-(10**12), pa.timestamp("s")),
        (2**31 - 1, pa.date32()),
        (-(2**31), pa.date32()),
    ],
)
def test_years_that_iso_8601_has_not_reject_their_row_only(value: int, kind: pa.DataType) -> None:
    numbers = pa.array([value, None, 0], type=pa.int64() if pa.types.is_timestamp(kind) else pa.int32()).cast(
        kind
    )
    first, second, third = encoded(pa.StructArray.from_arrays([numbers], names=["v"]))
    assert first == BAD_METADATA
    assert second == b'{"v":null}'
    assert third.startswith(b'{"v":"1970-01-01')


def test_text_that_is_not_utf8_rejects_its_row_only() -> None:
    buffers = [None, pa.py_buffer(np.array([0, 1, 3, 4], dtype=np.int32)), pa.py_buffer(b"a\xff\xfeb")]
    text = pa.Array.from_buffers(pa.string(), 3, buffers)
    assert encoded(pa.StructArray.from_arrays([text], names=["v"])) == [
        b'{"v":"a"}',
        BAD_METADATA,
        b'{"v":"b"}',
    ]


def test_a_struct_without_fields_and_a_map() -> None:
    assert encoded(pa.array([{}, None], type=pa.struct([]))) == [b"{}", b"{}"]
    assert encoded(pa.array([[("a", 1)], None, []], type=pa.map_(pa.string(), pa.int8()))) == [
        b'{"a":1}',
        b"{}",
        b"{}",
    ]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())], ids=str
)
def test_json_text_is_made_compact(kind: pa.DataType) -> None:
    texts = [
        '{"a" : [1, 2]}',
        None,
        " null ",
        "[]",
        "{",
        "",
        '{"a":NaN}',
        '{"é":"\\u00e9"}',
        '{"a" : [1, 2]}',
    ]
    bad = BAD_METADATA
    wanted = [b'{"a":[1,2]}', b"{}", b"{}", bad, bad, bad, bad, '{"é":"é"}'.encode(), b'{"a":[1,2]}']
    assert encoded(pa.array(texts, type=kind)) == wanted
    assert encoded(pa.array(texts, type=kind).slice(3)) == wanted[3:]


def test_parquets_own_json_is_json_text() -> None:
    assert encoded(pa.array(['{"a":1}', None], type=pa.json_())) == [b'{"a":1}', b"{}"]


def test_metadata_has_a_limit() -> None:
    size = len(b'{"t":""}')
    texts = ["x" * (MAX_METADATA_BYTES - size), "x" * (MAX_METADATA_BYTES - size + 1), "x"]
    large = f"metadata too large: got {MAX_METADATA_BYTES + 1} bytes expected at most {MAX_METADATA_BYTES}"
    for column in (
        pa.array([{"t": text} for text in texts]),
        pa.array([f'{{"t":"{text}"}}' for text in texts]),
    ):
        found = encoded(column)
        assert len(found[0]) == MAX_METADATA_BYTES
        assert found[1:] == [large, b'{"t":"x"}']
