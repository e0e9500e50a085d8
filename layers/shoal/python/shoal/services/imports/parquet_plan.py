"""How a Parquet file is split: its row groups in pieces of 32 to 64 MB, none larger than a function can hold.

What a row group takes is told from its footer before anything of it is read, and from its page headers before
anything of it is unpacked. A function of 1,769 MB has about 1,450 left beside Python, numpy and pyarrow (250 MB
once all of them work). At its worst it holds a row group as read and its vectors unpacked (twice
`MAX_ROW_GROUP_BYTES`), or, a moment later, the vectors and the object that is put from them (twice again); beside
these a batch of rows (`parquet.BATCH_BYTES`, 256 MB at the very worst) and the rejected records (60 MB). So a row
group may take 400 MB: 130,000 vectors of 768 float32.
"""

from typing import Any, NamedTuple

from shoal.errors import ImportRejected
from shoal.model.import_work import Chunk
from shoal.model.limits import CHUNK_BYTES, MAX_IMPORT_ROWS
from shoal.services.imports.parquet_file import Range
from shoal.services.imports.parquet_open import Opened, open_parquet, readable
from shoal.services.imports.workspace import Workspace
from shoal.services.pipeline.sample_sizes import sample_shares

MAX_ROW_GROUP_BYTES = 400 * 1000 * 1000
MAX_CHUNK_BYTES = 2 * CHUNK_BYTES
MAX_CHUNK_ROW_GROUPS = 4000
"""Their numbers travel in the item of a map, which may have 200 KiB."""
_ROW_BYTES = 64
"""What a row costs beside its vector: offsets, lengths, hashes."""
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
_BLOB_WIDTH = 16


class RowGroup(NamedTuple):
    """A row group as its footer has it, or as its pages have it: rows, and bytes when unpacked."""

    rows: int
    bytes: int


def inspect_parquet(work: Workspace) -> None:
    """Look at the ends, the footer, the columns and the row groups of the upload, and at nothing else of it.

    Raises:
        ImportRejected: it cannot be imported, and why.
    """
    _row_groups(work, open_parquet(work, probe=True))


def _row_groups(work: Workspace, opened: Opened) -> list[RowGroup]:
    with readable("its footer cannot be read"):
        groups = [claimed(opened, n, work.dataset.dimension) for n in range(opened.metadata.num_row_groups)]
    for number, group in enumerate(groups):
        check_size(number, group)
    rows = sum(group.rows for group in groups)
    if rows == 0:
        raise ImportRejected("the file holds no records")
    if rows > MAX_IMPORT_ROWS:
        raise ImportRejected(
            f"the file holds {rows} records, an import may have {MAX_IMPORT_ROWS}: split it into several"
        )
    return groups


def plan_parquet(work: Workspace, *, probe: bool = True) -> list[Chunk]:
    """The pieces to validate, in the order of the file.

    Validation trusts the footer so far as to ask for its columns in its own process: `probe` only leaves out
    that another looks first, where one has.

    Raises:
        ImportRejected: as `inspect_parquet`.
    """
    chunks: list[Chunk] = []
    counts: list[int] = []
    numbers: list[int] = []
    rows = size = 0

    def close() -> None:
        chunks.append(
            Chunk(
                number=len(chunks),
                key=work.keys.upload,
                version_id=work.job.version_id,
                row_groups=tuple(numbers),
                first_row=sum(counts),
            )
        )
        counts.append(rows)

    for number, group in enumerate(_row_groups(work, open_parquet(work, probe=probe))):
        full = size + group.bytes > MAX_CHUNK_BYTES or len(numbers) >= MAX_CHUNK_ROW_GROUPS
        if numbers and full:
            close()
            numbers, rows, size = [], 0, 0
        if group.rows:
            numbers.append(number)
            rows += group.rows
            size += group.bytes
    if numbers:
        close()
    samples = sample_shares(counts, dimension=work.dataset.dimension, rows=sum(counts))
    return [
        chunk.model_copy(update={"sample_rows": sample})
        for chunk, sample in zip(chunks, samples, strict=True)
    ]


def claimed(opened: Opened, number: int, dimension: int) -> RowGroup:
    """What the footer says of a row group.

    Raises:
        ImportRejected: it contradicts itself.
    """
    group = opened.metadata.row_group(number)
    if group.num_rows == 0:
        return RowGroup(0, 0)  # it may have no pages, and then its columns lie nowhere
    unpacked = values = 0
    for leaf in opened.leaves:
        column = group.column(leaf)
        start, stop = column_range(opened, number, leaf)
        if not 0 < start <= stop <= opened.pages_end or column.num_values < 0:
            raise ImportRejected(
                f"the Parquet file is broken: row group {number} lies outside of the file; upload all of it"
            )
        unpacked += max(column.total_uncompressed_size, 0)
        values += column.num_values * width_of(column.physical_type)
    if group.num_rows < 0:
        raise ImportRejected(f"the Parquet file is broken: row group {number} has {group.num_rows} rows")
    return sized(group.num_rows, unpacked=unpacked, values=values, dimension=dimension)


def sized(rows: int, *, unpacked: int, values: int, dimension: int) -> RowGroup:
    """What a row group takes: the most of its pages, of its values as columns, and of what becomes of them."""
    return RowGroup(rows, max(unpacked, values, rows * (4 * dimension + _ROW_BYTES)))


def width_of(physical_type: str) -> int:
    """Bytes of a value in memory; of a string, those beside its text."""
    return _WIDTHS.get(physical_type, _BLOB_WIDTH)


def column_range(opened: Opened, number: int, leaf: int) -> Range:
    """Where in the file a column of a row group lies."""
    column: Any = opened.metadata.row_group(number).column(leaf)
    start = column.data_page_offset
    dictionary = column.dictionary_page_offset
    if dictionary is not None and 0 < dictionary < start:
        start = dictionary
    return start, start + column.total_compressed_size


def check_size(number: int, group: RowGroup) -> None:
    """Refuse a row group that no function can hold.

    Raises:
        ImportRejected: it is too large, and how large they may be.
    """
    if group.bytes <= MAX_ROW_GROUP_BYTES:
        return
    most = _round(group.rows * MAX_CHUNK_BYTES // group.bytes)
    raise ImportRejected(
        f"row group {number} holds {group.rows} rows in {group.bytes / 1e6:.0f} MB, at most"
        f" {MAX_ROW_GROUP_BYTES / 1e6:.0f} MB can be read at once: write row groups of at most {most} rows"
    )


def _round(rows: int) -> int:
    """Down to one digit and zeros, as people write such numbers."""
    unit = 10 ** (len(str(max(rows, 1))) - 1)
    return int(max(rows // unit * unit, 1))
