"""The leaves of filters of the Embedding Studio dialect (`model.studio_filters`): conditions on one field."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from shoal.errors import InvalidInput
from shoal.model.bindings import Field
from shoal.model.limits import MAX_FILTER_DEPTH, MAX_PATTERN_CHARACTERS
from shoal.model.words import words_of

INVALID_FILTER = "invalid_filter"
FORCE = "force_not_payload"
_LIKE = "$like"
ON_TEXT = ("$match", "$phrase", _LIKE)
_BOUNDS = {"gte": "$gte", "lte": "$lte", "gt": "$gt", "lt": "$lt", "eq": "$eq"}
_COLUMNS = (Field.USER, Field.SESSION, Field.ORIGINAL)
_OBJECTS = (Field.STORAGE, Field.INFO)
_EXACT = 2**53
"""Whole numbers up to here are one as an integer and as a float."""
_SHOWN = 64
"""Characters of a key that an error tells again."""
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the filter something stands: keys and positions."""

    path: tuple[str | int, ...] = ()

    def at(self, step: str | int) -> "Place":
        """One step further in."""
        return Place((*self.path, step[:_SHOWN] if isinstance(step, str) else step))

    def refuse(self, problem: str) -> NoReturn:
        """Say what is wrong here.

        Raises:
            InvalidInput: always.
        """
        spelled = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        details = {"loc": ["filter", *self.path]}
        raise InvalidInput(INVALID_FILTER, f"filter{spelled}: {problem}", details)


def on_field(value: Json, place: Place) -> Json:
    """What stands on a field without a name of its own: whether it is there, or a range."""
    paths = _paths(value, place)
    if "range" not in value:
        return _either(paths, {"$exists": True})
    where = place.at("range")
    bounds = object_at(value["range"], where)
    only(bounds, _BOUNDS, where)
    parts = [_bound(name, bounds[name], where.at(name)) for name in _BOUNDS if bounds.get(name) is not None]
    if not parts:
        where.refuse(f"needs at least one of {', '.join(_BOUNDS)}")
    return _either(paths, {operator: bound for part in parts for operator, bound in part.items()})


def _bound(name: str, value: object, place: Place) -> Json:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        number = float(value)
        value = int(number) if abs(number) < _EXACT and number.is_integer() else number
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value in (math.inf, -math.inf):
        place.refuse("must be a number or text")
    if name != "eq":
        return {_BOUNDS[name]: value}
    return {"$in": _alike(value)}


def _exists(value: Json, place: Place) -> Json:
    only(value, ("field", FORCE), place)
    return _either(_paths(value, place), {"$exists": True})


def _term(value: Json, place: Place) -> Json:
    only(value, ("field", "value", FORCE), place)
    return _either(_paths(value, place), {"$in": _alike(_scalar(value.get("value"), place.at("value")))})


def _terms(value: Json, place: Place) -> Json:
    values = [each for one in _values(value, place) for each in _alike(one)]
    return _either(_paths(value, place), {"$in": values})


def _all(value: Json, place: Place) -> Json:
    paths = _paths(value, place)
    return {"$and": [_either(paths, {"$in": _alike(one)}) for one in _values(value, place)]}


def _of_text(operator: str) -> Callable[[Json, Place], Json]:
    def translate(value: Json, place: Place) -> Json:
        only(value, ("field", "value", FORCE), place)
        text = value.get("value")
        if not isinstance(text, str) or not words_of(text):
            place.at("value").refuse("must be text with at least one letter or digit")
        if len(text) > MAX_PATTERN_CHARACTERS and operator == _LIKE:
            place.at("value").refuse(f"must have at most {MAX_PATTERN_CHARACTERS} characters")
        return _either(_paths(value, place), {operator: text})

    return translate


LEAVES: dict[str, Callable[[Json, Place], Json]] = {
    "match": _of_text("$match"),
    "match_phrase": _of_text("$phrase"),
    "wildcard": _of_text(_LIKE),
    "term": _term,
    "terms": _terms,
    "any": _terms,
    "all": _all,
    "exists": _exists,
}


# --- values


def _alike(value: Any) -> list[Any]:
    """The values of JSON that count as equal to one: a number as an integer and as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [value]
    if isinstance(value, int):
        return [value, float(value)] if abs(value) <= _EXACT else [value]
    return [value, int(value)] if value.is_integer() and abs(value) <= _EXACT else [value]


def _values(value: Json, place: Place) -> list[Any]:
    only(value, ("field", "values", FORCE), place)
    values = value.get("values")
    where = place.at("values")
    if not isinstance(values, list) or not values:
        where.refuse("must be a list with at least one value")
    return [_scalar(one, where.at(number)) for number, one in enumerate(values)]


def _scalar(value: object, place: Place) -> Any:
    if not isinstance(value, str | bool | int | float):
        place.refuse("must be text, a number, true or false")
    return value


def object_at(value: object, place: Place) -> Json:
    """The value, if it is an object."""
    if not isinstance(value, dict):
        place.refuse("must be an object")
    return value


def only(value: Json, known: Sequence[str] | dict[str, str], place: Place) -> None:
    """See that an object has no other keys."""
    for key in value:
        if key not in known:
            place.at(key).refuse(f"unknown; known here are {', '.join(known)}")


# --- fields


def _paths(value: Json, place: Place) -> list[str]:
    """Where the records hold a field: in one place, or in one of several."""
    field, where = value.get("field"), place.at("field")
    if not isinstance(field, str) or not field:
        where.refuse("must be the name of a field")
    if field.count(".") + 2 > MAX_FILTER_DEPTH:
        where.refuse(f"a field lies at most {MAX_FILTER_DEPTH - 1} objects deep")
    beside = value.get(FORCE, False)
    if not isinstance(beside, bool):
        place.at(FORCE).refuse("must be true or false")
    if not beside:
        return [f"{Field.PAYLOAD}.{field}"]
    if field in _COLUMNS:
        return [field]
    column, dot, rest = field.partition(".")
    if column not in _OBJECTS:
        where.refuse(f"beside the payload there are {', '.join((*_COLUMNS, *_OBJECTS))}")
    # What a task brings as `item_info` is shown as `storage_meta`, as by the original.
    return [f"{name}{dot}{rest}" for name in (_OBJECTS if column == Field.STORAGE else (column,))]


def _either(paths: Sequence[str], condition: Json) -> Json:
    """The condition on one of the paths."""
    if len(paths) == 1:
        return {paths[0]: condition}
    return {"$or": [{path: condition} for path in paths]}
