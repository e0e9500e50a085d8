"""Rows of a version with their records, some at a time, however many there are."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.index.records import Record
from shoal.services.snapshot import Snapshot
from shoal.services.winners import Shelf, Source, spots_of

_FIRST, _MOST = 16, 256
"""Rows whose records are in memory at the same time: few at first, as often nobody asks for more."""

type Row = tuple[Source, int]
"""A row of a shard, or of cells by its number."""


def rows_in(found: Sequence[tuple[Source, NDArray[np.int64]]], *, stop: int | None = None) -> list[Row]:
    """The rows of each source, one by one; the first `stop` of them."""
    rows = ((source, int(row)) for source, some in found for row in some)
    return list(islice(rows, stop))


def with_records(
    snapshot: Snapshot, rows: Sequence[Row], loaded: dict[str, Any] | None = None
) -> Iterator[tuple[Row, Record]]:
    """Rows with their records, without documents; in the order given. `loaded` is what is at hand already.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    start, count = 0, _FIRST
    while some := rows[start : start + count]:
        start, count = start + count, min(2 * count, _MOST)
        spots = spots_of(snapshot, some)
        shelf = Shelf(snapshot.reader, dict(loaded or {}))  # of its own: what this turn loads goes with it
        shelf.load(spots, include_values=False)
        yield from zip(some, shelf.records(spots, documents=False), strict=True)
