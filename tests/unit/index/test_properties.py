"""The index of properties answers as scanning every row does, or not at all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index.column_file import Blobs, Columns
from shoal.index.properties import (
    FRONT_FILE,
    SECTIONS_FILE,
    PropertyFront,
    encode_properties,
    properties_files,
    properties_of_columns,
)
from shoal.index.properties_gather import Limits
from shoal.model.conditions import Equals, Path, typed
from shoal.model.filters import Filter, parse_filter
from shoal.model.limits import MAX_FILTER_DEPTH, MAX_INDEXED_PATHS
from shoal.model.selection import EVERYTHING, Selection
from tests.unit.index.property_worlds import (
    FILTERS,
    LONG_STRINGS,
    METADATA,
    TINY,
    VALUES,
    Indexed,
    met,
)
from tests.unit.model import filter_oracle

SMALL_CHUNKS = Limits(chunk_rows=3)
ROWS = st.lists(METADATA, max_size=14)


@settings(max_examples=150, deadline=None)
@given(ROWS, FILTERS, st.booleans())
def test_it_answers_as_a_scan_does(rows: list[dict[str, Any]], condition: dict[str, Any], tiny: bool) -> None:
    indexed = Indexed(rows, sizes=TINY, limits=SMALL_CHUNKS) if tiny else Indexed(rows)
    assert indexed.ask(condition) == indexed.scan(condition)


@settings(max_examples=200, deadline=None)
@given(ROWS, st.data(), st.booleans())
def test_it_answers_as_a_scan_does_where_values_meet(
    rows: list[dict[str, Any]], data: st.DataObject, tiny: bool
) -> None:
    indexed = Indexed(rows, sizes=TINY, limits=SMALL_CHUNKS) if tiny else Indexed(rows)
    one, other = data.draw(met(rows)), data.draw(met(rows))
    for condition in (one, {"$and": [one, other]}, {"$or": [one, other]}, {"$not": one}):
        assert indexed.ask(condition) == indexed.scan(condition)


@settings(max_examples=100, deadline=None)
@given(st.lists(filter_oracle.METADATA, max_size=10), filter_oracle.FILTERS)
def test_it_answers_as_the_rules_say(rows: list[dict[str, Any]], condition: dict[str, Any]) -> None:
    expected = [row for row, metadata in enumerate(rows) if filter_oracle.passes(condition, metadata)]
    assert Indexed(rows, sizes=TINY).ask(condition) == expected


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(METADATA, st.sampled_from(["", "a", "b", "é"])), max_size=12),
    FILTERS | st.none(),
    st.sampled_from([None, "", "a", "nobody"]),
)
def test_namespaces_are_one_more_column(
    rows: list[tuple[dict[str, Any], str]], condition: dict[str, Any] | None, namespace: str | None
) -> None:
    indexed = Indexed([row for row, _ in rows], [name for _, name in rows], sizes=TINY)
    selection = Selection(namespace=namespace, filter=None if condition is None else parse_filter(condition))
    assert indexed.ask(selection) == indexed.scan(selection)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        METADATA | st.dictionaries(st.sampled_from(["a", "b", "d", "e"]), VALUES | LONG_STRINGS), max_size=12
    ),
    FILTERS,
    st.builds(
        Limits,
        paths=st.integers(0, 3),
        held_paths=st.integers(1, 4),
        left_out=st.integers(0, 3),
        postings=st.integers(0, 12),
        text=st.integers(0, 40),
        chunk_rows=st.integers(1, 4),
        chunk_bytes=st.integers(0, 100),
    ),
)
def test_what_was_left_out_is_never_answered_wrongly(
    rows: list[dict[str, Any]], condition: dict[str, Any], limits: Limits
) -> None:
    indexed = Indexed(rows, limits=limits, sizes=TINY)
    assert indexed.ask(condition) in (None, indexed.scan(condition))


NUMBERS: Sequence[Any] = [
    *(1, 1.0, True, "1", 0, 0.0, -0.0, False, "0", None, "true"),
    *(2**53, 2**53 + 1, float(2**53), 2**63 - 1, 2**63, float(2**63), 2**64 - 1, -(2**63)),
    *(1e308, -1e308, 5e-324),
]


@pytest.mark.parametrize("operator", ["$eq", "$gt", "$gte", "$lt", "$lte"])
def test_numbers_of_all_kinds_beside_each_other(operator: str) -> None:
    """A float that stands for an integer near it must not swallow its neighbours."""
    indexed = Indexed([{"a": value} for value in NUMBERS])
    for bound in (*NUMBERS, 2**53 + 2, float(2**64), 0.5):
        if operator == "$eq" or not (isinstance(bound, bool) or bound is None):
            assert indexed.ask({"a": {operator: bound}}) == indexed.scan({"a": {operator: bound}}), bound


TEXTS = ["", "a", "a\x00", "aa", "ab", "ab\uffff", "ab\U00010000", "ac", "b", "é"]
TEXTS += ["\ud7ff", "\ue000", "\U0010ffff"]


@pytest.mark.parametrize("prefix", [*TEXTS, "ab\U00010000!", "x", "\uffff"])
def test_beginnings_and_order_of_text(prefix: str) -> None:
    """Text is ordered by code point, also where UTF-16 would not."""
    indexed = Indexed([{"a": text} for text in TEXTS] * 2, sizes=TINY)
    for operator in ("$startsWith", "$gt", "$gte", "$lt", "$lte", "$eq", "$ne"):
        assert indexed.ask({"a": {operator: prefix}}) == indexed.scan({"a": {operator: prefix}})


def test_a_large_shard_in_blocks_of_both_forms() -> None:
    generator = np.random.default_rng(11)
    rows = [
        {
            "rank": int(rank),
            "group": f"g{rank % 7}",
            "share": rank / 100,
            "name": f"https://example.com/{rank:07d}",
            "flag": bool(rank % 2),
            "tags": [f"t{n % 40}" for n in range(rank % 5)],
            "always": "x",
        }
        for rank in generator.permutation(40_000).tolist()
    ]
    indexed = Indexed(rows)
    for condition in (
        {"rank": 17},
        {"rank": {"$in": [5, -1, 39_999, 40_000, 12_345, 2**63]}},
        {"rank": {"$gte": 20_000, "$lt": 20_010}},
        {"rank": {"$lt": 39_000.5}},
        {"group": "g3", "flag": True},
        {"group": {"$gte": "g2", "$lt": "g5"}},
        {"share": {"$gt": 399}},
        {"name": {"$startsWith": "https://example.com/00012"}},
        {"name": "https://example.com/0000123"},
        {"name": {"$in": [f"https://example.com/{n:07d}" for n in range(0, 80_000, 700)]}},
        {"tags": "t3", "flag": False},
        {"$or": [{"tags": {"$gt": "t2"}}, {"rank": {"$lt": 10}}]},
        {"always": "x", "rank": {"$gt": 39_990}},
        {"tags": {"$exists": False}},
        {"name": {"$match": "COM 0000123"}},
        {"name": {"$phrase": "com 0000123"}},
        {"name": {"$wildcard": "https://*/00012?4"}},
        {"name": {"$wildcard": "*7??7"}, "flag": True},
        {"name": {"$like": "EXAMPLE"}, "rank": {"$lt": 5}},
        {"name": {"$like": "00012?4"}},
        {"group": {"$wildcard": "g?"}, "tags": {"$match": "T3"}, "rank": {"$lt": 100}},
        {"always": {"$not": {"$match": "x"}}},
    ):
        assert indexed.ask(condition) == indexed.scan(condition), condition


def test_little_is_read_for_one_value_and_nothing_for_what_all_rows_have() -> None:
    indexed = Indexed(
        [{"rank": n, "all": "x", "some": n % 2 == 0, "text": f"name {n}"} for n in range(60_000)]
    )

    def needed(condition: dict[str, Any]) -> int:
        places = indexed.front.sections_for(Selection(filter=parse_filter(condition)))
        assert places is not None
        return sum(place.stop - place.start for place in places)

    assert len(indexed.front_bytes) < 10_000 < 1_000_000 < len(indexed.sections)
    assert 0 < needed({"rank": 30_000}) <= 70_000
    assert 0 < needed({"text": "name 30000"}) <= 70_000
    assert 0 < needed({"text": {"$wildcard": "name 3000?"}}) <= 70_000
    assert needed({"text": {"$match": "30000"}}) > 70_000
    assert 0 < needed({"some": True}) <= 10_000
    for condition in (
        {"all": "x"},
        {"all": {"$ne": "y"}},
        {"rank": {"$exists": True}},
        {"rank": -1},
        {"rank": 60_000},
        {"rank": {"$gt": 60_000}},
        {"rank": "1"},
        {"nowhere": 1},
        {"all": {"$startsWith": "z"}},
        {"all": {"$match": "X"}},
        {"all": {"$wildcard": "z*"}},
        {"text": {"$wildcard": "names*"}},
        {"rank": {"$match": "1"}},
        {},
    ):
        assert needed(condition) == 0, condition


def test_counts_are_known_without_reading() -> None:
    indexed = Indexed([{"group": f"g{n % 3}", "rank": n} for n in range(30_000)])

    def bounds(condition: dict[str, Any]) -> tuple[int, int] | None:
        return indexed.front.bounds(Selection(filter=parse_filter(condition)))

    assert bounds({"group": "g1"}) == (10_000, 10_000)
    assert bounds({"group": {"$ne": "g1"}}) == (20_000, 20_000)
    assert bounds({"group": {"$wildcard": "*1"}}) == (10_000, 10_000)
    assert bounds({"group": {"$phrase": "1"}}) == (0, 0)
    assert bounds({"rank": 5}) == (0, 1)
    assert bounds({"rank": 5, "group": "g1"}) == (0, 1)
    assert bounds({"rank": -5}) == (0, 0)
    least, most = bounds({"rank": {"$lt": 20_000}}) or (0, 0)
    assert 10_000 < least <= 20_000 <= most < 30_000
    assert indexed.front.bounds(EVERYTHING) == (30_000, 30_000)


def test_the_beginning_of_an_id_is_not_answered() -> None:
    indexed = Indexed([{"a": 1}])
    assert indexed.ask(Selection(prefix="x")) is None
    assert indexed.ask(EVERYTHING) == [0]
    with pytest.raises(ValueError, match="cannot answer"):
        indexed.front.matching(Selection(prefix="x"), {})


def test_of_many_paths_the_most_frequent_are_indexed_and_no_other_is_answered() -> None:
    rows: list[dict[str, Any]] = [
        {f"p{n:03d}": n for n in range(200) if number % (n + 1) == 0} for number in range(60)
    ]
    indexed = Indexed(rows)
    for n in range(MAX_INDEXED_PATHS):
        assert indexed.ask({f"p{n:03d}": n}) == indexed.scan({f"p{n:03d}": n})
    assert indexed.ask({"p199": 199}) is None
    assert indexed.ask({"$or": [{"p000": 0}, {"p199": {"$exists": True}}]}) is None
    assert indexed.ask({"q": {"$exists": True}}) == []


def test_of_very_many_paths_none_is_known_to_be_absent() -> None:
    indexed = Indexed([{f"p{number}.{n}": 1 for n in range(30)} | {"a": number} for number in range(200)])
    assert indexed.ask({"a": {"$lt": 10}}) == list(range(10))
    assert indexed.ask({"q": {"$exists": True}}) is None


def test_text_is_not_indexed_but_what_else_is_at_its_path() -> None:
    indexed = Indexed([{"a": "short"}, {"a": "x" * 257}, {"a": 5}, {}])
    assert indexed.ask({"a": "short"}) is None
    assert indexed.ask({"a": {"$gt": ""}}) is None
    assert indexed.ask({"a": {"$startsWith": "x"}}) is None
    assert indexed.ask({"a": {"$match": "short"}}) is None
    assert indexed.ask({"a": {"$wildcard": "s*"}}) is None
    assert indexed.ask({"a": {"$in": [5, "short"]}}) is None
    assert indexed.ask({"a": {"$in": [5, True]}}) == [2]
    assert indexed.ask({"a": {"$lt": 6}}) == [2]
    assert indexed.ask({"a": {"$exists": True}}) == [0, 1, 2]
    assert indexed.ask({"a": {"$exists": False}}) == [3]


def test_a_path_that_is_as_long_as_text_is_left_out() -> None:
    indexed = Indexed([{"k" * 300: 1, "a": {"k" * 300: 2, "b": 3}}])
    assert indexed.ask({"k" * 300: 1}) is None
    assert indexed.ask({"a." + "k" * 300: 2}) is None
    assert indexed.ask({"a.b": 3}) == [0]
    assert indexed.ask({"k" * 299: 1}) == []


SPELLED: list[dict[str, Any]] = [
    {"a": {"b": 1}},
    {"a.b": 2, "a": {"b": 1}},
    {"a.b": None, "a": {"b": 1, "c": 1}},
    {"a.b": {"c": 1}, "a": {"b": {"c": 2}}},
    {"a": {"b.c": 1, "b": {"c": 2}}},
    {"a": {"b.c": 1}},
    {"a.b.c": 1, "a": {"b": {"c": 2}}},
    {"a": [{"b": 1}], "a.b": [1, 2, [3], {"c": 1}, 1]},
    {"a": {"b": [1, 1, 1.0, True, "1", None]}},
    {"": {"": 1}, ".": 2},
    {"": {"": 1}},
    {"a": {"": 1}},
    {"a.": 2, "a": {"": 1}},
    {"a": "x", "b": {"a": {}}},
    {"b": {"a": {"b": []}}},
]


@pytest.mark.parametrize("order", [1, -1])
def test_keys_with_dots_and_objects_inside_of_each_other(order: int) -> None:
    """A key of the row wins over the same path inside of objects, and only where the row has it."""
    indexed = Indexed(SPELLED[::order], sizes=TINY)
    for path in ("a", "a.b", "a.b.c", "a.c", "", ".", "a.", "b.a", "b.a.b", "..", ".a"):
        for value in (1, 2, 3, 1.0, True, "1", "x"):
            assert indexed.ask({path: value}) == indexed.scan({path: value}), (path, value)
        for operator in ({"$exists": True}, {"$gt": 0}, {"$ne": 1}, {"$nin": [1, 2]}):
            assert indexed.ask({path: operator}) == indexed.scan({path: operator}), (path, operator)


def test_paths_reach_as_deep_as_filters_may() -> None:
    row: dict[str, Any] = {"v": 1}
    for _ in range(MAX_FILTER_DEPTH + 3):
        row = {"a": row, "v": 1}
    indexed = Indexed([row])
    for depth in range(MAX_FILTER_DEPTH):
        path = ".".join("a" * depth + "v")
        assert indexed.ask({path: 1}) == [0], depth
    too_deep = tuple("a" * MAX_FILTER_DEPTH + "v")
    beyond = Filter(Equals(Path(".".join(too_deep), too_deep), typed(1)))
    assert beyond.matches(row)
    assert indexed.front.sections_for(Selection(filter=beyond)) is None


def test_rows_that_come_in_blocks_have_the_same_index() -> None:
    rows = [orjson.dumps({"a": n}) for n in range(10)]
    names = ["", "x", "é", "", "", "y", "", "", "x", ""]

    def columns(some: slice, named: bool) -> Columns:
        count = len(rows[some])
        blobs = Blobs.of([name.encode() for name in names[some]]) if named else Blobs.empty(count)
        return Columns(
            Blobs.of([b"id"] * count),
            np.zeros((count, 2), np.float32),
            Blobs.of(rows[some]),
            namespaces=blobs,
        )

    blocks = [slice(0, 4), slice(4, 5), slice(5, 10)]
    assert properties_of_columns([columns(some, True) for some in blocks]) == properties_files(rows, names)
    assert properties_of_columns([columns(some, False) for some in blocks]) == properties_files(rows)
    assert properties_files(rows).keys() == {FRONT_FILE, SECTIONS_FILE}
    bad = Blobs.of([b"\xff"])
    unreadable = Columns(bad, np.zeros((1, 2), np.float32), Blobs.of([b"{}"]), namespaces=bad)
    with pytest.raises(CorruptObject, match="namespace"):
        properties_of_columns([unreadable])


def test_no_rows_at_all() -> None:
    indexed = Indexed([])
    for condition in ({}, {"a": 1}, {"a": {"$ne": 1}}, {"$not": {"a": 1}}, {"a": {"$exists": True}}):
        assert indexed.ask(condition) == []


@pytest.mark.parametrize("raw", [b"", b"[]", b"1", b"{", b"{},{}", b"null", b"\xff"])
def test_metadata_that_is_no_object_is_corrupt(raw: bytes) -> None:
    with pytest.raises(CorruptObject, match="metadata"):
        encode_properties([b"{}", raw, b"{}"])


def test_namespaces_must_be_as_many_as_rows() -> None:
    with pytest.raises(ValueError, match="unequal"):
        encode_properties([b"{}"], ["a", "b"])


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_equal_rows_have_equal_bytes(rows: list[dict[str, Any]]) -> None:
    raw = [orjson.dumps(row) for row in rows]
    front, sections = encode_properties(raw)
    assert (front, sections) == encode_properties(iter(raw), [""] * len(raw))
    assert PropertyFront.parse(front).rows == len(rows)
