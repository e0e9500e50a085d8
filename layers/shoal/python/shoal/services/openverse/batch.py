"""Records on their way from one dataset into another, as they are."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shoal.index.records import Record
from shoal.model.records import Vectors

BATCH_ROWS = 2000
BATCH_BYTES = 16 * 1000 * 1000
"""Of values, metadata and documents that enter a log at once."""


@dataclass(slots=True)
class Batch:
    """Records to write, and the ids of those that are not to be there."""

    ids: list[str] = field(default_factory=list)
    values: list[NDArray[np.float32]] = field(default_factory=list)
    metadata: list[bytes] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    documents: list[bytes] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        """Whether it is large enough to be written."""
        return len(self.ids) + len(self.removed) >= BATCH_ROWS or self.size >= BATCH_BYTES

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return not self.ids and not self.removed

    def add(self, record: Record, values: NDArray[np.float32], document: bytes) -> None:
        """Take a record with its vector (float32, shape (dimension,)) and its document."""
        self.ids.append(record.id)
        self.values.append(values)
        self.metadata.append(record.metadata)
        self.namespaces.append(record.namespace)
        self.documents.append(document)
        self.size += values.nbytes + len(record.metadata) + len(document)

    def leave_out(self, record_id: str) -> None:
        """Have a record not be there."""
        self.removed.append(record_id)

    def vectors(self, dimension: int) -> Vectors:
        """The vectors: float32, shape (n, dimension)."""
        if not self.values:
            return np.empty((0, dimension), dtype=np.float32)
        return np.ascontiguousarray(np.stack(self.values))
