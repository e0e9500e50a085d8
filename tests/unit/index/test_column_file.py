"""Columns come back as they were, with and without the optional ones, and damaged ones are refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.column_file import KIND, Blobs, Columns, decode_columns, encode_columns, joined
from shoal.index.container import pack, unpack
from shoal.index.record_columns import rows_of

STRINGS = st.binary(max_size=6) | st.binary(min_size=300, max_size=400)


@st.composite
def columns(draw: st.DrawFn, *, dimension: int = 3) -> Columns:
    """Rows with each of the optional columns or without it."""
    count = draw(st.integers(0, 12))
    strings = st.lists(STRINGS, min_size=count, max_size=count).map(Blobs.of)
    more: dict[str, Any] = {
        name: draw(strings) for name in ("namespaces", "documents") if draw(st.booleans())
    }
    if draw(st.booleans()):
        places = draw(st.lists(st.integers(0, 2**63 - 1), min_size=count, max_size=count))
        more["sequences"] = np.array(places, dtype=np.uint64)
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    vectors = rng.standard_normal((count, dimension)).astype(np.float32)
    return Columns(draw(strings), vectors, draw(strings), **more)


def listed(some: Columns) -> list[Any]:
    """Everything by row."""
    places = [None] * len(some) if some.sequences is None else some.sequences.tolist()
    blobs = (some.ids, some.metadata, some.namespaces, some.documents)
    strings = [blob.tolist() for blob in blobs]
    return list(zip(*strings, [row.tobytes() for row in some.vectors], places, strict=True))


@given(columns())
def test_columns_come_back(some: Columns) -> None:
    data = encode_columns(some)
    found = decode_columns(data)
    assert listed(found) == listed(some)
    assert (found.sequences is None) == (some.sequences is None)
    assert (
        found.record_bytes
        == some.record_bytes
        == sum(map(len, b"".join(sum(map(list, []), [b""])).split()))
        + sum(len(value) for row in listed(some) for value in row[:4])
    )
    plain = not some.namespaces.nbytes and not some.documents.nbytes and some.sequences is None
    assert unpack(KIND, data, versions=(1, 2)).version == (1 if plain else 2)


@given(columns(), st.data())
def test_strings_are_taken_and_joined(some: Columns, data: st.DataObject) -> None:
    values = some.metadata.tolist()
    positions = data.draw(st.lists(st.integers(0, len(values) - 1))) if values else []
    taken = some.metadata.take(np.array(positions, dtype=np.intp))
    assert taken.tolist() == [values[place] for place in positions]
    assert joined([taken, some.metadata, Blobs.empty(2)]).tolist() == [*taken.tolist(), *values, b"", b""]


def test_rows_of_columns() -> None:
    one = np.ones((2, 3), dtype=np.float32)
    ids, metadata = Blobs.of([b"a", "é".encode()]), Blobs.of([b"{}", b"{}"])
    plain = rows_of(Columns(ids, one, metadata), 7)
    assert (plain.ids, plain.sequences.tolist()) == (("a", "é"), [7, 7])
    assert (plain.namespaces, plain.documents) == (("", ""), (b"", b""))
    texts = Blobs.of([b"", b"x"])
    own = rows_of(Columns(ids, one, metadata, texts, texts, np.array([3, 2**40], dtype=np.uint64)), 7)
    assert (own.sequences.tolist(), own.namespaces, own.documents) == ([3, 2**40], ("", "x"), (b"", b"x"))
    for wrong in (
        Columns(Blobs.of([b"a", b"\xff"]), one, metadata),
        Columns(ids, one, metadata, Blobs.of([b"", b"\xff"])),
    ):
        with pytest.raises(CorruptObject, match="UTF-8"):
            rows_of(wrong, 7)


def test_columns_of_unequal_length_are_no_columns() -> None:
    one, two = Blobs.of([b"a"]), Blobs.of([b"a", b"b"])
    vector = np.ones((1, 3), dtype=np.float32)
    wrong: list[dict[str, Any]] = [{name: two} for name in ("ids", "metadata", "namespaces", "documents")]
    for more in [*wrong, {"sequences": np.ones(2, dtype=np.uint64)}]:
        columns: dict[str, Any] = {"ids": one, "vectors": vector, "metadata": one, **more}
        with pytest.raises(ValueError, match=r"unequal|shape"):
            Columns(**columns)


@settings(max_examples=60)
@given(columns(), st.data())
def test_damaged_columns_are_corrupt_and_nothing_worse(some: Columns, data: st.DataObject) -> None:
    raw = bytearray(encode_columns(some))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    size = data.draw(st.integers(0, len(raw)) | st.just(len(raw)))
    try:
        decode_columns(raw[:size])
    except CorruptObject:
        return


def test_sections_that_do_not_fit_are_corrupt() -> None:
    one = Blobs.of([b"a"])
    vector = np.ones((1, 3), dtype=np.float32)
    container = unpack(
        KIND, encode_columns(Columns(one, vector, one, one, one, np.ones(1, dtype=np.uint64))), versions=(2,)
    )
    for name in ("ids", "metadata", "namespaces", "documents", "sequences", "namespaces.lengths", "vectors"):
        with pytest.raises(CorruptObject):
            decode_columns(pack(KIND, 2, container.attributes, {**container.sections, name: b""}))
