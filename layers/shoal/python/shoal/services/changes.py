"""What a run of jobs comes to: pure arithmetic over decoded writes, before anything is stored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.index.id_index import Located
from shoal.index.log_codec import LogDelete, LogUpsert
from shoal.model.records import Rows


@dataclass(frozen=True, slots=True)
class Change:
    """The last word on every id that a run of jobs touched.

    `upserts` are the surviving records. `deleted` are ids whose last write was a delete, with its sequences
    (uint64, shape (len(deleted),)).
    """

    upserts: Rows | None
    deleted: tuple[str, ...]
    deleted_sequences: NDArray[np.uint64]


def gather(writes: Sequence[tuple[int, LogUpsert | LogDelete]]) -> Change:
    """Apply writes, given with their sequences in order, one by one: of several writes of one id the last wins."""
    last: dict[str, tuple[int, int]] = {}  # id -> (sequence, row among all rows sent, or -1 for a delete)
    blocks: list[LogUpsert] = []
    base = 0
    for sequence, write in writes:
        if isinstance(write, LogUpsert):
            last.update((name, (sequence, base + row)) for row, name in enumerate(write.ids))
            blocks.append(write)
            base += len(write.ids)
        else:
            last.update((name, (sequence, -1)) for name in write.ids)
    kept = [(name, sequence, row) for name, (sequence, row) in last.items() if row >= 0]
    gone = [(name, sequence) for name, (sequence, row) in last.items() if row < 0]
    upserts = None
    if kept:
        rows = np.fromiter((row for _, _, row in kept), dtype=np.intp, count=len(kept))
        vectors = np.concatenate([block.vectors for block in blocks])
        metadata = [value for block in blocks for value in block.metadata]
        upserts = Rows(
            ids=tuple(name for name, _, _ in kept),
            sequences=np.fromiter((sequence for _, sequence, _ in kept), dtype=np.uint64, count=len(kept)),
            vectors=np.ascontiguousarray(vectors[rows]),
            metadata=tuple(metadata[row] for row in rows.tolist()),
        )
    return Change(
        upserts=upserts,
        deleted=tuple(name for name, _ in gone),
        deleted_sequences=np.fromiter((sequence for _, sequence in gone), dtype=np.uint64, count=len(gone)),
    )


def rows_that_die(located: Located) -> dict[str, BitMap]:
    """The live rows among those located, by shard: a newer write of their ids makes them dead."""
    died: dict[str, BitMap] = {}
    for number in np.unique(located.shard[located.live]).tolist():
        of_shard = located.shard == number
        died[located.shard_ids[number]] = BitMap(located.row[of_shard].astype(np.uint32))
    return died
