"""Cells that lie in several shards: none is lost between them, and recall is measured over all."""

import numpy as np
import pytest

from shoal.index import exact
from shoal.index.cell_model import decode_model
from shoal.model.datasets import Metric
from shoal.services.pipeline.cell_work import Trained
from tests.unit.services.imports.cells import open_cells, run_steps, settled_import, stored_cells


def test_recall_is_measured_over_the_cells_of_all_shards() -> None:
    rng = np.random.default_rng(5)
    centers = rng.standard_normal((40, 3072))
    noise = rng.standard_normal((1500, 3072))
    vectors = np.ascontiguousarray(centers[rng.integers(40, size=1500)] + noise, dtype=np.float32)
    made = settled_import(vectors, Metric.L2, chunk_rows=[800, 700])
    product = run_steps(made.work)
    cells = open_cells(made, product)
    assert len(cells.shards) > 1
    placed = [(name, number) for number, cell in enumerate(stored_cells(made, product)) for name in cell]
    assert sorted(name for name, _ in placed) == sorted(made.rows)
    stored = np.stack([np.frombuffer(made.rows[name][0], "<f4") for name, _ in placed])
    cell_of = np.array([number for _, number in placed])
    queries = decode_model(made.work.read(made.work.needed("trained", Trained).model))[1]
    assert product.cell_set is not None
    recall = product.cell_set.recall
    shares = []
    for first, stop in ((0, queries.rows), (queries.rows, len(queries.vectors))):
        hits = 0
        for query in queries.vectors[first:stop]:
            found = exact.top_k(stored, query, Metric.L2, 11)[0].tolist()
            best = [row for row in found if first or (stored[row] != query).any()][:10]
            hits += int(np.isin(cell_of[best], cells.nearest(query, recall.probes)).sum())
        shares.append(hits / (10 * (stop - first)))
    assert recall.measured == pytest.approx(min(shares), abs=0.003)
    assert recall.probes < recall.filtered_probes <= len(cells)
