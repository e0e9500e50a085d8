"""Damage to an index of properties is found before it is parsed, and what a front says is not believed blindly."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index.checksums import digest128
from shoal.index.container import pack, unpack
from shoal.index.properties import FORMAT, FRONT_KIND, PropertyFront, check_section
from shoal.index.properties_blocks import Lists, read_bitmap
from shoal.index.properties_column import Kind
from shoal.index.properties_runs import Place
from shoal.model.filters import parse_filter
from shoal.model.selection import Selection
from tests.unit.index.property_worlds import TINY, Indexed

ROWS: list[dict[str, Any]] = [
    {"a": n, "b": f"name {n % 5}", "c": [n / 2, n % 3 == 0], "d": {"e": 2**63 + n}} for n in range(12)
] + [{"a": None}, {}]
INDEXED = Indexed(ROWS, ["x", "y"] * 7, sizes=TINY)
ASKED = [
    {"a": {"$gt": 3, "$lt": 9}},
    {"b": "name 2"},
    {"b": {"$startsWith": "name"}},
    {"c": {"$lt": 4}},
    {"c": True},
    {"d.e": {"$gte": 2**63 + 5}},
    {"d": {"$exists": False}},
    {"$or": [{"a": {"$in": [1, 2, 11]}}, {"d.e": 2**63}]},
]
SELECTIONS = [Selection(namespace="x", filter=parse_filter(condition)) for condition in ASKED]
SELECTIONS.append(Selection(namespace="y"))


def answers(front: PropertyFront, sections: bytes) -> list[list[int]]:
    """What is found, of everything that is asked."""
    found = []
    for selection in SELECTIONS:
        places = front.sections_for(selection)
        assert places is not None
        read = {place: check_section(sections[place.start : place.stop], place) for place in places}
        found.append(list(front.matching(selection, read)))
    return found


EXPECTED = answers(INDEXED.front, INDEXED.sections)


def test_what_is_asked_finds_something() -> None:
    assert all(EXPECTED)
    assert [INDEXED.scan(selection) for selection in SELECTIONS] == EXPECTED


@settings(max_examples=300)
@given(st.integers(0, len(INDEXED.front_bytes) - 1), st.integers(1, 255))
def test_a_damaged_front_is_refused(place: int, flip: int) -> None:
    damaged = bytearray(INDEXED.front_bytes)
    damaged[place] ^= flip
    with pytest.raises(CorruptObject):
        PropertyFront.parse(bytes(damaged))


@settings(max_examples=100)
@given(st.integers(0, len(INDEXED.front_bytes) - 1), st.binary(max_size=3))
def test_a_front_cut_short_or_with_more_behind_it_is_refused(size: int, more: bytes) -> None:
    for data in (INDEXED.front_bytes[:size], INDEXED.front_bytes + b"\0" + more, more):
        with pytest.raises(CorruptObject):
            PropertyFront.parse(data)


def test_every_damaged_byte_that_is_read_is_found() -> None:
    """Only the preamble of the file of sections is never read."""
    harmless = 0
    for place in range(len(INDEXED.sections)):
        damaged = bytearray(INDEXED.sections)
        damaged[place] ^= 0x10
        try:
            found = answers(INDEXED.front, bytes(damaged))
        except CorruptObject:
            continue
        assert found == EXPECTED
        harmless += 1
    assert 0 < harmless < len(INDEXED.sections) // 2


@given(st.integers(0, len(INDEXED.sections) - 1))
def test_sections_cut_short_are_found(size: int) -> None:
    with pytest.raises(CorruptObject):
        answers(INDEXED.front, INDEXED.sections[:size])


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value inside of a JSON value is."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from spots(value[key], (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from spots(item, (*path, place))


ATTRIBUTES = unpack(FRONT_KIND, INDEXED.front_bytes, versions=(FORMAT,)).attributes
SPOTS = list(spots(ATTRIBUTES))[1:]
OTHERS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.sampled_from(
        [2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.5, "", "zz", "int", "00" * 16, "b"]
    ),
    st.sampled_from([[], {}, [[]], ["a"], {"a": 1}, ["str"], [1, 2, 3, 4, 5], [None, 1, 1, 0, ""]]),
)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(SPOTS), OTHERS)
def test_a_front_that_lies_gives_no_other_error(spot: tuple[Any, ...], other: Any) -> None:
    """As if our own code had written nonsense under a good checksum; blocks keep theirs."""
    attributes = orjson.loads(orjson.dumps(ATTRIBUTES))
    inside = attributes
    for step in spot[:-1]:
        inside = inside[step]
    inside[spot[-1]] = other
    try:
        front = PropertyFront.parse(pack(FRONT_KIND, FORMAT, attributes, {}))
        for selection in SELECTIONS:
            places = front.sections_for(selection)
            if places is not None:
                read = {p: check_section(INDEXED.sections[p.start : p.stop], p) for p in places}
                front.matching(selection, read)
    except CorruptObject:
        pass


@settings(max_examples=400)
@given(
    st.sampled_from(list(Kind)),
    st.integers(1, 6),
    st.integers(0, 9),
    st.binary(max_size=80),
)
def test_a_block_of_nonsense_gives_no_other_error(
    kind: Kind, distinct: int, postings: int, data: bytes
) -> None:
    first: dict[Kind, Any] = {Kind.BOOL: False, Kind.FLOAT: 0.5, Kind.STR: "", Kind.INT: -5, Kind.BIG: 2**63}
    try:
        lists = Lists(kind, first[kind], distinct, postings, data)
        for place in range(len(lists)):
            lists.value(place)
        lists.rows(0, len(lists))
        lists.places_of([lists.value(0)])
    except CorruptObject:
        pass


def test_rows_beyond_the_last_are_refused() -> None:
    good = Indexed([{"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}, {"a": 2}], sizes=TINY)
    fewer = orjson.loads(orjson.dumps(unpack(FRONT_KIND, good.front_bytes, versions=(FORMAT,)).attributes))
    fewer["rows"] = 4
    fewer["namespaces"]["exists"] = [4, 0, ""]
    fewer["namespaces"]["kinds"]["str"]["blocks"] = [["", 1, 4, 0, ""]]
    [[_, column]] = fewer["paths"]
    column["exists"] = [4, 0, ""]
    front = PropertyFront.parse(pack(FRONT_KIND, FORMAT, fewer, {}))
    selection = Selection(filter=parse_filter({"a": 2}))
    places = front.sections_for(selection)
    assert places
    read = {place: check_section(good.sections[place.start : place.stop], place) for place in places}
    with pytest.raises(CorruptObject, match="bitmap"):
        front.matching(selection, read)


def test_bytes_of_another_place_are_refused() -> None:
    data = b"abc"
    assert check_section(memoryview(data), Place(5, 8, digest128(data))) == data
    for place in (Place(5, 9, digest128(data)), Place(5, 8, digest128(b"abd"))):
        with pytest.raises(CorruptObject, match="from 5 on"):
            check_section(data, place)


def test_a_bitmap_of_another_size_is_refused() -> None:
    data = BitMap([1, 5]).serialize()
    assert list(read_bitmap(data, count=2, below=6)) == [1, 5]
    for count, below in ((3, 6), (2, 5)):
        with pytest.raises(CorruptObject):
            read_bitmap(data, count=count, below=below)
