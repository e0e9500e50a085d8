"""The steps from settled rows to cells: every row in exactly one cell as it was sent, and recall as measured."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shoal.errors import CorruptObject, ImportStopped
from shoal.index import exact
from shoal.index.cell_model import decode_model
from shoal.index.cell_probes import K
from shoal.index.cell_recall import Queries
from shoal.index.cell_sizes import MAX_CELL_BYTES
from shoal.model.datasets import Metric
from shoal.model.import_work import ChunkRecord, Product
from shoal.model.imports import ImportStatus
from shoal.model.records import Vectors
from shoal.services.pipeline.assign import assign
from shoal.services.pipeline.cell_work import Assigned, Trained
from shoal.services.pipeline.group import group
from shoal.services.pipeline.train import train
from shoal.storage.memory.faults import AtCall, Fault, Faults, SimulatedCrash
from shoal.storage.ports import Assign
from tests.unit.services.imports.cells import (
    items_of,
    open_cells,
    run_steps,
    settled_import,
    stored_cells,
)

METRICS = list(Metric)
CLUSTERED = 4000


def clustered(rows: int, dimension: int, *, seed: int = 0) -> Vectors:
    rng = np.random.default_rng(seed)
    centers = 3 * rng.standard_normal((20, dimension))
    found = centers[rng.integers(20, size=rows)] + rng.standard_normal((rows, dimension))
    return np.ascontiguousarray(found, dtype=np.float32)


def merged(cells: list[dict[str, tuple[bytes, bytes]]]) -> dict[str, tuple[bytes, bytes]]:
    found: dict[str, tuple[bytes, bytes]] = {}
    for cell in cells:
        assert not found.keys() & cell.keys()
        found |= cell
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_every_row_lies_in_exactly_one_cell_as_it_was_sent(metric: Metric) -> None:
    vectors = clustered(CLUSTERED, 48)
    made = settled_import(
        vectors, metric, chunk_rows=[1500, 0, 1, 2499], dropped=[0, 7, 1500, *range(3000, 3200)]
    )
    product = run_steps(made.work)
    cells = stored_cells(made, product)
    assert merged(cells) == made.rows
    assert product.rows == len(made.rows)
    assert 5 < len(cells) <= 24
    assert product.cell_set is not None
    assert product.cell_set.cells == len(cells)
    assert product.cell_set.sequence == 5
    assert all(cells)
    job = made.work.fresh()
    assert (job.stage, job.done, job.total) == ("building", 1, 1)


def best_ten(vectors: Vectors, query: Vectors, metric: Metric, without: int) -> list[int]:
    rows = exact.top_k(vectors, query, metric, K + 1)[0]
    return [row for row in rows.tolist() if row != without][:K]


@pytest.mark.parametrize("metric", METRICS)
def test_measured_recall_is_what_exact_search_says(metric: Metric) -> None:
    vectors = clustered(CLUSTERED, 48, seed=3)
    made = settled_import(vectors, metric, chunk_rows=[CLUSTERED])
    product = run_steps(made.work)
    assert product.cell_set is not None
    recall, cells = product.cell_set.recall, open_cells(made, product)
    names = [name for cell in stored_cells(made, product) for name in cell]
    cell_of = np.repeat(np.arange(len(cells)), cells.table["rows"])
    stored = np.concatenate([np.frombuffer(made.rows[name][0], "<f4").reshape(1, -1) for name in names])
    queries = decode_model(made.work.read(made.work.needed("trained", Trained).model))[1]
    measured = [
        share_found(stored, metric, queries, kind, cells.nearest, cell_of, recall.probes)
        for kind in (range(queries.rows), range(queries.rows, len(queries.vectors)))
    ]
    assert recall.measured == pytest.approx(min(measured), abs=0.002)
    assert recall.measured >= recall.target == 0.95
    assert recall.samples == len(queries.vectors) == 800
    fewer = [
        share_found(stored, metric, queries, kind, cells.nearest, cell_of, recall.probes - 1)
        for kind in (range(queries.rows), range(queries.rows, len(queries.vectors)))
    ]
    assert recall.probes == 1 or min(fewer) < 0.952
    assert recall.filtered_probes >= recall.probes
    assert recall.filtered_measured >= 0.95


def share_found(
    stored: Vectors,
    metric: Metric,
    queries: Queries,
    numbers: Iterable[int],
    nearest: Callable[[Vectors, int], NDArray[np.int64]],
    cell_of: NDArray[np.int64],
    probes: int,
) -> float:
    """Recall of some queries by brute force over the stored rows."""
    hits = total = 0
    for number in numbers:
        query = queries.vectors[number]
        same = np.flatnonzero((stored == query).all(axis=1)) if number < queries.rows else np.array([-1])
        best = best_ten(stored, query, metric, int(same[0]))
        hits += int(np.isin(cell_of[best], nearest(query, probes)).sum())
        total += len(best)
    return hits / total


@pytest.mark.parametrize("metric", METRICS)
def test_steps_may_be_repeated(metric: Metric) -> None:
    vectors = clustered(900, 24)
    made = settled_import(vectors, metric, chunk_rows=[400, 500])
    product = run_steps(made.work, times=3)
    assert merged(stored_cells(made, product)) == made.rows
    assert run_steps(made.work) == product


def test_attempts_that_run_at_once_give_the_rows_of_one() -> None:
    """The second attempt began before the first had recorded anything."""
    vectors = clustered(900, 24)
    made = settled_import(vectors, Metric.L2, chunk_rows=[400, 500])
    items = items_of(made.work, train(made.work, {}))
    key = made.work.keys.work("assign-000000.json")
    for item in items:
        assign(made.work, item)
    first = made.world.objects.get(key)
    made.world.objects.delete([key])
    for item in items:
        assign(made.work, item)
    assert made.world.objects.get(key) != first  # a late record of either attempt serves
    made.world.objects.put(key, first)
    assert merged(stored_cells(made, run_steps(made.work))) == made.rows


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_process_may_die_at_any_call(fault: Fault) -> None:
    """A fresh attempt after each death ends with the same rows."""
    vectors = clustered(300, 24)
    for number in range(0, 10_000, 3):
        made = settled_import(vectors, Metric.COSINE, chunk_rows=[150, 150])
        faults = Faults(AtCall(number, fault))
        try:
            product = run_steps(replace(made.work, ports=made.world.process(faults)))
        except SimulatedCrash:
            product = run_steps(made.work)
            assert merged(stored_cells(made, product)) == made.rows
        else:
            assert merged(stored_cells(made, product)) == made.rows
            assert number > 30
            return


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["same", "huge", "mixed", "tiny", "one"])
def test_extreme_vectors_break_nothing(metric: Metric, kind: str) -> None:
    """Equal rows, rows near the ends of float32, lengths of all sizes, a single row."""
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((600, 24)).astype(np.float32)
    match kind:
        case "same":
            vectors[:] = vectors[0]
        case "huge":
            vectors *= np.float32(3e37)
        case "tiny":
            vectors *= np.float32(1e-38)
        case "mixed":
            vectors *= np.float32(10) ** rng.integers(-30, 30, size=(600, 1)).astype(np.float32)
        case _:
            vectors = vectors[:1]
    made = settled_import(vectors, metric, chunk_rows=[len(vectors)], sample_rows=100)
    with np.errstate(invalid="raise"):
        product = run_steps(made.work)
    assert merged(stored_cells(made, product)) == made.rows
    assert product.cell_set is not None
    recall = product.cell_set.recall
    assert 1 <= recall.probes <= product.cell_set.cells
    assert 0 <= recall.measured <= 1
    cells = open_cells(made, product)
    assert sorted(cells.nearest(vectors[0], len(cells)).tolist()) == list(range(len(cells)))


def test_cells_of_rows_that_cannot_be_told_apart_are_cut_to_size() -> None:
    vectors = np.ones((600, 4096), dtype=np.float32)
    made = settled_import(vectors, Metric.COSINE, chunk_rows=[600])
    product = run_steps(made.work)
    assert merged(stored_cells(made, product)) == made.rows
    cells = open_cells(made, product)
    assert len(cells) > 1
    assert int(cells.table["rows"].max()) * 4 * 4096 <= MAX_CELL_BYTES
    assert product.cell_set is not None
    assert product.cell_set.recall.measured >= 0.95


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(METRICS),
    st.lists(st.integers(0, 60), min_size=1, max_size=6),
    st.integers(1, 40),
    st.data(),
)
def test_any_cut_of_the_file_gives_the_same_rows(
    metric: Metric, chunk_rows: list[int], dimension: int, data: st.DataObject
) -> None:
    total = sum(chunk_rows)
    dropped = data.draw(st.sets(st.integers(0, max(total - 1, 0)), max_size=max(total - 1, 0)))
    if not total or len(dropped) >= total:
        return
    made = settled_import(clustered(total, dimension), metric, chunk_rows=chunk_rows, dropped=sorted(dropped))
    assert merged(stored_cells(made, run_steps(made.work))) == made.rows


def test_an_import_that_has_ended_is_not_worked_on() -> None:
    made = settled_import(clustered(100, 8), Metric.L2, chunk_rows=[100])
    made.work.update(Assign("status", ImportStatus.FAILED.value))
    with pytest.raises(ImportStopped):
        train(made.work, {})
    assert made.work.recorded("product", Product) is None


def test_damaged_blocks_are_seen() -> None:
    made = settled_import(clustered(200, 8), Metric.L2, chunk_rows=[200])
    for item in items_of(made.work, train(made.work, {})):
        assign(made.work, item)
    key = made.work.needed("assign-000000", Assigned).blocks.key
    data = bytearray(made.world.objects.get(key))
    data[100] ^= 1
    made.world.objects.put(key, bytes(data))
    group(made.work, {})
    with pytest.raises(CorruptObject, match="checksum"):
        run_steps(made.work)


def test_a_chunk_without_rows_is_not_assigned() -> None:
    made = settled_import(clustered(200, 8), Metric.L2, chunk_rows=[200, 0])
    train(made.work, {})
    with pytest.raises(CorruptObject, match="no rows"):
        assign(made.work, {"number": 9, "pieces": [1]})
    assert made.work.needed("chunk-000001", ChunkRecord).columns is None
