"""Filters of the Embedding Studio dialect and payloads at random, and a second, plainer reading of the rules."""

import re
from fnmatch import translate
from typing import Any

from hypothesis import strategies as st

WORDS = st.sampled_from(["red", "Red", "chair", "chairs", "été", "a", "x1"])
TEXT = st.lists(WORDS, min_size=1, max_size=3).map(" ".join) | st.sampled_from(
    ["", "red-chair", "Red, chair!"]
)
NUMBERS = st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 1.5, -2.0])
DATES = st.sampled_from(["2025-04-20", "2025-05-01", "2024"])
SCALARS = st.booleans() | NUMBERS | TEXT | DATES
FIELDS = st.sampled_from(["a", "b", "c", "b.a", "c.d"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "d"]), inner, max_size=2)
    ),
    max_leaves=4,
)
PAYLOADS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)
PATTERNS = st.sampled_from(["red*", "*air", "ch?ir", "chair", "RED", "r*d", "x?", "red ch*"])

LEAVES = st.one_of(
    st.builds(
        lambda f, v: {"match": {"field": f, "value": v}}, FIELDS, st.sampled_from(["red", "Chair red"])
    ),
    st.builds(
        lambda f, v: {"match_phrase": {"field": f, "value": v}}, FIELDS, st.sampled_from(["red chair", "été"])
    ),
    st.builds(lambda f, v: {"wildcard": {"field": f, "value": v}}, FIELDS, PATTERNS),
    st.builds(lambda f, v: {"term": {"field": f, "value": v}}, FIELDS, SCALARS),
    st.builds(
        lambda kind, f, v: {kind: {"field": f, "values": v}},
        st.sampled_from(["terms", "any", "all"]),
        FIELDS,
        st.lists(SCALARS, min_size=1, max_size=3),
    ),
    FIELDS.map(lambda f: {"field": f}),
    FIELDS.map(lambda f: {"exists": {"field": f, "force_not_payload": False}}),
    st.builds(
        lambda f, bounds: {"field": f, "range": {"eq": None, **bounds}},
        FIELDS,
        st.dictionaries(
            st.sampled_from(["gte", "lte", "gt", "lt", "eq"]), NUMBERS | DATES, min_size=1, max_size=2
        ),
    ),
)


def _bools(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    clauses = st.lists(inner, max_size=2) | inner | st.none()
    bools = st.dictionaries(st.sampled_from(["must", "filter", "should", "must_not"]), clauses, max_size=3)
    return bools | bools.map(lambda inside: {"bool": inside})


QUERIES: st.SearchStrategy[dict[str, Any]] = st.recursive(LEAVES, _bools, max_leaves=5)
ABSENT = object()


def at(payload: Any, field: str) -> Any:
    found = payload
    for part in field.split("."):
        if not isinstance(found, dict) or part not in found:
            return ABSENT
        found = found[part]
    return found


def elements(found: Any) -> list[Any]:
    if found is ABSENT:
        return []
    return found if isinstance(found, list) else [found]


def texts(found: Any) -> list[str]:
    return [one for one in elements(found) if isinstance(one, str)]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def same(left: Any, right: Any) -> bool:
    numbers = all(type(one) in (int, float) for one in (left, right))
    return bool(left == right) if numbers else type(left) is type(right) and bool(left == right)


def number(bound: Any) -> Any:
    try:
        return float(bound)
    except ValueError:
        return bound


def within(name: str, value: Any, bound: Any) -> bool:
    bound = number(bound)
    if name == "eq":
        return same(value, bound)
    if isinstance(value, bool) or isinstance(value, str) != isinstance(bound, str):
        return False
    if not isinstance(value, str | int | float):
        return False
    return bool(
        {"gte": value >= bound, "lte": value <= bound, "gt": value > bound, "lt": value < bound}[name]
    )


def fits(pattern: str, text: str) -> bool:
    like = re.compile(translate(pattern.casefold()))
    return any(like.fullmatch(one) for one in (*words(text), text.casefold()))


def follow(phrase: list[str], text: list[str]) -> bool:
    return any(text[start : start + len(phrase)] == phrase for start in range(len(text)))


def many(clauses: Any) -> list[Any]:
    if clauses is None:
        return []
    return clauses if isinstance(clauses, list) else [clauses]


def passes(query: dict[str, Any], payload: dict[str, Any]) -> bool:
    """The rules, read from the raw JSON each time."""
    match query:
        case {"bool": inside}:
            return passes(inside, payload)
        case {"match": {"field": field, "value": value}}:
            return any(set(words(value)) <= set(words(text)) for text in texts(at(payload, field)))
        case {"match_phrase": {"field": field, "value": value}}:
            return any(follow(words(value), words(text)) for text in texts(at(payload, field)))
        case {"wildcard": {"field": field, "value": value}}:
            return any(fits(value, text) for text in texts(at(payload, field)))
        case {"term": {"field": field, "value": value}}:
            return any(same(one, value) for one in elements(at(payload, field)))
        case {"terms": {"field": field, "values": values}} | {"any": {"field": field, "values": values}}:
            return any(same(one, value) for one in elements(at(payload, field)) for value in values)
        case {"all": {"field": field, "values": values}}:
            return all(any(same(one, value) for one in elements(at(payload, field))) for value in values)
        case {"exists": {"field": field}}:
            return at(payload, field) is not ABSENT
        case {"field": field, "range": bounds}:
            told = {name: bound for name, bound in bounds.items() if bound is not None}
            found = elements(at(payload, field))
            return all(any(within(name, one, bound) for one in found) for name, bound in told.items())
        case {"field": field}:
            return at(payload, field) is not ABSENT
    must = [*many(query.get("must")), *many(query.get("filter"))]
    should, must_not = many(query.get("should")), many(query.get("must_not"))
    return (
        all(passes(each, payload) for each in must)
        and (not should or any(passes(each, payload) for each in should))
        and not any(passes(each, payload) for each in must_not)
    )
