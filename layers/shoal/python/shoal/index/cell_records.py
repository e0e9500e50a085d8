"""The records of one cell: a block of `records.cells` that can be read without the rest of the file.

A cell has a few hundred to some ten thousand rows and is read whole, so plain columns do; SQLite would cost more
to open than to scan.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer
from shoal.index.column_file import Blobs
from shoal.index.container import Container, count_of, pack, section_of, unpack
from shoal.index.filter_answers import FilterAnswers
from shoal.index.records import Record
from shoal.model.filters import Filter

KIND = "records"
FORMAT = 1
_LENGTH, _SEQUENCE = np.dtype("<u4"), np.dtype("<u8")
_MAX_ROWS = 2**32 - 2
_CACHED_FILTERS = 8
_BACKSLASH = b"\\"


def encode_cell_records(sequences: NDArray[np.uint64], ids: Blobs, metadata: Blobs) -> bytes:
    """Build the block of a cell.

    Args:
        sequences: the place in the log of each row's last write: uint64, shape (n,).
        ids: n strings of UTF-8.
        metadata: n compact JSON objects.
    """
    if not len(sequences) == len(ids) == len(metadata):
        raise ValueError("columns of unequal length")
    return pack(
        KIND,
        FORMAT,
        {"rows": len(sequences)},
        {
            "sequences": sequences.astype(_SEQUENCE, copy=False).tobytes(),
            "ids.lengths": ids.lengths.astype(_LENGTH, copy=False).tobytes(),
            "metadata.lengths": metadata.lengths.astype(_LENGTH, copy=False).tobytes(),
            "ids": ids.data,
            "metadata": metadata.data,
        },
    )


class CellRecords:
    """The records of one cell, rows counted within it; safe to use from several threads.

    It is opened from bytes whose digest has been compared, and keeps them.

    Raises:
        CorruptObject: not a block as `encode_cell_records` makes them; also later, when text is damaged.
    """

    def __init__(self, data: Buffer) -> None:
        container = unpack(KIND, data, versions=(FORMAT,))
        count = count_of(container.attributes, "rows", most=_MAX_ROWS)
        raw = section_of(container, "sequences", size=count * _SEQUENCE.itemsize)
        self._sequences = np.frombuffer(raw, dtype=_SEQUENCE).astype(np.uint64, copy=False)
        self._ids, self._id_places = _strings(container, "ids", count)
        self._metadata, self._metadata_places = _strings(container, "metadata", count)
        self._answers = FilterAnswers(_CACHED_FILTERS)

    def __len__(self) -> int:
        return len(self._sequences)

    def close(self) -> None:
        """Nothing to free before the last reference goes; here so that it is used as `Records` is."""

    def by_rows(self, rows: Sequence[int] | NDArray[np.integer]) -> dict[int, Record]:
        """The records at `rows`, by row number.

        Raises:
            CorruptObject: a row that is not there, or an id that is not UTF-8.
        """
        found: dict[int, Record] = {}
        for row in sorted({int(row) for row in rows}):
            if not 0 <= row < len(self):
                raise CorruptObject(f"records have no row {row}")
            name = _text(_one(self._ids, self._id_places, row))
            metadata = _one(self._metadata, self._metadata_places, row)
            found[row] = Record(name, int(self._sequences[row]), metadata)
        return found

    def all(self) -> tuple[tuple[str, ...], NDArray[np.uint64], tuple[bytes, ...]]:
        """Everything in row order: ids, sequences (uint64, shape (n,)), metadata.

        Raises:
            CorruptObject: an id that is not UTF-8.
        """
        ids = tuple(_text(raw) for raw in _cut(self._ids, self._id_places))
        return ids, self._sequences, tuple(_cut(self._metadata, self._metadata_places))

    def matching(self, condition: Filter) -> NDArray[np.uint32]:
        """Row numbers, ascending, whose metadata matches: uint32, read-only.

        The answers of the last few filters are kept. Rows whose raw bytes rule a match out are not parsed.

        Raises:
            CorruptObject: metadata that is not a JSON object.
        """
        return self._answers.of(condition, self._candidates)

    def _candidates(self, condition: Filter) -> Iterator[tuple[int, bytes]]:
        """A row without a backslash spells every string as it is, so it can be searched raw."""
        needles = condition.needles
        for row, raw in enumerate(_cut(self._metadata, self._metadata_places)):
            if _BACKSLASH in raw or all(needle in raw for needle in needles):
                yield row, raw


def _strings(container: Container, name: str, count: int) -> tuple[memoryview, NDArray[np.int64]]:
    """A column's bytes, and where each string begins in them, with the end of the last: int64, shape (n + 1,)."""
    raw = section_of(container, f"{name}.lengths", size=count * _LENGTH.itemsize)
    places = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.frombuffer(raw, dtype=_LENGTH), out=places[1:])
    return section_of(container, name, size=int(places[-1])), places


def _one(data: memoryview, places: NDArray[np.int64], row: int) -> bytes:
    return bytes(data[int(places[row]) : int(places[row + 1])])


def _cut(data: memoryview, places: NDArray[np.int64]) -> Iterator[bytes]:
    bounds = places.tolist()
    return (bytes(data[start:stop]) for start, stop in pairwise(bounds))


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise CorruptObject("an id is not UTF-8") from error
