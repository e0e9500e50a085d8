"""Searching cells for rows that match a selection: all cells that hold one where they are few, else the nearest.

Where matches are known beforehand (`services.matching`), vectors of a cell without one are never read: all cells
with matches are opened if they have at most `EXACT_FILTER_BYTES` together, and otherwise as many of the nearest as
calibration asks for at this share of matches (`index.cell_probes.probes_for`). Where they are not known, the
records of the nearest cells are looked into first. Either way the search goes on while it has found fewer matches
than it must, and while the best of them were found late (`Lane.found_late`), within the budget.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.index import chosen_rows
from shoal.index.cell_records import CellRecords
from shoal.index.exact import Scores, top_k_of
from shoal.model.datasets import Metric
from shoal.model.limits import EXACT_FILTER_BYTES
from shoal.model.queries import QueryRequest
from shoal.model.selection import Selection
from shoal.services import masks
from shoal.services.cells import Cells, CellVectors
from shoal.services.lanes import CellNumbers, Lane
from shoal.services.loadable import Piece
from shoal.services.query_trace import Trace
from shoal.services.rounds import fitting
from shoal.services.tolerance import Loader

type Best = tuple[NDArray[np.int64], Scores]
"""Numbers of rows (see `Cells`) and their scores, best first."""


class FilteredCells:
    """One query's search of all cells under a selection. `best` holds the best rows so far of each import.

    Use: `begin`, load what it names, `score`; then `widen` until it says that there is no need.

    Args:
        lanes: one for each import.
        request: the query.
        selection: which rows may answer.
        metric: of the dataset.
        loader: of this query.
        trace: of this query.
        budget: bytes of cells to look at, at most.
        exact_bytes: of the cells with a match, up to which all of them are opened.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        request: QueryRequest,
        selection: Selection,
        metric: Metric,
        *,
        loader: Loader,
        trace: Trace,
        budget: int,
        exact_bytes: int = EXACT_FILTER_BYTES,
    ) -> None:
        self._lanes = lanes
        self._request = request
        self._selection = selection
        self._metric = metric
        self._loader = loader
        self._trace = trace
        self._room = budget
        self._exact_bytes = min(exact_bytes, budget)
        self._begun = False
        self._full = False
        self._openings: list[tuple[Lane, CellNumbers, list[Piece[CellVectors]]]] = []
        self._best: list[Best] = [(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in lanes]
        self.found = 0
        self.partial = False
        """Whether the budget, or damage, ended the search while more should have been looked at."""

    @property
    def best(self) -> list[tuple[Cells, NDArray[np.int64], Scores]]:
        """The best rows of each import."""
        return [(lane.item.cells, *best) for lane, best in zip(self._lanes, self._best, strict=True)]

    @property
    def everything_opened(self) -> bool:
        """Whether every cell that holds a match was opened, so that the answer is exact."""
        return not self.partial and all(lane.exhausted for lane in self._lanes)

    def begin(self) -> list[Piece[Any]]:
        """Choose the first cells; the vectors to load."""
        request = self._request
        known = [lane for lane in self._lanes if lane.known]
        few = sum(lane.matching_bytes for lane in known) <= self._exact_bytes and request.nprobe is None
        choices = []
        for lane in self._lanes:
            if lane.exhausted:
                choices.append(np.empty(0, dtype=np.int64))
            elif lane.known and few:
                choices.append(lane.all_matching())
            else:
                choices.append(lane.first(request.nprobe, request.top_k))
        return self._take(choices, needed=True)

    def widen(self, missing: int) -> list[Piece[Any]] | None:
        """Choose more cells where the answer needs them; the vectors to load, or None: there is no need.

        Args:
            missing: how many matches there should be in cells, if there are so many.
        """
        nothing = np.empty(0, dtype=np.int64)
        while not self._full:
            needed = [
                not lane.exhausted and (self.found < missing or not lane.enough(self._request.nprobe))
                for lane in self._lanes
            ]
            late = [False] * len(needed) if any(needed) else self._late()
            if not any(needed) and not any(late):
                return None
            choices = [
                lane.more() if must or might else nothing
                for lane, must, might in zip(self._lanes, needed, late, strict=True)
            ]
            pieces = self._take(choices, needed=any(needed))
            if pieces:
                return pieces
        return None

    def score(self, loaded: dict[str, Any]) -> None:
        """Search the cells that were chosen last, whose vectors are in `loaded` by now, but for damaged ones."""
        for lane, chosen, pieces in self._openings:
            vectors: list[CellVectors | None] = [loaded.get(piece.name) for piece in pieces]
            whole = [some for some in vectors if some is not None]
            cells = chosen
            if len(whole) < len(chosen):
                self.partial = True
                cells = chosen[[some is not None for some in vectors]]
            if not whole:
                continue
            lane.open(cells)
            numbers, counts = lane.rows_in(cells), lane.counts(cells)
            self._trace.candidates += len(numbers)
            places, scores = chosen_rows.top_k(
                [some.rows for some in whole],
                [some.lengths for some in whole],
                numbers - np.repeat(lane.item.cells.first[cells], counts),
                counts,
                self._request.vector,
                self._metric,
                self._request.top_k,
            )
            place = self._lanes.index(lane)
            known_numbers, known_scores = self._best[place]
            self._best[place] = top_k_of(
                np.concatenate([known_numbers, numbers[places]]),
                np.concatenate([known_scores, scores]),
                self._request.top_k,
                self._metric,
            )
        self._openings = []
        self.found = sum(lane.compared for lane in self._lanes)
        self._trace.cells_opened = sum(lane.opened for lane in self._lanes)

    # --- choosing

    def _late(self) -> list[bool]:
        """Of which imports some of the k best rows of all were found late; none of them where cells were named."""
        if self._request.nprobe is not None:
            return [False] * len(self._lanes)
        cost = [scores if self._metric.lower_is_better else -scores for _, scores in self._best]
        joined = np.concatenate(cost) if cost else np.empty(0, dtype=np.float32)
        if not len(joined):
            return [False] * len(self._lanes)
        worst = np.partition(joined, min(self._request.top_k, len(joined)) - 1)[: self._request.top_k].max()
        late = []
        for lane, (numbers, _), some in zip(self._lanes, self._best, cost, strict=True):
            owners, _ = lane.item.cells.places(numbers[some <= worst])
            late.append(not lane.exhausted and lane.found_late(owners))
        return late

    def _take(self, choices: Sequence[CellNumbers], *, needed: bool) -> list[Piece[Any]]:
        """Look at as many of the chosen cells as there is room for; the vectors of those that hold a match."""
        sizes = [self._size(lane, cells) for lane, cells in zip(self._lanes, choices, strict=True)]
        counts = fitting(sizes, self._room, at_least_one=not self._begun)
        self._begun = True
        if any(count < len(cells) for count, cells in zip(counts, choices, strict=True)):
            self._full = True
            self.partial |= needed
        self._room -= sum(int(size[:count].sum()) for size, count in zip(sizes, counts, strict=True))
        taken = [
            (lane, cells[:count]) for lane, cells, count in zip(self._lanes, choices, counts, strict=True)
        ]
        for lane, cells in taken:
            lane.see(cells)
        self._learn([(lane, cells) for lane, cells in taken if not lane.known and len(cells)])
        matching = [(lane, self._with_matches(lane, cells)) for lane, cells in taken if len(cells)]
        self._openings = [(lane, cells, lane.item.cells.vectors(cells)) for lane, cells in matching]
        return [piece for _, _, pieces in self._openings for piece in pieces]

    def _size(self, lane: Lane, cells: CellNumbers) -> NDArray[np.int64]:
        """Bytes of each cell that are looked at before the winners are known."""
        stored = lane.item.cells
        size = stored.vector_bytes[cells]
        return size if lane.known else size + stored.record_bytes[cells]

    def _learn(self, looked_into: Sequence[tuple[Lane, CellNumbers]]) -> None:
        """Read the records of cells, and see what matches."""
        if not looked_into:
            return
        with self._trace.stage("load"):
            wanted = [piece for lane, cells in looked_into for piece in lane.item.cells.records(cells)]
            loaded = self._loader.load(wanted)
        with self._trace.stage("filter"):
            for lane, cells in looked_into:
                rows = []
                for piece, start in zip(
                    lane.item.cells.records(cells), lane.item.cells.first[cells].tolist(), strict=True
                ):
                    records: CellRecords | None = loaded.get(piece.name)
                    self.partial |= records is None
                    rows.append(self._alive(lane, records, start))
                lane.learn(cells, rows)

    def _alive(self, lane: Lane, records: CellRecords | None, start: int) -> NDArray[np.int64]:
        if records is None:
            return np.empty(0, dtype=np.int64)
        numbers = records.matching(self._selection).astype(np.int64) + start
        return numbers[~masks.contains(lane.item.dead, numbers)]

    def _with_matches(self, lane: Lane, cells: CellNumbers) -> CellNumbers:
        """Only the cells in which something matches; the others' vectors are not needed."""
        matches = lane.counts(cells) > 0
        self._room += int(lane.item.cells.vector_bytes[cells[~matches]].sum())
        return cells[matches]
