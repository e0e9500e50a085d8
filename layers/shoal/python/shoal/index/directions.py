"""The few directions in which points differ most: where they hold nearly all of it, the others need no products.

Wide vectors of one model vary in far fewer directions than they have values. Which centroid of 948 is nearest to a
row of 768 values (30,000 rows of `tests.benchmarks.import_data.clustered`): 64 directions answer 0.17 % of them
otherwise, 128 directions 0.13 %, with a twelfth and a sixth of the products.
"""

import numpy as np

from shoal.model.records import Vectors

COUNT = 96
FROM_WIDTH = 257
"""Values from which on so few directions pay."""
_POINTS = 4096
"""That are looked at."""
_PASSES = 3
_TINIEST = np.float32(1e-30)


def directions_of(points: Vectors, rng: np.random.Generator) -> tuple[Vectors, float]:
    """Find `COUNT` directions by subspace iteration.

    Halko, Martinsson, Tropp: Finding structure with randomness (2011), algorithm 4.4.

    Args:
        points: float32, shape (n, width), finite, n > 0 and width > COUNT.
        rng: of the start, and of the points where there are many.

    Returns:
        Orthonormal columns, float32, shape (width, COUNT), and which share of the points' squared distance to
        their mean they hold.
    """
    if len(points) > _POINTS:
        points = points[np.sort(rng.choice(len(points), size=_POINTS, replace=False))]
    moved = points - points.mean(axis=0, dtype=np.float64).astype(np.float32)
    moved /= max(_TINIEST, np.abs(moved).max())
    found = rng.standard_normal((points.shape[1], COUNT), dtype=np.float32)
    for _ in range(_PASSES):
        found = np.linalg.qr(moved.T @ (moved @ found))[0]
    directions: Vectors = np.ascontiguousarray(found, dtype=np.float32)
    kept = moved @ directions
    total = float(np.vecdot(moved, moved).sum(dtype=np.float64))
    return directions, float(np.vecdot(kept, kept).sum(dtype=np.float64)) / total if total else 1.0
