"""Cells for tests: random rows in random cells, as shards of cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.index.cell_records import encode_cell_records
from shoal.index.cell_set import CELL
from shoal.index.checksums import digest128, sha256_hex
from shoal.index.column_file import Blobs
from shoal.index.geometry import Geometry, geometry_of
from shoal.index.probing import signpost
from shoal.index.shard import CELL_RECORDS_FILE, VECTORS_FILE
from shoal.model.datasets import Metric
from shoal.model.manifests import FileRef, ShardRef
from shoal.model.records import Vectors


@dataclass(frozen=True)
class Cells:
    """Shards of cells with all that a cell set says of them. `cells[n]` are the vectors of cell n."""

    cells: list[Vectors]
    shards: tuple[ShardRef, ...]
    files: list[dict[str, bytes]]
    table: NDArray[np.void]
    geometry: Geometry
    signposts: Vectors


def make_cells(
    metric: Metric, sizes: list[list[int]], *, dimension: int = 3, seed: int = 0, sequence: int = 7
) -> Cells:
    """Cells of `sizes` rows, a list for each shard."""
    rng = np.random.default_rng(seed)
    cells, files, shards, table = [], [], [], []
    for number, rows_of in enumerate(sizes):
        vectors, records, first = b"", b"", 0
        for rows in rows_of:
            cell = (rng.standard_normal((rows, dimension)) + 3 * rng.standard_normal(dimension)).astype("f4")
            names = [f"{number}/{first + row}".encode() for row in range(rows)]
            block = encode_cell_records(
                np.full(rows, sequence, dtype=np.uint64), Blobs.of(names), Blobs.of([b"{}"] * rows)
            )
            raw = cell.tobytes()
            table.append((number, first, rows, len(records), len(block), digest128(raw), digest128(block)))
            cells.append(cell)
            vectors, records, first = vectors + raw, records + block, first + rows
        files.append({VECTORS_FILE: vectors, CELL_RECORDS_FILE: records})
        refs = {name: FileRef(size=len(data), sha256=sha256_hex(data)) for name, data in files[-1].items()}
        shards.append(
            ShardRef(
                shard_id=f"s{number}", rows=first, min_sequence=sequence, max_sequence=sequence, files=refs
            )
        )
    geometry = geometry_of(np.concatenate(cells), metric)
    return Cells(
        cells=cells,
        shards=tuple(shards),
        files=files,
        table=np.array(table, dtype=CELL),
        geometry=geometry,
        signposts=np.stack([signpost(geometry, geometry.placed(cell)) for cell in cells]),
    )
