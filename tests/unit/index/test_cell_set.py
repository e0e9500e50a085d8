"""Cell sets: they come back, find the nearest cells, and are refused where they contradict themselves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import CorruptObject
from shoal.index import cell_set
from shoal.index.cell_set import CellSet, decode_cell_set, encode_cell_set
from shoal.index.checksums import digest128
from shoal.index.container import pack, unpack
from shoal.index.geometry import Geometry
from shoal.index.probing import GRAPH_FROM
from shoal.index.shard import CELL_RECORDS_FILE, VECTORS_FILE
from shoal.model.datasets import Metric
from shoal.model.records import Vectors
from tests.unit.index.cell_worlds import Cells, make_cells

METRICS = list(Metric)
SIZES = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=4)


def encoded(cells: Cells) -> bytes:
    return encode_cell_set(cells.shards, cells.table, cells.geometry, cells.signposts)


def decoded(cells: Cells) -> CellSet:
    return decode_cell_set(encoded(cells), dimension=cells.geometry.dimension, metric=cells.geometry.metric)


@given(st.sampled_from(METRICS), SIZES, st.integers(0, 2**32))
def test_a_cell_set_comes_back(metric: Metric, sizes: list[list[int]], seed: int) -> None:
    cells = make_cells(metric, sizes, seed=seed)
    found = decoded(cells)
    assert found.shards == cells.shards
    assert np.array_equal(found.table, cells.table)
    assert np.array_equal(found.probing.signposts, cells.signposts)
    assert (found.metric, found.dimension, len(found)) == (metric, 3, len(cells.cells))
    assert found.memory_bytes > 0


@given(SIZES)
def test_each_row_lies_in_the_cell_whose_bytes_hold_it(sizes: list[list[int]]) -> None:
    cells = make_cells(Metric.L2, sizes)
    found = decoded(cells)
    expected = iter(range(len(found)))
    for number, shard in enumerate(sizes):
        assert found.shard_number(f"s{number}") == number
        for rows in shard:
            cell = next(expected)
            first = int(found.table["first_row"][cell])
            assert {found.cell_of(number, row) for row in range(first, first + rows)} == {cell}
            start, stop = found.vectors_range(cell)
            raw = cells.files[number][VECTORS_FILE][start:stop]
            assert raw == cells.cells[cell].tobytes()
            assert digest128(raw) == found.table["vectors_digest"][cell].tobytes()
            start, stop = found.records_range(cell)
            block = cells.files[number][CELL_RECORDS_FILE][start:stop]
            assert digest128(block) == found.table["records_digest"][cell].tobytes()
        with pytest.raises(CorruptObject, match="no row"):
            found.cell_of(number, sum(shard))
    assert found.shard_number("another") is None


def by_definition(geometry: Geometry, placed: Vectors, query: Vectors) -> Any:
    """How far each cell is, in float64: distance under l2, the opposite of the product otherwise."""
    aimed = geometry.aimed(query).astype(np.float64)
    if geometry.metric is Metric.DOT:
        aimed[-1] = np.linalg.norm(aimed[:-1])
    wide = placed.astype(np.float64)
    return ((wide - aimed) ** 2).sum(axis=1) if geometry.metric is Metric.L2 else -(wide @ aimed)


@settings(max_examples=60)
@given(
    st.sampled_from(METRICS),
    st.integers(1, 30),
    st.integers(0, 35),
    st.sampled_from([0.0, 1e4]),
    st.integers(0, 2**32),
)
def test_the_nearest_cells_are_those_of_the_definition(
    metric: Metric, count: int, wanted: int, offset: float, seed: int
) -> None:
    cells = make_cells(metric, [[1] * count], seed=seed)
    placed = cells.signposts
    if metric is Metric.L2:
        placed = placed + np.float32(offset)  # far from the origin |c|² - 2cq would drown
    found = decoded(replace(cells, signposts=placed))
    query = np.random.default_rng(seed).standard_normal(3).astype(np.float32)
    query += np.float32(offset)
    nearest = found.nearest(query, wanted)
    far = by_definition(cells.geometry, placed, query)
    assert len(set(nearest.tolist())) == len(nearest) == min(wanted, count)
    tolerance = 1e-4 * (np.abs(far).max() if metric is not Metric.L2 else far.max() - far.min() + 1)
    assert np.allclose(far[nearest], np.sort(far)[: len(nearest)], atol=tolerance)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30, 3e38])
def test_queries_of_any_length_find_every_cell(metric: Metric, scale: float) -> None:
    found = decoded(make_cells(metric, [[2, 2, 2]]))
    query = np.array([1, -1, 0.5], dtype=np.float32) * np.float32(scale)
    with np.errstate(all="raise", under="ignore"):
        assert sorted(found.nearest(query, 5).tolist()) == [0, 1, 2]


@pytest.mark.parametrize("metric", METRICS)
def test_many_signposts_are_found_through_their_graph(metric: Metric) -> None:
    cells = make_cells(metric, [[1] * GRAPH_FROM], dimension=6)
    data = encoded(cells)
    assert "graph" in unpack(cell_set.KIND, data, versions=(1,)).sections
    found = decode_cell_set(data, dimension=6, metric=metric)
    queries = np.random.default_rng(1).standard_normal((40, 6)).astype(np.float32)
    hits = 0
    for query in queries:
        true = np.argsort(by_definition(cells.geometry, cells.signposts, query))[:20]
        hits += len(set(true.tolist()) & set(found.nearest(query, 20).tolist()))
        assert len(found.nearest(query, GRAPH_FROM)) == GRAPH_FROM
    assert hits >= 0.98 * 20 * len(queries)


def damaged(change: Callable[[Any], None]) -> bytes:
    """A cell set whose table was changed."""
    cells = make_cells(Metric.L2, [[2, 3], [4]])
    container = unpack(cell_set.KIND, encoded(cells), versions=(1,))
    table = cells.table.copy()
    change(table)
    sections = {**container.sections, "table": memoryview(table.tobytes())}
    return pack(cell_set.KIND, 1, {**container.attributes, "cells": len(table)}, sections)


def put(name: str, cell: int, value: int) -> Callable[[Any], None]:
    def change(table: Any) -> None:
        table[name][cell] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("shard", 1, 1),
        put("shard", 2, 2),
        put("shard", 0, 1),
        put("first_row", 0, 1),
        put("first_row", 1, 1),
        put("first_row", 2, 5),
        put("rows", 0, 0),
        put("rows", 0, 3),
        put("rows", 2, 5),
        put("records_start", 1, 2**63),
        put("records_start", 1, 0),
        put("records_size", 2, 2**32 - 1),
    ],
)
def test_a_table_that_contradicts_itself_is_corrupt(change: Callable[[Any], None]) -> None:
    with pytest.raises(CorruptObject):
        decode_cell_set(damaged(change), dimension=3, metric=Metric.L2)


def test_signposts_that_are_not_numbers_or_too_long_are_corrupt() -> None:
    cells = make_cells(Metric.L2, [[2, 3]])
    for value in (np.nan, np.inf, 1e30):
        placed = cells.signposts.copy()
        placed[1, 1] = value
        with pytest.raises(CorruptObject, match="signpost"):
            encoded(replace(cells, signposts=placed))


def test_another_dimension_or_metric_is_corrupt() -> None:
    data = encoded(make_cells(Metric.L2, [[2, 3]]))
    for dimension, metric in ((4, Metric.L2), (3, Metric.DOT)):
        with pytest.raises(CorruptObject, match="metric"):
            decode_cell_set(data, dimension=dimension, metric=metric)


def test_shards_with_other_files_or_twice_are_corrupt() -> None:
    cells = make_cells(Metric.L2, [[2], [2]])
    first, second = cells.shards
    other = second.model_copy(update={"files": {VECTORS_FILE: second.files[VECTORS_FILE]}})
    for shards in ((first, first), (first, other), (first,), (first, second, second), ()):
        with pytest.raises(CorruptObject):
            encoded(replace(cells, shards=shards))


@settings(max_examples=100)
@given(st.data())
def test_a_damaged_cell_set_is_corrupt_and_nothing_worse(data: st.DataObject) -> None:
    raw = bytearray(encoded(make_cells(Metric.DOT, [[2, 3], [4]])))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    size = data.draw(st.integers(0, len(raw)) | st.just(len(raw)))
    try:
        found = decode_cell_set(raw[:size], dimension=3, metric=Metric.DOT)
    except CorruptObject:
        return
    assert len(found.nearest(np.ones(3, dtype=np.float32), 3)) == 3
