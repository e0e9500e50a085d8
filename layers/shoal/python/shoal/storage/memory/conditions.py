"""Conditions and actions on one item, as DynamoDB evaluates them."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shoal.storage.ports import (
    Absent,
    Action,
    Add,
    AllOf,
    AnyOf,
    Assign,
    AssignIfAbsent,
    Compare,
    Condition,
    Drop,
    Exists,
)
from shoal.storage.values import check_size, duplicate, plain, summed

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(condition: Condition | None, item: Mapping[str, Any] | None) -> bool:
    """Whether a condition is true of an item (None: there is none)."""
    present = item or {}
    match condition:
        case None:
            return True
        case Exists(attribute):
            return attribute in present
        case Absent(attribute):
            return attribute not in present
        case Compare(attribute, op, value):
            return attribute in present and _compare(present[attribute], op, plain(value))
        case AllOf(parts):
            return all(holds(part, item) for part in parts)
        case AnyOf(parts):
            return any(holds(part, item) for part in parts)


def _compare(stored: Any, op: str, value: Any) -> bool:
    if _kind(stored) != _kind(value):
        return op == "<>"  # values of two types differ and have no order
    return _OPERATORS[op](stored, value)


def _kind(value: Any) -> type:
    """DynamoDB's type: True is not 1, while 1 and 1.5 are both numbers."""
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def applied(actions: Sequence[Action], item: Mapping[str, Any]) -> dict[str, Any]:
    """The item with all actions done, each seeing the item as it was.

    Raises:
        ValueError: an Add to what is no number, or an item over 400 KB.
    """
    new = {name: duplicate(value) for name, value in item.items()}
    for action in actions:
        match action:
            case Assign(attribute, value):
                new[attribute] = plain(value)
            case AssignIfAbsent(attribute, value):
                if attribute not in item:
                    new[attribute] = plain(value)
            case Add(attribute, amount):
                old = item.get(attribute, 0)
                if _kind(old) is not float:
                    raise ValueError(f"{attribute} is no number")
                new[attribute] = summed(old, amount)
            case Drop(attribute):
                new.pop(attribute, None)
    check_size(new)
    return new
