"""Dead rows: bitmaps come back, and hostile bytes never reach the C parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index.checksums import digest128
from shoal.index.container import pack
from shoal.index.dead_rows import decode, encode, union

ROWS = st.builds(BitMap, st.frozensets(st.integers(0, 200_000), max_size=50))
DEAD = st.dictionaries(st.text(max_size=6), ROWS, max_size=4)


@given(DEAD)
def test_bitmaps_come_back_without_empty_ones(dead: dict[str, BitMap]) -> None:
    assert decode(encode(dead)) == {shard: rows for shard, rows in dead.items() if rows}


@given(DEAD)
def test_equal_rows_give_equal_bytes(dead: dict[str, BitMap]) -> None:
    again = {shard: BitMap(sorted(rows)) for shard, rows in sorted(dead.items(), reverse=True)}
    assert encode(dead) == encode(again)


@given(DEAD, DEAD)
def test_union_is_that_of_sets_and_leaves_its_input_alone(
    first: dict[str, BitMap], second: dict[str, BitMap]
) -> None:
    before = encode(first), encode(second)
    found = union(first, second)
    for shard in first.keys() | second.keys():
        assert set(found[shard]) == set(first.get(shard, ())) | set(second.get(shard, ()))
    for rows in found.values():
        rows.add(7)
    assert (encode(first), encode(second)) == before


@given(DEAD, st.data())
def test_a_changed_byte_is_corrupt_or_harmless(dead: dict[str, BitMap], data: st.DataObject) -> None:
    packed = bytearray(encode(dead))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = decode(packed)
    except CorruptObject:
        return
    assert found == {shard: rows for shard, rows in dead.items() if rows}  # between two sections


@given(st.binary(max_size=100), st.integers(0, 10))
def test_bytes_that_are_no_bitmap_are_corrupt_even_with_a_right_checksum(garbage: bytes, count: int) -> None:
    packed = pack("dead", 1, {"shards": [["s", count, digest128(garbage).hex()]]}, {"s": garbage})
    try:
        assert len(decode(packed)["s"]) == count
    except CorruptObject:
        return


@pytest.mark.parametrize("table", [None, [], [["s"]], [["s", 1, 2]], [["t", 1, ""]], [["s", True, ""]]])
def test_a_malformed_table_is_corrupt(table: object) -> None:
    with pytest.raises(CorruptObject):
        decode(pack("dead", 1, {"shards": table}, {"s": BitMap([1]).serialize()}))
