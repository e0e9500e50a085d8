"""Values of GROQ, which are those of JSON: what equals what, what comes before what, what refers to what."""

import math
from collections.abc import Callable, Collection, Mapping
from operator import ge, gt, le, lt
from typing import Any

type Json = bool | int | float | str | list[Any] | dict[str, Any] | None

ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}

_NUMBERS = (int, float)


def equal(left: Json, right: Json) -> bool:
    """Whether both are null, or the same truth value, number or string. Arrays and objects equal nothing."""
    if left is None or isinstance(left, bool):
        return left is right
    return type_of(left) == type_of(right) != "" and _plain(left) == _plain(right)


def ordered(left: Json, operator: str, right: Json) -> bool | None:
    """Whether the one comes before or behind the other; None where there is no order between them.

    Numbers, strings (by code point) and truth values (false first) have one, each among themselves.
    """
    if type_of(left) != type_of(right) or not type_of(left):
        return None
    return ORDERINGS[operator](_plain(left), _plain(right))


def among(value: Json, values: Json) -> bool | None:
    """Whether an array has an element equal to the value; None where it is no array."""
    if not isinstance(values, list):
        return None
    match value:
        case str() | None:
            return value in values
        case bool():
            return any(other is value for other in values)
        case int() | float():
            number = _plain(value)
            return any(_plain(other) == number for other in values if type(other) in _NUMBERS)
        case _:
            return False


def refers(value: Json, ids: Collection[str]) -> bool:
    """Whether an object somewhere in the value has one of the ids as its `_ref`.

    What else is in an object that has a `_ref` is not looked at.
    """
    waiting: list[Any] = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += [inner for inner in found if isinstance(inner, list | dict)]
        elif isinstance(found, dict):
            reference = found.get("_ref")
            if _is_nothing(reference):
                waiting += found.values()
            elif isinstance(reference, str) and reference in ids:
                return True
    return False


def strings_of(values: Collection[Json]) -> frozenset[str]:
    """The strings among the values, and those in the arrays among them."""
    each = [inner for value in values for inner in (value if isinstance(value, list) else [value])]
    return frozenset(value for value in each if isinstance(value, str))


def type_of(value: Json) -> str:
    """The name of a type that has an order; empty for null, arrays and objects."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case _:
            return ""


def _plain(value: Json) -> Any:
    """A number as the double that GROQ sees in it, anything else as it is."""
    if type(value) is not int:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _is_nothing(reference: Json) -> bool:
    """Whether it does not count as a reference: null, false, 0 and the empty string."""
    return not reference and not isinstance(reference, list | dict)
