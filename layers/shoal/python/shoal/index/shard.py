"""The files of a shard: raw vectors, records, and the hnswlib index where there is one."""

import numpy as np

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer
from shoal.index.columns import vector_bytes
from shoal.index.records import write_records
from shoal.model.records import Rows, Vectors

VECTORS_FILE = "vectors.f32"
RECORDS_FILE = "records.sqlite"
INDEX_FILE = "index.hnsw"
CELL_RECORDS_FILE = "records.cells"
"""In place of `RECORDS_FILE` in a shard of cells: a block of `index.cell_records` for each cell."""
PROPERTY_FRONT_FILE = "properties.front"
PROPERTIES_FILE = "properties"
"""Beside either kind of shard but deltas: what `index.properties` makes of its metadata."""


def encode_shard(rows: Rows, *, index: bytes | None = None) -> dict[str, Buffer]:
    """Build the files of a shard by name.

    Args:
        rows: at least one record; row numbers are their places.
        index: the saved graph over exactly these vectors; None for a delta.
    """
    if not len(rows):
        raise ValueError("a shard has at least one row")
    files: dict[str, Buffer] = {
        VECTORS_FILE: vector_bytes(rows.vectors),
        RECORDS_FILE: write_records(rows),
    }
    return files if index is None else {**files, INDEX_FILE: index}


def decode_vectors(data: Buffer, rows: int, dimension: int) -> Vectors:
    """The vectors of a shard: float32, shape (rows, dimension), a read-only view of `data`.

    Raises:
        CorruptObject: the file has another size.
    """
    found = memoryview(data).nbytes
    if found != rows * dimension * 4:
        raise CorruptObject(f"vectors of {found} bytes where {rows} x {dimension} float32 belong")
    vectors = np.frombuffer(memoryview(data).toreadonly(), dtype="<f4").reshape(rows, dimension)
    return vectors.astype(np.float32, copy=False)
