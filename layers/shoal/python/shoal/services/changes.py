"""What a run of writes comes to: pure arithmetic over decoded writes, before anything is stored."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, KeysView
from dataclasses import dataclass

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
        self._last: dict[
            str, tuple[int, int]
        ] = {}  # id -> (sequence, row among all rows put, or -1 for a delete)
        self._blocks: list[LogUpsert] = []
        self._starts: list[int] = []
        self._rows = 0

    def put(self, sequence: int, block: LogUpsert) -> None:
        """Store all records of an upsert; whether its condition lets them is not looked at."""
        base = self._rows
        self._last.update((name, (sequence, base + row)) for row, name in enumerate(block.ids))
        self._blocks.append(block)
        self._starts.append(base)
        self._rows += len(block.ids)

    def remove(self, sequence: int, ids: Iterable[str]) -> None:
        """Delete ids, there or not."""
        self._last.update((name, (sequence, -1)) for name in ids)

    @property
    def ids(self) -> KeysView[str]:
        """All that were put or removed."""
        return self._last.keys()

    def standing(self) -> Iterator[tuple[str, int]]:
        """The ids that were put last, with their rows."""
        return ((name, row) for name, (_, row) in self._last.items() if row >= 0)

    def row_of(self, name: str) -> int | None:
        """The row that stands for an id: negative where it was removed last, None where nobody touched it."""
        last = self._last.get(name)
        return None if last is None else last[1]

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
        kept = [(name, sequence, row) for name, (sequence, row) in self._last.items() if row >= 0]
        gone = [(name, sequence) for name, (sequence, row) in self._last.items() if row < 0]
        return Change(
            upserts=self._rows_of(kept) if kept else None,
            deleted=tuple(name for name, _ in gone),
            deleted_sequences=np.fromiter(
                (sequence for _, sequence in gone), dtype=np.uint64, count=len(gone)
            ),
        )

    def _rows_of(self, kept: list[tuple[str, int, int]]) -> Rows:
        places = np.fromiter((row for _, _, row in kept), dtype=np.intp, count=len(kept))
        vectors = np.concatenate([block.vectors for block in self._blocks])
        metadata = [value for block in self._blocks for value in block.metadata]
        numbers = places.tolist()
        namespaces: tuple[str, ...] = ()
        documents: tuple[bytes, ...] = ()
        if any(block.namespaces for block in self._blocks):
            names = [name for block in self._blocks for name in block.namespaces or [""] * len(block.ids)]
            namespaces = tuple(names[row] for row in numbers)
        if any(block.documents for block in self._blocks):
            texts = [text for block in self._blocks for text in block.documents or [b""] * len(block.ids)]
            documents = tuple(texts[row] for row in numbers)
        return Rows(
            ids=tuple(name for name, _, _ in kept),
            sequences=np.fromiter((sequence for _, sequence, _ in kept), dtype=np.uint64, count=len(kept)),
            vectors=np.ascontiguousarray(vectors[places]),
            metadata=tuple(metadata[row] for row in numbers),
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
