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

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from shoal.errors import InvalidInput
from shoal.model.bindings import Field
from shoal.model.filters import Filter, parse_filter
from shoal.model.limits import (
    MAX_FILTER_BYTES,
    MAX_FILTER_DEPTH,
    MAX_PATTERN_CHARACTERS,
    MAX_TEXT_CONDITIONS,
)
from shoal.model.words import words_of

MAX_QUERY_DEPTH = 7
"""Queries inside of queries: each takes two levels of our filters at most, and a leaf two more."""
INVALID_FILTER = "invalid_filter"
_BOOL = ("must", "filter", "should", "must_not")
_BOUNDS = {"gte": "$gte", "lte": "$lte", "gt": "$gt", "lt": "$lt", "eq": "$eq"}
_COLUMNS = (Field.USER, Field.SESSION, Field.ORIGINAL)
_OBJECTS = (Field.STORAGE, Field.INFO)
_FORCE = "force_not_payload"
_LIKE = "$like"
_ON_TEXT = ("$match", "$phrase", _LIKE)
_EXACT = 2**53
"""Whole numbers up to here are one as an integer and as a float."""
_SHOWN = 64
"""Characters of a key that an error tells again."""
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)

type _Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the filter something stands: keys and positions."""

    path: tuple[str | int, ...] = ()

    def at(self, step: str | int) -> "_Place":
        return _Place((*self.path, step[:_SHOWN] if isinstance(step, str) else step))

    def refuse(self, problem: str) -> NoReturn:
        """Raises InvalidInput that names the place."""
        spelled = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        details = {"loc": ["filter", *self.path]}
        raise InvalidInput(INVALID_FILTER, f"filter{spelled}: {problem}", details)


def parse_studio_filter(value: object) -> Filter:
    """Check and translate a filter.

    Args:
        value: parsed JSON, ``{"query": ...}``.

    Raises:
        InvalidInput: code `invalid_filter`; the message names the place, and so does `details["loc"]`, as keys and
            positions from `filter` on.
    """
    top = _Place()
    if not isinstance(value, dict) or "query" not in value:
        top.refuse('must be an object {"query": ...}')
    _only(value, ("query",), top)
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
    return sum((key in _ON_TEXT) + _texts(inner) for key, inner in translated.items())


def _size(value: object) -> int | None:
    """Bytes of JSON; None where it cannot be written: too deep, for one, which is told where that is."""
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        return None


# --- queries


def _query(value: object, place: _Place, depth: int) -> _Json:
    if depth > MAX_QUERY_DEPTH:
        place.refuse(f"queries may be {MAX_QUERY_DEPTH} levels deep at most")
    if not isinstance(value, dict):
        place.refuse("must be an object with a query")
    kinds = [key for key in value if key not in ("field", "range", _FORCE)]
    if not kinds and "field" in value:
        return _on_field(value, place)
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
    inner, where = _object(value[kind], place.at(kind)), place.at(kind)
    return _bool(inner, where, depth) if kind == "bool" else _LEAVES[kind](inner, where)


def _bool(value: _Json, place: _Place, depth: int) -> _Json:
    _only(value, _BOOL, place)
    clauses = {name: _clauses(value.get(name), place.at(name), depth + 1) for name in _BOOL}
    found: _Json = {}
    if clauses["must"] or clauses["filter"]:
        found["$and"] = [*clauses["must"], *clauses["filter"]]
    if clauses["should"]:
        found["$or"] = clauses["should"]
    if clauses["must_not"]:
        found["$not"] = {"$or": clauses["must_not"]}
    return found


def _clauses(value: object, place: _Place, depth: int) -> list[_Json]:
    if value is None:
        return []
    if isinstance(value, list):
        return [_query(each, place.at(number), depth) for number, each in enumerate(value)]
    return [_query(value, place, depth)]


# --- leaves


def _on_field(value: _Json, place: _Place) -> _Json:
    """What stands on a field without a name of its own: whether it is there, or a range."""
    paths = _paths(value, place)
    if "range" not in value:
        return _either(paths, {"$exists": True})
    where = place.at("range")
    bounds = _object(value["range"], where)
    _only(bounds, _BOUNDS, where)
    parts = [_bound(name, bounds[name], where.at(name)) for name in _BOUNDS if bounds.get(name) is not None]
    if not parts:
        where.refuse(f"needs at least one of {', '.join(_BOUNDS)}")
    return _either(paths, {operator: bound for part in parts for operator, bound in part.items()})


def _bound(name: str, value: object, place: _Place) -> _Json:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        number = float(value)
        value = int(number) if number.is_integer() and abs(number) < _EXACT else number
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        place.refuse("must be a number or text")
    if name != "eq":
        return {_BOUNDS[name]: value}
    return {"$in": _alike(value)}


def _exists(value: _Json, place: _Place) -> _Json:
    _only(value, ("field", _FORCE), place)
    return _either(_paths(value, place), {"$exists": True})


def _term(value: _Json, place: _Place) -> _Json:
    _only(value, ("field", "value", _FORCE), place)
    return _either(_paths(value, place), {"$in": _alike(_scalar(value.get("value"), place.at("value")))})


def _terms(value: _Json, place: _Place) -> _Json:
    values = [each for one in _values(value, place) for each in _alike(one)]
    return _either(_paths(value, place), {"$in": values})


def _all(value: _Json, place: _Place) -> _Json:
    paths = _paths(value, place)
    return {"$and": [_either(paths, {"$in": _alike(one)}) for one in _values(value, place)]}


def _of_text(operator: str) -> Callable[[_Json, _Place], _Json]:
    def translate(value: _Json, place: _Place) -> _Json:
        _only(value, ("field", "value", _FORCE), place)
        text = value.get("value")
        if not isinstance(text, str) or not words_of(text):
            place.at("value").refuse("must be text with at least one letter or digit")
        if len(text) > MAX_PATTERN_CHARACTERS and operator == _LIKE:
            place.at("value").refuse(f"must have at most {MAX_PATTERN_CHARACTERS} characters")
        return _either(_paths(value, place), {operator: text})

    return translate


_LEAVES: dict[str, Callable[[_Json, _Place], _Json]] = {
    "match": _of_text("$match"),
    "match_phrase": _of_text("$phrase"),
    "wildcard": _of_text(_LIKE),
    "term": _term,
    "terms": _terms,
    "any": _terms,
    "all": _all,
    "exists": _exists,
}
_QUERIES = (*_LEAVES, "field", "bool", *_BOOL)
_KNOWN = frozenset((*_QUERIES, "range", _FORCE))


# --- values


def _alike(value: Any) -> list[Any]:
    """The values of JSON that count as equal to one: a number as an integer and as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [value]
    if isinstance(value, int):
        return [value, float(value)] if abs(value) <= _EXACT else [value]
    return [value, int(value)] if value.is_integer() and abs(value) <= _EXACT else [value]


def _values(value: _Json, place: _Place) -> list[Any]:
    _only(value, ("field", "values", _FORCE), place)
    values = value.get("values")
    where = place.at("values")
    if not isinstance(values, list) or not values:
        where.refuse("must be a list with at least one value")
    return [_scalar(one, where.at(number)) for number, one in enumerate(values)]


def _scalar(value: object, place: _Place) -> Any:
    if not isinstance(value, str | bool | int | float):
        place.refuse("must be text, a number, true or false")
    return value


def _object(value: object, place: _Place) -> _Json:
    if not isinstance(value, dict):
        place.refuse("must be an object")
    return value


def _only(value: _Json, known: Sequence[str] | dict[str, str], place: _Place) -> None:
    for key in value:
        if key not in known:
            place.at(key).refuse(f"unknown; known here are {', '.join(known)}")


# --- fields


def _paths(value: _Json, place: _Place) -> list[str]:
    """Where the records hold a field: in one place, or in one of several."""
    field, where = value.get("field"), place.at("field")
    if not isinstance(field, str) or not field:
        where.refuse("must be the name of a field")
    if field.count(".") + 2 > MAX_FILTER_DEPTH:
        where.refuse(f"a field lies at most {MAX_FILTER_DEPTH - 1} objects deep")
    beside = value.get(_FORCE, False)
    if not isinstance(beside, bool):
        place.at(_FORCE).refuse("must be true or false")
    if not beside:
        return [f"{Field.PAYLOAD}.{field}"]
    if field in _COLUMNS:
        return [field]
    column, dot, rest = field.partition(".")
    if column not in _OBJECTS:
        where.refuse(f"beside the payload there are {', '.join((*_COLUMNS, *_OBJECTS))}")
    # What a task brings as `item_info` is shown as `storage_meta`, as by the original.
    return [f"{name}{dot}{rest}" for name in (_OBJECTS if column == Field.STORAGE else (column,))]


def _either(paths: Sequence[str], condition: _Json) -> _Json:
    """The condition on one of the paths."""
    if len(paths) == 1:
        return {paths[0]: condition}
    return {"$or": [{path: condition} for path in paths]}
