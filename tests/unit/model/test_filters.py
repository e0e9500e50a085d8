"""The filter language against a second, plainer reading of its rules."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import InvalidInput
from shoal.model.filters import NOT_SCALAR, parse_filter
from shoal.model.limits import MAX_FILTER_BYTES, MAX_TEXT_CONDITIONS
from tests.unit.model.filter_oracle import ABSENT, FILTERS, METADATA, SCALARS, TEXT, looked_up, passes


@settings(max_examples=400)
@given(FILTERS, st.lists(METADATA, min_size=1, max_size=6))
def test_it_matches_what_the_rules_say(condition: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    parsed = parse_filter(condition)
    for metadata in rows:
        assert parsed.matches(metadata) == passes(condition, metadata), metadata


@st.composite
def met(draw: st.DrawFn, metadata: dict[str, Any]) -> dict[str, Any]:
    """A condition that holds for the metadata more often than not."""
    there = [key for key in ("a", "b", "a.b", "a.b.c", "b.a") if looked_up(metadata, key) is not ABSENT]
    key = draw(st.sampled_from(there or ["a"]))
    value = looked_up(metadata, key)
    if isinstance(value, list) and value:
        value = draw(st.sampled_from(value))
    choices: list[dict[str, Any]] = [{key: {"$exists": True}}]
    if isinstance(value, str):
        choices += [{key: value}, {key: {"$startsWith": value[:1]}}, {key: {"$gte": value}}]
        choices += [{key: {"$match": value}}, {key: {"$phrase": value[-2:]}}]
        choices += [{key: {"$wildcard": f"{value[:1]}*"}}, {key: {"$wildcard": f"*?{value[1:]}"}}]
    elif isinstance(value, bool | int | float):
        choices += [{key: value}, {key: {"$in": [value, "x"]}}]
    return draw(st.sampled_from(choices))


@settings(max_examples=200)
@given(METADATA, st.data())
def test_needles_are_in_every_row_that_matches(metadata: dict[str, Any], data: st.DataObject) -> None:
    one, other = data.draw(met(metadata)), data.draw(met(metadata))
    shapes: list[dict[str, Any]] = [
        one,
        {"$and": [one, other]},
        {"$or": [one, {"c": 5}]},
        {"$or": [other, one]},
    ]
    parsed = parse_filter(data.draw(st.sampled_from(shapes)))
    spelled = orjson.dumps(metadata)
    if parsed.matches(metadata):
        assert all(needle in spelled for needle in parsed.needles)


def test_needles_are_found_where_they_can_be() -> None:
    """They are what makes a filter fast: losing them all would go unseen otherwise."""
    assert parse_filter({"a.b": "é", "c": {"$startsWith": "x"}}).needles == (
        b'"x',
        b'"\xc3\xa9"',
        b'b"',
        b'c"',
    )
    assert parse_filter({"a": {"$wildcard": 'é*x?"*\\*y'}}).needles == (b"*y", b'a"', b"x", b"\xc3\xa9")
    assert parse_filter({"a": {"$match": "x y"}}).needles == (b'a"',)
    assert parse_filter({"$or": [{"a": "x"}, {"b": "x"}]}).needles == (b'"x"',)
    assert parse_filter({"a": {"$ne": "x"}}).needles == ()
    assert parse_filter({'quo"te': "x"}).needles == (b'"x"',)


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
        ({"a": {"$match": "CHAIR office"}}, {"a": "An ergonomic office-chair."}, True),
        ({"a": {"$match": "chairs"}}, {"a": "chair"}, False),
        ({"a": {"$match": "cha"}}, {"a": "chair"}, False),
        ({"a": {"$match": "desk chair"}}, {"a": ["desk", "chair"]}, False),
        ({"a": {"$match": "desk chair"}}, {"a": ["x", "a chair, a desk"]}, True),
        ({"a": {"$match": " ,"}}, {"a": " ,"}, False),
        ({"a": {"$match": "5"}}, {"a": 5}, False),
        ({"a": {"$match": "strasse"}}, {"a": "Straße"}, True),
        ({"a": {"$match": "日語"}}, {"a": "這是日本語"}, True),
        ({"a": {"$phrase": "日語"}}, {"a": "這是日本語"}, False),
        ({"a": {"$phrase": "本語"}}, {"a": "這是日本語"}, True),
        ({"a": {"$phrase": "office chair"}}, {"a": "an Office: CHAIR"}, True),
        ({"a": {"$phrase": "office chair"}}, {"a": "chair office chairs"}, False),
        ({"a": {"$phrase": "office chair"}}, {"a": ["office", "chair"]}, False),
        ({"a": {"$phrase": "of"}}, {"a": "office"}, False),
        ({"a": {"$wildcard": "*chair"}}, {"a": "office\nchair"}, True),
        ({"a": {"$wildcard": "*Chair"}}, {"a": "office chair"}, False),
        ({"a": {"$wildcard": "o??ice*"}}, {"a": "office"}, True),
        ({"a": {"$wildcard": "chair"}}, {"a": "office chair"}, False),
        ({"a": {"$wildcard": "50\\*"}}, {"a": "500"}, False),
        ({"a": {"$wildcard": "50\\*\\"}}, {"a": "50*\\"}, True),
        ({"a": {"$wildcard": "*"}}, {"a": ["", 1]}, True),
        ({"a": {"$wildcard": "*"}}, {"a": [1, None]}, False),
        ({"a": {"$wildcard": ""}}, {"a": ""}, True),
        ({"a": {"$wildcard": "?"}}, {"a": "🙂"}, True),
        ({"a": {"$like": "iphone*"}}, {"a": "Apple iPhone 15 Pro"}, True),
        ({"a": {"$like": "IPHONE 1?*"}}, {"a": "Apple iPhone 15 Pro"}, False),
        ({"a": {"$like": "*IPHONE 1?*"}}, {"a": ["x", "Apple iPhone 15 Pro"]}, True),
        ({"a": {"$like": "apple*pro"}}, {"a": "Apple iPhone 15 Pro"}, True),
        ({"a": {"$like": "pro"}}, {"a": "proper"}, False),
        ({"a": {"$like": "*"}}, {"a": 5}, False),
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
        ({"a": {"$match": ["x"]}}, "filter.a.$match"),
        ({"a": {"$phrase": None}}, "filter.a.$phrase"),
        ({"a": {"$wildcard": 5}}, "filter.a.$wildcard"),
        ({"a": {"$wildcard": "x" * 257}}, "filter.a.$wildcard"),
        ({"a": {"$like": "ß" * 257}}, "filter.a.$like"),
        ({"a": {"$like": {}}}, "filter.a.$like"),
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


@pytest.mark.parametrize("operator", ["$match", "$phrase", "$wildcard", "$like"])
def test_conditions_on_text_are_few(operator: str) -> None:
    some = [{"a": {"$not": {operator: f"x{n}"}}, "b": n} for n in range(MAX_TEXT_CONDITIONS)]
    assert parse_filter({"$or": some}).conditions == 2 * MAX_TEXT_CONDITIONS
    with pytest.raises(InvalidInput, match=f"at most {MAX_TEXT_CONDITIONS}"):
        parse_filter({"$or": [*some, {"c": {"$phrase": "x"}}]})


def test_keys_that_look_like_operators_are_refused_as_paths_but_not_inside_of_them() -> None:
    for key in ("$gt", "$where", "$", "$a.b"):
        with pytest.raises(InvalidInput, match="unknown operator"):
            parse_filter({key: 1})
    inside = parse_filter({"a.$gt": 5})
    assert inside.matches({"a": {"$gt": 5}})
    assert not inside.matches({"a": 6})
    assert parse_filter({"a": {"$exists": True}}).matches({"a": {"$exists": False}})


@pytest.mark.parametrize("text", [".*", "^a", "a|b", "(a+)+$", "%", "_", "[a]", "*", "?"])
def test_patterns_are_plain_text(text: str) -> None:
    parsed = parse_filter({"a": {"$startsWith": text}})
    assert parsed.matches({"a": f"{text}!"})
    assert not parsed.matches({"a": "aaaa"})
    assert not parse_filter({"a": text}).matches({"a": "aaaa"})
    assert not parse_filter({"a": {"$phrase": text}}).matches({"a": "aaaa"})
    assert not parse_filter({"a": {"$match": text}}).matches({"a": "aaaa"})
    if text not in "*?":
        assert parse_filter({"a": {"$wildcard": text}}).matches({"a": text})
        assert not parse_filter({"a": {"$wildcard": text}}).matches({"a": "aaaa"})


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**400, "\ud800", {"$in": [2**70]}])
def test_what_no_metadata_can_hold_is_an_invalid_request(value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_filter({"a": value})
    assert caught.value.code == "invalid_request"
    with pytest.raises(InvalidInput):
        parse_filter({"\udfff": 1})


def test_size_is_looked_at_before_anything_else() -> None:
    with pytest.raises(InvalidInput, match=str(MAX_FILTER_BYTES)):
        parse_filter({"a": {"$in": list(range(100_000))}, "$what": 1})
