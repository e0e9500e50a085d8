"""Columns of byte strings inside a container: one blob, and the length of each string."""

from collections.abc import Sequence

import numpy as np

from shoal.errors import CorruptObject
from shoal.index.container import Container, section_of
from shoal.model.records import Vectors

_LENGTH = np.dtype("<u4")


def blob_sections(name: str, values: Sequence[bytes]) -> dict[str, bytes]:
    """The two sections of a column: `name` and `name.lengths`."""
    lengths = np.fromiter(map(len, values), dtype=_LENGTH, count=len(values))
    return {f"{name}.lengths": lengths.tobytes(), name: b"".join(values)}


def read_blobs(container: Container, name: str, count: int) -> tuple[bytes, ...]:
    """Read a column of `count` byte strings back.

    Raises:
        CorruptObject: the lengths and the blob contradict each other.
    """
    lengths = np.frombuffer(
        section_of(container, f"{name}.lengths", size=count * _LENGTH.itemsize), dtype=_LENGTH
    )
    ends = np.cumsum(lengths, dtype=np.int64)
    total = int(ends[-1]) if count else 0
    blob = section_of(container, name, size=total).tobytes()
    starts = (ends - lengths).tolist()
    return tuple(blob[start:stop] for start, stop in zip(starts, ends.tolist(), strict=True))


def encode_ids(ids: Sequence[str], *, name: str = "ids") -> dict[str, bytes]:
    """The sections of a column of ids."""
    return blob_sections(name, [value.encode() for value in ids])


def read_ids(container: Container, count: int, *, name: str = "ids") -> tuple[str, ...]:
    """Read the ids back.

    Raises:
        CorruptObject: not `count` strings of UTF-8.
    """
    try:
        return tuple(value.decode() for value in read_blobs(container, name, count))
    except UnicodeDecodeError as error:
        raise CorruptObject("an id is not UTF-8") from error


def vector_bytes(vectors: Vectors) -> memoryview:
    """The bytes of vectors as they are stored: little-endian float32, row by row; a copy only where they lie
    otherwise.
    """
    return np.ascontiguousarray(vectors, dtype="<f4").reshape(-1).view(np.uint8).data
