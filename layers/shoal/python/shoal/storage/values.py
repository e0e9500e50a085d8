"""What a table item may hold, by DynamoDB's rules: both adapters check and size items here.

Numbers come back as DynamoDB gives them: it keeps a decimal and not a type, so a float without a fraction
(``2.0``) is read as an int; every other float is read exactly as it was written.
"""

from collections.abc import Mapping
from decimal import Context, Decimal, Inexact
from typing import Any

MAX_ITEM_BYTES = 400 * 1024
MAX_DEPTH = 32
MAX_DIGITS = 38
KEY_BYTES = {"pk": 2048, "sk": 1024, "gsi1pk": 2048, "gsi1sk": 1024}
"""Attributes that are keys of the table or of its index, and how long each may be."""

_MAX_INT = 10**MAX_DIGITS
_SMALLEST, _LARGEST = Decimal("1E-130"), Decimal("9.9999999999999999999999999999999999999E+125")
_EXACT = Context(prec=300, traps=[Inexact])


def from_decimal(value: Decimal) -> int | float:
    """The Python number for a stored decimal.

    Raises:
        ValueError: DynamoDB cannot hold it.
    """
    if not value.is_finite():
        raise ValueError(f"not a number that a table can hold: {value}")
    magnitude = abs(value)
    digits = "".join(map(str, value.as_tuple().digits)).strip("0")
    if value and (len(digits) > MAX_DIGITS or not _SMALLEST <= magnitude <= _LARGEST):
        raise ValueError(f"number out of range: {value}")
    whole = value == value.to_integral_value(context=_EXACT)
    return int(value) if whole else float(value)


def to_decimal(value: float) -> Decimal:
    """The decimal that is stored for a number: a whole one exactly, else the shortest that reads back.

    A whole float of over 38 digits goes the short way too, and comes back as an int near to it.
    """
    if isinstance(value, int) or (value.is_integer() and abs(value) < _MAX_INT):
        return Decimal(int(value))
    return Decimal(repr(float(value)))


def summed(old: float, amount: int) -> int | float:
    """What ADD leaves: the sum is of decimals, so that 0.1 + 3 is 3.1."""
    return from_decimal(_EXACT.add(to_decimal(old), to_decimal(amount)))


def plain(value: Any, depth: int = 1) -> Any:
    """A copy of a value as it would be read back: no subclasses, nothing shared, numbers normalised.

    Raises:
        TypeError: a type that a table does not hold.
        ValueError: a number or a depth that it does not hold.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        text = str.__str__(value)
        text.encode()  # a lone surrogate has no UTF-8 and raises a ValueError
        return text
    if isinstance(value, int):
        return int(value) if -_MAX_INT < value < _MAX_INT else from_decimal(Decimal(value))
    if isinstance(value, float):
        return from_decimal(to_decimal(value))
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, list | dict):
        if depth > MAX_DEPTH:
            raise ValueError(f"a value nests deeper than {MAX_DEPTH} levels")
        if isinstance(value, list):
            return [plain(element, depth + 1) for element in value]
        return {_name(name): plain(element, depth + 1) for name, element in value.items()}
    raise TypeError(f"a table does not hold {type(value).__name__} values")


def duplicate(value: Any) -> Any:
    """A copy of a plain value that shares nothing that can change."""
    if isinstance(value, dict):
        return {name: duplicate(element) for name, element in value.items()}
    if isinstance(value, list):
        return [duplicate(element) for element in value]
    return value


def plain_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a whole item, checked: keys, index keys, types and size.

    Raises:
        TypeError: a type that a table does not hold.
        ValueError: a key is missing, empty or too long, or the item is over 400 KB.
    """
    copy = {_name(name): plain(value) for name, value in item.items()}
    for name in ("pk", "sk"):
        if name not in copy:
            raise ValueError(f"an item needs {name}")
    for name in KEY_BYTES.keys() & copy.keys():
        check_key_value(name, copy[name])
    check_size(copy)
    return copy


def check_key_value(name: str, value: Any) -> None:
    """Refuse what cannot be the value of a key attribute.

    Raises:
        ValueError: not a string, empty or too long.
    """
    if not isinstance(value, str) or not 0 < len(value.encode()) <= KEY_BYTES[name]:
        raise ValueError(f"{name} must be a string of 1 to {KEY_BYTES[name]} bytes: {value!r:.80}")


def check_size(item: Mapping[str, Any]) -> None:
    """Refuse an item over 400 KB.

    Raises:
        ValueError: it is.
    """
    size = item_size(item)
    if size > MAX_ITEM_BYTES:
        raise ValueError(f"item of {size} bytes, over the {MAX_ITEM_BYTES} of a table")


def item_size(item: Mapping[str, Any]) -> int:
    """Bytes that an item counts for in limits and pages: names and values."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, dict):
        return 3 + sum(1 + len(name.encode()) + _size(element) for name, element in value.items())
    if isinstance(value, list):
        return 3 + sum(1 + _size(element) for element in value)
    # Two digits a byte, one byte for the exponent and one more for a sign.
    digits = len(str(abs(value)).split("e")[0].replace(".", "").strip("0"))
    return (digits + 1) // 2 + (2 if value < 0 else 1)


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"an attribute name must be a string with at least one character: {name!r}")
    return str.__str__(name)
