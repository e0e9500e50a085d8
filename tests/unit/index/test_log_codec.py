"""The log object: a write comes back bit for bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shoal.errors import CorruptObject
from shoal.index.container import pack
from shoal.index.log_codec import LogDelete, LogUpsert, decode, encode_delete, encode_upsert

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
    ],
)
def test_contradictions_are_corrupt(attributes: dict[str, Any], sections: dict[str, bytes]) -> None:
    with pytest.raises(CorruptObject):
        decode(pack("log", 1, attributes, sections))


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="1 ids"):
        encode_upsert(["a"], np.ones((2, 3), np.float32), [b"{}"])
    with pytest.raises(ValueError, match="float64"):
        encode_upsert(["a"], np.ones((1, 3)), [b"{}"])  # type: ignore[arg-type]  # that is the test
