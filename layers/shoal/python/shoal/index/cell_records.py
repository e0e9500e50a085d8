"""The records of one cell: a block of `records.cells` that can be read without the rest of the file.

A cell has a few hundred to some ten thousand rows and is read whole, so plain columns do; SQLite would cost more
to open than to scan.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer
from shoal.index.column_file import Blobs
from shoal.index.container import Container, count_of, pack, section_of, unpack
from shoal.index.filter_answers import FilterAnswers
from shoal.index.record_columns import RecordColumns, text, texts
from shoal.index.records import Record, encoded
from shoal.model.selection import Selection

KIND = "records"
FORMAT = 2
"""Format 2 may have namespaces and documents. Records without both are written as format 1."""
_PLAIN_FORMAT = 1
_LENGTH, _SEQUENCE = np.dtype("<u4"), np.dtype("<u8")
_MAX_ROWS = 2**32 - 2
_CACHED_FILTERS = 8
_BACKSLASH = b"\\"


def encode_cell_records(
    sequences: NDArray[np.uint64],
    ids: Blobs,
    metadata: Blobs,
    namespaces: Blobs | None = None,
    documents: Blobs | None = None,
) -> bytes:
    """Build the block of a cell.

    Args:
        sequences: the place in the log of each row's last write: uint64, shape (n,).
        ids: n strings of UTF-8.
        metadata: n compact JSON objects.
        namespaces: n strings of UTF-8, empty for a record in none; None: all are.
        documents: n texts of UTF-8, empty for a record without one; None: all are.
    """
    optional = {"namespaces": namespaces, "documents": documents}
    there = {name: blobs for name, blobs in optional.items() if blobs is not None}
    if any(len(blobs) != len(sequences) for blobs in (ids, metadata, *there.values())):
        raise ValueError("columns of unequal length")
    sections = {
        "sequences": sequences.astype(_SEQUENCE, copy=False).tobytes(),
        "ids.lengths": ids.lengths.astype(_LENGTH, copy=False).tobytes(),
        "metadata.lengths": metadata.lengths.astype(_LENGTH, copy=False).tobytes(),
        "ids": ids.data,
        "metadata": metadata.data,
    }
    plain = len(sections)
    for name, blobs in there.items():
        if blobs.nbytes:
            sections[f"{name}.lengths"] = blobs.lengths.astype(_LENGTH, copy=False).tobytes()
            sections[name] = blobs.data
    version = _PLAIN_FORMAT if len(sections) == plain else FORMAT
    return pack(KIND, version, {"rows": len(sequences)}, sections)


class CellRecords:
    """The records of one cell, rows counted within it; safe to use from several threads.

    It is opened from bytes whose digest has been compared, and keeps them.

    Raises:
        CorruptObject: not a block as `encode_cell_records` makes them; also later, when text is damaged.
    """

    def __init__(self, data: Buffer) -> None:
        container = unpack(KIND, data, versions=(_PLAIN_FORMAT, FORMAT))
        count = count_of(container.attributes, "rows", most=_MAX_ROWS)
        raw = section_of(container, "sequences", size=count * _SEQUENCE.itemsize)
        self._sequences = np.frombuffer(raw, dtype=_SEQUENCE).astype(np.uint64, copy=False)
        self._ids, self._id_places = _strings(container, "ids", count)
        self._metadata, self._metadata_places = _strings(container, "metadata", count)
        self._namespaces, self._namespace_places = _optional(container, "namespaces", count)
        self._documents, self._document_places = _optional(container, "documents", count)
        self._answers = FilterAnswers(_CACHED_FILTERS)

    def __len__(self) -> int:
        return len(self._sequences)

    def close(self) -> None:
        """Nothing to free before the last reference goes; here so that it is used as `Records` is."""

    def by_rows(
        self, rows: Sequence[int] | NDArray[np.integer], *, documents: bool = True
    ) -> dict[int, Record]:
        """The records at `rows`, by row number; without their documents where nobody wants them.

        Raises:
            CorruptObject: a row that is not there, or an id or a namespace that is not UTF-8.
        """
        found: dict[int, Record] = {}
        for row in sorted({int(row) for row in rows}):
            if not 0 <= row < len(self):
                raise CorruptObject(f"records have no row {row}")
            found[row] = Record(
                id=text(_one(self._ids, self._id_places, row), "an id"),
                sequence=int(self._sequences[row]),
                metadata=_one(self._metadata, self._metadata_places, row),
                namespace=text(_one(self._namespaces, self._namespace_places, row), "a namespace"),
                document=_one(self._documents, self._document_places, row) if documents else b"",
            )
        return found

    def all(self) -> tuple[tuple[str, ...], NDArray[np.uint64], tuple[bytes, ...]]:
        """Everything in row order: ids, sequences (uint64, shape (n,)), metadata.

        Raises:
            CorruptObject: an id that is not UTF-8.
        """
        columns = self.columns()
        return texts(columns.ids, "an id"), self._sequences, tuple(columns.metadata.tolist())

    def columns(self) -> RecordColumns:
        """Everything in row order, as views of what is held."""
        return RecordColumns(
            ids=_blobs(self._ids, self._id_places),
            sequences=self._sequences,
            metadata=_blobs(self._metadata, self._metadata_places),
            namespaces=_blobs(self._namespaces, self._namespace_places),
            documents=_blobs(self._documents, self._document_places),
        )

    def matching(self, selection: Selection) -> NDArray[np.uint32]:
        """Numbers of the rows that a selection takes, ascending: uint32, read-only.

        The answers of the last few selections are kept. Metadata is parsed of rows of the namespace and the prefix
        only, and not where its raw bytes rule a match out.

        Raises:
            CorruptObject: metadata that is not a JSON object.
        """
        return self._answers.of(selection, self._candidates)

    def _candidates(self, selection: Selection) -> Iterable[tuple[int, bytes]]:
        """A row without a backslash spells every string as it is, so it can be searched raw."""
        rows = self._of_namespace_and_prefix(selection)
        if selection.filter is None:
            return ((row, b"") for row in rows)
        needles = selection.filter.needles
        places = self._metadata_places.tolist()
        texts_of_rows = ((row, bytes(self._metadata[places[row] : places[row + 1]])) for row in rows)
        return (
            (row, raw)
            for row, raw in texts_of_rows
            if _BACKSLASH in raw or all(needle in raw for needle in needles)
        )

    def _of_namespace_and_prefix(self, selection: Selection) -> Iterable[int]:
        rows: Iterable[int] = range(len(self))
        if selection.namespace is not None:
            rows = _equal(self._namespaces, self._namespace_places, selection.namespace)
        if selection.prefix:
            beginning, data, places = encoded(selection.prefix), self._ids, self._id_places.tolist()
            size = len(beginning)
            rows = (
                row
                for row in rows
                if data[places[row] : min(places[row] + size, places[row + 1])] == beginning
            )
        return rows


def _strings(container: Container, name: str, count: int) -> tuple[memoryview, NDArray[np.int64]]:
    """A column's bytes, and where each string begins in them, with the end of the last: int64, shape (n + 1,)."""
    raw = section_of(container, f"{name}.lengths", size=count * _LENGTH.itemsize)
    places = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.frombuffer(raw, dtype=_LENGTH), out=places[1:])
    return section_of(container, name, size=int(places[-1])), places


def _optional(container: Container, name: str, count: int) -> tuple[memoryview, NDArray[np.int64]]:
    """As `_strings`; all are empty where the block has no such column."""
    if name not in container.sections:
        return memoryview(b""), np.zeros(count + 1, dtype=np.int64)
    return _strings(container, name, count)


def _blobs(data: memoryview, places: NDArray[np.int64]) -> Blobs:
    return Blobs(np.diff(places).astype(np.uint32), data)


def _equal(data: memoryview, places: NDArray[np.int64], wanted: str) -> list[int]:
    """The strings that are this one, by row: most are told from their lengths."""
    raw = encoded(wanted)
    rows = np.flatnonzero(np.diff(places) == len(raw))
    if not raw:
        return list(rows.tolist())
    starts = places[rows].tolist()
    pairs = zip(rows.tolist(), starts, strict=True)
    return [row for row, start in pairs if data[start : start + len(raw)] == raw]


def _one(data: memoryview, places: NDArray[np.int64], row: int) -> bytes:
    return bytes(data[int(places[row]) : int(places[row + 1])])
