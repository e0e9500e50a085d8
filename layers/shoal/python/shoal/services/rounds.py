"""Which cells a query without a filter opens: the nearest of each import, until they hold enough live rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.model.manifests import CellRecall
from shoal.model.queries import QueryRequest
from shoal.services import masks
from shoal.services.cells import Cells
from shoal.services.snapshot import Snapshot

BUDGET_BYTES = 250 * 1000 * 1000
"""Bytes of cells that one query opens at most, in memory or not: hot or cold, it has the same answer."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Cells to open: of which import (its place), and which (int64, shape (n,)), nearest first."""

    place: int
    cells: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Import:
    """The cells of one import, the numbers of their dead rows (ascending), and what calibration saw."""

    cells: Cells
    dead: NDArray[np.int64]
    recall: CellRecall

    def dead_places(self, cells: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where the dead rows of each cell begin and end in `dead`."""
        first = self.cells.first[cells]
        starts = np.searchsorted(self.dead, first)
        return starts, np.searchsorted(self.dead, first + self.cells.rows[cells])

    def live_rows(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many rows of each cell are alive."""
        if not len(self.dead):
            return self.cells.rows[cells]
        starts, stops = self.dead_places(cells)
        return self.cells.rows[cells] - (stops - starts)


def imports_of(snapshot: Snapshot) -> list[Import]:
    """The imports of cells that a version has, in the order of its manifest."""
    pairs = zip(snapshot.cells(), snapshot.manifest.cell_sets, strict=True)
    return [Import(cells, masks.dead_numbers(snapshot, cells), ref.recall) for cells, ref in pairs]


def fitting(sizes: Sequence[NDArray[np.int64]], room: int, *, at_least_one: bool) -> list[int]:
    """How many of the first sizes of each list there is room for; the lists take turns, rank by rank.

    `at_least_one`: the very first goes in however large it is.
    """
    if sum(int(some.sum()) for some in sizes) <= room:
        return [len(some) for some in sizes]
    places = np.repeat(np.arange(len(sizes)), [len(some) for some in sizes])
    ranks = np.concatenate([np.arange(len(some)) for some in sizes])
    in_turn = np.lexsort((places, ranks))
    spent = np.cumsum(np.concatenate(sizes)[in_turn])
    count = max(int((spent <= room).sum()), int(at_least_one))
    return np.bincount(places[in_turn[:count]], minlength=len(sizes)).tolist()


class Rounds:
    """The cells that one query opens, round by round; each cell once, and none without live rows.

    `cells_opened` counts what was opened so far. `partial`: the budget ended the rounds too early.
    """

    def __init__(self, imports: Sequence[Import], request: QueryRequest, *, budget: int) -> None:
        self._imports = imports
        self._vector = request.vector
        self._room = budget
        self._probes = [request.nprobe or item.recall.probes for item in imports]
        self._seen = [np.zeros(len(item.cells), dtype=np.bool_) for item in imports]
        self.cells_opened = 0
        self.partial = False

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to open, or nothing left to open it with."""
        return self.partial or all(seen.all() for seen in self._seen)

    def first(self, wanted: int) -> list[Opening]:
        """As many cells as calibrated or asked for, and more of them until they hold `wanted` live rows."""
        openings = self._next()
        while self._live(openings) < wanted and not self.finished:
            self._probes = [2 * probes for probes in self._probes]
            openings += self._next()
        return openings

    def _live(self, openings: Sequence[Opening]) -> int:
        return sum(int(self._imports[some.place].live_rows(some.cells).sum()) for some in openings)

    def _next(self) -> list[Opening]:
        """The nearest cells that have not been seen, as far as there is room."""
        fresh: list[NDArray[np.int64]] = []
        for item, probes, seen in zip(self._imports, self._probes, self._seen, strict=True):
            nearest = item.cells.cell_set.nearest(self._vector, min(probes, len(item.cells)))
            new = nearest[~seen[nearest]]
            seen[new] = True
            fresh.append(new[item.live_rows(new) > 0])
        sizes = [item.cells.vector_bytes[cells] for item, cells in zip(self._imports, fresh, strict=True)]
        counts = fitting(sizes, self._room, at_least_one=not self.cells_opened)
        self.partial |= any(count < len(cells) for count, cells in zip(counts, fresh, strict=True))
        self._room -= sum(int(some[:count].sum()) for some, count in zip(sizes, counts, strict=True))
        openings = [
            Opening(place, cells[:count])
            for place, (cells, count) in enumerate(zip(fresh, counts, strict=True))
            if count
        ]
        self.cells_opened += sum(len(some.cells) for some in openings)
        return openings
