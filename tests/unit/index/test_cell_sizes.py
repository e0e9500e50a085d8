"""How many cells there are, and which are split or joined."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.index.cell_sizes import MAX_CELL_BYTES, MAX_CELLS, cell_count, joined, parts_of
from shoal.model.limits import MAX_DIMENSION, MAX_IMPORT_ROWS


@given(st.integers(1, MAX_IMPORT_ROWS), st.integers(1, MAX_DIMENSION))
def test_cells_are_on_average_neither_tiny_nor_too_large(rows: int, dimension: int) -> None:
    count = cell_count(rows, dimension)
    assert 1 <= count <= min(rows, MAX_CELLS)
    mean = rows * dimension * 4 / count
    assert count == 1 or mean >= 32_000
    assert mean <= max(MAX_CELL_BYTES, dimension * 4)


def test_the_measured_data_sets() -> None:
    assert cell_count(400_000, 50) == 1897
    assert cell_count(100_000, 768) == 949


@given(st.integers(1, 10**7), st.integers(4, 16384), st.integers(0, 50_000))
def test_parts_are_small_enough(rows: int, row_bytes: int, record_bytes: int) -> None:
    parts = parts_of(rows, rows * row_bytes, rows * record_bytes)
    assert 1 <= parts <= rows
    # k-means parts have up to twice their share of rows
    assert parts == 1 or 2 * -(-rows // parts) * row_bytes <= MAX_CELL_BYTES + 2 * row_bytes


@given(st.lists(st.integers(0, 1000), min_size=1), st.floats(1, 2000))
def test_only_tiny_cells_join_another(rows: list[int], mean: float) -> None:
    groups = joined(np.array(rows, dtype=np.int64), mean)
    assert groups[0] == 0
    assert set(np.diff(groups).tolist()) <= {0, 1}
    for place in range(1, len(rows)):
        assert (groups[place] == groups[place - 1]) == (rows[place] < mean / 16)
