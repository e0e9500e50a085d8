"""Filters and metadata at random, and a second, plainer reading of the rules."""

import re
from typing import Any

from hypothesis import strategies as st

TEXT = st.sampled_from(["", "a", "ab", "b", "é", "1", "true", "a b", "B, a", "b a b", "É-1"])
PATTERNS = st.lists(st.sampled_from(["*", "?", "a", "b", " ", "é", "\\*", "\\a"]), max_size=5).map("".join)
ORDERED = st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0, 1.5]) | TEXT
KNOWN = st.booleans() | ORDERED
SCALARS = st.none() | KNOWN
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
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), ORDERED),
    st.tuples(st.just("$exists"), st.booleans()),
    st.tuples(st.sampled_from(["$startsWith", "$match", "$phrase"]), TEXT),
    st.tuples(st.sampled_from(["$wildcard", "$like"]), PATTERNS),
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


def strings(values: list[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def in_words(text: str) -> list[str]:
    """The words of a text whose letters are those of this module, none of which is written alone."""
    return re.findall(r"\w+", text.casefold())


def runs(words: list[str], size: int) -> list[list[str]]:
    return [words[place : place + size] for place in range(len(words) - size + 1)]


def as_expression(pattern: str) -> str:
    """A pattern as a regular expression."""
    wild = {"*": ".*", "?": "."}
    parts = re.findall(r"\\.|.|\\$", pattern, re.DOTALL)
    return "".join(wild.get(part) or re.escape(part[-1]) for part in parts)


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
        case "$match":
            words = in_words(operand)
            return any(words and set(words) <= set(in_words(value)) for value in strings(values))
        case "$phrase":
            words = in_words(operand)
            return any(words and words in runs(in_words(value), len(words)) for value in strings(values))
        case "$wildcard":
            expression = as_expression(operand)
            return any(re.fullmatch(expression, value, re.DOTALL) is not None for value in strings(values))
        case "$like":
            folded = re.compile(as_expression(operand.casefold()), re.DOTALL)
            several = [[value.casefold(), *in_words(value)] for value in strings(values)]
            return any(folded.fullmatch(one) is not None for some in several for one in some)
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
