"""The best rows of each query, found shard by shard, are those of exact search; what training leaves returns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index import exact
from shoal.index.built_cells import BuiltCells, decode_built, encode_built
from shoal.index.cell_model import decode_model, encode_model
from shoal.index.cell_probes import least_probes, probe_places, probes_needed
from shoal.index.cell_recall import CANDIDATE, candidates, pick_queries
from shoal.index.cell_set import CELL
from shoal.index.centroids import Centroids, centroids_of, tidy
from shoal.index.geometry import geometry_of
from shoal.index.id_index import Hashes
from shoal.index.probing import probing_of
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

METRICS = list(Metric)


def world(metric: Metric, rows: int, *, seed: int = 0) -> tuple[Centroids, Vectors, Hashes]:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((rows, 6)).astype(np.float32)
    geometry = geometry_of(vectors, metric)
    hashes = rng.integers(2**64, size=(rows, 2), dtype=np.uint64)
    return centroids_of(geometry, tidy(geometry, geometry.placed(vectors[:7]))), vectors, hashes


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("filtered", [False, True])
def test_shards_together_hold_the_best_rows(metric: Metric, filtered: bool) -> None:
    centroids, vectors, hashes = world(metric, 30_000)
    queries = pick_queries(centroids, vectors[:12_000], hashes[:12_000], each=30, seed=0)
    assert (len(queries.vectors), queries.rows) == (60, 30)
    found = []
    for start in range(0, len(vectors), 9_000):
        some = slice(start, start + 9_000)
        found.append(
            candidates(
                centroids,
                queries,
                vectors=vectors[some],
                placed=centroids.geometry.placed(vectors[some]),
                hashes=hashes[some],
                cells=np.arange(len(vectors))[some],
                filtered=filtered,
            )
        )
    table = np.concatenate(found)
    chosen = (
        (hashes[:, 1] >> np.uint64(20)) % np.uint64(100) == 0 if filtered else np.ones(30_000, dtype=bool)
    )
    for number, query in enumerate(queries.vectors):
        mine = table[table["query"] == number]
        others = np.flatnonzero(chosen & (hashes != queries.left_out[number]).any(axis=1))
        best, scores = exact.top_k(vectors, query, metric, 10, rows=others)
        order = np.lexsort((mine["cell"], mine["score"] if metric.lower_is_better else -mine["score"]))
        assert mine["cell"][order][:10].tolist() == best.tolist()
        assert np.array_equal(mine["score"][order][:10], scores)


@pytest.mark.parametrize("metric", METRICS)
def test_rows_that_tie_by_the_thousand_are_kept_few(metric: Metric) -> None:
    centroids, vectors, hashes = world(metric, 20_000)
    vectors[:] = vectors[3]
    queries = pick_queries(centroids, vectors, hashes, each=20, seed=0)
    placed = centroids.geometry.placed(vectors)
    cells = np.zeros(len(vectors), dtype=np.int64)
    found = candidates(
        centroids, queries, vectors=vectors, placed=placed, hashes=hashes, cells=cells, filtered=False
    )
    assert np.bincount(found["query"], minlength=40).tolist() == [32] * 40
    probing = probing_of(centroids.geometry, centroids.placed[:1])
    places = probe_places(probing, queries)
    assert least_probes(probes_needed(places, queries, [found], metric=metric), 0.95).measured == 1.0


def test_nothing_to_find_is_found_at_once() -> None:
    centroids, vectors, hashes = world(Metric.L2, 1)
    queries = pick_queries(centroids, vectors, hashes, each=20, seed=0)
    probing = probing_of(centroids.geometry, centroids.placed)
    places = probe_places(probing, queries)
    nothing = np.empty(0, dtype=CANDIDATE)
    probes = least_probes(probes_needed(places, queries, [nothing], metric=Metric.L2), 0.95)
    assert (probes.probes, probes.measured) == (1, 1.0)


@settings(max_examples=40)
@given(st.sampled_from(METRICS), st.data())
def test_what_training_leaves_comes_back_or_is_corrupt(metric: Metric, data: st.DataObject) -> None:
    centroids, vectors, hashes = world(metric, 40)
    queries = pick_queries(centroids, vectors, hashes, each=5, seed=0)
    raw = encode_model(centroids, queries)
    again, asked = decode_model(raw)
    assert again.geometry == centroids.geometry
    assert np.array_equal(again.of_rows(vectors), centroids.of_rows(vectors))
    for name in ("vectors", "left_out", "limits", "rows"):
        assert np.array_equal(getattr(asked, name), getattr(queries, name))
    damaged = bytearray(raw)
    damaged[data.draw(st.integers(0, 400))] ^= data.draw(st.integers(1, 255))
    try:
        decode_model(damaged)
    except CorruptObject:
        return


def test_directions_come_back() -> None:
    centroids, vectors, hashes = world(Metric.L2, 40)
    directions = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 2)))[0].astype(np.float32)
    short = centroids_of(centroids.geometry, centroids.placed, directions=directions)
    queries = pick_queries(short, vectors, hashes, each=5, seed=0)
    again, _ = decode_model(encode_model(short, queries))
    assert np.array_equal(again.directions, directions)
    assert np.array_equal(again.of_rows(vectors), short.of_rows(vectors))


def test_built_cells_come_back() -> None:
    built = BuiltCells(
        np.zeros(2, dtype=CELL),
        np.ones((2, 3), dtype=np.float32),
        np.ones(3, dtype=CANDIDATE),
        np.zeros(0, dtype=CANDIDATE),
    )
    raw = encode_built(built)
    again = decode_built(raw)
    for name in ("table", "signposts", "nearest", "filtered"):
        assert np.array_equal(getattr(again, name), getattr(built, name))
    with pytest.raises(CorruptObject):
        decode_built(raw[:-1])
