"""A cell set: the part of a manifest that says where the cells of one import lie, and which are near a query.

The cells lie in shards whose rows are sorted by cell: a cell is a run of consecutive rows of one shard, and a
block of that shard's records. Both can be read without the rest of the shard, so each has a digest of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer
from shoal.index.container import Container, count_of, pack, section_of, unpack
from shoal.index.geometry import Geometry
from shoal.index.graph import load_graph
from shoal.index.probing import LONGEST, Probing, graph_over, probing_of
from shoal.index.shard import CELL_RECORDS_FILE, PROPERTIES_FILE, PROPERTY_FRONT_FILE, VECTORS_FILE
from shoal.model.datasets import Metric
from shoal.model.manifests import ShardRef
from shoal.model.records import Vectors

KIND = "cells"
FORMAT = 1
CELL = np.dtype(
    [
        ("shard", "<u4"),
        ("first_row", "<u4"),
        ("rows", "<u4"),
        ("records_start", "<u8"),
        ("records_size", "<u4"),
        ("vectors_digest", "V16"),
        ("records_digest", "V16"),
    ]
)
"""56 bytes. `shard`: index into the shards; the rest of it is places in that shard's two files, and `digest128` of
what lies there."""
_MAX_CELLS = 1_000_000
_PROPERTY_FILES = {PROPERTY_FRONT_FILE, PROPERTIES_FILE}
_SHARDS = TypeAdapter(tuple[ShardRef, ...])


@dataclass(frozen=True, slots=True)
class CellSet:
    """The cells of one import, ordered by (shard, first row); the number of a cell is its place in `table`.

    `table` is of `CELL`. Safe to use from several threads.
    """

    shards: tuple[ShardRef, ...]
    table: NDArray[np.void]
    probing: Probing
    _places: NDArray[np.uint64]
    _numbers: dict[str, int]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def geometry(self) -> Geometry:
        """How the signposts lie."""
        return self.probing.geometry

    @property
    def metric(self) -> Metric:
        """How near two vectors are."""
        return self.geometry.metric

    @property
    def dimension(self) -> int:
        """Length of the vectors as sent."""
        return self.geometry.dimension

    @property
    def memory_bytes(self) -> int:
        """About what it occupies."""
        return self.probing.memory_bytes + int(self.table.nbytes + self._places.nbytes)

    def nearest(self, query: Vectors, count: int) -> NDArray[np.int64]:
        """The numbers of the `count` nearest cells, best first; all of them where there are no more.

        Args:
            query: float32, shape (dimension,), finite.
            count: how many.
        """
        return self.probing.nearest(query, count)

    def cell_of(self, shard: int, row: int) -> int:
        """The cell that holds a row of a shard (its index in `shards`).

        Raises:
            CorruptObject: there is no such row.
        """
        if not 0 <= shard < len(self.shards) or not 0 <= row < self.shards[shard].rows:
            raise CorruptObject(f"cells have no row {row} in shard {shard}")
        return int(np.searchsorted(self._places, np.uint64(shard << 32 | row), side="right")) - 1

    def shard_number(self, shard_id: str) -> int | None:
        """The index of a shard in `shards`; None where it is none of these."""
        return self._numbers.get(shard_id)

    def vectors_range(self, cells: int | NDArray[np.int64]) -> tuple[Any, Any]:
        """Where the vectors of cells lie in their shards' files: first bytes and ends (int64, as `cells`)."""
        row_bytes = self.dimension * 4
        starts = self.table["first_row"][cells].astype(np.int64) * row_bytes
        return starts, starts + self.table["rows"][cells].astype(np.int64) * row_bytes

    def records_range(self, cells: int | NDArray[np.int64]) -> tuple[Any, Any]:
        """Where the records of cells lie in their shards' files: first bytes and ends (int64, as `cells`)."""
        starts = self.table["records_start"][cells].astype(np.int64)
        return starts, starts + self.table["records_size"][cells].astype(np.int64)


def encode_cell_set(
    shards: Sequence[ShardRef], table: NDArray[np.void], geometry: Geometry, signposts: Vectors
) -> bytes:
    """Build the object.

    Args:
        shards: that hold the cells, in the order of the table.
        table: of `CELL`, sorted by shard and first row.
        geometry: of the signposts.
        signposts: of the cells: float32, shape (cells, geometry.width).
    """
    graph = graph_over(geometry, signposts)
    sections: dict[str, Buffer] = {
        "shards": _SHARDS.dump_json(tuple(shards)),
        "table": np.ascontiguousarray(table, dtype=CELL).tobytes(),
        "signposts": np.ascontiguousarray(signposts, dtype="<f4").tobytes(),
    }
    if graph is not None:
        sections["graph"] = graph.save()
    data = pack(KIND, FORMAT, {"cells": len(table), **geometry.attributes}, sections)
    decode_cell_set(data, dimension=geometry.dimension, metric=geometry.metric)
    return data


def decode_cell_set(data: Buffer, *, dimension: int, metric: Metric) -> CellSet:
    """Read the object, after its checksum has been compared.

    Raises:
        CorruptObject: not a cell set of this dimension and metric, or it contradicts itself.
    """
    container = unpack(KIND, data, versions=(FORMAT,))
    geometry = Geometry.from_attributes(container.attributes)
    if geometry.dimension != dimension or geometry.metric is not metric:
        raise CorruptObject(f"cells of dimension {geometry.dimension} and metric {geometry.metric}")
    count = count_of(container.attributes, "cells", most=_MAX_CELLS)
    shards = _shards(container)
    table = np.frombuffer(section_of(container, "table", size=count * CELL.itemsize), dtype=CELL)
    _check_shards(shards, table, dimension)
    _check_records(shards, table)
    return CellSet(
        shards=shards,
        table=table,
        probing=_probing(container, geometry, count),
        _places=table["shard"].astype(np.uint64) << np.uint64(32) | table["first_row"],
        _numbers={shard.shard_id: number for number, shard in enumerate(shards)},
    )


def shards_of(data: Buffer) -> tuple[ShardRef, ...]:
    """The shards that hold the cells, and nothing else of the object, after its checksum has been compared.

    Raises:
        CorruptObject: not a cell set.
    """
    return _shards(unpack(KIND, data, versions=(FORMAT,)))


def _shards(container: Container) -> tuple[ShardRef, ...]:
    try:
        return _SHARDS.validate_json(bytes(section_of(container, "shards")))
    except ValidationError as error:
        raise CorruptObject(f"cells: shards cannot be read: {error.error_count()} errors") from error


def _check_shards(shards: Sequence[ShardRef], table: NDArray[np.void], dimension: int) -> None:
    """Each shard consists of cells without gaps, and no cell is empty."""
    if not shards or len({shard.shard_id for shard in shards}) != len(shards):
        raise CorruptObject("cells: no shard, or one twice")
    numbers = table["shard"].astype(np.int64)
    if not len(table) or not np.isin(np.diff(numbers), (0, 1)).all() or not table["rows"].all():
        raise CorruptObject("cells: out of order or empty")
    if numbers[0] != 0 or numbers[-1] != len(shards) - 1:
        raise CorruptObject("cells: a shard is not listed, or has no cells")
    rows = np.array([shard.rows for shard in shards], dtype=np.int64)
    ends = np.cumsum(table["rows"], dtype=np.int64)
    before = np.concatenate([[0], np.cumsum(rows)[:-1]])
    starts = ends - table["rows"] - before[numbers]
    if ends[-1] != rows.sum() or (starts != table["first_row"]).any():
        raise CorruptObject("cells: rows do not add up")
    if (np.diff(numbers) != (starts[1:] == 0)).any() or starts[0] != 0:
        raise CorruptObject("cells: a cell lies in two shards")
    for shard in shards:
        if shard.files.keys() - _PROPERTY_FILES != {VECTORS_FILE, CELL_RECORDS_FILE}:
            raise CorruptObject("cells: a shard has other files")
        if shard.files[VECTORS_FILE].size != shard.rows * dimension * 4:
            raise CorruptObject("cells: size of vectors does not fit the rows")


def _check_records(shards: Sequence[ShardRef], table: NDArray[np.void]) -> None:
    """Blocks of records follow each other and end inside their files."""
    sizes = np.array([shard.files[CELL_RECORDS_FILE].size for shard in shards], dtype=np.uint64)
    starts, limits = table["records_start"], sizes[table["shard"]]
    lengths = table["records_size"].astype(np.uint64)
    if (starts > limits).any() or (lengths > limits - starts).any():
        raise CorruptObject("cells: records beyond the end of their file")
    together = table["shard"][1:] == table["shard"][:-1]
    if (together & (starts[1:] < starts[:-1] + lengths[:-1])).any():
        raise CorruptObject("cells: records overlap")


def _probing(container: Container, geometry: Geometry, count: int) -> Probing:
    raw = section_of(container, "signposts", size=count * geometry.width * 4)
    signposts = np.frombuffer(raw, dtype="<f4").reshape(count, geometry.width).astype(np.float32, copy=False)
    lengths = np.sqrt(np.vecdot(signposts, signposts, dtype=np.float64))
    if not np.isfinite(signposts).all() or float(lengths.max()) > 2 * LONGEST:
        raise CorruptObject("cells: a signpost is not finite or too long")
    if "graph" not in container.sections:
        return probing_of(geometry, signposts)
    stored = section_of(container, "graph")
    graph = load_graph(stored, dimension=geometry.width, metric=geometry.metric, rows=count)
    return probing_of(geometry, signposts, graph=graph)
