"""Searching the cells of a dataset's imports without a filter: the nearest, all of whose live rows count."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.index import block_scan
from shoal.index.exact import Scores
from shoal.model.datasets import Metric
from shoal.model.queries import QueryRequest
from shoal.services.cells import Cells, CellVectors
from shoal.services.loadable import Piece
from shoal.services.query_trace import Trace
from shoal.services.rounds import Import, Opening, Rounds

type Best = tuple[NDArray[np.int64], Scores]
"""Numbers of rows (see `Cells`) and their scores, best first."""


class CellSearch:
    """One query's search of all cells. `best` holds the best rows of each import.

    Use: `begin`, load what it names, `score`.
    """

    def __init__(
        self, imports: Sequence[Import], request: QueryRequest, metric: Metric, trace: Trace, *, budget: int
    ) -> None:
        self._imports = imports
        self._request = request
        self._metric = metric
        self._trace = trace
        self._rounds = Rounds(imports, request, budget=budget)
        self._openings: list[Opening] = []
        self._damaged = False
        self.best: list[tuple[Cells, NDArray[np.int64], Scores]] = []

    @property
    def partial(self) -> bool:
        """Whether the budget, or damage, ended the search while more should have been looked at."""
        return self._rounds.partial or self._damaged

    def begin(self, wanted: int) -> list[Piece[Any]]:
        """Choose cells that hold `wanted` live rows, if there are so many; what to load for them."""
        self._openings = self._rounds.first(wanted)
        self._trace.cells_opened = self._rounds.cells_opened
        return [
            piece for some in self._openings for piece in self._imports[some.place].cells.vectors(some.cells)
        ]

    def score(self, loaded: dict[str, Any]) -> None:
        """Search the chosen cells, whose vectors are in `loaded` by now, but for damaged ones."""
        for some in self._openings:
            item = self._imports[some.place]
            found: list[CellVectors | None] = [
                loaded.get(piece.name) for piece in item.cells.vectors(some.cells)
            ]
            cells = some.cells[[vectors is not None for vectors in found]]
            whole = [vectors for vectors in found if vectors is not None]
            self._damaged |= len(whole) < len(found)
            if whole:
                self.best.append((item.cells, *self._all_rows(item, cells, whole)))

    def _all_rows(self, item: Import, cells: NDArray[np.int64], vectors: Sequence[CellVectors]) -> Best:
        rows = item.cells.rows[cells]
        starts = np.cumsum(rows) - rows
        hidden = _positions(item, cells, starts) if len(item.dead) else None
        self._trace.candidates += int(rows.sum()) - (0 if hidden is None else len(hidden))
        request = self._request
        positions, scores = block_scan.top_k(
            [some.rows for some in vectors],
            [some.lengths for some in vectors],
            request.vector,
            self._metric,
            request.top_k,
            hidden=hidden,
        )
        owners = np.searchsorted(starts, positions, side="right") - 1
        return item.cells.first[cells][owners] + positions - starts[owners], scores


def _positions(item: Import, cells: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the dead rows of cells lie when the cells' rows are joined in this order."""
    begin, end = item.dead_places(cells)
    gone = [
        item.dead[begin[place] : end[place]] + (starts[place] - item.cells.first[cells[place]])
        for place in np.flatnonzero(end > begin).tolist()
    ]
    return np.concatenate(gone) if gone else np.empty(0, dtype=np.int64)
