"""Which cells a query opens: the nearest of each import, and more of them where those do not answer it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.model.manifests import CellRecall
from shoal.model.queries import QueryRequest
from shoal.services.cells import Cells

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


class Rounds:
    """The cells that one query opens, round by round; each cell once, and none without live rows.

    `cells_opened` counts what was opened so far. `partial`: the budget ended the rounds too early.
    """

    def __init__(self, imports: Sequence[Import], request: QueryRequest, *, budget: int) -> None:
        self._imports = imports
        self._vector = request.vector
        self._filtered = request.selection is not None
        self._room = budget
        self._probes = [_probes(item.recall, request) for item in imports]
        self._seen = [np.zeros(len(item.cells), dtype=np.bool_) for item in imports]
        self._begun = False
        self.cells_opened = 0
        self.partial = False

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to open, or nothing left to open it with."""
        return self.partial or all(seen.all() for seen in self._seen)

    def first(self, wanted: int) -> list[Opening]:
        """As many cells as calibrated or asked for; without a filter more, until they hold `wanted` live rows."""
        openings = self._next()
        while not self._filtered and self._live(openings) < wanted and not self.finished:
            openings += self.more()
        return openings

    def more(self) -> list[Opening]:
        """As many again as were looked at so far."""
        if self.finished:
            return []
        self._probes = [2 * probes for probes in self._probes]
        return self._next()

    def give_back(self, size: int) -> None:
        """Bytes that need not be read after all."""
        self._room += size

    def _live(self, openings: Sequence[Opening]) -> int:
        return sum(int(self._imports[some.place].live_rows(some.cells).sum()) for some in openings)

    def _next(self) -> list[Opening]:
        """The nearest cells that have not been seen, the nearest of all imports first, as far as there is room."""
        fresh: list[NDArray[np.int64]] = []
        for item, probes, seen in zip(self._imports, self._probes, self._seen, strict=True):
            nearest = item.cells.cell_set.nearest(self._vector, min(probes, len(item.cells)))
            new = nearest[~seen[nearest]]
            seen[new] = True
            fresh.append(new[item.live_rows(new) > 0])
        fitting = self._fitting(fresh)
        openings = [
            Opening(place, cells[:count])
            for place, (cells, count) in enumerate(zip(fresh, fitting, strict=True))
            if count
        ]
        self.cells_opened += sum(len(some.cells) for some in openings)
        return openings

    def _fitting(self, fresh: Sequence[NDArray[np.int64]]) -> list[int]:
        """How many of the nearest cells of each import there is room for; they take turns, rank by rank."""
        sizes = [self._size(place, cells) for place, cells in enumerate(fresh)]
        total = sum(int(some.sum()) for some in sizes)
        if total <= self._room:
            self._room -= total
            self._begun = True
            return [len(cells) for cells in fresh]
        self.partial = True
        places = np.repeat(np.arange(len(fresh)), [len(cells) for cells in fresh])
        ranks = np.concatenate([np.arange(len(cells)) for cells in fresh])
        in_turn = np.lexsort((places, ranks))
        spent = np.cumsum(np.concatenate(sizes)[in_turn])
        count = int((spent <= self._room).sum())
        if not self._begun:
            count = max(count, 1)  # however large a single cell is
        self._begun = True
        if count:
            self._room -= int(spent[count - 1])
        return np.bincount(places[in_turn[:count]], minlength=len(fresh)).tolist()

    def _size(self, place: int, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Bytes of each cell that are looked at before the winners are known."""
        found = self._imports[place].cells
        size = found.vector_bytes[cells]
        return size + found.record_bytes[cells] if self._filtered else size


def _probes(recall: CellRecall, request: QueryRequest) -> int:
    """An explicit number is obeyed; what a filter leaves of a cell is less, so it needs more of them."""
    if request.nprobe is not None:
        return request.nprobe
    return recall.probes if request.selection is None else max(recall.probes, recall.filtered_probes)
