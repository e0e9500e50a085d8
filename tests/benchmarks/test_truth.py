"""The exact answers that recall is measured against."""

import numpy as np
import pytest

from tests.benchmarks.truth import nearest, recall


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_the_nearest_are_those_of_the_definition(metric: str) -> None:
    random = np.random.default_rng(5)
    stored = random.standard_normal((300, 8)).astype(np.float32) * random.uniform(0.5, 2, (300, 1)).astype(
        "f4"
    )
    queries = random.standard_normal((70, 8)).astype(np.float32)
    found = nearest(stored, queries, metric=metric, k=5)
    for query, places in zip(queries.astype(float), found, strict=True):
        if metric == "l2":
            far = [float(((row - query) ** 2).sum()) for row in stored.astype(float)]
        else:
            far = [float(-(row @ query) / np.linalg.norm(row)) for row in stored.astype(float)]
        assert set(places.tolist()) == set(np.argsort(far)[:5].tolist())


def test_recall_is_the_share_of_the_true_answers() -> None:
    truth = np.array([[0, 1], [2, 3]])
    assert recall([["a", "b"], ["c", "x"]], truth, "abcd") == 0.75
