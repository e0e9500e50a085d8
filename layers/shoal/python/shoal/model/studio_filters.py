"""Filters of the Embedding Studio dialect, translated into our own (`model.filters`) over `payload.<field>`.

The language. A filter is ``{"query": Q}``, and Q one of::

    {"match": {"field": f, "value": "two words"}}          all the words, in any order
    {"match_phrase": {"field": f, "value": "two words"}}   the words one after the other
    {"wildcard": {"field": f, "value": "iph*ne?"}}         a word, or the whole text, is like it (* and ?)
    {"term": {"field": f, "value": v}}                     equals
    {"terms": {"field": f, "values": [v, ...]}}            equals one of them; so does "any"
    {"all": {"field": f, "values": [v, ...]}}              holds every one of them
    {"field": f} or {"exists": {"field": f}}               is there, be it null
    {"field": f, "range": {"gte": a, "lt": b}}             gte lte gt lt eq
    {"must": Qs, "filter": Qs, "should": Qs, "must_not": Qs} or {"bool": {...}}

Qs is a list of queries, or a single one.

- All of `must` and `filter` hold, none of `must_not` does, and at least one of `should` where there is any. (The
  original requires one of `should` whatever else there is, and says NOT (a AND b) of `must_not`; Elasticsearch
  makes `should` optional beside `must`, where it only ranks, and nothing is ranked here.) Empty lists and an empty
  bool decide nothing.
- Words of text are compared without regard to capital letters.
- A number equals every number of its value, integer or not; text equals text, true equals true. A value of an
  array counts as the field's.
- Bounds are numbers; text that spells a number is one, as in the original, and other text is ordered by code
  point, which suits dates. Each bound is a condition of its own.
- A dot in a field leads into an object: `attributes.color`.
- `"force_not_payload": true` asks for what is stored beside the payload: `user_id`, `session_id`, `original_id`,
  and what is inside of `storage_meta` and `item_info`.
- What is not listed here is refused, with its place: a filter must not silently mean something else. So are lists
  without values and ranges without bounds.
"""

from typing import Any

import orjson

from shoal.errors import InvalidInput
from shoal.model.filters import Filter, parse_filter
from shoal.model.limits import MAX_FILTER_BYTES, MAX_TEXT_CONDITIONS
from shoal.model.studio_leaves import (
    FORCE,
    INVALID_FILTER,
    LEAVES,
    ON_TEXT,
    Json,
    Place,
    object_at,
    on_field,
    only,
)

MAX_QUERY_DEPTH = 7
"""Queries inside of queries: each takes two levels of our filters at most, and a leaf two more."""
_BOOL = ("must", "filter", "should", "must_not")
_QUERIES = (*LEAVES, "field", "bool", *_BOOL)
_KNOWN = frozenset((*_QUERIES, "range", FORCE))


def parse_studio_filter(value: object) -> Filter:
    """Check and translate a filter.

    Args:
        value: parsed JSON, ``{"query": ...}``.

    Raises:
        InvalidInput: code `invalid_filter`; the message names the place, and so does `details["loc"]`, as keys and
            positions from `filter` on.
    """
    top = Place()
    if not isinstance(value, dict) or "query" not in value:
        top.refuse('must be an object {"query": ...}')
    only(value, ("query",), top)
    size = _size(value)
    if size is not None and size > MAX_FILTER_BYTES:
        top.refuse(f"must be at most {MAX_FILTER_BYTES} bytes of JSON")
    translated = _query(value["query"], top.at("query"), 1)
    if size is None:
        top.refuse("must be JSON with numbers of 64 bits and text of UTF-8")
    if _texts(translated) > MAX_TEXT_CONDITIONS:
        top.refuse(f"at most {MAX_TEXT_CONDITIONS} of match, match_phrase and wildcard")
    try:
        return parse_filter(translated)
    except InvalidInput as error:  # what it means may be larger than what it is, and nothing else is left
        raise InvalidInput(INVALID_FILTER, error.message, {"loc": ["filter"]}) from None


def _texts(translated: Any) -> int:
    """How many conditions on text a translation has: each goes through all text at its field."""
    if isinstance(translated, list):
        return sum(map(_texts, translated))
    if not isinstance(translated, dict):
        return 0
    return sum((key in ON_TEXT) + _texts(inner) for key, inner in translated.items())


def _size(value: object) -> int | None:
    """Bytes of JSON; None where it cannot be written: too deep, for one, which is told where that is."""
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        return None


# --- queries


def _query(value: object, place: Place, depth: int) -> Json:
    if depth > MAX_QUERY_DEPTH:
        place.refuse(f"queries may be {MAX_QUERY_DEPTH} levels deep at most")
    if not isinstance(value, dict):
        place.refuse("must be an object with a query")
    kinds = [key for key in value if key not in ("field", "range", FORCE)]
    if not kinds and "field" in value:
        return on_field(value, place)
    if all(kind in _BOOL for kind in kinds) and len(kinds) == len(value):
        return _bool(value, place, depth)
    unknown = [key for key in value if key not in _KNOWN]
    if unknown:
        place.at(unknown[0]).refuse(f"unknown; a query has one of {', '.join(_QUERIES)}")
    if not kinds:
        place.refuse("a range, or what is there, needs its field beside it")
    if len(value) > 1:
        place.refuse(f"one query at a time; join several by {', '.join(_BOOL)}")
    (kind,) = kinds
    inner, where = object_at(value[kind], place.at(kind)), place.at(kind)
    return _bool(inner, where, depth) if kind == "bool" else LEAVES[kind](inner, where)


def _bool(value: Json, place: Place, depth: int) -> Json:
    only(value, _BOOL, place)
    clauses = {name: _clauses(value.get(name), place.at(name), depth + 1) for name in _BOOL}
    found: Json = {}
    if clauses["must"] or clauses["filter"]:
        found["$and"] = [*clauses["must"], *clauses["filter"]]
    if clauses["should"]:
        found["$or"] = clauses["should"]
    if clauses["must_not"]:
        found["$not"] = {"$or": clauses["must_not"]}
    return found


def _clauses(value: object, place: Place, depth: int) -> list[Json]:
    if value is None:
        return []
    if isinstance(value, list):
        return [_query(each, place.at(number), depth) for number, each in enumerate(value)]
    return [_query(value, place, depth)]
