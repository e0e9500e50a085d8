"""Conditions and actions as DynamoDB expressions; names and values go through placeholders only."""

from collections.abc import Sequence
from typing import Any

from shoal.storage.aws_values import Wire, to_wire
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
from shoal.storage.values import plain


class Expressions:
    """The expressions of one request, which share their placeholders ``#n0`` and ``:v0``."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Wire] = {}
        self._texts: dict[str, str] = {}

    def condition(self, condition: Condition | None) -> "Expressions":
        """Add the condition of a write, if it has one."""
        if condition is not None:
            self._texts["ConditionExpression"] = self._condition(condition)
        return self

    def update(self, actions: Sequence[Action]) -> "Expressions":
        """Add the actions of an update."""
        clauses: dict[str, list[str]] = {}
        for action in actions:
            name = self._name(action.attribute)
            match action:
                case Assign(_, value):
                    clauses.setdefault("SET", []).append(f"{name} = {self._value(value)}")
                case AssignIfAbsent(_, value):
                    assignment = f"{name} = if_not_exists({name}, {self._value(value)})"
                    clauses.setdefault("SET", []).append(assignment)
                case Add(_, amount):
                    clauses.setdefault("ADD", []).append(f"{name} {self._value(amount)}")
                case Drop():
                    clauses.setdefault("REMOVE", []).append(name)
        parts = [f"{verb} {', '.join(changes)}" for verb, changes in clauses.items()]
        self._texts["UpdateExpression"] = " ".join(parts)
        return self

    def key_range(
        self, partition: str, sort: str, pk: str, prefix: str | None, bounds: tuple[str, str] | None
    ) -> "Expressions":
        """Add the key condition of a query."""
        text = f"{self._name(partition)} = {self._value(pk)}"
        if prefix:
            text += f" AND begins_with({self._name(sort)}, {self._value(prefix)})"
        if bounds:
            low, high = map(self._value, bounds)
            text += f" AND {self._name(sort)} BETWEEN {low} AND {high}"
        self._texts["KeyConditionExpression"] = text
        return self

    def parameters(self) -> dict[str, Any]:
        """The request parameters; without placeholders no maps, because DynamoDB refuses empty ones."""
        found: dict[str, Any] = dict(self._texts)
        if self._names:
            found["ExpressionAttributeNames"] = {place: name for name, place in self._names.items()}
        if self._values:
            found["ExpressionAttributeValues"] = self._values
        return found

    def _condition(self, condition: Condition) -> str:
        match condition:
            case Exists(attribute):
                return f"attribute_exists({self._name(attribute)})"
            case Absent(attribute):
                return f"attribute_not_exists({self._name(attribute)})"
            case Compare(attribute, op, value):
                name = self._name(attribute)
                text = f"{name} {op} {self._value(value)}"
                # Alone among the operators, DynamoDB finds <> true where the attribute is absent.
                return f"(attribute_exists({name}) AND {text})" if op == "<>" else text
            case AllOf(parts):
                return self._joined(" AND ", parts)
            case AnyOf(parts):
                return self._joined(" OR ", parts)

    def _joined(self, word: str, parts: Sequence[Condition]) -> str:
        """The parts in parentheses; around a single one DynamoDB would refuse them as redundant."""
        texts = [self._condition(part) for part in parts]
        return f"({word.join(texts)})" if len(texts) > 1 else texts[0]

    def _name(self, attribute: str) -> str:
        return self._names.setdefault(attribute, f"#n{len(self._names)}")

    def _value(self, value: Any) -> str:
        place = f":v{len(self._values)}"
        self._values[place] = to_wire(plain(value))
        return place
