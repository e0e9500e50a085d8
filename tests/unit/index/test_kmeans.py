"""k-means: as good as its definition asks, even, seeded, and safe for rows that cannot be told apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.index import kmeans
from shoal.index.centroids import centroids_of, short_directions, tidy
from shoal.index.directions import COUNT
from shoal.index.geometry import geometry_of
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

METRICS = list(Metric)


def blobs(rows: int, centers: int, dimension: int, *, seed: int = 0, offset: float = 0.0) -> Vectors:
    """Rows around some centers, far apart from each other."""
    rng = np.random.default_rng(seed)
    middles = 20 * rng.standard_normal((centers, dimension)) + offset
    found = middles[np.arange(rows) % centers] + rng.standard_normal((rows, dimension))
    return np.ascontiguousarray(found, dtype=np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("count", [1, 2, 40, 600])
def test_every_cell_has_rows_and_none_has_far_too_many(metric: Metric, count: int) -> None:
    rows = np.random.default_rng(0).standard_normal((20_000, 8)).astype(np.float32)
    geometry = geometry_of(rows, metric)
    found = kmeans.train(geometry, rows, count, seed=1)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.shape == (count, geometry.width)
    sizes = np.bincount(centroids_of(geometry, found).of_rows(rows), minlength=count)
    assert sizes.min() > 0
    assert sizes.max() <= 5 * sizes.mean()
    assert np.array_equal(found, kmeans.train(geometry, rows, count, seed=1))


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_clusters_that_lie_apart_are_found(offset: float) -> None:
    rows = blobs(3000, 12, 6, offset=offset)
    geometry = geometry_of(rows, Metric.L2)
    labels = centroids_of(geometry, kmeans.train(geometry, rows, 40, seed=0)).of_rows(rows)
    for label in np.unique(labels):
        assert len(set((np.flatnonzero(labels == label) % 12).tolist())) == 1


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(METRICS),
    st.integers(1, 60),
    st.integers(1, 70),
    st.integers(1, 5),
    st.sampled_from([1e-38, 1.0, 1e37]),
    st.integers(0, 2**32),
)
def test_any_sample_gives_finite_centroids_and_labels_in_range(
    metric: Metric, rows: int, count: int, dimension: int, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    sample = rng.integers(-2, 3, size=(rows, dimension)).astype(np.float32) * np.float32(scale)
    geometry = geometry_of(sample, metric)
    found = kmeans.train(geometry, sample, count, seed=seed)
    assert 1 <= len(found) <= min(count, rows)
    assert np.isfinite(found).all()
    labels = centroids_of(geometry, found).of_rows(sample)
    assert labels.min() >= 0
    assert labels.max() < len(found)


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_belongs_to_the_centroid_of_the_definition(metric: Metric) -> None:
    rows = np.random.default_rng(2).standard_normal((3000, 7)).astype(np.float32)
    rows[::50] *= np.float32(1e18)  # far longer than any of the sample
    geometry = geometry_of(rows[1:50], metric)
    found = tidy(geometry, geometry.placed(rows[1:40]))
    labels = centroids_of(geometry, found).of_rows(rows)
    placed = geometry.placed(rows).astype(np.float64)
    products = placed @ found.astype(np.float64).T
    score = products if metric is not Metric.L2 else products - 0.5 * (found.astype(np.float64) ** 2).sum(1)
    chosen = score[np.arange(len(rows)), labels]
    assert (chosen >= score.max(axis=1) - 1e-5 * np.abs(score).max(axis=1)).all()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(METRICS), st.integers(1, 300), st.integers(1, 20), st.booleans(), st.integers(0, 9))
def test_a_cell_is_cut_into_parts_of_about_one_size(
    metric: Metric, rows: int, count: int, same: bool, seed: int
) -> None:
    count = min(count, rows)
    vectors = np.random.default_rng(seed).standard_normal((rows, 4)).astype(np.float32)
    if same:
        vectors[:] = vectors[0]
    geometry = geometry_of(vectors, metric)
    labels = kmeans.split(geometry, geometry.placed(vectors), count, seed=seed)
    sizes = np.bincount(labels)
    assert sizes.sum() == rows
    assert sizes.max() <= 2 * -(-rows // count)


@pytest.mark.parametrize("count", [1, 2, 300, 3000])
def test_the_order_of_centroids_keeps_neighbours_together(count: int) -> None:
    points = np.random.default_rng(0).standard_normal((count, 3)).astype(np.float32)
    order = kmeans.chain(points, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(count))
    if count > 2:
        steps = np.linalg.norm(np.diff(points[order], axis=0), axis=1).mean()
        assert steps < 0.5 * np.linalg.norm(np.diff(points, axis=0), axis=1).mean()


def wide_rows(rows: int, width: int, inner: int, *, seed: int = 0) -> Vectors:
    """Rows that differ in `inner` directions, and a little in all."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((width, inner)))[0].T
    found = rng.standard_normal((rows, inner)) @ axes + 0.001 * rng.standard_normal((rows, width))
    return np.ascontiguousarray(found + rng.standard_normal(width), dtype=np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_wide_rows_of_few_directions_are_compared_in_these(metric: Metric, scale: float) -> None:
    rows = wide_rows(3000, 300, 12) * np.float32(scale)
    geometry = geometry_of(rows, metric)
    found = kmeans.train(geometry, rows, 40, seed=1)
    assert found.shape == (40, geometry.width)
    whole = centroids_of(geometry, found)
    directions = short_directions(whole, geometry.placed(rows[:500]), np.random.default_rng(0))
    assert directions.shape == (geometry.width, COUNT)
    short = centroids_of(geometry, found, directions=directions)
    far = rows.copy()
    far[::100] = np.float32(3e38) * np.sign(far[::100])
    assert (short.of_rows(far) == whole.of_rows(far)).mean() > 0.98
    assert np.bincount(short.of_rows(rows), minlength=40).min() > 0


@pytest.mark.parametrize("metric", METRICS)
def test_wide_rows_of_many_directions_are_compared_in_all(metric: Metric) -> None:
    rows = wide_rows(3000, 300, 299)
    geometry = geometry_of(rows, metric)
    found = kmeans.train(geometry, rows, 250, seed=1)
    assert found.shape == (250, geometry.width)
    whole = centroids_of(geometry, found)
    assert not short_directions(whole, geometry.placed(rows[:500]), np.random.default_rng(0)).size
    assert np.bincount(whole.of_rows(rows), minlength=250).min() > 0


@pytest.mark.parametrize("metric", METRICS)
def test_wide_rows_that_are_all_the_same_have_one_centroid_or_more(metric: Metric) -> None:
    rows = np.ones((100, 300), dtype=np.float32)
    geometry = geometry_of(rows, metric)
    found = kmeans.train(geometry, rows, 5, seed=1)
    assert np.isfinite(found).all()
    assert 1 <= len(found) <= 5
    directions = short_directions(
        centroids_of(geometry, found), geometry.placed(rows), np.random.default_rng(0)
    )
    assert np.isfinite(directions).all()


def test_no_sample_is_a_mistake_of_the_caller() -> None:
    rows = np.ones((1, 3), dtype=np.float32)
    with pytest.raises(ValueError, match="no sample"):
        kmeans.train(geometry_of(rows, Metric.L2), rows[:0], 3, seed=0)
