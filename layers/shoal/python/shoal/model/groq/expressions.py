"""The tree of a parsed expression: frozen nodes, each of which has a value for every object."""

from dataclasses import dataclass
from typing import Any, Protocol

from shoal.model.groq.texts import Pattern
from shoal.model.groq.values import Json, among, equal, ordered, refers, strings_of


class Expression(Protocol):
    """Part of a filter or projection. Implementations are immutable."""

    def value(self, this: dict[str, Any]) -> Json:
        """What it is for an object: the document, or the one that a projection is of. Shared with it, no copy."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that is written out."""

    written: str | int | float | bool | None

    def value(self, this: dict[str, Any]) -> Json:  # noqa: ARG002 - it is the same for all
        """What is written."""
        return self.written


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """`[a, b]`."""

    elements: tuple[Expression, ...]

    def value(self, this: dict[str, Any]) -> Json:
        """A list of as many values."""
        return [element.value(this) for element in self.elements]


@dataclass(frozen=True, slots=True)
class Equals:
    """`a == b`."""

    left: Expression
    right: Expression

    def value(self, this: dict[str, Any]) -> Json:
        """True or false."""
        return equal(self.left.value(this), self.right.value(this))


@dataclass(frozen=True, slots=True)
class Differs:
    """`a != b`."""

    left: Expression
    right: Expression

    def value(self, this: dict[str, Any]) -> Json:
        """True or false."""
        return not equal(self.left.value(this), self.right.value(this))


@dataclass(frozen=True, slots=True)
class Ordered:
    """`a < b`, `a <= b`, `a > b` or `a >= b`."""

    left: Expression
    operator: str
    right: Expression

    def value(self, this: dict[str, Any]) -> Json:
        """True, false, or null where there is no order between the two."""
        return ordered(self.left.value(this), self.operator, self.right.value(this))


@dataclass(frozen=True, slots=True)
class Among:
    """`a in b`."""

    left: Expression
    right: Expression

    def value(self, this: dict[str, Any]) -> Json:
        """True, false, or null where the right side is no array."""
        return among(self.left.value(this), self.right.value(this))


@dataclass(frozen=True, slots=True)
class Matches:
    """`a match "b"`."""

    left: Expression
    pattern: Pattern

    def value(self, this: dict[str, Any]) -> Json:
        """True or false."""
        return self.pattern.is_in(self.left.value(this))


@dataclass(frozen=True, slots=True)
class Not:
    """`!a`."""

    part: Expression

    def value(self, this: dict[str, Any]) -> Json:
        """The other one of true and false; null of anything else."""
        found = self.part.value(this)
        return not found if isinstance(found, bool) else None


@dataclass(frozen=True, slots=True)
class AllOf:
    """`a && b && c`."""

    parts: tuple[Expression, ...]

    def value(self, this: dict[str, Any]) -> Json:
        """False where one of them is; else null where one is neither true nor false; else true."""
        found = [part.value(this) for part in self.parts]
        if any(value is False for value in found):
            return False
        return True if all(value is True for value in found) else None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`a || b || c`."""

    parts: tuple[Expression, ...]

    def value(self, this: dict[str, Any]) -> Json:
        """True where one of them is; else null where one is neither true nor false; else false."""
        found = [part.value(this) for part in self.parts]
        if any(value is True for value in found):
            return True
        return False if all(value is False for value in found) else None


@dataclass(frozen=True, slots=True)
class Defined:
    """`defined(a)`."""

    part: Expression

    def value(self, this: dict[str, Any]) -> Json:
        """Whether it is not null."""
        return self.part.value(this) is not None


@dataclass(frozen=True, slots=True)
class References:
    """`references(a, b)`."""

    ids: tuple[Expression, ...]

    def value(self, this: dict[str, Any]) -> Json:
        """Whether something in the object refers to one of the strings, or of the strings in the arrays."""
        ids = strings_of([part.value(this) for part in self.ids])
        return bool(ids) and refers(this, ids)


@dataclass(frozen=True, slots=True)
class Everything:
    """`...`: all attributes of the object."""


@dataclass(frozen=True, slots=True)
class Named:
    """`"name": a`, or `a` by itself."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Projection:
    """`{..., a, "b": c}`. Of two parts of one name the later one holds."""

    parts: tuple[Everything | Named, ...]

    def value(self, this: dict[str, Any]) -> dict[str, Any]:
        """A new object."""
        found: dict[str, Any] = {}
        for part in self.parts:
            if isinstance(part, Named):
                found[part.name] = part.expression.value(this)
            else:
                found.update(this)
        return found
