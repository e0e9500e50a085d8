"""One record as a filter of many conditions sees it: long arrays and text are taken apart once, whoever looks."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from shoal.model.globs import Glob, Lanes
from shoal.model.words import words_of

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


class Texts:
    """Strings, taken apart as far as somebody asks."""

    __slots__ = ("_folded", "_lanes", "_lines", "_split", "_strings")

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        self._split: list[list[str]] | None = None
        self._lines: str | None = None
        self._lanes: Lanes | None = None
        self._folded: Lanes | None = None

    @classmethod
    def of(cls, value: Any) -> "Texts":
        """The strings that a value (parsed JSON) is or, being an array, holds."""
        if isinstance(value, str):
            return cls((value,))
        return cls([one for one in value if isinstance(one, str)] if isinstance(value, list) else ())

    def hold_words(self, words: frozenset[str]) -> bool:
        """Whether one of the strings holds all words."""
        return any(map(words.issubset, self._words()))

    def hold_phrase(self, words: Sequence[str]) -> bool:
        """Whether one of the strings holds the words one behind the other."""
        if self._lines is None:
            self._lines = "\n".join(map(_line, self._words()))
        return _line(words) in self._lines

    def fit(self, glob: Glob) -> bool:
        """Whether one of the strings is as a pattern says."""
        if not self._strings:
            return False
        if self._lanes is None:
            self._lanes = Lanes(self._strings)
        return glob.is_of_any(self._lanes)

    def are_like(self, glob: Glob) -> bool:
        """Whether one of the strings, or a word of one, is as a pattern says once capital letters are gone."""
        if not self._strings:
            return False
        if self._folded is None:
            self._folded = Lanes([*map(str.casefold, self._strings), *chain.from_iterable(self._words())])
        return glob.is_of_any(self._folded)

    def _words(self) -> list[list[str]]:
        if self._split is None:
            self._split = list(map(words_of, self._strings))
        return self._split


def _line(words: Sequence[str]) -> str:
    """Words with a space before and behind each, so that none is found in another."""
    return f" {' '.join(words)} "


class Row(dict[str, Any]):
    """Metadata (parsed JSON) that remembers its long arrays and its text by the paths that lead to them."""

    __slots__ = ("_summed", "_texts")

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        super().__init__(metadata)
        self._summed: dict[str, SummedArray] = {}
        self._texts: dict[str, Texts] = {}

    def summed(self, path: str, elements: list[Any]) -> SummedArray:
        """The array that is at a path."""
        found = self._summed.get(path)
        if found is None:
            found = self._summed[path] = SummedArray(elements)
        return found

    def texts(self, path: str, value: Any) -> Texts:
        """The strings of what is at a path."""
        found = self._texts.get(path)
        if found is None:
            found = self._texts[path] = Texts.of(value)
        return found
