"""The log object: a write comes back bit for bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shoal.errors import CorruptObject
from shoal.index.container import pack
from shoal.index.log_codec import (
    LogDelete,
    LogDeleteWhere,
    LogPatch,
    LogUpsert,
    SelectionJson,
    decode,
    encode_delete,
    encode_delete_where,
    encode_patch,
    encode_upsert,
)
from shoal.model.filters import parse_filter
from shoal.model.selection import Selection
from shoal.model.writes import WriteCondition

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.data())
def test_an_upsert_comes_back_bit_for_bit(data: st.DataObject) -> None:
    count, dimension = data.draw(st.integers(0, 8)), data.draw(st.integers(1, 5))
    ids = data.draw(st.lists(IDS, min_size=count, max_size=count))
    metadata = data.draw(st.lists(st.binary(max_size=20), min_size=count, max_size=count))
    bits = data.draw(hnp.arrays(np.uint32, (count, dimension)))
    vectors = bits.view(np.float32)
    found = decode(encode_upsert(ids, vectors, metadata))
    assert isinstance(found, LogUpsert)
    assert found.ids == tuple(ids)
    assert found.metadata == tuple(metadata)
    assert found.vectors.dtype == np.float32
    assert np.array_equal(found.vectors.view(np.uint32), bits)
    assert not found.vectors.flags.writeable


@given(st.data())
def test_namespaces_documents_and_a_condition_come_back(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 6))
    ids = [str(number) for number in range(count)]
    namespaces = data.draw(st.lists(st.sampled_from(["", "a", "é"]), min_size=count, max_size=count))
    documents = data.draw(
        st.lists(st.sampled_from([b"", b"text", "é".encode()]), min_size=count, max_size=count)
    )
    condition = data.draw(
        st.sampled_from([None, WriteCondition("if_absent"), WriteCondition("if_newer_than", "a.b")])
    )
    packed = encode_upsert(
        ids,
        np.ones((count, 2), np.float32),
        [b"{}"] * count,
        namespaces=namespaces,
        documents=documents,
        condition=condition,
    )
    found = decode(packed)
    assert isinstance(found, LogUpsert)
    assert found.namespaces == (tuple(namespaces) if any(namespaces) else ())
    assert found.documents == (tuple(documents) if any(documents) else ())
    assert found.condition == condition
    if not any(namespaces) and not any(documents) and condition is None:
        assert packed == encode_upsert(ids, np.ones((count, 2), np.float32), [b"{}"] * count)


@given(st.lists(IDS, max_size=6), st.lists(IDS, max_size=6))
def test_ids_that_an_upsert_removes_come_back_each_once(ids: list[str], removed: list[str]) -> None:
    count = len(ids)
    packed = (ids, np.ones((count, 2), np.float32), [b"{}"] * count)
    if set(ids) & set(removed):
        with pytest.raises(ValueError, match="both put and removed"):
            encode_upsert(*packed, removed=removed)
        return
    found = decode(encode_upsert(*packed, removed=removed))
    assert isinstance(found, LogUpsert)
    assert (found.ids, found.removed) == (tuple(ids), tuple(dict.fromkeys(removed)))
    if not removed:
        assert encode_upsert(*packed, removed=removed) == encode_upsert(*packed)


@given(st.lists(st.tuples(IDS, st.binary(max_size=20)), max_size=10))
def test_a_patch_comes_back(changes: list[tuple[str, bytes]]) -> None:
    ids, patches = tuple(name for name, _ in changes), tuple(patch for _, patch in changes)
    assert decode(encode_patch(ids, patches)) == LogPatch(ids, patches)


@pytest.mark.parametrize(
    ("sent", "selection"),
    [
        (SelectionJson(), Selection()),
        (SelectionJson(namespace=""), Selection(namespace="")),
        (
            SelectionJson("n", "a/", {"x": {"$gte": 1.5}, "y": True}),
            Selection("n", "a/", parse_filter({"x": {"$gte": 1.5}, "y": True})),
        ),
    ],
)
def test_a_delete_by_selection_comes_back(sent: SelectionJson, selection: Selection) -> None:
    assert decode(encode_delete_where(sent)) == LogDeleteWhere(selection)


@given(st.lists(IDS, max_size=10))
def test_a_delete_comes_back(ids: list[str]) -> None:
    assert decode(encode_delete(ids)) == LogDelete(tuple(ids))


@given(st.data())
def test_damage_is_corrupt_and_nothing_worse(data: st.DataObject) -> None:
    packed = bytearray(encode_upsert(["a", "é"], np.ones((2, 3), np.float32), [b"{}", b'{"a":1}']))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(0, len(packed)))
    try:
        decode(packed[:size] if data.draw(st.booleans()) else packed)
    except CorruptObject:
        return


@pytest.mark.parametrize(
    ("attributes", "sections"),
    [
        ({"operation": "merge", "rows": 0}, {"ids": b"", "ids.lengths": b""}),
        ({"operation": "delete", "rows": 2}, {"ids": b"ab", "ids.lengths": bytes(4)}),
        ({"operation": "delete", "rows": 1}, {"ids": b"ab", "ids.lengths": b"\x01\0\0\0"}),
        ({"operation": "delete", "rows": 1}, {"ids": b"\xff", "ids.lengths": b"\x01\0\0\0"}),
        ({"operation": "delete", "rows": -1}, {"ids": b"", "ids.lengths": b""}),
        ({"operation": "delete"}, {"ids": b"", "ids.lengths": b""}),
        ({"operation": "upsert", "rows": 1, "dimension": 9000}, {"vectors": bytes(36000)}),
        ({"operation": "upsert", "rows": 1, "dimension": 2}, {"vectors": bytes(4)}),
        ({"operation": "delete_where", "selection": {"namespace": None, "prefix": None, "filter": None}}, {}),
    ],
)
def test_contradictions_are_corrupt(attributes: dict[str, Any], sections: dict[str, bytes]) -> None:
    with pytest.raises(CorruptObject):
        decode(pack("log", 1, attributes, sections))


EMPTY_UPSERT = {"operation": "upsert", "rows": 0, "dimension": 2}
NO_ROWS = dict.fromkeys(("ids", "ids.lengths", "metadata", "metadata.lengths", "vectors"), b"")
REMOVED = {"removed": b"x", "removed.lengths": b"\x01\0\0\0"}
ONE_ROW = {
    "ids": b"a",
    "ids.lengths": b"\x01\0\0\0",
    "metadata": b"{}",
    "metadata.lengths": b"\x02\0\0\0",
    "vectors": bytes(8),
}


@pytest.mark.parametrize(
    ("attributes", "sections"),
    [
        ({"operation": "delete", "rows": 0}, {"ids": b"", "ids.lengths": b""}),
        ({"operation": "delete_where"}, {}),
        ({"operation": "delete_where", "selection": {"namespace": 1, "prefix": None, "filter": None}}, {}),
        ({"operation": "delete_where", "selection": {"namespace": None, "prefix": None, "filter": []}}, {}),
        (
            {
                "operation": "delete_where",
                "selection": {"namespace": None, "prefix": None, "filter": {"$x": 1}},
            },
            {},
        ),
        ({"operation": "patch", "rows": 1}, {"ids": b"a", "ids.lengths": b"\x01\0\0\0"}),
        ({**EMPTY_UPSERT, "removed": 1}, {**NO_ROWS, **REMOVED, "removed": b"\xff"}),
        ({**EMPTY_UPSERT, "removed": 2}, {**NO_ROWS, **REMOVED}),
        (EMPTY_UPSERT, {**NO_ROWS, **REMOVED}),
        (
            {**EMPTY_UPSERT, "removed": 1, "condition": {"kind": "if_absent", "path": ""}},
            {**NO_ROWS, **REMOVED},
        ),
        ({**EMPTY_UPSERT, "condition": {"kind": "if_older", "path": ""}}, NO_ROWS),
        ({**EMPTY_UPSERT, "condition": "if_absent"}, NO_ROWS),
        (
            {**EMPTY_UPSERT, "rows": 1},
            {**ONE_ROW, "namespaces": b"\xff", "namespaces.lengths": b"\x01\0\0\0"},
        ),
        ({**EMPTY_UPSERT, "rows": 1}, {**ONE_ROW, "documents": b"x", "documents.lengths": bytes(4)}),
    ],
)
def test_contradictions_of_version_2_are_corrupt(
    attributes: dict[str, Any], sections: dict[str, bytes]
) -> None:
    with pytest.raises(CorruptObject):
        decode(pack("log", 2, attributes, sections))


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="1 ids"):
        encode_upsert(["a"], np.ones((2, 3), np.float32), [b"{}"])
    with pytest.raises(ValueError, match="float64"):
        encode_upsert(["a"], np.ones((1, 3)), [b"{}"])  # type: ignore[arg-type]  # that is the test
    with pytest.raises(ValueError, match="a column of 2"):
        encode_upsert(["a"], np.ones((1, 3), np.float32), [b"{}"], documents=[b"x", b"y"])
    with pytest.raises(ValueError, match="under a condition"):
        encode_upsert(
            ["a"],
            np.ones((1, 3), np.float32),
            [b"{}"],
            condition=WriteCondition("if_absent"),
            removed=["b"],
        )
    with pytest.raises(ValueError, match="a column of 0"):
        encode_patch(["a"], [])
