"""Filters of this dialect in terms of ours: only properties with a metadata index, and values of its type.

Numbers are one type here, so that 1 equals 1.0; in our filters they are two.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from shoal.http.vectorize.envelope import BAD_BODY, Fault
from shoal.model.filters import Filter, parse_filter
from shoal.services.vectorize.settings import MetadataIndex, PropertyKind

MAX_FILTER_BYTES = 2_048
MAX_KEY_CHARACTERS = 512
_LOWER, _UPPER = frozenset({"$gt", "$gte"}), frozenset({"$lt", "$lte"})
_OPERATORS = ("$eq", "$ne", "$in", "$nin", "$lt", "$lte", "$gt", "$gte")
_NOTHING: Mapping[str, list[Any]] = {"$in": []}


def filter_of(value: Any, indexes: Sequence[MetadataIndex]) -> Filter | None:
    """A filter as sent, checked against the metadata indexes; None where it asks for nothing.

    Raises:
        Fault: 40026: names what is wrong.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _invalid("filter must be an object")
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        raise _invalid("filter must hold numbers of 64 bits and text of UTF-8") from None
    if size >= MAX_FILTER_BYTES:
        raise _invalid(f"filter must be under {MAX_FILTER_BYTES} bytes of compact JSON, got {size} bytes")
    if not value:
        return None
    kinds = {index.name: index.kind for index in indexes}
    parts: list[dict[str, Any]] = []
    for key, condition in value.items():
        _check_key(key)
        if key not in kinds:
            raise _invalid(
                f'filter on "{key}" needs a metadata index on it; create one with metadata_index/create'
            )
        parts += _conditions(key, condition, kinds[key])
    return parse_filter({"$and": parts})


def _check_key(key: str) -> None:
    if not key or len(key) > MAX_KEY_CHARACTERS or '"' in key or key.startswith("$"):
        raise _invalid(
            f'filter keys must have 1-{MAX_KEY_CHARACTERS} characters without ", and must not begin with $'
        )


def _conditions(key: str, condition: Any, kind: PropertyKind) -> list[dict[str, Any]]:
    """What must be true of one property, in our language."""
    if not isinstance(condition, dict):
        return [_equal(key, condition, kind)]
    if not condition:
        raise _invalid(f"filter.{key}: must not be empty")
    for bounds in (_LOWER, _UPPER):
        if len(bounds & condition.keys()) > 1:
            raise _invalid(
                f"filter.{key}: {' and '.join(sorted(bounds & condition.keys()))} cannot be combined"
            )
    if condition.keys() & (_LOWER | _UPPER) and condition.keys() - _LOWER - _UPPER:
        raise _invalid(f"filter.{key}: a range cannot be combined with other operators")
    return [_operator(key, name, operand, kind) for name, operand in condition.items()]


def _operator(key: str, name: str, operand: Any, kind: PropertyKind) -> dict[str, Any]:
    match name:
        case "$eq":
            return _equal(key, operand, kind)
        case "$ne":
            return {"$not": _equal(key, operand, kind)}
        case "$in" | "$nin":
            if not isinstance(operand, list) or not operand:
                raise _invalid(f"filter.{key}.{name}: must be a non-empty array")
            either = {"$or": [_equal(key, item, kind) for item in operand]}
            return either if name == "$in" else {"$not": either}
        case "$lt" | "$lte" | "$gt" | "$gte":
            if isinstance(operand, bool) or not isinstance(operand, int | float | str):
                raise _invalid(f"filter.{key}.{name}: must be a number or a string")
            return {key: {name: operand} if _fits(operand, kind) else _NOTHING}
        case _:
            raise _invalid(f"filter.{key}.{name}: unknown operator; known are {', '.join(_OPERATORS)}")


def _equal(key: str, value: Any, kind: PropertyKind) -> dict[str, Any]:
    if value is None:
        return {key: {"$exists": False}}
    if isinstance(value, dict | list):
        raise _invalid(f"filter.{key}: values must be strings, numbers, booleans or null")
    if not _fits(value, kind):
        return {key: _NOTHING}
    if kind is PropertyKind.NUMBER:
        return {key: {"$in": _spellings(value)}}
    return {key: {"$eq": value}}


def _fits(value: Any, kind: PropertyKind) -> bool:
    match kind:
        case PropertyKind.STRING:
            return isinstance(value, str)
        case PropertyKind.BOOLEAN:
            return isinstance(value, bool)
        case PropertyKind.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)


def _spellings(value: float) -> list[int | float]:
    """A number as an integer and as a real, where it is both."""
    found: list[int | float] = [value]
    if isinstance(value, int):
        real = float(value)
        return [value, real] if real == value else found
    return (
        [value, int(value)] if math.isfinite(value) and value.is_integer() and abs(value) < 2**63 else found
    )


def indexed_only(metadata: Mapping[str, Any], indexes: Sequence[MetadataIndex]) -> dict[str, Any]:
    """The properties with a metadata index, with values of its type; strings as far as an index holds them."""
    shown: dict[str, Any] = {}
    for index in indexes:
        place: Any = metadata
        parts = index.name.split(".")
        for part in parts:
            place = place.get(part) if isinstance(place, dict) else None
        if place is None or not _fits(place, index.kind):
            continue
        target = shown
        for part in parts[:-1]:
            target = target.setdefault(part, {})
        target[parts[-1]] = _beginning(place) if isinstance(place, str) else place
    return shown


def _beginning(text: str) -> str:
    """The first 64 bytes, without half a character at their end (contract: string indexes)."""
    return text.encode()[:64].decode(errors="ignore")


def _invalid(why: str) -> Fault:
    return Fault(400, BAD_BODY, f"Failed to parse the request body as JSON: {why}")
