"""Records as columns on their way into shards: fixed-size arrays and blobs, readable by ranges, without SQLite."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer
from shoal.index.container import Container, count_of, pack, section_of, unpack
from shoal.model.limits import MAX_DIMENSION
from shoal.model.records import Vectors

KIND = "columns"
FORMAT = 2
"""Format 2 may have namespaces, documents and sequences. Rows without all three are written as format 1."""
_PLAIN_FORMAT = 1
_LENGTH, _SEQUENCE = np.dtype("<u4"), np.dtype("<u8")
_MAX_ROWS = 2**32 - 2


@dataclass(frozen=True, slots=True)
class Blobs:
    """n byte strings one after the other: `lengths` (uint32, shape (n,)) and `data`, their concatenation."""

    lengths: NDArray[np.uint32]
    data: Buffer

    @classmethod
    def of(cls, values: Sequence[bytes]) -> "Blobs":
        """Join byte strings."""
        return cls(np.fromiter(map(len, values), dtype=np.uint32, count=len(values)), b"".join(values))

    @classmethod
    def empty(cls, count: int) -> "Blobs":
        """So many empty strings."""
        return cls(np.zeros(count, dtype=np.uint32), b"")

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def nbytes(self) -> int:
        """Bytes of all strings together."""
        return memoryview(self.data).nbytes

    @property
    def ends(self) -> NDArray[np.int64]:
        """Where each string ends in `data`: int64, shape (n,)."""
        return np.cumsum(self.lengths, dtype=np.int64)

    def tolist(self) -> list[bytes]:
        """The strings themselves."""
        data = bytes(self.data)
        ends = self.ends
        starts = ends - self.lengths
        return [data[start:stop] for start, stop in zip(starts.tolist(), ends.tolist(), strict=True)]

    def take(self, positions: NDArray[np.intp]) -> "Blobs":
        """The strings at `positions` (intp, shape (m,)), in that order."""
        lengths = self.lengths[positions]
        if not lengths.any():
            return Blobs(lengths, b"")
        data = memoryview(self.data)
        ends = self.ends[positions]
        starts = ends - lengths
        pieces = [data[start:stop] for start, stop in zip(starts.tolist(), ends.tolist(), strict=True)]
        return Blobs(lengths, b"".join(pieces))


def joined(parts: Sequence[Blobs]) -> Blobs:
    """The strings of several, one after the other; at least one part."""
    return Blobs(np.concatenate([part.lengths for part in parts]), b"".join(part.data for part in parts))


_NONE = Blobs.empty(0)


@dataclass(frozen=True, slots=True)
class Columns:
    """n records as columns.

    `ids` are UTF-8, `vectors` float32 of shape (n, dimension), `metadata` compact JSON. `namespaces` and
    `documents` (both UTF-8, empty for a record without one; left out: all are empty). `sequences`: the place in
    the log of each row's last write, uint64 of shape (n,); None where all rows carry that of the job at hand.
    """

    ids: Blobs
    vectors: Vectors
    metadata: Blobs
    namespaces: Blobs = _NONE
    documents: Blobs = _NONE
    sequences: NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        count = len(self.vectors)
        for name in ("namespaces", "documents"):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, Blobs.empty(count))
        columns = [self.ids, self.metadata, self.namespaces, self.documents]
        if self.vectors.ndim != 2 or any(len(column) != count for column in columns):
            raise ValueError("columns of unequal length")
        if self.sequences is not None and self.sequences.shape != (count,):
            raise ValueError(f"sequences of shape {self.sequences.shape} for {count} rows")

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def record_bytes(self) -> int:
        """Bytes of all but the vectors."""
        return sum(blob.nbytes for blob in (self.ids, self.metadata, self.namespaces, self.documents))


def encode_columns(columns: Columns) -> bytes:
    """Build the object. The vectors come first, so that a range of rows is a range of bytes."""
    sections: dict[str, Buffer] = {
        "vectors": np.ascontiguousarray(columns.vectors, dtype="<f4").data,
        **_blob_sections("ids", columns.ids),
        **_blob_sections("metadata", columns.metadata),
    }
    plain = len(sections)
    for name, blobs in (("namespaces", columns.namespaces), ("documents", columns.documents)):
        if blobs.nbytes:
            sections |= _blob_sections(name, blobs)
    if columns.sequences is not None:
        sections["sequences"] = columns.sequences.astype(_SEQUENCE, copy=False).tobytes()
    return pack(
        KIND,
        _PLAIN_FORMAT if len(sections) == plain else FORMAT,
        {"rows": len(columns), "dimension": int(columns.vectors.shape[1])},
        sections,
    )


def decode_columns(data: Buffer) -> Columns:
    """Read the object, after its checksum has been compared; nothing is copied.

    Raises:
        CorruptObject: not an object of columns of a known format.
    """
    container = unpack(KIND, data, versions=(_PLAIN_FORMAT, FORMAT))
    rows = count_of(container.attributes, "rows", most=_MAX_ROWS)
    dimension = count_of(container.attributes, "dimension", most=MAX_DIMENSION)
    raw = section_of(container, "vectors", size=rows * dimension * 4)
    vectors = np.frombuffer(raw, dtype="<f4").reshape(rows, dimension).astype(np.float32, copy=False)
    sequences = None
    if "sequences" in container.sections:
        raw = section_of(container, "sequences", size=rows * _SEQUENCE.itemsize)
        sequences = np.frombuffer(raw, dtype=_SEQUENCE).astype(np.uint64, copy=False)
    optional = {
        name: _blobs(container, name, rows)
        for name in ("namespaces", "documents")
        if name in container.sections
    }
    return Columns(
        _blobs(container, "ids", rows),
        vectors,
        _blobs(container, "metadata", rows),
        sequences=sequences,
        **optional,
    )


def _blob_sections(name: str, blobs: Blobs) -> dict[str, Buffer]:
    return {f"{name}.lengths": blobs.lengths.astype(_LENGTH, copy=False).data, name: blobs.data}


def _blobs(container: Container, name: str, rows: int) -> Blobs:
    raw = section_of(container, f"{name}.lengths", size=rows * _LENGTH.itemsize)
    lengths = np.frombuffer(raw, dtype=_LENGTH)
    section = section_of(container, name)
    if int(lengths.sum(dtype=np.int64)) != len(section):
        raise CorruptObject(f"columns: lengths of {name} do not add up to its size")
    return Blobs(lengths.astype(np.uint32, copy=False), section)
