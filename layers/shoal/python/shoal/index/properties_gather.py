"""Gathering the properties of rows: metadata taken apart into columns, one for each path that a filter can name.

Rows are parsed some thousand at a time, and what they hold becomes arrays at once, so that memory stays in
proportion to the values and not to Python objects. What a path means is said by `model.conditions.Path`: a key of
the row as it stands wins over the same text read as keys of objects inside one another, elements of arrays are
values of the array's path, and what a dot inside a nested key hides, or lies deeper than a path may reach, no
filter can name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.index.metadata import CHUNK_BYTES, CHUNK_ROWS, in_chunks, parse_objects
from shoal.index.properties_column import Gathered, GatheredColumn, Kind
from shoal.model.limits import MAX_FILTER_DEPTH, MAX_INDEXED_CHARACTERS, MAX_INDEXED_PATHS

type _Rows = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the memory of gathering.

    `paths` that are indexed, and those held on the way there; `left_out`: paths without an index whose names are
    kept, so that all others are known to be absent; `postings`: values of all paths together, at 12 bytes each;
    `text`: characters of all distinct strings together; rows and bytes of metadata that are parsed at once.
    """

    paths: int = MAX_INDEXED_PATHS
    held_paths: int = 8 * MAX_INDEXED_PATHS
    left_out: int = 1024
    postings: int = 24_000_000
    text: int = 100_000_000
    chunk_rows: int = CHUNK_ROWS
    chunk_bytes: int = CHUNK_BYTES


LIMITS = Limits()


def gather(metadata: Iterable[bytes], limits: Limits = LIMITS) -> Gathered:
    """The columns of rows.

    Args:
        metadata: of each row a compact JSON object in UTF-8.
        limits: what is given up where there is too much.

    Raises:
        CorruptObject: metadata that is not a JSON object.
    """
    gathering = _Gathering(limits)
    for chunk in in_chunks(metadata, rows=limits.chunk_rows, size=limits.chunk_bytes):
        gathering.add(parse_objects(chunk, range(gathering.rows, gathering.rows + len(chunk))))
    return gathering.finish()


def gather_strings(values: Iterable[str]) -> GatheredColumn:
    """The column of one string a row."""
    column = GatheredColumn()
    strings = list(values)
    column.take(np.arange(len(strings), dtype=np.uint32), strings)
    return column


def no_strings(rows: int) -> GatheredColumn:
    """The column of an empty string in every row: as `gather_strings` makes it, but at once."""
    column = GatheredColumn(strings={"": 0}, string_values=rows)
    everywhere = np.arange(rows, dtype=np.uint32)
    column.exists.append(everywhere)
    if rows:
        column.pieces[Kind.STR] = [(everywhere, np.zeros(rows, dtype=np.uint32))]
    return column


class _Gathering:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.rows = 0
        self._columns: dict[str, GatheredColumn] = {}
        self._left_out: set[str] = set()
        self._complete = True

    def add(self, documents: list[dict[str, Any]]) -> None:
        """Take in the next rows."""
        rows = np.arange(self.rows, self.rows + len(documents), dtype=np.uint32)
        columns = _by_key(documents)
        standing = {key: rows[places] for key, (places, _) in columns.items() if "." in key}
        for key, (places, values) in columns.items():
            if "." not in key:
                self._descend(key, 1, rows, places, values, standing)
            elif key.count(".") >= MAX_FILTER_DEPTH:
                continue
            column = self._column(key)
            if column is not None:
                column.take(rows[places], values)
        self.rows += len(documents)
        if len(self._columns) > self._limits.held_paths:
            self._keep_most_frequent(max(self._limits.held_paths // 2, self._limits.paths))
        self._shed()

    def finish(self) -> Gathered:
        """What was gathered, of the most frequent paths."""
        self._keep_most_frequent(self._limits.paths)
        left_out = tuple(sorted(self._left_out)) if self._complete else ()
        columns = dict(sorted(self._columns.items()))
        return Gathered(self.rows, columns, left_out, self._complete)

    def _descend(
        self,
        path: str,
        depth: int,
        rows: _Rows,
        places: list[int],
        values: list[Any],
        standing: Mapping[str, _Rows],
    ) -> None:
        """Take in what objects at `path` hold. `standing` are the rows that have a path as a key of their own."""
        inside = [place for place, value in enumerate(values) if type(value) is dict and value]
        if not inside or depth == MAX_FILTER_DEPTH:
            return
        rows = rows[[places[place] for place in inside]]
        for key, (inner_places, inner) in _by_key([values[place] for place in inside]).items():
            if "." in key:
                continue
            nested = f"{path}.{key}"
            self._descend(nested, depth + 1, rows, inner_places, inner, standing)
            found = rows[inner_places]
            if nested in standing:
                hidden = np.isin(found, standing[nested])
                inner = [value for value, gone in zip(inner, hidden.tolist(), strict=True) if not gone]
                found = found[~hidden]
            column = self._column(nested) if len(found) else None
            if column is not None:
                column.take(found, inner)

    def _column(self, path: str) -> GatheredColumn | None:
        """The path's column; None where it is left out, or is from now on."""
        column = self._columns.get(path)
        if column is not None or not self._complete or path in self._left_out:
            return column
        if len(path) > MAX_INDEXED_CHARACTERS or len(self._columns) >= 2 * self._limits.held_paths:
            self._leave_out(path)
            return None
        return self._columns.setdefault(path, GatheredColumn())

    def _keep_most_frequent(self, most: int) -> None:
        by_frequency = sorted(self._columns, key=lambda path: (-self._columns[path].frequency, path))
        for path in by_frequency[most:]:
            del self._columns[path]
            self._leave_out(path)

    def _leave_out(self, path: str) -> None:
        """From now on nothing is known of the path; when there are too many such, of any that has no column."""
        if not self._complete:
            return
        self._left_out.add(path)
        too_long = sum(map(len, self._left_out)) > self._limits.left_out * MAX_INDEXED_CHARACTERS
        if too_long or len(self._left_out) > self._limits.left_out:
            self._complete = False
            self._left_out.clear()

    def _shed(self) -> None:
        """Give up values that would take too much memory, from where there are most."""
        columns = self._columns.values()
        while sum(column.postings for column in columns) > self._limits.postings:
            max(columns, key=lambda column: column.postings).give_up(*Kind)
        while sum(column.characters for column in columns) > self._limits.text:
            max(columns, key=lambda column: column.characters).give_up(Kind.STR)


def _by_key(documents: list[dict[str, Any]]) -> dict[str, tuple[list[int], list[Any]]]:
    """Of each key the places of the documents that have it, and its value in each."""
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for place, document in enumerate(documents):
        for key, value in document.items():
            column = found.get(key)
            if column is None:
                column = found[key] = ([], [])
            column[0].append(place)
            column[1].append(value)
    return found
