"""The tree of a parsed filter: frozen nodes, each of which can test metadata. Its language is in `filters`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, Protocol

import orjson

from shoal.model.filter_rows import LONG, Row, Scalar, SummedArray, Typed

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
_ABSENT: Any = object()


class Condition(Protocol):
    """Part of a filter. Implementations are hashable values."""

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""

    def needles(self) -> frozenset[bytes]:
        """Bytes that the compact JSON of all metadata that passes holds, if it holds no backslash."""


def typed(value: Scalar) -> Typed:
    """The value with the name of its type."""
    return (type(value).__name__, value)


@dataclass(frozen=True, slots=True)
class Path:
    """Where to look. `key` is tried as it stands, then `parts`, one object inside another."""

    key: str
    parts: tuple[str, ...]

    def value(self, metadata: Mapping[str, Any]) -> Any:
        """What is there, or `_ABSENT`."""
        found = metadata.get(self.key, _ABSENT)
        if found is not _ABSENT or len(self.parts) == 1:
            return found
        found = metadata
        for part in self.parts:
            if not isinstance(found, dict):
                return _ABSENT
            found = found.get(part, _ABSENT)
        return found

    def candidates(self, metadata: Mapping[str, Any]) -> Sequence[Any] | SummedArray:
        """The values that a condition may hold for: the elements of an array, else the value itself."""
        found = self.value(metadata)
        if found is _ABSENT:
            return ()
        if not isinstance(found, list):
            return (found,)
        if len(found) > LONG and isinstance(metadata, Row):
            return metadata.summed(self.key, found)
        return found

    def needles(self) -> frozenset[bytes]:
        """The last part ends every spelling of the path: `"b"` and `"a.b"` both end in `b"`."""
        return raw_needle(orjson.dumps(self.parts[-1])[1:])


@dataclass(frozen=True, slots=True)
class Equals:
    """A value of the same JSON type that is equal. null equals nothing."""

    path: Path
    wanted: Typed

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        if self.wanted[1] is None:
            return False
        found = self.path.candidates(metadata)
        if isinstance(found, SummedArray):
            return found.holds(frozenset({self.wanted}))
        return any(typed(value) == self.wanted for value in found)

    def needles(self) -> frozenset[bytes]:
        """The path, and a string as it is spelled; numbers have several spellings."""
        value = self.wanted[1]
        return self.path.needles() | (
            raw_needle(orjson.dumps(value)) if isinstance(value, str) else frozenset()
        )


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value that equals one of several."""

    path: Path
    wanted: frozenset[Typed]

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        found = self.path.candidates(metadata)
        if isinstance(found, SummedArray):
            return found.holds(self.wanted)
        return any(typed(value) in self.wanted for value in found if not isinstance(value, dict | list))

    def needles(self) -> frozenset[bytes]:
        """The path."""
        return self.path.needles()


@dataclass(frozen=True, slots=True)
class Ordered:
    """A number beside a number, or a string beside a string, in order."""

    path: Path
    operator: str
    bound: str | int | float

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        compare = _COMPARE[self.operator]
        kind = str if isinstance(self.bound, str) else (int, float)
        found = self.path.candidates(metadata)
        if isinstance(found, SummedArray):
            return any(compare(value, self.bound) for value in found.extremes(isinstance(self.bound, str)))
        return any(
            isinstance(value, kind) and not isinstance(value, bool) and compare(value, self.bound)
            for value in found
        )

    def needles(self) -> frozenset[bytes]:
        """The path."""
        return self.path.needles()


@dataclass(frozen=True, slots=True)
class StartsWith:
    """A string with this beginning."""

    path: Path
    prefix: str

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        found = self.path.candidates(metadata)
        if isinstance(found, SummedArray):
            return found.begins(self.prefix)
        return any(isinstance(value, str) and value.startswith(self.prefix) for value in found)

    def needles(self) -> frozenset[bytes]:
        """The path, and how the string begins."""
        return self.path.needles() | raw_needle(orjson.dumps(self.prefix)[:-1])


@dataclass(frozen=True, slots=True)
class Exists:
    """Something is at the path, be it null."""

    path: Path

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        return self.path.value(metadata) is not _ABSENT

    def needles(self) -> frozenset[bytes]:
        """The path."""
        return self.path.needles()


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Condition

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        return not self.part.matches(metadata)

    def needles(self) -> frozenset[bytes]:
        """None: what must be absent shows nothing."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; with no parts, always."""

    parts: tuple[Condition, ...]

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        return all(part.matches(metadata) for part in self.parts)

    def needles(self) -> frozenset[bytes]:
        """Those of all parts."""
        return frozenset().union(*(part.needles() for part in self.parts))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata (parsed JSON) passes."""
        return any(part.matches(metadata) for part in self.parts)

    def needles(self) -> frozenset[bytes]:
        """Those that all parts share."""
        first, *others = (part.needles() for part in self.parts)
        return first.intersection(*others)


def raw_needle(spelled: bytes) -> frozenset[bytes]:
    """A needle, unless its text needs a backslash: then the row has one and is parsed anyway."""
    return frozenset() if b"\\" in spelled else frozenset({spelled})
