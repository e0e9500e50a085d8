"""The object of one write in the log: an upsert of records, or a delete of ids."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer
from shoal.index.columns import blob_sections, encode_ids, read_blobs, read_ids
from shoal.index.container import count_of, pack, section_of, unpack
from shoal.model.limits import MAX_DIMENSION
from shoal.model.records import Vectors

KIND = "log"
FORMAT = 1
_MAX_ROWS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class LogUpsert:
    """n records in the order sent; an id may come more than once, the last one counts.

    `vectors`: float32, shape (n, dimension), read-only. `metadata`: n compact JSON objects.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    metadata: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LogDelete:
    """Ids to delete; an id that does not exist is no error."""

    ids: tuple[str, ...]


def encode_upsert(ids: Sequence[str], vectors: Vectors, metadata: Sequence[bytes]) -> bytes:
    """Build the object of an upsert.

    Args:
        ids: n strings.
        vectors: float32, shape (n, dimension); n may be 0.
        metadata: n compact JSON objects in UTF-8.
    """
    if vectors.ndim != 2 or not len(ids) == len(vectors) == len(metadata):
        raise ValueError(f"{len(ids)} ids, vectors of shape {vectors.shape}, {len(metadata)} metadata")
    if vectors.dtype != np.float32:
        raise ValueError(f"vectors of type {vectors.dtype}")
    attributes = {"operation": "upsert", "rows": len(ids), "dimension": int(vectors.shape[1])}
    sections = {
        **encode_ids(ids),
        **blob_sections("metadata", metadata),
        "vectors": vectors.astype("<f4", copy=False).tobytes(),
    }
    return pack(KIND, FORMAT, attributes, sections)


def encode_delete(ids: Sequence[str]) -> bytes:
    """Build the object of a delete."""
    return pack(KIND, FORMAT, {"operation": "delete", "rows": len(ids)}, encode_ids(ids))


def decode(data: Buffer) -> LogUpsert | LogDelete:
    """Read the object of a write, after its checksum has been compared.

    Raises:
        CorruptObject: not a log object of a known format.
    """
    container = unpack(KIND, data, versions=(FORMAT,))
    rows = count_of(container.attributes, "rows", most=_MAX_ROWS)
    match container.attributes.get("operation"):
        case "delete":
            return LogDelete(ids=read_ids(container, rows))
        case "upsert":
            dimension = count_of(container.attributes, "dimension", most=MAX_DIMENSION)
            raw = section_of(container, "vectors", size=rows * dimension * 4)
            return LogUpsert(
                ids=read_ids(container, rows),
                vectors=np.frombuffer(raw, dtype="<f4").reshape(rows, dimension),
                metadata=read_blobs(container, "metadata", rows),
            )
        case other:
            raise CorruptObject(f"log object of the unknown operation {other!r}")
