"""The cells of one shard as they are built: cut to size, laid out as files, ready for calibration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.index import kmeans
from shoal.index.cell_blocks import CellRows, take
from shoal.index.cell_recall import CANDIDATE
from shoal.index.cell_records import encode_cell_records
from shoal.index.cell_set import CELL
from shoal.index.cell_sizes import parts_of
from shoal.index.checksums import Buffer, digest128
from shoal.index.container import count_of, pack, section_of, unpack
from shoal.index.geometry import Geometry
from shoal.index.probing import signpost
from shoal.index.shard import CELL_RECORDS_FILE, VECTORS_FILE
from shoal.model.limits import MAX_DIMENSION
from shoal.model.records import Vectors

KIND = "built-cells"
FORMAT = 1
_SEED = 29


@dataclass(frozen=True, slots=True)
class BuiltCells:
    """The cells of one shard: `table` of `CELL` (shard 0), their `signposts` (float32, shape (n, width)), and the
    candidates for calibration, of `CANDIDATE` with cells counted in this shard: of all rows, and of one in a
    hundred.
    """

    table: NDArray[np.void]
    signposts: Vectors
    nearest: NDArray[np.void]
    filtered: NDArray[np.void]


def cut(geometry: Geometry, rows: CellRows) -> Iterator[CellRows]:
    """The rows of a cell as cells that are small enough to be read: itself, or several."""
    parts = parts_of(len(rows), rows.columns.vectors.nbytes, rows.columns.record_bytes)
    if parts == 1:
        yield rows
        return
    labels = kmeans.split(geometry, geometry.placed(rows.columns.vectors), parts, seed=_SEED)
    for label in np.unique(labels).tolist():
        yield take(rows, np.flatnonzero(labels == label))


def lay_out(
    cells: Sequence[CellRows], vectors: Vectors, sequences: NDArray[np.uint64]
) -> tuple[dict[str, Buffer], NDArray[np.void]]:
    """The files of a shard of cells, and its table of `CELL` as shard 0.

    Args:
        cells: the rows of each, at least one cell and one row in each.
        vectors: of all of them, one after the other: float32, shape (n, dimension). The file is a view of them.
        sequences: the place in the log of each row's last write: uint64, shape (n,).
    """
    table = np.zeros(len(cells), dtype=CELL)
    file = np.ascontiguousarray(vectors, dtype="<f4").data.cast("B")
    blocks = []
    row_bytes = vectors.shape[1] * 4
    first_row, start = 0, 0
    for number, rows in enumerate(cells):
        raw = file[first_row * row_bytes : (first_row + len(rows)) * row_bytes]
        columns = rows.columns
        block = encode_cell_records(
            sequences[first_row : first_row + len(rows)],
            columns.ids,
            columns.metadata,
            columns.namespaces,
            columns.documents,
        )
        digests = np.void(digest128(raw)), np.void(digest128(block))
        table[number] = (0, first_row, len(rows), start, len(block), *digests)
        blocks.append(block)
        first_row += len(rows)
        start += len(block)
    return {VECTORS_FILE: file, CELL_RECORDS_FILE: b"".join(blocks)}, table


def signposts_of(geometry: Geometry, placed: Vectors, table: NDArray[np.void]) -> Vectors:
    """The signpost of each cell: float32, shape (n, geometry.width).

    Args:
        geometry: of the cell set.
        placed: all rows of the shard: float32, shape (rows, geometry.width).
        table: of `CELL`.
    """
    firsts, counts = table["first_row"].tolist(), table["rows"].tolist()
    return np.stack(
        [
            signpost(geometry, placed[first : first + count])
            for first, count in zip(firsts, counts, strict=True)
        ]
    )


def encode_built(built: BuiltCells) -> bytes:
    """The object of the cells of one shard."""
    attributes = {
        "cells": len(built.table),
        "width": int(built.signposts.shape[1]),
        "nearest": len(built.nearest),
        "filtered": len(built.filtered),
    }
    sections = {
        "table": np.ascontiguousarray(built.table, dtype=CELL).tobytes(),
        "signposts": np.ascontiguousarray(built.signposts, dtype="<f4").tobytes(),
        "nearest": np.ascontiguousarray(built.nearest, dtype=CANDIDATE).tobytes(),
        "filtered": np.ascontiguousarray(built.filtered, dtype=CANDIDATE).tobytes(),
    }
    return pack(KIND, FORMAT, attributes, sections)


def decode_built(data: Buffer) -> BuiltCells:
    """Read the object, after its checksum has been compared.

    Raises:
        CorruptObject: it is not one.
    """
    container = unpack(KIND, data, versions=(FORMAT,))
    cells = count_of(container.attributes, "cells")
    width = count_of(container.attributes, "width", most=MAX_DIMENSION + 1)
    table = np.frombuffer(section_of(container, "table", size=cells * CELL.itemsize), dtype=CELL)
    raw = section_of(container, "signposts", size=cells * width * 4)
    found = []
    for name in ("nearest", "filtered"):
        count = count_of(container.attributes, name)
        section = section_of(container, name, size=count * CANDIDATE.itemsize)
        found.append(np.frombuffer(section, dtype=CANDIDATE))
    signposts = np.frombuffer(raw, dtype="<f4").reshape(cells, width).astype(np.float32, copy=False)
    return BuiltCells(table, signposts, found[0], found[1])
