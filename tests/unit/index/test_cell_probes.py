"""The fewest probes that reach a target, where each of the ten best rows lies in a cell of its own."""

from typing import Any

import numpy as np
import pytest

from shoal.index.cell_probes import least_probes, probe_places, probes_for, probes_needed, rows_for
from shoal.index.cell_recall import CANDIDATE, Queries
from shoal.index.geometry import geometry_of
from shoal.index.probing import probing_of
from shoal.model.datasets import Metric
from shoal.model.manifests import CellRecall


@pytest.mark.parametrize(
    ("target", "probes", "measured"), [(1.0, 10, 1.0), (0.95, 10, 1.0), (0.9, 9, 0.9), (0.5, 5, 0.5)]
)
def test_as_many_cells_are_probed_as_the_target_needs(target: float, probes: int, measured: float) -> None:
    signposts = np.stack([np.arange(20), np.zeros(20)], axis=1).astype(np.float32)
    probing = probing_of(geometry_of(signposts, Metric.L2), signposts)
    queries = Queries(
        vectors=np.zeros((1, 2), dtype=np.float32),
        left_out=np.zeros((1, 2), dtype=np.uint64),
        rows=1,
        limits=np.full(1, -np.inf, dtype=np.float32),
    )
    found = np.zeros(12, dtype=CANDIDATE)
    found["cell"], found["score"] = np.arange(12), np.arange(12)
    places = probe_places(probing, queries)
    answer = least_probes(probes_needed(places, queries, [found[6:], found[:6]], metric=Metric.L2), target)
    assert answer.probes == probes
    assert answer.measured == pytest.approx(measured)


def calibrated(**fields: Any) -> CellRecall:
    given: dict[str, Any] = {
        "target": 0.95,
        "measured": 0.95,
        "probes": 10,
        "filtered_measured": 0.99,
        "filtered_probes": 60,
        "samples": 10,
        "sampled_at": 0.0,
    }
    return CellRecall(**given | fields)


def test_the_fewer_rows_a_filter_leaves_the_more_cells_are_probed() -> None:
    recall = calibrated(filtered_target=0.99, sure_probes=20)
    assert [probes_for(recall, share) for share in (1.0, 0.1, 0.01, 1e-9, 0.0)] == [20, 40, 60, 60, 60]
    assert probes_for(calibrated(filtered_target=0.99, sure_probes=80), 0.01) == 80, (
        "never fewer than without"
    )
    assert rows_for(recall, 200) == 60 * 2


def test_an_old_calibration_was_for_another_target() -> None:
    assert [probes_for(calibrated(), share) for share in (1.0, 0.01)] == [30, 180]
