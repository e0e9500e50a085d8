"""How many cells, how large, and how one is searched: decisions with the measurements that they rest on.

400,000 x 50 GloVe vectors: probes that find 95 % of the best ten of 500 rows and of 500 midpoints of rows (the
worse of the two), and the share of all rows in them; means of three clusterings::

    cells         400     632     1,000    1,265    1,600    2,000
    l2     probes  55      62       88       86      113      135     share 18 %  13 %  12 %  9.2 %  8.8 %  8.4 %
    cosine probes  40      53       68       80       99      116     share 11 %  9.5 % 7.7 % 7.1 %  6.7 %  6.3 %

100,000 x 768 in 1,000 generated clusters, l2: 100 cells 12 probes, 72 MB; 316 cells 9 probes, 35 MB; 500 cells
3 probes, 10 MB; 632 cells 2 probes, 4 MB. Queries that are rows need fewer: 5 % of GloVe at 1,600 cells.

So 3 sqrt(rows) keeps a cold query below a tenth of GloVe; more cells would read little less with more requests.

A second copy of rows near a border (to the second nearest centroid, where its squared distance is at most 1.03,
1.1 or 2 times the nearest's) does not pay. GloVe, l2, 1,581 cells: 95 probes and 7.7 % without; 83 probes and
8.6 % of the rows' bytes with 1.23 times the rows stored; 60 and 8.2 % with 1.56 times; 49 and 8.5 % with twice.
Fewer cells are read, but not fewer bytes.

A cell is scanned exactly, from its raw rows; there is no second copy of them and no graph. Milliseconds of
processor time a query, l2, one thread (`exact.top_k` with kept norms; hnswlib's `BFIndex`; its graph, M 16,
ef_construction 200, ef 50), and milliseconds to build::

    rows x dimension    exact    BFIndex (build)    graph (build)
        500 x 50        0.031    0.009 (0.3)        0.023 (22)
      4,000 x 50        0.123    0.044 (0.7)        0.034 (404)
     40,000 x 50        0.86     0.38  (4.9)        0.063 (8,822)
        300 x 768       0.089    0.050 (0.9)        0.066 (29)
      2,700 x 768       0.20     0.40  (1.1)        0.19  (1,283)
      4,000 x 768       0.30     0.59  (1.5)        0.26  (2,860)

A graph never earns its build in a cell of up to 8 MB. `BFIndex` saves 2 ms of 3 over a hundred cells of 500 x 50,
is slower on wide rows, needs a copy of every row (+4 % bytes), and gives scores of its own rounding.
"""

import math

import numpy as np
from numpy.typing import NDArray

_A_ROOT = 3.0
_MEAN_BYTES = 2 * 1000 * 1000
"""Vector bytes of a cell on average, at most: the largest have about four times as many."""
_LEAST_BYTES = 32 * 1000
"""Vector bytes of a cell on average, at least: a request for less takes as long."""
MAX_CELL_BYTES = 8 * 1000 * 1000
"""Vector bytes of a cell (design: sizes); larger ones are split."""
MAX_CELL_RECORD_BYTES = 64 * 1000 * 1000
"""Bytes of a cell's records (ids, metadata, namespaces, documents), for which the same holds: a query reads the
records of a cell whole where one of its rows is shown."""
_TINY = 1 / 16
MAX_CELLS = 50_000

ROWS_EACH = 64
_WIDE_ROWS_EACH = 32
_WIDE = 256
"""Rows of the sample for each centroid, of up to 256 values or wider: more cost time and hardly move them. Nor do
more rounds: GloVe, cosine, 1,895 cells, probes for 95 % of the best ten of 800 words held out and 800 midpoints,
means of two: 8 rounds 80 and 111, 5 rounds 80 and 112; 6 rounds over 40 rows each 82 and 121."""


def cell_count(rows: int, dimension: int) -> int:
    """How many cells `rows` vectors are cut into."""
    total = rows * dimension * 4
    wanted = max(_A_ROOT * math.sqrt(rows), total / _MEAN_BYTES)
    return max(1, min(round(wanted), total // _LEAST_BYTES, MAX_CELLS, rows))


def rows_wanted(count: int, width: int) -> int:
    """Rows of a sample that are enough for `count` centroids of `width` values."""
    return count * (ROWS_EACH if width <= _WIDE else _WIDE_ROWS_EACH)


def parts_of(rows: int, vector_bytes: int, record_bytes: int) -> int:
    """Into how many parts a cell is split, so that each is small enough; 1 where it is."""
    if vector_bytes <= MAX_CELL_BYTES and record_bytes <= MAX_CELL_RECORD_BYTES:
        return 1
    # twice as many: parts are of about, not of exactly the same size
    wanted = 2 * max(vector_bytes / MAX_CELL_BYTES, record_bytes / MAX_CELL_RECORD_BYTES)
    return min(rows, math.ceil(wanted))


def joined(rows: NDArray[np.int64], mean_rows: float) -> NDArray[np.int64]:
    """Which neighbouring cells become one: a tiny cell joins the one before it.

    Args:
        rows: of cells in an order in which neighbours are near: int64, shape (n,).
        mean_rows: of a cell.

    Returns:
        For each cell the number of the one that it becomes part of, ascending from 0: int64, shape (n,).
    """
    alone = rows >= _TINY * mean_rows
    alone[:1] = True
    return np.cumsum(alone) - 1
