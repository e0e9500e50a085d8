"""What a run of writes comes to: pure arithmetic over decoded writes, before anything is stored."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, KeysView
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.index.id_index import Located
from shoal.index.log_codec import LogUpsert
from shoal.model.records import Rows, Vectors


@dataclass(frozen=True, slots=True)
class Change:
    """The last word on every id that a run of writes touched.

    `upserts` are the surviving records. `deleted` are ids whose last write was a delete, with its sequences
    (uint64, shape (len(deleted),)).
    """

    upserts: Rows | None
    deleted: tuple[str, ...]
    deleted_sequences: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Standing:
    """A record as it is at one place of the log, without its id. `vector`: float32, shape (dimension,)."""

    metadata: bytes
    namespace: str
    document: bytes
    vector: Vectors


class Overlay:
    """Writes laid over a version one by one, in order: of several writes of one id the last wins."""

    def __init__(self) -> None:
        # id -> its row among all rows put; for one that was removed last -1 - the sequence of that
        self._last: dict[str, int] = {}
        self._blocks: list[LogUpsert] = []
        self._sequences: list[int] = []
        self._starts: list[int] = []
        self._rows = 0

    def put(self, sequence: int, block: LogUpsert) -> None:
        """Store all records of an upsert; whether its condition lets them is not looked at."""
        base = self._rows
        self._last.update(zip(block.ids, range(base, base + len(block.ids)), strict=True))
        self._blocks.append(block)
        self._sequences.append(sequence)
        self._starts.append(base)
        self._rows += len(block.ids)

    def remove(self, sequence: int, ids: Iterable[str]) -> None:
        """Delete ids, there or not."""
        self._last.update(dict.fromkeys(ids, -1 - sequence))

    @property
    def ids(self) -> KeysView[str]:
        """All that were put or removed."""
        return self._last.keys()

    def standing(self) -> Iterator[tuple[str, int]]:
        """The ids that were put last, with their rows."""
        return ((name, row) for name, row in self._last.items() if row >= 0)

    def row_of(self, name: str) -> int | None:
        """The row that stands for an id: negative where it was removed last, None where nobody touched it."""
        return self._last.get(name)

    def record(self, row: int) -> Standing:
        """A row that was put."""
        block, place = self._at(row)
        return Standing(
            metadata=block.metadata[place],
            namespace=block.namespaces[place] if block.namespaces else "",
            document=block.documents[place] if block.documents else b"",
            vector=block.vectors[place],
        )

    def _at(self, row: int) -> tuple[LogUpsert, int]:
        number = bisect_right(self._starts, row) - 1
        return self._blocks[number], row - self._starts[number]

    def change(self) -> Change:
        """What it all comes to."""
        rows = np.fromiter(self._last.values(), dtype=np.int64, count=len(self._last))
        stands = rows >= 0
        names = tuple(self._last)
        gone = () if stands.all() else tuple(compress(names, (~stands).tolist()))
        kept = tuple(compress(names, stands.tolist())) if gone else names
        return Change(
            upserts=self._rows_of(kept, rows[stands]) if kept else None,
            deleted=gone,
            deleted_sequences=(-1 - rows[~stands]).astype(np.uint64),
        )

    def _rows_of(self, ids: tuple[str, ...], places: NDArray[np.int64]) -> Rows:
        """The rows that stand, by their places among all rows put: int64, shape (len(ids),)."""
        vectors = np.concatenate([block.vectors for block in self._blocks])
        sequences = np.repeat(
            np.array(self._sequences, dtype=np.uint64), [len(block.ids) for block in self._blocks]
        )
        metadata = [value for block in self._blocks for value in block.metadata]
        namespaces: tuple[str, ...] = ()
        documents: tuple[bytes, ...] = ()
        numbers = places.tolist()
        if any(block.namespaces for block in self._blocks):
            names = [name for block in self._blocks for name in block.namespaces or [""] * len(block.ids)]
            namespaces = tuple(names[row] for row in numbers)
        if any(block.documents for block in self._blocks):
            texts = [text for block in self._blocks for text in block.documents or [b""] * len(block.ids)]
            documents = tuple(texts[row] for row in numbers)
        if len(ids) < self._rows or (np.diff(places) < 0).any():  # else all of them, in their order
            vectors, sequences = vectors[places], sequences[places]
            metadata = [metadata[row] for row in numbers]
        return Rows(
            ids=ids,
            sequences=sequences,
            vectors=np.ascontiguousarray(vectors),
            metadata=tuple(metadata),
            namespaces=namespaces,
            documents=documents,
        )


def rows_that_die(located: Located) -> dict[str, BitMap]:
    """The live rows among those located, by shard: a newer write of their ids makes them dead."""
    died: dict[str, BitMap] = {}
    for number in np.unique(located.shard[located.live]).tolist():
        of_shard = located.shard == number
        died[located.shard_ids[number]] = BitMap(located.row[of_shard].astype(np.uint32))
    return died
