"""The step that validates a piece of a Parquet file: row groups into columns, a reason for every bad row."""

from collections.abc import Collection, Iterator
from typing import Any

from shoal.errors import ImportRejected
from shoal.model.datasets import Dataset, Metric
from shoal.model.import_work import Chunk, ChunkRecord
from shoal.services.imports.chunks import count_chunk, only_count, store_chunk
from shoal.services.imports.parquet_open import Opened, open_parquet, readable
from shoal.services.imports.parquet_pages import BrokenPage, Pages, read_pages
from shoal.services.imports.parquet_plan import RowGroup, check_size, claimed, column_range, sized, width_of
from shoal.services.imports.parquet_rows import Collected
from shoal.services.imports.workspace import Workspace

BATCH_BYTES = 256 * 1000 * 1000
"""What the strings of one batch may take, if each were the longest that the pages allow."""
_BATCH_VALUES = 512 * 768
"""Numbers of one batch: they stay in the processor's cache from unpacking to checking (100,000 x 768 read in
0.29 s in batches of 512 rows, 0.41 s in batches of 8,192, 1.28 s as one table)."""
_MAX_BATCH_ROWS = 8192
_WINDOW_BYTES = 32 * 1000 * 1000
"""Row groups are read so many bytes at a time, whether that is one or thousands of tiny ones."""


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
