"""What was gathered of one path: the rows that have it, and its values by kind of JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shoal.model.limits import MAX_INDEXED_CHARACTERS

_LAST_INT64 = 2**63 - 1


class Kind(StrEnum):
    """Kinds of values that a filter tells apart. `BIG` are integers from 2^63 on, `INT` all below."""

    BOOL = "bool"
    INT = "int"
    BIG = "big"
    FLOAT = "float"
    STR = "str"


@dataclass(frozen=True, slots=True)
class SortedValues:
    """The values of one kind at one path, each once and in order, with the rows that have it.

    `values`: uint8, int64, uint64 or float64 of shape (d,), or d strings by code point. `counts`: int64, shape
    (d,), how many rows have each. `rows`: uint32, those of the first value, then those of the second, …
    """

    kind: Kind
    values: NDArray[Any] | list[str]
    counts: NDArray[np.int64]
    rows: NDArray[np.uint32]


@dataclass(slots=True)
class GatheredColumn:
    """A column while rows are gathered.

    `exists` are the rows that have the path, in pieces; `pieces` the rows and values of each kind (strings as
    codes, which `strings` gives). `without` are the kinds that were given up. `repeats`: a row may have several
    values.
    """

    exists: list[NDArray[np.uint32]] = field(default_factory=list)
    pieces: dict[Kind, list[tuple[NDArray[np.uint32], NDArray[Any]]]] = field(default_factory=dict)
    strings: dict[str, int] = field(default_factory=dict)
    without: set[Kind] = field(default_factory=set)
    repeats: bool = False
    postings: int = 0
    string_values: int = 0
    characters: int = 0

    @property
    def frequency(self) -> int:
        """How many rows have the path."""
        return sum(map(len, self.exists))

    def take(self, rows: NDArray[np.uint32], values: list[Any]) -> None:
        """Take in what the path holds in each row: parsed JSON, of which objects and null are no values."""
        self.exists.append(rows)
        kinds = set(map(type, values))
        if list in kinds:
            lengths = [len(value) if type(value) is list else 1 for value in values]
            rows = np.repeat(rows, lengths)
            # An object beside arrays is looked into elsewhere, and one inside an array is not looked into.
            values = [one for value in values for one in (value if type(value) is list else (value,))]
            kinds = set(map(type, values))
            self.repeats = True
        for kind in kinds & self._takers.keys():
            taker = self._takers[kind]
            if len(kinds) == 1:
                taker(self, rows, values)
            else:
                places = [place for place, value in enumerate(values) if type(value) is kind]
                taker(self, rows[places], [values[place] for place in places])

    def _take_bools(self, rows: NDArray[np.uint32], values: list[bool]) -> None:
        self._add(Kind.BOOL, rows, np.array(values, dtype=np.uint8))

    def _take_floats(self, rows: NDArray[np.uint32], values: list[float]) -> None:
        self._add(Kind.FLOAT, rows, np.array(values, dtype=np.float64))

    def _take_ints(self, rows: NDArray[np.uint32], values: list[int]) -> None:
        """Integers of JSON have 64 bits with or without a sign: those that need all without are a kind apart."""
        if max(values) <= _LAST_INT64:
            self._add(Kind.INT, rows, np.array(values, dtype=np.int64))
            return
        large = np.array([value > _LAST_INT64 for value in values])
        self._add(Kind.BIG, rows[large], np.array([v for v in values if v > _LAST_INT64], dtype=np.uint64))
        self._add(Kind.INT, rows[~large], np.array([v for v in values if v <= _LAST_INT64], dtype=np.int64))

    def _take_strings(self, rows: NDArray[np.uint32], values: list[str]) -> None:
        """Strings are kept once each, and stand in the column as the place where they were first seen."""
        if Kind.STR in self.without:
            return
        if max(map(len, values)) > MAX_INDEXED_CHARACTERS:
            self.give_up(Kind.STR)
            return
        self.characters += sum(map(len, set(values).difference(self.strings)))
        places = count(self.string_values)
        codes = np.fromiter(map(self.strings.setdefault, values, places), dtype=np.uint32, count=len(values))
        self.string_values += len(values)
        self._add(Kind.STR, rows, codes)

    _takers: ClassVar[Mapping[type, Callable[..., None]]] = {
        bool: _take_bools,
        int: _take_ints,
        float: _take_floats,
        str: _take_strings,
    }

    def _add(self, kind: Kind, rows: NDArray[np.uint32], values: NDArray[Any]) -> None:
        if kind not in self.without and len(rows):
            self.pieces.setdefault(kind, []).append((rows, values))
            self.postings += len(rows)

    def give_up(self, *kinds: Kind) -> None:
        """Hold no values of these kinds, now and from now on."""
        for kind in kinds:
            self.postings -= sum(len(rows) for rows, _ in self.pieces.pop(kind, ()))
            self.without.add(kind)
        if Kind.STR in kinds:
            self.strings.clear()
            self.characters = 0

    def rows_with_it(self) -> NDArray[np.uint32]:
        """The rows that have the path, ascending."""
        return np.sort(np.concatenate(self.exists)) if self.exists else np.empty(0, dtype=np.uint32)

    def sorted_values(self, kind: Kind) -> SortedValues:
        """The values of one kind, of which there are some, in order; the pieces are let go."""
        pieces = self.pieces.pop(kind)
        rows = np.concatenate([rows for rows, _ in pieces])
        values = np.concatenate([values for _, values in pieces])
        del pieces
        strings: list[str] = []
        if kind is Kind.STR:
            strings, values = self._ranked(values)
        order = np.argsort(values, kind="stable")
        rows, values = rows[order], values[order]
        if self.repeats:  # equal elements of one array lie side by side: they came together
            fresh = np.ones(len(rows), dtype=bool)
            fresh[1:] = (rows[1:] != rows[:-1]) | (values[1:] != values[:-1])
            rows, values = rows[fresh], values[fresh]
        starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
        counts = np.diff(np.append(starts, len(values)))
        return SortedValues(kind, strings if kind is Kind.STR else values[starts], counts, rows)

    def _ranked(self, codes: NDArray[Any]) -> tuple[list[str], NDArray[np.uint32]]:
        """The strings in order, and the rank of each code."""
        strings = sorted(self.strings)
        ranks = np.zeros(self.string_values, dtype=np.uint32)
        places = np.fromiter(map(self.strings.__getitem__, strings), dtype=np.int64, count=len(strings))
        ranks[places] = np.arange(len(strings), dtype=np.uint32)
        self.strings.clear()
        return strings, ranks[codes]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was gathered of `rows` rows, by path.

    `left_out` are paths that rows have but that have no column; where not all could be named, `complete` is false,
    and nothing is known of any path without a column.
    """

    rows: int
    columns: Mapping[str, GatheredColumn]
    left_out: tuple[str, ...]
    complete: bool
