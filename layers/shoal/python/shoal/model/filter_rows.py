"""One record as a filter of many conditions sees it: each long array is summed up once, whoever looks at it."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

type Scalar = str | int | float | bool | None
type Typed = tuple[str, Scalar]
"""A value with the name of its JSON type: Python takes 1, 1.0 and True for equal, JSON does not."""

LONG = 16
"""Elements from which on an array is summed up."""


class SummedArray:
    """What conditions ask of the elements of an array, each in time that grows with their number's logarithm."""

    __slots__ = ("_numbers", "_strings", "_typed")

    def __init__(self, elements: list[Any]) -> None:
        scalars = [value for value in elements if not isinstance(value, dict | list) and value is not None]
        self._typed = {(type(value).__name__, value) for value in scalars}
        numbers = [
            value for value in scalars if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        self._numbers: tuple[Any, ...] = (min(numbers), max(numbers)) if numbers else ()
        self._strings = sorted({value for value in scalars if isinstance(value, str)})

    def holds(self, wanted: frozenset[Typed]) -> bool:
        """Whether an element is one of several values of the same type."""
        return not wanted.isdisjoint(self._typed)

    def extremes(self, of_strings: bool) -> tuple[Any, ...]:
        """The least and the greatest of all strings, or of all numbers; nothing where there are none."""
        if not of_strings:
            return self._numbers
        return (self._strings[0], self._strings[-1]) if self._strings else ()

    def begins(self, prefix: str) -> bool:
        """Whether an element is a string with this beginning."""
        place = bisect_left(self._strings, prefix)
        return place < len(self._strings) and self._strings[place].startswith(prefix)


class Row(dict[str, Any]):
    """Metadata (parsed JSON) that remembers its long arrays by the paths that lead to them."""

    __slots__ = ("_summed",)

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        super().__init__(metadata)
        self._summed: dict[str, SummedArray] = {}

    def summed(self, path: str, elements: list[Any]) -> SummedArray:
        """The array that is at a path."""
        found = self._summed.get(path)
        if found is None:
            found = self._summed[path] = SummedArray(elements)
        return found
