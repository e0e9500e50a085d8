"""The filter language against a second, plainer reading of its rules."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import InvalidInput
from shoal.model.filters import NOT_SCALAR, parse_filter
from shoal.model.limits import MAX_FILTER_BYTES

TEXT = st.sampled_from(["", "a", "ab", "b", "é", "1", "true"])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0, 1.5]) | TEXT
KNOWN = SCALARS.filter(lambda value: value is not None)
KEYS = st.sampled_from(["a", "b", "a.b", "a.b.c", "b.a"])
METADATA = st.dictionaries(
    st.sampled_from(["a", "b", "a.b"]),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=2)
        ),
        max_leaves=4,
    ),
    max_size=3,
)
OPERATORS = st.one_of(
    st.tuples(st.just("$eq"), SCALARS),
    st.tuples(st.just("$ne"), KNOWN),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(KNOWN, max_size=3)),
    st.tuples(
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]),
        KNOWN.filter(lambda value: not isinstance(value, bool)),
    ),
    st.tuples(st.just("$exists"), st.booleans()),
    st.tuples(st.just("$startsWith"), TEXT),
)
CONDITIONS = st.lists(OPERATORS, min_size=1, max_size=2).map(dict)
FIELDS = st.dictionaries(
    KEYS, SCALARS | CONDITIONS | CONDITIONS.map(lambda inner: {"$not": inner}), max_size=2
)
FILTERS = st.recursive(
    FIELDS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"$and": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"$or": parts}),
        inner.map(lambda part: {"$not": part}),
    ),
    max_leaves=4,
)
ABSENT = object()


def looked_up(metadata: dict[str, Any], key: str) -> Any:
    if key in metadata:
        return metadata[key]
    found: Any = metadata
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return ABSENT
        found = found[part]
    return found


def same(left: object, right: object) -> bool:
    """Equal as JSON text would be, but for the sign of zero; null is never equal."""
    if left is None or right is None:
        return False
    return type(left) is type(right) and left == right


def in_order(operator: str, value: Any, bound: Any) -> bool:
    numbers = all(type(one) in (int, float) for one in (value, bound))
    if not numbers and not (isinstance(value, str) and isinstance(bound, str)):
        return False
    return bool(
        {"$gt": value > bound, "$gte": value >= bound, "$lt": value < bound, "$lte": value <= bound}[operator]
    )


def holds(operator: str, operand: Any, found: Any) -> bool:
    values = [] if found is ABSENT else found if isinstance(found, list) else [found]
    match operator:
        case "$eq":
            return any(same(value, operand) for value in values)
        case "$ne":
            return not holds("$eq", operand, found)
        case "$in":
            return any(holds("$eq", one, found) for one in operand)
        case "$nin":
            return not holds("$in", operand, found)
        case "$exists":
            return bool(operand == (found is not ABSENT))
        case "$startsWith":
            return any(isinstance(value, str) and value[: len(operand)] == operand for value in values)
        case "$not":
            return not all(holds(inner, value, found) for inner, value in operand.items())
        case _:
            return any(in_order(operator, value, operand) for value in values)


def passes(condition: dict[str, Any], metadata: dict[str, Any]) -> bool:
    """The rules, read from the raw JSON each time."""
    results = []
    for key, value in condition.items():
        match key:
            case "$and":
                results.append(all(passes(part, metadata) for part in value))
            case "$or":
                results.append(any(passes(part, metadata) for part in value))
            case "$not":
                results.append(not passes(value, metadata))
            case _:
                operators = value if isinstance(value, dict) else {"$eq": value}
                results.append(all(holds(*item, looked_up(metadata, key)) for item in operators.items()))
    return all(results)


@settings(max_examples=400)
@given(FILTERS, st.lists(METADATA, min_size=1, max_size=6))
def test_it_matches_what_the_rules_say(condition: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    parsed = parse_filter(condition)
    for metadata in rows:
        assert parsed.matches(metadata) == passes(condition, metadata), metadata


@given(FILTERS, METADATA)
def test_needles_are_in_every_row_that_matches(condition: dict[str, Any], metadata: dict[str, Any]) -> None:
    parsed = parse_filter(condition)
    spelled = orjson.dumps(metadata)
    if b"\\" not in spelled and parsed.matches(metadata):
        assert all(needle in spelled for needle in parsed.needles)


@given(FILTERS, FILTERS, METADATA)
def test_equal_filters_match_alike(
    first: dict[str, Any], second: dict[str, Any], metadata: dict[str, Any]
) -> None:
    """They are cache keys: 1, 1.0 and true must not meet under one."""
    one, other = parse_filter(first), parse_filter(second)
    assert one == parse_filter(first)
    assert hash(one) == hash(parse_filter(first))
    if one == other:
        assert one.matches(metadata) == other.matches(metadata)


def test_scalars_of_different_types_are_different_filters() -> None:
    filters = {parse_filter({"a": value}) for value in (1, 1.0, True, "1", 0, 0.0, False, None)}
    filters |= {parse_filter({"a": {"$in": [value]}}) for value in (1, 1.0, True, "1")}
    assert len(filters) == 12


@pytest.mark.parametrize(
    ("condition", "metadata", "expected"),
    [
        ({}, {}, True),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": None}, {"a": None}, False),
        ({"a": None}, {}, False),
        ({"a": "x"}, {"a": ["y", "x"]}, True),
        ({"a": "x"}, {"a": [["x"]]}, False),
        ({"a": {"$ne": "x"}}, {}, True),
        ({"a": {"$ne": "x"}}, {"a": ["y", "x"]}, False),
        ({"a": {"$exists": True}}, {"a": None}, True),
        ({"a": {"$gt": 1}}, {"a": 1.5}, True),
        ({"a": {"$gte": 1.0}}, {"a": 1}, True),
        ({"a": {"$gt": 0}}, {"a": True}, False),
        ({"a": {"$gt": "a"}}, {"a": 5}, False),
        ({"a": {"$gt": 2**53}}, {"a": 2**53 + 1}, True),
        ({"a.b": 1}, {"a": {"b": 1}}, True),
        ({"a.b": 1}, {"a.b": 1}, True),
        ({"a.b": 1}, {"a.b": 2, "a": {"b": 1}}, False),
        ({"a.b": 1}, {"a": [{"b": 1}]}, False),
        ({"a": {"$in": []}}, {"a": 1}, False),
        ({"a": {"$nin": []}}, {}, True),
        ({"a": {"$startsWith": "é"}}, {"a": "éa"}, True),
    ],
)
def test_by_example(condition: dict[str, Any], metadata: dict[str, Any], expected: bool) -> None:
    assert parse_filter(condition).matches(metadata) is expected


@pytest.mark.parametrize("value", [[1], {"b": 1}, {}, {"$eq": 1, "b": 2}, [], {"b": {"$eq": 1}}])
def test_a_nested_value_has_the_message_of_the_contract(value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_filter({"a": value})
    assert (caught.value.code, caught.value.message) == ("invalid_request", NOT_SCALAR)


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ([], "filter"),
        ("a", "filter"),
        (None, "filter"),
        ({"$nor": []}, "filter.$nor"),
        ({"$and": []}, "filter.$and"),
        ({"$and": {}}, "filter.$and"),
        ({"$or": [{}, 5]}, "filter.$or[1]"),
        ({"$or": [{"a": {"$gt": None}}]}, "filter.$or[0].a.$gt"),
        ({"$not": [1]}, "filter.$not"),
        ({"a": {"$regex": "x"}}, "filter.a.$regex"),
        ({"a": {"$eq": [1]}}, "filter.a.$eq"),
        ({"a": {"$ne": None}}, "filter.a.$ne"),
        ({"a": {"$in": 1}}, "filter.a.$in"),
        ({"a": {"$in": [1, None]}}, "filter.a.$in[1]"),
        ({"a": {"$nin": [[1]]}}, "filter.a.$nin[0]"),
        ({"a": {"$lt": True}}, "filter.a.$lt"),
        ({"a": {"$lt": [1]}}, "filter.a.$lt"),
        ({"a": {"$exists": 1}}, "filter.a.$exists"),
        ({"a": {"$startsWith": 1}}, "filter.a.$startsWith"),
        ({"a": {"$not": 1}}, "filter.a.$not"),
        ({"a": {"$not": {"$gt": {}}}}, "filter.a.$not.$gt"),
        ({"a": {"$gt": float("nan")}}, "filter.a.$gt"),
        ({".".join("a" * 17): 1}, "filter.a.a"),
        ({1: 1}, "filter.1"),
    ],
)
def test_errors_name_the_path(condition: object, path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_filter(condition)
    assert caught.value.code == "invalid_request"
    assert caught.value.message.startswith(path)


JSON = st.recursive(
    SCALARS | st.sampled_from(["$and", "$gt"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            TEXT | st.sampled_from(["$and", "$or", "$not", "$gt", "$in", "$eq", "$exists", "$", "a."]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=300)
@given(JSON, METADATA)
def test_any_json_is_a_filter_or_an_invalid_request(condition: object, metadata: dict[str, Any]) -> None:
    try:
        parsed = parse_filter(condition)
    except InvalidInput as error:
        refused = error.code
    else:
        assert isinstance(condition, dict)
        assert parsed.matches(metadata) == passes(condition, metadata)
        return
    assert refused == "invalid_request"


def nested(depth: int, key: str) -> dict[str, Any]:
    condition: dict[str, Any] = {"a": 1}
    for _ in range(depth - 1):
        condition = {key: condition} if key == "$not" else {key: [condition]}
    return condition


@pytest.mark.parametrize("key", ["$and", "$or", "$not"])
def test_depth_is_bounded(key: str) -> None:
    assert parse_filter(nested(16, key))
    for depth in (17, 5000):
        with pytest.raises(InvalidInput, match="16 levels"):
            parse_filter(nested(depth, key))


def test_depth_of_operators_is_bounded() -> None:
    operand: dict[str, Any] = {"$gt": 1}
    for _ in range(5000):
        operand = {"$not": operand}
    with pytest.raises(InvalidInput, match="16 levels"):
        parse_filter({"a": operand})


def test_size_is_bounded() -> None:
    assert parse_filter({"a": {"$in": ["x" * 1000] * 60}})
    with pytest.raises(InvalidInput, match=str(MAX_FILTER_BYTES)):
        parse_filter({"a": {"$in": ["x" * 1000] * 70}})
