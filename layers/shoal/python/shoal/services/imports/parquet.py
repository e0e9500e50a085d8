"""The step that validates a piece of a Parquet file: row groups into columns, a reason for every bad row."""

import json
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.errors import ImportRejected
from shoal.index.column_file import Blobs, Columns
from shoal.model.datasets import Dataset, Metric
from shoal.model.import_work import Chunk, ChunkRecord
from shoal.model.limits import MAX_REJECTED_RECORD_BYTES
from shoal.model.ndjson_lines import ZERO_VECTOR
from shoal.model.records import Vectors
from shoal.services.imports.chunks import Rejects, count_chunk, only_count, store_chunk
from shoal.services.imports.parquet_json import NoJson, encode_metadata, to_objects
from shoal.services.imports.parquet_open import Opened, open_parquet, readable
from shoal.services.imports.parquet_pages import BrokenPage, Pages, read_pages
from shoal.services.imports.parquet_plan import RowGroup, check_size, claimed, column_range, sized, width_of
from shoal.services.imports.parquet_text import judge_ids, texts_of
from shoal.services.imports.parquet_vectors import first_values, read_vectors
from shoal.services.imports.workspace import Workspace

BATCH_BYTES = 256 * 1000 * 1000
"""What the strings of one batch may take, if each were the longest that the pages allow."""
_BATCH_VALUES = 512 * 768
"""Numbers of one batch: they stay in the processor's cache from unpacking to checking (100,000 x 768 read in
0.29 s in batches of 512 rows, 0.41 s in batches of 8,192, 1.28 s as one table)."""
_MAX_BATCH_ROWS = 8192
_WINDOW_BYTES = 32 * 1000 * 1000
"""Row groups are read so many bytes at a time, whether that is one or thousands of tiny ones."""
_SHOWN_VALUES = 256


class Collected:
    """Accepted rows as they come in: vectors into their place, everything else in blobs to be joined."""

    def __init__(self, rows: int, dimension: int, *, refuse_zero: bool) -> None:
        self.vectors: Vectors = np.empty((rows, dimension), dtype=np.float32)
        self.rejects = Rejects()
        self.seen = self.accepted = 0
        self._refuse_zero = refuse_zero
        self._ids: list[Blobs] = []
        self._metadata: list[Blobs] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Judge the rows of a batch."""
        rows = batch.num_rows
        if self.seen + rows > len(self.vectors):
            raise ImportRejected("the Parquet file is broken: it holds more rows than its footer says")
        place = self.vectors[self.accepted : self.accepted + rows]
        ids = texts_of(batch.column("id"))
        faults = judge_ids(ids)
        for row, reason in read_vectors(batch.column("values"), place).items():
            faults.setdefault(row, reason)
        metadata = [b"{}"] * rows
        if "metadata" in batch.schema.names:
            metadata, found = encode_metadata(batch.column("metadata"))
            for row, reason in found.items():
                faults.setdefault(row, reason)
        if self._refuse_zero:
            for row in _zero_rows(place):
                faults.setdefault(row, ZERO_VECTOR)
        good: NDArray[np.intp] = np.arange(rows)
        if faults:
            good = np.delete(good, list(faults))
            place[: len(good)] = place[good]
            metadata = [metadata[row] for row in good.tolist()]
        self._ids.append(ids.blobs(good))
        self._metadata.append(Blobs.of(metadata))
        for row in sorted(faults):
            self.rejects.add(self.seen + row + 1, faults[row], _shown(batch, row))
        self.seen += rows
        self.accepted += len(good)

    def columns(self) -> Columns | None:
        """The accepted rows; None where there are none."""
        if not self.accepted:
            return None
        return Columns(_joined(self._ids), self.vectors[: self.accepted], _joined(self._metadata))


def validate_parquet(work: Workspace, chunk: Chunk) -> ChunkRecord:
    """Validate the row groups of a piece; the record that counts.

    Raises:
        ImportRejected: the file is broken, or a row group takes more than its footer says.
    """
    opened = open_parquet(work)
    if only_count(work):
        rows = sum(group.rows for group in _claims(opened, chunk, work.dataset.dimension))
        counted = ChunkRecord(
            number=chunk.number, lines=rows, processed=0, accepted=0, rejected=0, counted_only=True
        )
        return count_chunk(work, counted)
    read = read_rows(opened, chunk, work.dataset)
    return store_chunk(work, chunk, columns=read.columns(), rejects=read.rejects, lines=read.seen)


def read_rows(opened: Opened, chunk: Chunk, dataset: Dataset) -> Collected:
    """Read the row groups of a piece and judge their rows; the file is closed afterwards.

    Raises:
        ImportRejected: as `validate_parquet`.
    """
    groups = _claims(opened, chunk, dataset.dimension)
    rows = sum(group.rows for group in groups)
    for number, group in zip(chunk.row_groups, groups, strict=True):
        check_size(number, group)
    collected = Collected(rows, dataset.dimension, refuse_zero=dataset.metric is Metric.COSINE)
    reader, words = opened.reader(chunk.row_groups)
    for window in _windows(opened, chunk.row_groups):
        opened.file.hold([column_range(opened, number, leaf) for number in window for leaf in opened.leaves])
        batch_rows = _batch_rows(opened, window, words, dataset.dimension)
        with readable(f"row groups {window[0]} to {window[-1]} cannot be read"):
            for batch in reader.iter_batches(
                batch_size=batch_rows,
                row_groups=window,
                columns=list(opened.schema.names),
                use_threads=False,
            ):
                collected.add(batch)
    opened.file.close()
    if collected.seen != rows:
        raise ImportRejected(
            f"the Parquet file is broken: row groups {chunk.row_groups[0]} to {chunk.row_groups[-1]} hold"
            f" {collected.seen} rows, and {rows} according to the footer"
        )
    return collected


def _claims(opened: Opened, chunk: Chunk, dimension: int) -> list[RowGroup]:
    return [claimed(opened, number, dimension) for number in chunk.row_groups]


def _windows(opened: Opened, row_groups: tuple[int, ...]) -> Iterator[list[int]]:
    window: list[int] = []
    size = 0
    for number in row_groups:
        ranges = [column_range(opened, number, leaf) for leaf in opened.leaves]
        packed = sum(stop - start for start, stop in ranges)
        if window and size + packed > _WINDOW_BYTES:
            yield window
            window, size = [], 0
        window.append(number)
        size += packed
    if window:
        yield window


def _batch_rows(opened: Opened, window: list[int], words: Collection[str], dimension: int) -> int:
    """How many rows are unpacked at once, after a look at all pages.

    Raises:
        ImportRejected: the pages take more than a function can hold, or are none.
    """
    longest = 1
    for number in window:
        group: Any = opened.metadata.row_group(number)
        unpacked = values = strings = 0
        for leaf, path in opened.leaves.items():
            column = group.column(leaf)
            pages = _pages(opened, number, leaf)
            unpacked += pages.unpacked_bytes
            values += pages.values * width_of(column.physical_type)
            if column.physical_type == "BYTE_ARRAY":
                once = path in words
                strings += max(pages.largest_prefixed, 0 if once else pages.largest_dictionary)
        check_size(number, sized(group.num_rows, unpacked=unpacked, values=values, dimension=dimension))
        longest = max(longest, strings)
    return int(max(min(_BATCH_VALUES // dimension, _MAX_BATCH_ROWS, BATCH_BYTES // longest), 1))


def _pages(opened: Opened, number: int, leaf: int) -> Pages:
    try:
        return read_pages(opened.file.held(*column_range(opened, number, leaf)))
    except BrokenPage as error:
        raise ImportRejected(
            f"the Parquet file is broken or encrypted: column {opened.leaves[leaf][:200]} of row group {number}"
            f" has {error}; write it again and import that"
        ) from error


def _zero_rows(vectors: Vectors) -> list[int]:
    """Rows that are all zero; most rows are told from their first number."""
    likely = np.flatnonzero(vectors[:, 0] == 0)
    return [row for row in likely.tolist() if not vectors[row].any()]


def _joined(blobs: list[Blobs]) -> Blobs:
    return Blobs(
        np.concatenate([blob.lengths for blob in blobs]), b"".join(bytes(blob.data) for blob in blobs)
    )


def _shown(batch: pa.RecordBatch, row: int) -> bytes:
    """A rejected row as its owner may recognize it: JSON, with NaN as such, and its first numbers only."""
    shown: dict[str, Any] = {}
    for name in batch.schema.names:
        column = batch.column(name)
        try:
            if name == "values":
                shown[name] = first_values(column, row, _SHOWN_VALUES)
            else:
                storage = column.storage if isinstance(column, pa.ExtensionArray) else column
                (shown[name],) = to_objects(storage.slice(row, 1))
        except (NoJson, pa.ArrowException):
            shown[name] = "..."
    return json.dumps(shown, ensure_ascii=False, default=str).encode(errors="replace")[
        :MAX_REJECTED_RECORD_BYTES
    ]
