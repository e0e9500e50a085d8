"""Masks of shards: what is stored is what was found, and damage is found out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index import dead_rows
from shoal.index.container import pack
from shoal.index.shard_masks import ShardMasks, decode, encode, joined

names = st.text(alphabet="0123456789abcdef", min_size=1, max_size=8)
rows = st.sets(st.integers(0, 2**32 - 2), max_size=20).map(BitMap)


@st.composite
def masks(draw: st.DrawFn) -> ShardMasks:
    shards = draw(st.lists(names, max_size=4, unique=True))
    found = {name: draw(rows) for name in shards}
    terms = {(name, number): draw(rows) for name in shards for number in range(draw(st.integers(0, 3)))}
    return ShardMasks(
        frozenset(shards),
        {name: some for name, some in found.items() if some},
        {key: some for key, some in terms.items() if some},
    )


@given(masks())
def test_what_is_read_is_what_was_stored(some: ShardMasks) -> None:
    assert decode(encode(some)) == some
    assert encode(decode(encode(some))) == encode(some)


@given(masks(), masks())
def test_joined_knows_what_either_knows(first: ShardMasks, second: ShardMasks) -> None:
    both = joined([first, second])
    assert both.shards == first.shards | second.shards
    for name in both.shards:
        assert both.removed.get(name, BitMap()) == first.removed.get(name, BitMap()) | second.removed.get(
            name, BitMap()
        )
    assert joined([both, first]) == both
    assert both.of(both.shards) == both
    assert both.of(()) == ShardMasks()


def test_what_is_dead_anyway_is_not_counted() -> None:
    some = ShardMasks(
        frozenset({"a", "b"}),
        {"a": BitMap([1, 2, 3]), "b": BitMap([7])},
        {("a", 0): BitMap([1, 2]), ("a", 4): BitMap([3]), ("b", 0): BitMap([7])},
    )
    assert some.counts({}) == (4, {0: 3, 4: 1})
    assert some.counts({"a": BitMap([3, 9]), "c": BitMap([1])}) == (3, {0: 3})


@pytest.mark.parametrize("shards", [None, "a", [1]])
def test_a_list_of_shards_that_is_none(shards: object) -> None:
    empty = dead_rows.encode({})
    with pytest.raises(CorruptObject, match="list of shards"):
        decode(pack("masks", 1, {"shards": shards}, {"removed": empty, "terms": empty}))


@pytest.mark.parametrize("key", ["a", "a/x", "/1", "a/-1"])
def test_a_term_that_is_none(key: str) -> None:
    sections = {"removed": dead_rows.encode({}), "terms": dead_rows.encode({key: BitMap([1])})}
    with pytest.raises(CorruptObject, match="term"):
        decode(pack("masks", 1, {"shards": []}, sections))


def test_damage_is_found_out() -> None:
    data = encode(ShardMasks(frozenset({"a"}), {"a": BitMap([1])}, {}))
    with pytest.raises(CorruptObject):
        decode(data[:-70])
    with pytest.raises(CorruptObject):
        decode(pack("masks", 1, {"shards": []}, {}))
