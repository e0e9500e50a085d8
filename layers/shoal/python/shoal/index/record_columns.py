"""The records of a shard or a cell as columns, all of them at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.errors import CorruptObject
from shoal.index.column_file import Blobs, Columns
from shoal.model.records import Rows, Vectors


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """n records without their vectors, in row order.

    `sequences`: the place in the log of each row's last write, uint64 of shape (n,). `namespaces` and `documents`
    are empty for a record without one.
    """

    ids: Blobs
    sequences: NDArray[np.uint64]
    metadata: Blobs
    namespaces: Blobs
    documents: Blobs

    def __len__(self) -> int:
        return len(self.sequences)

    def with_vectors(self, vectors: Vectors) -> Rows:
        """The rows that these records make with their vectors (float32, shape (n, dimension)).

        Raises:
            CorruptObject: an id or a namespace that is not UTF-8.
        """
        return Rows(
            ids=texts(self.ids, "an id"),
            sequences=self.sequences,
            vectors=vectors,
            metadata=tuple(self.metadata.tolist()),
            namespaces=texts(self.namespaces, "a namespace") if self.namespaces.nbytes else (),
            documents=tuple(self.documents.tolist()) if self.documents.nbytes else (),
        )


def rows_of(columns: Columns, sequence: int) -> Rows:
    """Columns as rows; those without sequences of their own carry `sequence`.

    Raises:
        CorruptObject: an id or a namespace that is not UTF-8.
    """
    own = columns.sequences
    sequences = np.full(len(columns), sequence, dtype=np.uint64) if own is None else own
    records = RecordColumns(columns.ids, sequences, columns.metadata, columns.namespaces, columns.documents)
    return records.with_vectors(columns.vectors)


def texts(blobs: Blobs, what: str) -> tuple[str, ...]:
    """The strings decoded.

    Raises:
        CorruptObject: one is not UTF-8; the message says `what` it is.
    """
    return tuple(text(raw, what) for raw in blobs.tolist())


def text(raw: bytes, what: str) -> str:
    """The string decoded; raises as `texts` does."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise CorruptObject(f"{what} is not UTF-8") from error
