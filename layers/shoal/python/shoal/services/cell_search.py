"""Searching the cells of a dataset's imports: the nearest at once, and more where a filter leaves too little."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.index import block_scan
from shoal.index.cell_records import CellRecords
from shoal.index.exact import Scores, top_k_of
from shoal.model.queries import QueryRequest
from shoal.services.cells import Cells, CellVectors
from shoal.services.loadable import Piece
from shoal.services.query_trace import Trace
from shoal.services.rounds import Import, Opening, Rounds
from shoal.services.snapshot import DeadRows, Snapshot

type Best = tuple[NDArray[np.int64], Scores]
"""Numbers of rows (see `Cells`) and their scores, best first."""


class CellSearch:
    """One query's search of all cells. `best` holds the best rows so far of each import.

    Use: `begin`, load what it names, `score`; then `widen` while there are too few matches.
    """

    def __init__(
        self, snapshot: Snapshot, request: QueryRequest, dead: DeadRows, trace: Trace, *, budget: int
    ) -> None:
        self._reader = snapshot.reader
        self._request = request
        self._metric = snapshot.dataset.metric
        self._trace = trace
        manifest = snapshot.manifest
        version = f"{manifest.dataset_id}/{manifest.version}"
        self._imports = [
            Import(cells, self._dead_numbers(f"dead#{version}#{ref.key}", cells, dead), ref.recall)
            for cells, ref in zip(snapshot.cells(), manifest.cell_sets, strict=True)
        ]
        trace.cells_total = sum(len(item.cells) for item in self._imports)
        self._rounds = Rounds(self._imports, request, budget=budget)
        self._openings: list[Opening] = []
        self._best: list[Best] = [(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in self._imports]
        self.found = 0
        """Live rows that match, among those that were scored."""

    def _dead_numbers(self, name: str, cells: Cells, dead: DeadRows) -> NDArray[np.int64]:
        make = partial(cells.dead_numbers, dead)
        return self._reader.made(name, make, lambda numbers: numbers.nbytes)

    @property
    def best(self) -> list[tuple[Cells, NDArray[np.int64], Scores]]:
        """The best rows of each import."""
        return [(item.cells, *best) for item, best in zip(self._imports, self._best, strict=True)]

    @property
    def partial(self) -> bool:
        """Whether the budget ended the search while more would have been looked at."""
        return self._rounds.partial

    def begin(self, wanted: int) -> list[Piece[Any]]:
        """Choose the first cells; what to load for them. Without a filter they hold `wanted` live rows."""
        self._openings = self._rounds.first(wanted)
        pieces = self._vector_pieces(self._openings)
        return pieces + self._record_pieces(self._openings) if self._request.selection is not None else pieces

    def score(self, loaded: dict[str, Any]) -> None:
        """Search the cells that were opened last, which are in `loaded` by now."""
        for some in self._openings:
            item = self._imports[some.place]
            vectors: list[CellVectors] = [loaded[piece.name] for piece in item.cells.vectors(some.cells)]
            if self._request.selection is None:
                numbers, scores = self._all_rows(item, some.cells, vectors)
            else:
                records: list[CellRecords] = [loaded[piece.name] for piece in item.cells.records(some.cells)]
                numbers, scores = self._matching_rows(item, some.cells, vectors, records)
            known_numbers, known_scores = self._best[some.place]
            self._best[some.place] = top_k_of(
                np.concatenate([known_numbers, numbers]),
                np.concatenate([known_scores, scores]),
                self._request.top_k,
                self._metric,
            )
        self._trace.cells_opened = self._rounds.cells_opened

    def widen(self, loaded: dict[str, Any]) -> bool:
        """Open as many cells again, with vectors only where something matches; False: there are no more."""
        selection = self._request.selection
        if selection is None:
            return False
        with self._trace.stage("route"):
            openings = self._rounds.more()
        if not openings:
            return False
        with self._trace.stage("load"):
            self._load(self._record_pieces(openings), loaded)
        with self._trace.stage("score"):
            self._openings = [self._with_matches(some, loaded) for some in openings]
        with self._trace.stage("load"):
            self._load(self._vector_pieces(self._openings), loaded)
        with self._trace.stage("score"):
            self.score(loaded)
        return True

    def _with_matches(self, some: Opening, loaded: dict[str, Any]) -> Opening:
        """Only the cells in which something matches; the others' vectors are not needed."""
        cells = self._imports[some.place].cells
        selection = self._request.selection
        pieces = cells.records(some.cells)
        matches = np.array(
            [selection is None or len(loaded[piece.name].matching(selection)) > 0 for piece in pieces],
            dtype=np.bool_,
        )
        self._rounds.give_back(int(cells.vector_bytes[some.cells[~matches]].sum()))
        return Opening(some.place, some.cells[matches])

    def _load(self, pieces: list[Piece[Any]], loaded: dict[str, Any]) -> None:
        values = self._reader.load_all(pieces)
        loaded.update(zip((piece.name for piece in pieces), values, strict=True))

    def _vector_pieces(self, openings: Sequence[Opening]) -> list[Piece[Any]]:
        return [piece for some in openings for piece in self._imports[some.place].cells.vectors(some.cells)]

    def _record_pieces(self, openings: Sequence[Opening]) -> list[Piece[Any]]:
        return [piece for some in openings for piece in self._imports[some.place].cells.records(some.cells)]

    def _all_rows(self, item: Import, cells: NDArray[np.int64], vectors: list[CellVectors]) -> Best:
        rows = item.cells.rows[cells]
        starts = np.cumsum(rows) - rows
        hidden = _positions(item, cells, starts) if len(item.dead) else None
        count = int(rows.sum()) - (0 if hidden is None else len(hidden))
        self.found += count
        self._trace.candidates += count
        positions, scores = self._scan([v.rows for v in vectors], [v.lengths for v in vectors], hidden)
        owners = np.searchsorted(starts, positions, side="right") - 1
        return item.cells.first[cells][owners] + positions - starts[owners], scores

    def _matching_rows(
        self,
        item: Import,
        cells: NDArray[np.int64],
        vectors: list[CellVectors],
        records: list[CellRecords],
    ) -> Best:
        selection = self._request.selection
        if selection is None or not len(cells):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        first = item.cells.first[cells].tolist()
        blocks, lengths, numbers = [], [], []
        for start, some, record in zip(first, vectors, records, strict=True):
            rows = record.matching(selection).astype(np.int64)
            if len(item.dead):
                rows = rows[~_contains(item.dead, rows + start)]
            whole = len(rows) == len(some.rows)
            blocks.append(some.rows if whole else some.rows[rows])
            lengths.append(some.lengths if whole else some.lengths[rows])
            numbers.append(rows + start)
        joined = np.concatenate(numbers)
        self.found += len(joined)
        self._trace.candidates += len(joined)
        positions, scores = self._scan(blocks, lengths, None)
        return joined[positions], scores

    def _scan(
        self,
        blocks: list[NDArray[np.float32]],
        lengths: list[NDArray[np.float32]],
        hidden: NDArray[np.int64] | None,
    ) -> Best:
        request = self._request
        return block_scan.top_k(blocks, lengths, request.vector, self._metric, request.top_k, hidden=hidden)


def _positions(item: Import, cells: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the dead rows of cells lie when the cells' rows are joined in this order."""
    begin, end = item.dead_places(cells)
    gone = [
        item.dead[begin[place] : end[place]] + (starts[place] - item.cells.first[cells[place]])
        for place in np.flatnonzero(end > begin).tolist()
    ]
    return np.concatenate(gone) if gone else np.empty(0, np.int64)


def _contains(ascending: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.bool_]:
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: NDArray[np.bool_] = ascending[places] == values
    return found
