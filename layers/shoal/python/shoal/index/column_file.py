"""Records as columns on their way into shards: fixed-size arrays and blobs, readable by ranges, without SQLite."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer
from shoal.index.container import count_of, pack, section_of, unpack
from shoal.model.limits import MAX_DIMENSION
from shoal.model.records import Vectors

KIND = "columns"
FORMAT = 1
_LENGTH = np.dtype("<u4")
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

    def __len__(self) -> int:
        return len(self.lengths)

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
        data = memoryview(self.data)
        ends = self.ends[positions]
        lengths = self.lengths[positions]
        starts = ends - lengths
        pieces = [data[start:stop] for start, stop in zip(starts.tolist(), ends.tolist(), strict=True)]
        return Blobs(lengths, b"".join(pieces))


@dataclass(frozen=True, slots=True)
class Columns:
    """n records: ids (UTF-8), vectors (float32, shape (n, dimension)) and metadata (compact JSON)."""

    ids: Blobs
    vectors: Vectors
    metadata: Blobs

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not len(self.ids) == len(self.vectors) == len(self.metadata):
            raise ValueError("columns of unequal length")

    def __len__(self) -> int:
        return len(self.vectors)


def encode_columns(columns: Columns) -> bytes:
    """Build the object. The vectors come first, so that a range of rows is a range of bytes."""
    return pack(
        KIND,
        FORMAT,
        {"rows": len(columns), "dimension": int(columns.vectors.shape[1])},
        {
            "vectors": np.ascontiguousarray(columns.vectors, dtype="<f4").data,
            "ids.lengths": columns.ids.lengths.astype(_LENGTH, copy=False).data,
            "ids": columns.ids.data,
            "metadata.lengths": columns.metadata.lengths.astype(_LENGTH, copy=False).data,
            "metadata": columns.metadata.data,
        },
    )


def decode_columns(data: Buffer) -> Columns:
    """Read the object, after its checksum has been compared; nothing is copied.

    Raises:
        CorruptObject: not an object of columns of a known format.
    """
    container = unpack(KIND, data, versions=(FORMAT,))
    rows = count_of(container.attributes, "rows", most=_MAX_ROWS)
    dimension = count_of(container.attributes, "dimension", most=MAX_DIMENSION)
    raw = section_of(container, "vectors", size=rows * dimension * 4)
    blobs = []
    for name in ("ids", "metadata"):
        lengths = np.frombuffer(
            section_of(container, f"{name}.lengths", size=rows * _LENGTH.itemsize), dtype=_LENGTH
        )
        section = section_of(container, name)
        if int(lengths.sum(dtype=np.int64)) != len(section):
            raise CorruptObject(f"columns: lengths of {name} do not add up to its size")
        blobs.append(Blobs(lengths.astype(np.uint32, copy=False), section))
    vectors = np.frombuffer(raw, dtype="<f4").reshape(rows, dimension).astype(np.float32, copy=False)
    return Columns(blobs[0], vectors, blobs[1])
