"""The fewest probes that reach a target, where each of the ten best rows lies in a cell of its own."""

import numpy as np
import pytest

from shoal.index.cell_probes import least_probes, probe_places
from shoal.index.cell_recall import CANDIDATE, Queries
from shoal.index.geometry import geometry_of
from shoal.index.probing import probing_of
from shoal.model.datasets import Metric


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
    answer = least_probes(places, queries, [found[6:], found[:6]], metric=Metric.L2, target=target)
    assert answer.probes == probes
    assert answer.measured == pytest.approx(measured)
