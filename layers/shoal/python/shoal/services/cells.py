"""The cells of one import, ready to be read: the pieces of stored files that hold them, and their rows counted."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.index import exact
from shoal.index.cell_records import CellRecords
from shoal.index.cell_set import CellSet
from shoal.index.shard import CELL_RECORDS_FILE, VECTORS_FILE, decode_vectors
from shoal.model.records import Rows, Vectors, concatenate
from shoal.services.loadable import Piece
from shoal.services.parts import PartReader
from shoal.storage.keys import TenantKeys

_RECORD_BYTES = 64
"""What open records may take for each row beside their bytes: places, and the answers of eight filters."""
_CELL_BYTES = 32


class CellVectors:
    """The rows of a cell as sent, with their lengths: float32, shapes (rows, dimension) and (rows,), read-only."""

    __slots__ = ("lengths", "rows")

    def __init__(self, rows: Vectors) -> None:
        self.rows = rows
        self.lengths = exact.vector_norms(rows)


class Cells:
    """The cells of one import. A row's *number* is its place when all rows are counted in the order of the cells.

    `rows` (of each cell), `first` (number of its first row), `vector_bytes` and `record_bytes` are int64, shape
    (cells,). Safe to use from several threads.
    """

    def __init__(self, keys: TenantKeys, cell_set: CellSet) -> None:
        table = cell_set.table
        self.cell_set = cell_set
        self.rows: NDArray[np.int64] = table["rows"].astype(np.int64)
        self.first: NDArray[np.int64] = np.cumsum(self.rows) - self.rows
        self.vector_bytes = self.rows * (cell_set.dimension * 4)
        self.record_bytes: NDArray[np.int64] = table["records_size"].astype(np.int64)
        self._vector_keys = [keys.shard_file(shard.shard_id, VECTORS_FILE) for shard in cell_set.shards]
        self._record_keys = [keys.shard_file(shard.shard_id, CELL_RECORDS_FILE) for shard in cell_set.shards]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def name(self) -> str:
        """The id of its first shard: cells of no other import lie in it."""
        return self.cell_set.shards[0].shard_id

    @property
    def memory_bytes(self) -> int:
        """What this takes beside the cell set itself."""
        return _CELL_BYTES * len(self) + 512 * len(self._vector_keys)

    def vectors(self, cells: NDArray[np.int64]) -> list[Piece[CellVectors]]:
        """The vectors of cells (int64, shape (n,))."""
        starts, stops = self.cell_set.vectors_range(cells)
        return [
            Piece(key, start, stop, digest, self._open_vectors, 4 * rows)
            for key, start, stop, digest, rows in self._places(
                cells, "vectors", self._vector_keys, starts, stops
            )
        ]

    def _open_vectors(self, data: bytes) -> CellVectors:
        dimension = self.cell_set.dimension
        return CellVectors(decode_vectors(data, len(data) // (dimension * 4), dimension))

    def records(self, cells: NDArray[np.int64]) -> list[Piece[CellRecords]]:
        """The records of cells (int64, shape (n,))."""
        starts, stops = self.cell_set.records_range(cells)
        return [
            Piece(key, start, stop, digest, CellRecords, _RECORD_BYTES * rows)
            for key, start, stop, digest, rows in self._places(
                cells, "records", self._record_keys, starts, stops
            )
        ]

    def _places(
        self,
        cells: NDArray[np.int64],
        what: str,
        keys: Sequence[str],
        starts: NDArray[np.int64],
        stops: NDArray[np.int64],
    ) -> Iterator[tuple[str, int, int, bytes, int]]:
        """Of each cell: key of the file, first byte and end in it, digest, and rows."""
        table = self.cell_set.table[cells]
        files = (keys[shard] for shard in table["shard"].tolist())
        digests = _digests(table, what)
        return zip(files, starts.tolist(), stops.tolist(), digests, self.rows[cells].tolist(), strict=True)

    def places(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows by number (int64, shape (n,)) as their cells and their rows within them."""
        cells = np.searchsorted(self.first, numbers, side="right") - 1
        return cells, numbers - self.first[cells]

    def number_of(self, shard_id: str, row: int) -> int | None:
        """The number of a row of a shard; None where the shard holds none of these cells.

        Raises:
            CorruptObject: the shard has no such row.
        """
        shard = self.cell_set.shard_number(shard_id)
        if shard is None:
            return None
        cell = self.cell_set.cell_of(shard, row)
        return int(self.first[cell]) + row - int(self.cell_set.table["first_row"][cell])

    def dead_numbers(self, dead: Mapping[str, BitMap]) -> NDArray[np.int64]:
        """The numbers of the rows that are dead, ascending, from the dead rows of each shard."""
        gone = []
        start = 0
        for shard in self.cell_set.shards:
            rows = dead.get(shard.shard_id)
            if rows:
                gone.append(np.frombuffer(rows.to_array(), dtype=np.uint32).astype(np.int64) + start)
            start += shard.rows
        return np.concatenate(gone) if gone else np.empty(0, dtype=np.int64)

    def rows_of(self, reader: PartReader, shard_id: str) -> Rows | None:
        """All rows of a shard, dead ones included, each cell verified; None where it holds none of these cells."""
        shard = self.cell_set.shard_number(shard_id)
        if shard is None:
            return None
        cells = np.flatnonzero(self.cell_set.table["shard"] == shard)
        vectors: Sequence[CellVectors] = reader.load_all(self.vectors(cells))
        records: Sequence[CellRecords] = reader.load_all(self.records(cells))
        pairs = zip(records, vectors, strict=True)
        return concatenate([record.columns().with_vectors(some.rows) for record, some in pairs])


def _digests(table: NDArray[np.void], what: str) -> list[bytes]:
    raw = table[f"{what}_digest"].tobytes()
    return [raw[start : start + 16] for start in range(0, len(raw), 16)]
