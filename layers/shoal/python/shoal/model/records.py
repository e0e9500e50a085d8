"""Records as columns: what is written, stored in shards, and searched."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.model.limits import MAX_DIMENSION

type Vectors = NDArray[np.float32]
"""float32 rows, shape (n, dimension), C-contiguous."""


@dataclass(frozen=True, slots=True)
class Rows:
    """n records as columns, in row order.

    `ids`: n strings. `sequences`: uint64, shape (n,), the place in the log of each row's last write.
    `vectors`: float32, shape (n, dimension), bit for bit as sent. `metadata`: n compact JSON objects in UTF-8.
    `namespaces`: n strings, "" for a record in none. `documents`: n texts in UTF-8, b"" for a record without one.
    Of the last two, nothing at all stands for n empty ones.
    """

    ids: tuple[str, ...]
    sequences: NDArray[np.uint64]
    vectors: Vectors
    metadata: tuple[bytes, ...]
    namespaces: tuple[str, ...] = ()
    documents: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.ids)
        if not self.namespaces:
            object.__setattr__(self, "namespaces", ("",) * count)
        if not self.documents:
            object.__setattr__(self, "documents", (b"",) * count)
        if self.vectors.ndim != 2 or not 1 <= self.vectors.shape[1] <= MAX_DIMENSION:
            raise ValueError(f"vectors have shape {self.vectors.shape}")
        columns = (self.vectors, self.sequences, self.metadata, self.namespaces, self.documents)
        if any(len(column) != count for column in columns):
            raise ValueError("columns of unequal length")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dimension(self) -> int:
        """Length of each vector."""
        return int(self.vectors.shape[1])

    def take(self, positions: NDArray[np.intp]) -> "Rows":
        """The rows at `positions` (intp, shape (m,)), in that order."""
        chosen = positions.tolist()
        return Rows(
            ids=tuple(self.ids[n] for n in chosen),
            sequences=self.sequences[positions],
            vectors=np.ascontiguousarray(self.vectors[positions]),
            metadata=tuple(self.metadata[n] for n in chosen),
            namespaces=tuple(self.namespaces[n] for n in chosen),
            documents=tuple(self.documents[n] for n in chosen),
        )


def concatenate(blocks: list[Rows]) -> Rows:
    """Join blocks of equal dimension, in order. At least one block is needed."""
    if len(blocks) == 1:
        return blocks[0]
    return Rows(
        ids=tuple(name for block in blocks for name in block.ids),
        sequences=np.concatenate([block.sequences for block in blocks]),
        vectors=np.ascontiguousarray(np.concatenate([block.vectors for block in blocks])),
        metadata=tuple(value for block in blocks for value in block.metadata),
        namespaces=tuple(value for block in blocks for value in block.namespaces),
        documents=tuple(value for block in blocks for value in block.documents),
    )
