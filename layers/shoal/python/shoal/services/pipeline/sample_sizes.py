"""How large a sample is wanted: arithmetic, so that whoever plans a run needs no engine."""

from collections.abc import Sequence

from shoal.index.cell_sizes import cell_count, rows_wanted

SAMPLE_ROWS = 131_072
"""Rows that cells are trained on, at most: 32 for each of 4,096 cells."""
SAMPLE_BYTES = 256 * 1000 * 1000
"""Of their vectors: one function holds them a few times over."""


def sample_shares(sizes: Sequence[int], *, dimension: int, rows: int) -> list[int]:
    """How many rows of each piece go into the sample: in proportion to its size, at least one.

    Args:
        sizes: of the pieces, in any unit.
        dimension: length of a vector.
        rows: of all pieces, about: no more than training will want are stored twice.
    """
    useful = rows_wanted(cell_count(max(rows, 1), dimension), dimension)
    wanted = min(SAMPLE_ROWS, SAMPLE_BYTES // (4 * dimension), useful)
    total = max(sum(sizes), 1)
    return [max(wanted * size // total, 1) for size in sizes]
