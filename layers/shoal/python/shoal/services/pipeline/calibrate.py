"""Step `calibrate`: how many cells a query must probe; all that the commit needs is stored and named."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shoal.errors import CorruptObject
from shoal.index import id_index, id_run
from shoal.index.built_cells import BuiltCells, decode_built
from shoal.index.cell_model import decode_model
from shoal.index.cell_probes import least_probes, probe_places, probes_needed
from shoal.index.cell_recall import Queries
from shoal.index.cell_set import CellSet, decode_cell_set, encode_cell_set
from shoal.model.import_work import Product
from shoal.model.limits import FILTERED_RECALL
from shoal.model.manifests import CellRecall, CellSetRef
from shoal.services.outbox import Outbox
from shoal.services.parallel import in_parallel
from shoal.services.pipeline.cell_work import Built, Grouped, Trained
from shoal.services.pipeline.run import IndexRun


def calibrate(work: IndexRun, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
    """Put the shards' cells together and measure recall."""
    if work.recorded("product", Product) is None:
        work.record("product", _product(work))
    return {}


def _product(work: IndexRun) -> Product:
    names = [f"build-{number:06d}" for number in range(work.needed("grouped", Grouped).builds)]
    shards = in_parallel(lambda name: work.needed(name, Built), names)
    built = in_parallel(lambda one: decode_built(work.read(one.cells)), shards)
    rows = sum(one.shard.rows for one in shards)
    if rows != work.row_count():
        raise CorruptObject("the shards have other rows than count")
    centroids, queries = decode_model(work.read(work.needed("trained", Trained).model))
    tables = [one.table.copy() for one in built]
    for number, table in enumerate(tables):
        table["shard"] = number
    data = encode_cell_set(
        [one.shard for one in shards],
        np.concatenate(tables),
        centroids.geometry,
        np.concatenate([one.signposts for one in built]),
    )
    cells = decode_cell_set(data, dimension=work.dataset.dimension, metric=work.dataset.metric)
    recall = _recall(work, cells, queries, built)
    outbox = Outbox(work.ports, work.dataset)
    part = outbox.part("cells", data)
    cell_set = CellSetRef(
        key=part.key,
        size=part.size,
        sha256=part.sha256,
        cells=len(cells),
        rows=rows,
        sequence=work.sequence,
        recall=recall,
    )
    entries = in_parallel(lambda one: id_run.decode_run(work.read(one.run)), shards)
    run = outbox.run(id_index.combine(entries, drop_tombstones_up_to=None))
    if run.entries != rows:
        raise CorruptObject("the shards have the same id twice")
    outbox.flush()
    return Product(rows=rows, cell_set=cell_set, run=run)


def _recall(work: IndexRun, cells: CellSet, queries: Queries, built: Sequence[BuiltCells]) -> CellRecall:
    """What is measured, with and without a filter."""
    first = 0
    found: tuple[list[Any], list[Any]] = ([], [])
    for one in built:
        for kind, table in zip(found, (one.nearest, one.filtered), strict=True):
            moved = table.copy()
            moved["cell"] += np.uint32(first)
            kind.append(moved)
        first += len(one.table)
    target = work.dataset.target_recall
    filtered_target = max(target, FILTERED_RECALL)
    places = probe_places(cells.probing, queries)
    needed, needed_filtered = (probes_needed(places, queries, kind, metric=cells.metric) for kind in found)
    plain = least_probes(needed, target)
    filtered = least_probes(needed_filtered, filtered_target)
    return CellRecall(
        target=target,
        measured=plain.measured,
        probes=plain.probes,
        filtered_measured=filtered.measured,
        filtered_probes=filtered.probes,
        filtered_target=filtered_target,
        sure_probes=least_probes(needed, filtered_target).probes,
        samples=len(queries.vectors),
        sampled_at=work.ports.clock(),
    )
