"""Metadata indexes and filters."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.http.vectorize.filters import filter_of, indexed_only
from shoal.services.vectorize.settings import MetadataIndex, PropertyKind
from tests.unit.http.vectorize.client import Vectorize, fault, record, vector

KINDS = {"s": "string", "n": "number", "b": "boolean", "deep.s": "string"}
RECORDS: dict[str, dict[str, Any]] = {
    "one": {"s": "apple", "n": 1, "b": True, "deep": {"s": "x"}},
    "two": {"s": "banana", "n": 2.5, "b": False},
    "three": {"s": "cherry", "n": 3.0},
    "mixed": {"s": 5, "n": "5", "b": "true"},
    "none": {},
}


@pytest.fixture
def filled(api: Vectorize) -> Vectorize:
    api.make()
    for name, kind in KINDS.items():
        api.apply(api.v("POST", "/docs/metadata_index/create", {"propertyName": name, "indexType": kind}))
    api.stored(*(record(name, metadata=metadata) for name, metadata in RECORDS.items()))
    return api


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"s": "apple"}, {"one"}),
        ({"s": {"$eq": "apple"}}, {"one"}),
        ({"s": {"$ne": "apple"}}, {"two", "three", "mixed", "none"}),
        ({"s": {"$in": ["apple", "cherry"]}}, {"one", "three"}),
        ({"s": {"$nin": ["apple", "cherry"]}}, {"two", "mixed", "none"}),
        ({"s": {"$gte": "b", "$lt": "c"}}, {"two"}),
        ({"n": 1}, {"one"}),
        ({"n": 1.0}, {"one"}),
        ({"n": 3}, {"three"}),
        ({"n": {"$gt": 1, "$lte": 3}}, {"two", "three"}),
        ({"n": {"$lt": 2.5}}, {"one"}),
        ({"n": "5"}, set()),
        ({"n": {"$ne": "5"}}, set(RECORDS)),
        ({"b": True}, {"one"}),
        ({"b": False}, {"two"}),
        ({"b": "true"}, set()),
        ({"s": 5}, set()),
        ({"n": {"$gt": "1"}}, set()),
        ({"deep.s": "x"}, {"one"}),
        ({"s": None}, {"none"}),
        ({"s": {"$ne": None}}, set(RECORDS) - {"none"}),
        ({"n": {"$in": [1, None]}}, {"one", "none"}),
        ({"s": "banana", "n": 2.5}, {"two"}),
        ({"s": "banana", "n": 1}, set()),
        ({}, set(RECORDS)),
    ],
)
def test_filters(filled: Vectorize, condition: dict[str, Any], expected: set[str]) -> None:
    body = {"vector": vector(1.0), "topK": 10, "filter": condition}
    found = {match["id"] for match in filled.v("POST", "/docs/query", body).json["result"]["matches"]}
    assert found == expected


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ({"other": 1}, 'filter on "other" needs a metadata index'),
        ({"$or": []}, "must not begin with $"),
        ({"": 1}, "1-512 characters"),
        ({'a"b': 1}, "without"),
        ({"k" * 513: 1}, "1-512 characters"),
        ({"s": {}}, "filter.s: must not be empty"),
        ({"s": {"$regex": "a"}}, "unknown operator"),
        ({"s": {"$in": []}}, "filter.s.$in"),
        ({"s": {"$in": "apple"}}, "filter.s.$in"),
        ({"s": ["apple"]}, "values must be strings"),
        ({"n": {"$gt": 1, "$gte": 2}}, "cannot be combined"),
        ({"n": {"$gt": 1, "$eq": 2}}, "cannot be combined"),
        ({"n": {"$gt": None}}, "must be a number or a string"),
        ({"n": {"$lt": True}}, "must be a number or a string"),
        ({"s": "x" * 2041}, "under 2048 bytes of compact JSON, got 2049 bytes"),
    ],
)
def test_filters_that_are_none(filled: Vectorize, condition: dict[str, Any], text: str) -> None:
    refused = fault(filled.v("POST", "/docs/query", {"vector": vector(1.0), "filter": condition}))
    assert refused[:2] == (400, 40026)
    assert text in refused[2]


def test_metadata_indexes_are_listed_and_deleted(api: Vectorize) -> None:
    api.make()
    create = "/docs/metadata_index/create"
    first = api.apply(api.v("POST", create, {"propertyName": "s", "indexType": "String"}))
    assert api.v("GET", "/docs/info").json["result"]["processedUpToMutation"] == first
    api.apply(api.v("POST", create, {"propertyName": "b", "indexType": "boolean"}))
    listed = api.v("GET", "/docs/metadata_index/list").json["result"]
    assert listed == {
        "metadataIndexes": [
            {"propertyName": "s", "indexType": "String"},
            {"propertyName": "b", "indexType": "Boolean"},
        ]
    }
    assert api.v("POST", create, {"propertyName": "s", "indexType": "string"}).status == 200
    api.apply(api.v("POST", "/docs/metadata_index/delete", {"propertyName": "s"}))
    again = api.v("POST", "/docs/metadata_index/delete", {"propertyName": "s"})
    assert fault(again)[:2] == (400, 40005)
    assert fault(api.v("POST", "/docs/metadata_index/delete", {}))[:2] == (400, 40026)
    assert len(api.v("GET", "/docs/metadata_index/list").json["result"]["metadataIndexes"]) == 1
    api.apply(api.v("POST", "/docs/metadata_index/delete", {"property": "b"}))
    assert api.v("GET", "/docs/metadata_index/list").json["result"]["metadataIndexes"] == []


def test_ten_metadata_indexes_and_no_more(api: Vectorize) -> None:
    api.make()
    create = "/docs/metadata_index/create"
    for number in range(10):
        assert api.v("POST", create, {"propertyName": f"p{number}", "indexType": "string"}).status == 200
    refused = fault(api.v("POST", create, {"propertyName": "p10", "indexType": "string"}))
    assert (refused[:2], "at most 10" in refused[2]) == ((400, 40026), True)


@pytest.mark.parametrize(
    "body",
    [
        {"propertyName": "", "indexType": "string"},
        {"propertyName": "$a", "indexType": "string"},
        {"propertyName": 'a"', "indexType": "string"},
        {"propertyName": "a..b", "indexType": "string"},
        {"propertyName": "a", "indexType": "date"},
        {"propertyName": "a"},
    ],
)
def test_metadata_indexes_that_are_none(api: Vectorize, body: dict[str, Any]) -> None:
    api.make()
    assert fault(api.v("POST", "/docs/metadata_index/create", body))[:2] == (400, 40026)


def test_vectors_from_before_a_metadata_index_can_be_filtered_too(api: Vectorize) -> None:
    api.make()
    api.stored(record("a", metadata={"s": "x"}), record("b"))
    api.apply(api.v("POST", "/docs/metadata_index/create", {"propertyName": "s", "indexType": "string"}))
    body = {"vector": vector(1.0), "filter": {"s": "x"}}
    assert [match["id"] for match in api.v("POST", "/docs/query", body).json["result"]["matches"]] == ["a"]


def test_an_index_shows_the_first_64_bytes_of_a_string() -> None:
    indexes = [MetadataIndex("s", PropertyKind.STRING), MetadataIndex("d.n", PropertyKind.NUMBER)]
    shown = indexed_only({"s": "é" * 40, "d": {"n": 1, "m": 2}, "x": 1}, indexes)
    assert shown == {"s": "é" * 32, "d": {"n": 1}}
    assert indexed_only({"s": 5, "d": 1}, indexes) == {}


SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -2.0]) | st.sampled_from("ab")
)
OPERATORS = st.dictionaries(
    st.sampled_from(["$eq", "$ne"]), SCALARS, min_size=1, max_size=1
) | st.dictionaries(
    st.sampled_from(["$in", "$nin"]), st.lists(SCALARS, min_size=1, max_size=3), min_size=1, max_size=1
)


def fits(value: Any, kind: PropertyKind) -> bool:
    match kind:
        case PropertyKind.STRING:
            return isinstance(value, str)
        case PropertyKind.BOOLEAN:
            return isinstance(value, bool)
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool)


@given(st.sampled_from(list(PropertyKind)), OPERATORS, st.none() | SCALARS, st.booleans())
def test_a_filter_means_what_it_says(
    kind: PropertyKind, operators: dict[str, Any], value: Any, there: bool
) -> None:
    """Equality as Python has it, among values of the index's type; null is what is not there."""

    def equal(wanted: Any) -> bool:
        if wanted is None:
            return not there
        return there and fits(wanted, kind) and fits(value, kind) and bool(wanted == value)

    ((operator, operand),) = operators.items()
    expected = {
        "$eq": lambda: equal(operand),
        "$ne": lambda: not equal(operand),
        "$in": lambda: any(map(equal, operand)),
        "$nin": lambda: not any(map(equal, operand)),
    }[operator]()
    if there and value is None:
        return  # null in the metadata is neither there nor away, and the original does not say which
    parsed = filter_of({"p": operators}, [MetadataIndex("p", kind)])
    assert parsed is not None
    assert parsed.matches({"p": value} if there else {}) is expected
