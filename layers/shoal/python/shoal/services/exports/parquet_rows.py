"""Records as a Parquet file that an import takes as it is: id, values, metadata, document, namespace."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from shoal.model.records import Rows

_GROUP_BYTES = 32 * 1000 * 1000
"""Vector bytes of a row group: an import reads groups side by side, and holds a few at once."""

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("values", pa.list_(pa.field("element", pa.float32(), nullable=False)), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),
        pa.field("document", pa.string()),
        pa.field("namespace", pa.string()),
    ]
)
"""Metadata is JSON text, so that 1 and 1.0, absent and null stay what they are; a struct would make them alike.
Documents and namespaces are null where there is none."""


def encode_parquet(blocks: Sequence[Rows]) -> bytes:
    """A file of all rows of the blocks, in order; at least one row. Floats are stored bit for bit."""
    sink = BytesIO()
    with parquet.ParquetWriter(
        sink,
        SCHEMA,
        compression=dict.fromkeys(("id", "metadata", "document", "namespace"), "ZSTD")
        | {"values.list.element": "NONE"},
        use_dictionary=["namespace"],
        write_statistics=["id"],
    ) as writer:
        for block in blocks:
            step = max(1, _GROUP_BYTES // (block.dimension * 4))
            for start in range(0, len(block), step):
                some = block.take(np.arange(start, min(start + step, len(block))))
                writer.write_table(_table(some), row_group_size=step)
    return sink.getvalue()


def _table(rows: Rows) -> pa.Table:
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * np.int32(rows.dimension))
    values = pa.ListArray.from_arrays(
        offsets, pa.array(rows.vectors.reshape(-1)), type=SCHEMA.field("values").type
    )
    columns = [
        pa.array(rows.ids, pa.string()),
        values,
        pa.array([value.decode() for value in rows.metadata], pa.string()),
        pa.array([value.decode() or None for value in rows.documents], pa.string()),
        pa.array([value or None for value in rows.namespaces], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
