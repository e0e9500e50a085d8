"""Items between Python and DynamoDB's wire format; the inverse of each other for every plain value.

boto3's own serializer refuses floats and answers in Decimals; the types here are those of the ports.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shoal.storage.ports import Key
from shoal.storage.values import from_decimal

type Wire = dict[str, Any]
"""A typed value, such as ``{"S": "text"}``."""


def to_wire(value: Any) -> Wire:
    """A plain value (see `shoal.storage.values.plain`) in the wire format."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if isinstance(value, bytes):
        return {"B": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, list):
        return {"L": [to_wire(element) for element in value]}
    if isinstance(value, dict):
        return {"M": {name: to_wire(element) for name, element in value.items()}}
    raise TypeError(f"not a plain value: {type(value).__name__}")


def from_wire(wire: Mapping[str, Any]) -> Any:
    """The plain value of a typed one.

    Raises:
        ValueError: a type that nothing of ours writes (sets).
    """
    ((kind, value),) = wire.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return _number(value)
        case "B":
            return bytes(value)
        case "NULL":
            return None
        case "L":
            return [from_wire(element) for element in value]
        case "M":
            return {name: from_wire(element) for name, element in value.items()}
        case _:
            raise ValueError(f"a stored value of type {kind}, which nothing of ours writes")


def _number(text: str) -> int | float:
    """Most numbers are short ints, which need no Decimal."""
    return int(text) if text.isdecimal() else from_decimal(Decimal(text))


def item_to_wire(item: Mapping[str, Any]) -> dict[str, Wire]:
    """A whole plain item in the wire format."""
    return {name: to_wire(value) for name, value in item.items()}


def item_from_wire(item: Mapping[str, Any]) -> dict[str, Any]:
    """A whole item as plain values."""
    return {name: from_wire(value) for name, value in item.items()}


def key_to_wire(key: Key) -> dict[str, Wire]:
    """A primary key in the wire format."""
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
