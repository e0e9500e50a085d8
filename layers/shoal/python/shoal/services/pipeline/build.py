"""Step `build`: some neighbouring cells become one shard, with what calibration needs to know of them."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from shoal.errors import CorruptObject
from shoal.index import id_index, id_run
from shoal.index.built_cells import BuiltCells, cut, encode_built, lay_out, signposts_of
from shoal.index.cell_blocks import CellRows, concatenate, decode_block, sequences_of
from shoal.index.cell_model import decode_model
from shoal.index.cell_recall import candidates
from shoal.index.cell_sizes import joined
from shoal.index.geometry import Geometry
from shoal.index.properties import properties_of_columns
from shoal.services.outbox import Outbox
from shoal.services.parallel import in_parallel
from shoal.services.pipeline.cell_work import (
    BuildItem,
    BuildPlan,
    Built,
    Trained,
    decode_plan,
)
from shoal.services.pipeline.run import IndexRun


def build(work: IndexRun, item: Mapping[str, Any]) -> dict[str, Any]:
    """Build the item's shard."""
    task = BuildItem.of_item(item)
    name = f"build-{task.number:06d}"
    if work.recorded(name, Built) is None and work.record(name, _build(work, task, name))[1]:
        work.piece_done()
    return {}


def _build(work: IndexRun, task: BuildItem, name: str) -> Built:
    centroids, queries = decode_model(work.read(work.needed("trained", Trained).model))
    geometry = centroids.geometry
    cells = list(_cells(work, decode_plan(work.read(task.plan)), geometry))
    sequences = np.concatenate([sequences_of(rows, work.sequence) for rows in cells])
    hashes = np.concatenate([rows.hashes for rows in cells])
    vectors = np.concatenate([rows.columns.vectors for rows in cells])
    files, table = lay_out(cells, vectors, sequences)
    files |= properties_of_columns([rows.columns for rows in cells])
    del cells
    outbox = Outbox(work.ports, work.dataset)
    oldest, newest = int(sequences.min()), int(sequences.max())
    shard = outbox.shard_of(files, rows=len(vectors), sequences=(oldest, newest))
    del files
    outbox.flush()
    placed = geometry.placed(vectors)
    numbers = np.repeat(np.arange(len(table)), table["rows"])
    nearest, filtered = (
        candidates(
            centroids,
            queries,
            vectors=vectors,
            placed=placed,
            hashes=hashes,
            cells=numbers,
            filtered=some,
        )
        for some in (False, True)
    )
    built = BuiltCells(table, signposts_of(geometry, placed, table), nearest, filtered)
    entries = id_index.entries(hashes, sequences, shard.shard_id, np.arange(len(vectors)))
    return Built(
        number=task.number,
        shard=shard,
        cells=work.put(f"{name}-cells", encode_built(built)),
        run=work.put(f"{name}-run", id_run.encode_run(entries)),
    )


def _cells(work: IndexRun, plan: BuildPlan, geometry: Geometry) -> Iterator[CellRows]:
    """The rows of each cell: tiny ones joined, large ones cut."""
    stops = plan.tables["size"].cumsum(axis=1, dtype=np.int64)
    rows = plan.tables["rows"].sum(axis=0, dtype=np.int64)

    def read(task: int) -> memoryview:
        start = plan.starts[task]
        return memoryview(work.read_range(plan.blocks[task], start, start + int(stops[task, -1])))

    blocks = in_parallel(read, range(len(plan.blocks)))
    groups = joined(rows, plan.mean_rows)
    bounds = np.searchsorted(groups, np.arange(int(groups[-1]) + 2)).tolist()
    for first, stop in pairwise(bounds):
        parts = [
            _block(
                blocks[task][int(stops[task, cell]) - int(entry["size"]) : int(stops[task, cell])],
                entry,
                work.dataset.dimension,
                name=plan.blocks[task].key,
            )
            for cell in range(first, stop)
            for task in range(len(blocks))
            if (entry := plan.tables[task, cell])["rows"]
        ]
        if parts:
            yield from cut(geometry, concatenate(parts))


def _block(data: memoryview, entry: np.void, dimension: int, *, name: str) -> CellRows:
    try:
        return decode_block(data, entry, dimension)
    except CorruptObject as damaged:
        raise CorruptObject(f"{name}: {damaged}") from damaged
