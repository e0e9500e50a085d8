"""Records of rows that were found, by a search or by id: wherever the rows lie, each stored piece is read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from shoal.errors import InvalidInput
from shoal.index.cell_records import CellRecords
from shoal.index.records import Record, Records
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.model.manifests import ShardRef
from shoal.model.queries import Match
from shoal.services.cells import Cells, CellVectors
from shoal.services.loadable import Part, Piece
from shoal.services.parts import PartReader
from shoal.services.snapshot import ShardVectors, Snapshot

_MATCH_OVERHEAD_BYTES = 64
VALUE_BYTES = 14
"""A float32 in shortest JSON digits with its comma, at most."""
RECORD_OVERHEAD_BYTES = 64

type Source = ShardRef | Cells
"""Where a row was found; of cells, rows go by their number."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a row lies: the records and the vectors of its shard or cell, and its place in them."""

    records: Part[Records] | Piece[CellRecords]
    vectors: Part[ShardVectors] | Piece[CellVectors]
    row: int

    def loadables(self, *, include_values: bool) -> list[Part[Any] | Piece[Any]]:
        """What must be loaded to show the row."""
        return [self.records, self.vectors] if include_values else [self.records]


def spots_of(snapshot: Snapshot, rows: Sequence[tuple[Source, int]]) -> list[Spot]:
    """Where rows lie, in the order given."""
    spots: list[Spot | None] = [None] * len(rows)
    in_cells: dict[int, tuple[Cells, list[int]]] = {}
    of_shard: dict[str, tuple[Part[Records], Part[ShardVectors]]] = {}
    for place, (source, row) in enumerate(rows):
        if isinstance(source, Cells):
            in_cells.setdefault(id(source), (source, []))[1].append(place)
            continue
        parts = of_shard.get(source.shard_id)
        if parts is None:
            parts = of_shard[source.shard_id] = snapshot.records_part(source), snapshot.vectors_part(source)
        spots[place] = Spot(*parts, row)
    for cells, places in in_cells.values():
        numbers = np.array([rows[place][1] for place in places], dtype=np.int64)
        owners, within = cells.places(numbers)
        pieces = zip(places, cells.records(owners), cells.vectors(owners), within.tolist(), strict=True)
        for place, records, vectors, row in pieces:
            spots[place] = Spot(records, vectors, row)
    return [spot for spot in spots if spot is not None]


def readable_spots(spots: Sequence[Spot | None], *, include_values: bool, budget: int) -> int:
    """How many of the rows can be read within the budget (bytes of cells).

    A cell is read whole, once, and the first one always; None stands for a row that is nowhere.
    """
    counted: set[str] = set()
    size = 0
    for place, spot in enumerate(spots):
        parts = spot.loadables(include_values=include_values) if spot else []
        fresh = [part for part in parts if isinstance(part, Piece) and part.name not in counted]
        size += sum(part.stop - part.start for part in fresh)
        if size > budget and counted and fresh:
            return place
        counted |= {part.name for part in fresh}
    return len(spots)


class Shelf:
    """What one request holds of the stored pieces that it needs, by name."""

    def __init__(self, reader: PartReader, loaded: dict[str, Any] | None = None) -> None:
        self._reader = reader
        self._loaded = {} if loaded is None else loaded

    def load(self, spots: Sequence[Spot], *, include_values: bool) -> None:
        """Bring in what these rows need, at once."""
        wanted = {part.name: part for spot in spots for part in spot.loadables(include_values=include_values)}
        missing = [part for name, part in wanted.items() if name not in self._loaded]
        values = self._reader.load_all(missing)
        self._loaded |= zip((part.name for part in missing), values, strict=True)

    def records(self, spots: Sequence[Spot], *, documents: bool = True) -> list[Record]:
        """The records of rows that were loaded, in the order given; without their documents where told so."""
        rows: dict[str, list[int]] = {}
        for spot in spots:
            rows.setdefault(spot.records.name, []).append(spot.row)
        found = {name: self._loaded[name].by_rows(some, documents=documents) for name, some in rows.items()}
        return [found[spot.records.name][spot.row] for spot in spots]

    def document(self, spot: Spot) -> bytes:
        """The document of a row that was loaded: of many rows, one at a time, as they may be large."""
        found: dict[int, Record] = self._loaded[spot.records.name].by_rows([spot.row])
        return found[spot.row].document

    def values(self, spot: Spot) -> NDArray[np.float32]:
        """The vector of a row that was loaded with its values: float32, shape (dimension,)."""
        found: NDArray[np.float32] = self._loaded[spot.vectors.name].rows[spot.row]
        return found


def matches_of(
    snapshot: Snapshot,
    best: Sequence[tuple[Source, int, float]],
    loaded: dict[str, Any],
    *,
    include_values: bool,
    include_document: bool = False,
) -> tuple[Match, ...]:
    """The winners of a search with their records; with their documents only where those are asked for.

    Raises:
        InvalidInput: `response_too_large` naming the top_k that fits.
    """
    spots = spots_of(snapshot, [(source, row) for source, row, _ in best])
    shelf = Shelf(snapshot.reader, loaded)
    shelf.load(spots, include_values=include_values)
    matches: list[Match] = []
    size = 0
    for (_, _, score), spot, record in zip(best, spots, shelf.records(spots, documents=False), strict=True):
        values = shelf.values(spot) if include_values else None
        document = shelf.document(spot) if include_document else b""
        matches.append(Match(record.id, score, record.metadata, values, record.namespace, document))
        texts = (record.id, record.namespace, document.decode())
        size += _escaped(record.metadata) + sum(_escaped(orjson.dumps(text)) for text in texts)
        size += _MATCH_OVERHEAD_BYTES
        if size > MAX_RESPONSE_BYTES:
            fits = len(matches) - 1
            raise InvalidInput(
                "response_too_large",
                f"the answer would be over {MAX_RESPONSE_BYTES} bytes; ask for top_k {fits} at most",
                {"top_k": fits},
            )
    return tuple(matches)


def _escaped(text: bytes) -> int:
    """Bytes of JSON inside Lambda's answer, where it is a string: quotes and backslashes count twice."""
    return len(text) + text.count(b'"') + text.count(b"\\")
