"""Rows on their way from chunks into cells: one object a task, in which each cell's rows lie together, a block.

A builder reads the blocks of neighbouring cells by one range of each object; every block has its own digest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer, digest128
from shoal.index.column_file import Blobs, Columns
from shoal.index.id_index import Hashes
from shoal.model.records import Vectors

BLOCK = np.dtype([("rows", "<u4"), ("size", "<u8"), ("digest", "V16")])
"""28 bytes: rows of a cell in one object, bytes of their block, and its `digest128`. Blocks lie in cell order."""
_LONG_STRINGS = 256
_GATHERED = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CellRows:
    """Rows with the hashes (uint64, shape (n, 2)) of their ids."""

    columns: Columns
    hashes: Hashes

    def __len__(self) -> int:
        return len(self.columns)


def encode_blocks(
    rows: CellRows, cells: NDArray[np.int64], count: int
) -> tuple[memoryview, NDArray[np.void]]:
    """Sort rows by cell, those of one cell in the order given.

    Args:
        rows: n rows.
        cells: the cell of each: int64, shape (n,), from 0 to count - 1.
        count: how many cells there are.

    Returns:
        The blocks, and what they are: of `BLOCK`, shape (count,).
    """
    order = np.argsort(cells, kind="stable")
    taken = take(rows, order)
    table = np.zeros(count, dtype=BLOCK)
    table["rows"] = np.bincount(cells, minlength=count)
    bounds = np.concatenate([[0], np.cumsum(table["rows"], dtype=np.int64)])
    id_ends = np.concatenate([[0], taken.columns.ids.ends])[bounds].tolist()
    metadata_ends = np.concatenate([[0], taken.columns.metadata.ends])[bounds].tolist()
    ids, metadata = memoryview(taken.columns.ids.data), memoryview(taken.columns.metadata.data)
    fixed = taken.columns.vectors.shape[1] * 4 + taken.hashes.shape[1] * 8 + 2 * 4
    blocks = np.empty(fixed * len(taken) + ids.nbytes + metadata.nbytes, dtype=np.uint8).data
    places = bounds.tolist()
    start = stop = 0
    for cell in np.flatnonzero(table["rows"]).tolist():
        some = slice(places[cell], places[cell + 1])
        for piece in (
            taken.columns.vectors[some].data,
            taken.hashes[some].data,
            taken.columns.ids.lengths[some].data,
            taken.columns.metadata.lengths[some].data,
            ids[id_ends[cell] : id_ends[cell + 1]],
            metadata[metadata_ends[cell] : metadata_ends[cell + 1]],
        ):
            if piece.nbytes:
                blocks[stop : stop + piece.nbytes] = piece.cast("B")
                stop += piece.nbytes
        table["size"][cell] = stop - start
        table["digest"][cell] = np.void(digest128(blocks[start:stop]))
        start = stop
    return blocks, table


def decode_block(data: Buffer, entry: np.void, dimension: int) -> CellRows:
    """Read a block; its vectors, hashes and strings are views of `data`.

    Raises:
        CorruptObject: it is not what the entry (of `BLOCK`) says.
    """
    rows, view = int(entry["rows"]), memoryview(data)
    if len(view) != int(entry["size"]) or digest128(view) != entry["digest"].tobytes():
        raise CorruptObject("a block of a cell does not match its checksum")
    vectors_end = rows * dimension * 4
    hashes_end = vectors_end + rows * 16
    ids_end, metadata_end = hashes_end + rows * 4, hashes_end + rows * 8
    if len(view) < metadata_end:
        raise CorruptObject("a block of a cell is cut short")
    id_lengths = np.frombuffer(view[hashes_end:ids_end], dtype="<u4").astype(np.uint32, copy=False)
    lengths = np.frombuffer(view[ids_end:metadata_end], dtype="<u4").astype(np.uint32, copy=False)
    split = metadata_end + int(id_lengths.sum(dtype=np.int64))
    if split + int(lengths.sum(dtype=np.int64)) != len(view):
        raise CorruptObject("a block of a cell is of another size than its strings")
    vectors = np.frombuffer(view[:vectors_end], dtype="<f4").reshape(rows, dimension)
    hashes = np.frombuffer(view[vectors_end:hashes_end], dtype="<u8").reshape(rows, 2)
    columns = Columns(
        Blobs(id_lengths, view[metadata_end:split]),
        vectors.astype(np.float32, copy=False),
        Blobs(lengths, view[split:]),
    )
    return CellRows(columns, hashes.astype(np.uint64, copy=False))


def concatenate(parts: Sequence[CellRows]) -> CellRows:
    """Join rows, in order; at least one part."""
    if len(parts) == 1:
        return parts[0]
    return CellRows(
        Columns(
            _joined([part.columns.ids for part in parts]),
            np.concatenate([part.columns.vectors for part in parts]),
            _joined([part.columns.metadata for part in parts]),
        ),
        np.concatenate([part.hashes for part in parts]),
    )


def take(rows: CellRows, positions: NDArray[np.intp]) -> CellRows:
    """The rows at `positions` (intp, shape (m,)), in that order."""
    vectors: Vectors = np.ascontiguousarray(rows.columns.vectors[positions])
    return CellRows(
        Columns(_gathered(rows.columns.ids, positions), vectors, _gathered(rows.columns.metadata, positions)),
        rows.hashes[positions],
    )


def _joined(blobs: Sequence[Blobs]) -> Blobs:
    return Blobs(np.concatenate([some.lengths for some in blobs]), b"".join(some.data for some in blobs))


def _gathered(blobs: Blobs, positions: NDArray[np.intp]) -> Blobs:
    """As `Blobs.take`, ten times as fast for short strings: byte by byte, but without a loop over rows."""
    lengths = blobs.lengths[positions]
    total = int(lengths.sum(dtype=np.int64))
    if not total or total > _LONG_STRINGS * len(positions):
        return blobs.take(positions)
    source = np.frombuffer(blobs.data, dtype=np.uint8)
    starts = blobs.ends[positions] - lengths
    ends = np.cumsum(lengths, dtype=np.int64)
    found = np.empty(total, dtype=np.uint8)
    step = max(1, _GATHERED // _LONG_STRINGS)
    for first in range(0, len(positions), step):
        some = slice(first, first + step)
        begin = int(ends[first] - lengths[first])
        shift = np.repeat(starts[some] - (ends[some] - lengths[some]), lengths[some])
        stop = begin + len(shift)
        found[begin:stop] = source[shift + np.arange(begin, stop)]
    return Blobs(lengths, found.data)
