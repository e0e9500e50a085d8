"""Gathering the properties of rows: metadata taken apart into columns, one for each path that a filter can name.

Rows are parsed some thousand at a time, and what they hold becomes arrays at once, so that memory stays in
proportion to the values and not to Python objects. What a path means is said by `model.conditions.Path`: a key of
the row as it stands wins over the same text read as keys of objects inside one another, elements of arrays are
values of the array's path, and what a dot inside a nested key hides, or lies deeper than a path may reach, no
filter can name.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.properties_column import Gathered, GatheredColumn, Kind
from shoal.model.limits import MAX_FILTER_DEPTH, MAX_INDEXED_CHARACTERS, MAX_INDEXED_PATHS

MAX_POSTINGS = 24_000_000
"""Values of all paths together that are held while an index is built, at 12 bytes each."""
MAX_STRINGS_CHARACTERS = 100_000_000
"""Characters of all distinct strings together that are held while an index is built."""
MAX_LEFT_OUT = 1024
"""Paths without an index whose names are kept, so that all others are known to be absent."""
_HELD_PATHS = 8 * MAX_INDEXED_PATHS
_CHUNK_ROWS = 8192
_CHUNK_BYTES = 2 * 1024 * 1024
_LAST_INT64 = 2**63 - 1

type _Rows = NDArray[np.uint32]


def gather(metadata: Iterable[bytes]) -> Gathered:
    """The columns of rows.

    Args:
        metadata: of each row a compact JSON object in UTF-8.

    Raises:
        CorruptObject: metadata that is not a JSON object.
    """
    gathering = _Gathering()
    for chunk in _chunks(metadata):
        gathering.add(_parsed(chunk, gathering.rows))
    return gathering.finish()


def gather_strings(values: Iterable[str]) -> GatheredColumn:
    """The column of one string a row."""
    column = GatheredColumn()
    strings = list(values)
    column.exists.append(np.arange(len(strings), dtype=np.uint32))
    _add_strings(column, column.exists[0], strings)
    return column


class _Gathering:
    def __init__(self) -> None:
        self.rows = 0
        self._columns: dict[str, GatheredColumn] = {}
        self._left_out: set[str] = set()
        self._complete = True

    def add(self, documents: list[dict[str, Any]]) -> None:
        """Take in the next rows."""
        rows = np.arange(self.rows, self.rows + len(documents), dtype=np.uint32)
        columns = _by_key(rows, documents)
        standing = {key: found for key, (found, _) in columns.items() if "." in key}
        for key, (found, values) in columns.items():
            if key.count(".") < MAX_FILTER_DEPTH:
                self._take(key, found, values)
            if "." not in key:
                self._descend(key, 1, found, values, standing)
        self.rows += len(documents)
        if len(self._columns) > _HELD_PATHS:
            self._keep_most_frequent(_HELD_PATHS // 2)
        self._shed()

    def finish(self) -> Gathered:
        """What was gathered, of the most frequent paths."""
        self._keep_most_frequent(MAX_INDEXED_PATHS)
        left_out = tuple(sorted(self._left_out)) if self._complete else ()
        columns = dict(sorted(self._columns.items()))
        return Gathered(self.rows, columns, left_out, self._complete)

    def _descend(
        self, path: str, depth: int, rows: _Rows, values: list[Any], standing: Mapping[str, _Rows]
    ) -> None:
        """Take in what objects at `path` hold. `standing` are the rows that have a path as a key of their own."""
        if depth == MAX_FILTER_DEPTH:
            return
        inside = [place for place, value in enumerate(values) if type(value) is dict and value]
        if not inside:
            return
        for key, (found, inner) in _by_key(rows[inside], [values[place] for place in inside]).items():
            if "." in key:
                continue
            nested = f"{path}.{key}"
            self._descend(nested, depth + 1, found, inner, standing)
            if nested in standing:
                hidden = np.isin(found, standing[nested])
                inner = [value for value, gone in zip(inner, hidden.tolist(), strict=True) if not gone]
                found = found[~hidden]
            if len(found):
                self._take(nested, found, inner)

    def _take(self, path: str, rows: _Rows, values: list[Any]) -> None:
        column = self._columns.get(path)
        if column is None:
            if not self._complete or path in self._left_out:
                return
            if len(path) > MAX_INDEXED_CHARACTERS:
                self._leave_out(path)
                return
            column = self._columns[path] = GatheredColumn()
        column.exists.append(rows)
        _add_values(column, rows, values)

    def _keep_most_frequent(self, most: int) -> None:
        by_frequency = sorted(self._columns, key=lambda path: (-self._columns[path].count, path))
        for path in by_frequency[most:]:
            del self._columns[path]
            self._leave_out(path)

    def _leave_out(self, path: str) -> None:
        """From now on nothing is known of the path; when there are too many such, of any that has no column."""
        if not self._complete:
            return
        self._left_out.add(path)
        if (
            len(self._left_out) > MAX_LEFT_OUT
            or sum(map(len, self._left_out)) > MAX_LEFT_OUT * MAX_INDEXED_CHARACTERS
        ):
            self._complete = False
            self._left_out.clear()

    def _shed(self) -> None:
        """Give up values that would take too much memory, from where there are most."""
        columns = self._columns.values()
        while sum(column.postings for column in columns) > MAX_POSTINGS:
            max(columns, key=lambda column: column.postings).give_up(*Kind)
        while sum(column.characters for column in columns) > MAX_STRINGS_CHARACTERS:
            max(columns, key=lambda column: column.characters).give_up(Kind.STR)


def _chunks(metadata: Iterable[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for raw in metadata:
        chunk.append(raw)
        size += len(raw)
        if len(chunk) == _CHUNK_ROWS or size > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _parsed(chunk: list[bytes], first_row: int) -> list[dict[str, Any]]:
    """The objects. One call for many rows takes half the time of a call for each."""
    try:
        documents = orjson.loads(b"[" + b",".join(chunk) + b"]")
    except orjson.JSONDecodeError as error:
        raise CorruptObject(f"metadata of a row from {first_row} on is not JSON") from error
    if len(documents) != len(chunk) or set(map(type, documents)) != {dict}:
        raise CorruptObject(f"metadata of a row from {first_row} on is not an object")
    return documents  # type: ignore[no-any-return] # checked one line above


def _by_key(rows: _Rows, documents: list[dict[str, Any]]) -> dict[str, tuple[_Rows, list[Any]]]:
    """Of each key the rows that have it, and its value in each."""
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for place, document in enumerate(documents):
        for key, value in document.items():
            column = found.get(key)
            if column is None:
                column = found[key] = ([], [])
            column[0].append(place)
            column[1].append(value)
    return {key: (rows[places], values) for key, (places, values) in found.items()}


def _add_values(column: GatheredColumn, rows: _Rows, values: list[Any]) -> None:
    kinds = set(map(type, values))
    if list in kinds:
        lengths = [len(value) if type(value) is list else 1 for value in values]
        rows = np.repeat(rows, lengths)
        # An object beside arrays has been looked into already, and one inside an array is not looked into.
        values = [one for value in values for one in (value if type(value) is list else (value,))]
        column.repeats = True
        kinds = set(map(type, values))
    for kind in kinds & _ADDERS.keys():
        if len(kinds) == 1:
            _ADDERS[kind](column, rows, values)
        else:
            places = [place for place, value in enumerate(values) if type(value) is kind]
            _ADDERS[kind](column, rows[places], [values[place] for place in places])


def _add_bools(column: GatheredColumn, rows: _Rows, values: list[bool]) -> None:
    column.add(Kind.BOOL, rows, np.array(values, dtype=np.uint8))


def _add_floats(column: GatheredColumn, rows: _Rows, values: list[float]) -> None:
    column.add(Kind.FLOAT, rows, np.array(values, dtype=np.float64))


def _add_ints(column: GatheredColumn, rows: _Rows, values: list[int]) -> None:
    """Integers of JSON have 64 bits with or without a sign: those that need all without are a kind apart."""
    if max(values) <= _LAST_INT64:
        column.add(Kind.INT, rows, np.array(values, dtype=np.int64))
        return
    large = np.fromiter((value > _LAST_INT64 for value in values), dtype=bool, count=len(values))
    column.add(Kind.BIG, rows[large], np.array([v for v in values if v > _LAST_INT64], dtype=np.uint64))
    column.add(Kind.INT, rows[~large], np.array([v for v in values if v <= _LAST_INT64], dtype=np.int64))


def _add_strings(column: GatheredColumn, rows: _Rows, values: list[str]) -> None:
    """Strings are kept once each, and stand in the column as the place where they were first seen."""
    if Kind.STR in column.without:
        return
    if max(map(len, values), default=0) > MAX_INDEXED_CHARACTERS:
        column.give_up(Kind.STR)
        return
    strings = column.strings
    column.characters += sum(map(len, set(values).difference(strings)))
    places = count(column.string_values)
    codes = np.fromiter(map(strings.setdefault, values, places), dtype=np.uint32, count=len(values))
    column.string_values += len(values)
    column.add(Kind.STR, rows, codes)


_ADDERS: Mapping[type, Any] = {bool: _add_bools, int: _add_ints, float: _add_floats, str: _add_strings}
