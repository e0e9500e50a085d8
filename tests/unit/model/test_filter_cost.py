"""What evaluating a filter may cost: steps are counted, not timed, for the worst filters and metadata known."""

import sys
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.model import filters
from shoal.model.filters import STEPS_A_BYTE, parse_filter
from shoal.model.limits import MAX_FILTER_BYTES, MAX_METADATA_BYTES, MAX_TEXT_CONDITIONS
from tests.unit.model.filter_oracle import FILTERS, KEYS, KNOWN, METADATA, OPERATORS, SCALARS, TEXT, passes

PACKAGE = filters.__file__.rsplit("/", 1)[0]
TOOL = 4
"""A number of `sys.monitoring` that neither debuggers, coverage nor profilers use."""


def steps(work: Callable[[], object]) -> int:
    """How many lines of the package run."""
    counted = 0

    def line(code: Any, _: int) -> object:
        nonlocal counted
        if not code.co_filename.startswith(PACKAGE):
            return sys.monitoring.DISABLE
        counted += 1
        return None

    events = sys.monitoring.events
    sys.monitoring.use_tool_id(TOOL, "steps")
    try:
        sys.monitoring.register_callback(TOOL, events.LINE, line)
        sys.monitoring.set_events(TOOL, events.LINE)
        work()
    finally:
        sys.monitoring.set_events(TOOL, 0)
        sys.monitoring.free_tool_id(TOOL)
    return counted


def filled(one: Callable[[int], Any], most: int) -> list[Any]:
    """As many different ones as their JSON has room for."""
    found: list[Any] = []
    size = 2
    for number in count():
        item = one(number)
        size += len(orjson.dumps(item)) + 1
        if size > most:
            return found
        found.append(item)
    raise AssertionError


DEEP = ".".join("a" * 16)


def deep(value: Any) -> Any:
    for _ in range(16):
        value = {"a": value}
    return value


ROOM = MAX_FILTER_BYTES - 100
ARRAY_ROOM = MAX_METADATA_BYTES - 200
NUMBERS = filled(lambda number: number % 10, ARRAY_ROOM)
STRINGS = filled(lambda number: f"{number:x}", ARRAY_ROOM)
WORDS = " ".join(STRINGS)[:ARRAY_ROOM]
FEW = MAX_TEXT_CONDITIONS
HOSTILE: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ranges beside numbers": (
        {"$or": filled(lambda number: {"a": {"$gt": number + 10}}, ROOM)},
        {"a": NUMBERS},
    ),
    "ranges at the end of a long path": (
        {"$or": filled(lambda number: {DEEP: {"$gt": number + 10}}, ROOM)},
        deep(NUMBERS),
    ),
    "ranges of strings": (
        {"$or": filled(lambda number: {"a": {"$lt": f"{-number:x}"}}, ROOM)},
        {"a": STRINGS},
    ),
    "beginnings beside strings": (
        {"$or": filled(lambda number: {"a": {"$startsWith": f"z{number}"}}, ROOM)},
        {"a": STRINGS},
    ),
    "beginnings beside one long string": (
        {"$or": filled(lambda number: {"a": {"$startsWith": "x" * 500 + str(number)}}, ROOM)},
        {"a": "x" * ARRAY_ROOM},
    ),
    "none of many values": (
        {"$and": filled(lambda number: {"a": {"$ne": f"z{number}"}}, ROOM)},
        {"a": STRINGS},
    ),
    "one of many values": (
        {"a": {"$in": filled(lambda number: f"z{number}", ROOM)}},
        {"a": STRINGS},
    ),
    "one of several values, several times": (
        {"$and": [{"a": {"$nin": [f"z{number}"] * 1000}} for number in range(8)]},
        {"a": STRINGS},
    ),
    "many short conditions": (
        {"$or": filled(lambda number: {"a": number} if number % 2 else {"b": {"$lt": 1}}, ROOM)},
        {"a": NUMBERS, "b": STRINGS[:10]},
    ),
    "a few conditions": (
        {"a": {"$gt": 10, "$gte": 11, "$startsWith": "x", "$exists": True}},
        {"a": NUMBERS},
    ),
    "many operators of one path": (
        {"$and": [{"a": {"$not": {"$gt": n, "$lt": -n, "$in": ["x"]}}} for n in range(10, 1200)]},
        {"a": NUMBERS},
    ),
    "words beside one long text": (
        {"$or": filled(lambda number: {"a": {"$match": f"w0 {number} " + "x " * 900}}, ROOM)[:FEW]},
        {"a": WORDS},
    ),
    "words beside short texts": (
        {"$or": filled(lambda number: {"a": {"$match": f"{number:x} {number + 1:x}"}}, ROOM)[:FEW]},
        {"a": STRINGS},
    ),
    "a few words beside short texts": (
        {"a": {"$match": "0 1", "$phrase": "0 1", "$wildcard": "*0*?1", "$startsWith": "z"}},
        {"a": STRINGS},
    ),
    "phrases beside one long text": (
        {"$or": [{"a": {"$phrase": "w0 " * (600 + number) + "w1"}} for number in range(FEW)]},
        {"a": "w0 " * (ARRAY_ROOM // 3)},
    ),
    "words of characters that nobody has seen before": (
        {"a": {"$match": "x", "$phrase": "x", "$not": {"$match": "y", "$phrase": "y"}}},
        {"a": "".join(map(chr, range(0x20000, 0x20000 + ARRAY_ROOM // 4)))},
    ),
    "patterns that may begin anywhere": (
        {"$or": [{"a": {"$wildcard": "*" + "a*" * 110 + f"b{number}*"}} for number in range(FEW)]},
        {"a": "a" * ARRAY_ROOM},
    ),
    "patterns that almost fit everywhere": (
        {"$or": [{"a": {"$wildcard": "*" + "a?" * 110 + f"b{number}*"}} for number in range(FEW)]},
        {"a": "ab" * (ARRAY_ROOM // 2)},
    ),
    "patterns of words": (
        {"$or": [{"a": {"$like": f"*ß?*{number % 10}" + "ß?*" * 83}} for number in range(FEW)]},
        {"a": STRINGS},
    ),
    "patterns beside short texts": (
        {"$or": [{"a": {"$wildcard": f"*?*{number % 10}*?*x?*"}} for number in range(FEW)]},
        {"a": STRINGS},
    ),
    "a pattern beside letters of many sorts": (
        {"a": {"$wildcard": "*" + "é?*" * 80 + "x"}},
        {"a": ["é" * 99] * 190},
    ),
    "empty groups": ({"$and": [{}] * (ROOM // 3)}, {"a": NUMBERS}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_row_costs_a_bounded_number_of_steps(name: str) -> None:
    condition, metadata = HOSTILE[name]
    assert len(orjson.dumps(condition)) <= MAX_FILTER_BYTES
    assert len(orjson.dumps(metadata)) <= MAX_METADATA_BYTES
    parsed = parse_filter(condition)
    needed = steps(lambda: parsed.matches(metadata))
    assert 0 < needed <= STEPS_A_BYTE * (MAX_FILTER_BYTES + MAX_METADATA_BYTES)


@pytest.mark.parametrize("name", HOSTILE)
def test_parsing_costs_a_bounded_number_of_steps(name: str) -> None:
    condition, _ = HOSTILE[name]
    assert steps(lambda: parse_filter(condition)) <= STEPS_A_BYTE * MAX_FILTER_BYTES


def test_one_of_many_values_costs_a_row_no_more_than_one_of_two() -> None:
    few, many = (parse_filter({"a": {"$in": list(range(size))}}) for size in (2, 10_000))
    assert steps(lambda: many.matches({"a": -1})) == steps(lambda: few.matches({"a": -1}))


def test_a_beginning_costs_no_more_steps_the_longer_it_is() -> None:
    short, long = (parse_filter({"a": {"$startsWith": "x" * size}}) for size in (2, 60_000))
    row = {"a": "x" * 30_000}
    assert steps(lambda: long.matches(row)) == steps(lambda: short.matches(row))


@pytest.mark.parametrize("operator", ["$match", "$phrase", "$wildcard", "$like"])
def test_text_costs_no_more_steps_the_longer_it_is(operator: str) -> None:
    parsed = parse_filter({"a": {operator: "x*y"}})
    steps(lambda: parsed.matches({"a": "x "}))  # which remembers what a space is
    short, long = ({"a": "x " * size} for size in (2, 20_000))
    assert steps(lambda: parsed.matches(long)) == steps(lambda: parsed.matches(short))


def test_alternatives_for_one_path_are_one_set() -> None:
    parsed = parse_filter({"$or": [{"a": n} for n in range(100)] + [{"a": {"$in": ["x", 1.0]}}, {"a": None}]})
    assert parsed == parse_filter({"a": {"$in": [*range(100), "x", 1.0]}})
    assert parsed.conditions == 1
    assert parse_filter({"$or": [{"a": None}, {"a": 1}, {"b": 1}]}).conditions == 2


ARRAYS: st.SearchStrategy[list[Any]] = st.lists(
    SCALARS | st.just({}) | st.just([1]) | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False),
    min_size=17,
    max_size=30,
)
MANY = st.lists(
    st.one_of(
        FILTERS,
        st.tuples(KEYS, OPERATORS).map(lambda pair: {pair[0]: dict([pair[1]])}),
        st.tuples(KEYS, st.sampled_from(["$in", "$nin"]), st.lists(KNOWN | TEXT, max_size=4)).map(
            lambda three: {three[0]: {three[1]: three[2]}}
        ),
    ),
    min_size=5,
    max_size=9,
)


@settings(max_examples=300, deadline=None)
@given(MANY, st.sampled_from(["$and", "$or"]), METADATA, ARRAYS, st.booleans())
def test_arrays_that_were_summed_up_match_as_others_do(
    parts: list[dict[str, Any]], joined: str, metadata: dict[str, Any], array: list[Any], inside: bool
) -> None:
    row = {**metadata, "a": {"b": array}} if inside else {**metadata, "a": array}
    condition = {joined: parts}
    assert parse_filter(condition).matches(row) == passes(condition, row)
    assert all(parse_filter(part).matches(row) == passes(part, row) for part in parts)
